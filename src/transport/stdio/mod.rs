//! Between git's descriptors and the channel.
//!
//! Plain read(2) and write(2): tokio's stdin and stdout cost four to six times the CPU. The
//! descriptors' flags are never touched, since other processes share them. What the server sends
//! faster than git reads is queued up to a limit, so that the other direction continues.

mod backpressure;
mod descriptor;
mod input;
mod output;

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::context::Context;
use crate::storage;
use crate::transport::Error;

pub(super) use input::Input;
pub(super) use output::{Gone, Output};

/// What a session reads from and writes to.
#[derive(Debug)]
pub struct Streams {
    /// git's bytes for the server. `None`: there are none (`-n`).
    pub input: Option<File>,
    /// The channel's stdout.
    pub output: File,
    /// The channel's stderr.
    pub errors: File,
    /// These are the process's own 0, 1 and 2: closing `output` closes 1 as well.
    pub(in crate::transport) standard: bool,
}

impl Streams {
    /// Duplicates of the process's own; a closed one is the null device (the standard library
    /// sees to that at start). `no_stdin`: nothing is read (`-n`).
    ///
    /// # Errors
    ///
    /// [`Error::Local`] if a descriptor cannot be duplicated.
    pub fn standard(no_stdin: bool) -> Result<Self, Error> {
        let duplicates = || {
            let input = (!no_stdin).then(|| duplicate(io::stdin())).transpose()?;
            Ok((input, duplicate(io::stdout())?, duplicate(io::stderr())?))
        };
        let (input, output, errors) = duplicates()
            .map_err(|error| Error::local("cannot use the standard streams", &error))?;
        Ok(Self {
            input,
            output,
            errors,
            standard: true,
        })
    }

    /// Descriptors of the caller's.
    pub fn of(input: Option<File>, output: File, errors: File) -> Self {
        Self {
            input,
            output,
            errors,
            standard: false,
        }
    }

    /// No input, and nameless files for output that is of no interest.
    ///
    /// # Errors
    ///
    /// [`Error::Local`] if such a file cannot be created.
    pub fn discarding(context: &Context) -> Result<Self, Error> {
        let folder = context.temporary_directory();
        let file = || {
            storage::nameless_file(&folder)
                .map_err(|error| Error::local("cannot use a temporary file", &error))
        };
        Ok(Self::of(None, file()?, file()?))
    }
}

/// The two outputs of a session. Clones write to the same descriptors.
#[derive(Debug, Clone)]
pub(super) struct Outputs {
    pub output: Output,
    pub errors: Output,
    /// The channel's stdout has sent a byte.
    pub answered: Arc<AtomicBool>,
}

impl Outputs {
    /// Takes the descriptors over. `standard`: `output` is the process's own 1. Inside a runtime.
    pub(super) fn new(output: File, errors: File, standard: bool) -> io::Result<Self> {
        Ok(Self {
            output: Output::new(output, standard)?,
            errors: Output::new(errors, false)?,
            answered: Arc::default(),
        })
    }

    /// [`Output::sending`] on both.
    pub(super) fn sending(&self, sending: bool) {
        self.output.sending(sending);
        self.errors.sending(sending);
    }

    /// [`Output::release`] on both.
    pub(super) fn release(&self) {
        self.output.release();
        self.errors.release();
    }
}

#[cfg(unix)]
fn duplicate(stream: impl std::os::fd::AsFd) -> io::Result<File> {
    stream.as_fd().try_clone_to_owned().map(File::from)
}

#[cfg(windows)]
fn duplicate(stream: impl std::os::windows::io::AsHandle) -> io::Result<File> {
    stream.as_handle().try_clone_to_owned().map(File::from)
}

/// Writes a held-back denial to stdout and stderr, byte for byte. Closed descriptors are ignored.
pub fn replay(stdout: &[u8], stderr: &[u8]) {
    let mut errors = std::io::stderr().lock();
    let _ = errors.write_all(stderr).and_then(|()| errors.flush());
    let mut output = std::io::stdout().lock();
    let _ = output.write_all(stdout).and_then(|()| output.flush());
}
