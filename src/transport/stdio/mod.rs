//! Between git's descriptors and the channel.
//!
//! Plain read(2) and write(2): tokio's stdin and stdout cost four to six times the CPU. The
//! descriptors' flags are never touched, since other processes share them. What the server sends
//! faster than git reads is queued up to a bound, so that the other direction goes on.

mod backpressure;
mod descriptor;
mod input;
mod output;

use std::fs::File;
use std::io::{self, Write as _};

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
    pub fn standard(no_stdin: bool) -> io::Result<Self> {
        Ok(Self {
            input: if no_stdin {
                None
            } else {
                Some(duplicate(io::stdin())?)
            },
            output: duplicate(io::stdout())?,
            errors: duplicate(io::stderr())?,
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
}

#[cfg(unix)]
fn duplicate(stream: impl std::os::fd::AsFd) -> io::Result<File> {
    stream.as_fd().try_clone_to_owned().map(File::from)
}

#[cfg(windows)]
fn duplicate(stream: impl std::os::windows::io::AsHandle) -> io::Result<File> {
    stream.as_handle().try_clone_to_owned().map(File::from)
}

/// Writes to stdout and stderr, byte for byte. Who has gone is not told.
pub fn replay(stdout: &[u8], stderr: &[u8]) {
    let mut errors = std::io::stderr().lock();
    let _ = errors.write_all(stderr).and_then(|()| errors.flush());
    let mut output = std::io::stdout().lock();
    let _ = output.write_all(stdout).and_then(|()| output.flush());
}
