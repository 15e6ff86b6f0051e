//! Where lines go: stderr, or the file of `-E`. Each line is one write.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use super::progress;
use crate::text::fence;

static FILE: OnceLock<Mutex<File>> = OnceLock::new();

/// A place for lines.
pub(super) struct Sink(Option<&'static Mutex<File>>);

impl Sink {
    /// The file of `-E`, else stderr.
    pub(super) fn current() -> Self {
        Self(FILE.get())
    }

    /// stderr, whatever `-E` says.
    pub(super) fn stderr() -> Self {
        Self(None)
    }

    /// Writes the message, fenced, and a line feed at once. A failure to write is ignored.
    pub(super) fn line(&self, text: &str) {
        self.text(&format!("{}\n", fence(text)));
    }

    /// Writes the text as it is.
    pub(super) fn text(&self, text: &str) {
        let _ = match self.0 {
            Some(file) => match file.lock() {
                Ok(mut file) => file.write_all(text.as_bytes()),
                Err(_) => Ok(()),
            },
            None => write_stderr(text.as_bytes()),
        };
    }
}

/// Appends to the file from now on; it is made (0600, as ssh does) where it does not exist.
pub(super) fn use_file(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let _ = FILE.set(Mutex::new(options.open(path)?));
    Ok(())
}

/// Writes to stderr, on a line of its own where something is shown that moves.
pub(super) fn write_stderr(bytes: &[u8]) -> io::Result<()> {
    progress::aside(|| raw_stderr(bytes))
}

/// Writes to stderr past the standard library's lock, which `git bitbucket` holds while it runs and
/// other threads would wait for.
#[cfg(unix)]
pub(super) fn raw_stderr(mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(rustix::stdio::stderr(), bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn raw_stderr(bytes: &[u8]) -> io::Result<()> {
    io::stderr().write_all(bytes)
}
