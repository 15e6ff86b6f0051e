//! The three descriptors of a session, as values: the process's own, or a test's.

use std::fs::File;
use std::io;

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
