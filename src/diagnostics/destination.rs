//! Where lines go besides stderr: the values of GIT_TRACE (git(1)) and GIT_TRACE2, and the file of
//! `-E`. Each line is one write.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::terminal;

/// An open destination.
#[derive(Debug)]
pub(super) enum Destination {
    Stderr,
    File(Mutex<File>),
}

/// What a value of a variable names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Empty, `0` or `false`.
    Off,
    /// `1`, `2` or `true`.
    Stderr,
    /// `3` to `9`: a descriptor of the caller's.
    Descriptor(i32),
    /// An absolute path.
    Path(PathBuf),
    /// Nothing that git knows.
    Unknown,
}

impl Target {
    pub(super) fn of(value: &OsStr) -> Self {
        let word = value.to_str().unwrap_or_default();
        match word.as_bytes() {
            _ if value.is_empty() => Self::Off,
            b"0" => Self::Off,
            b"1" | b"2" => Self::Stderr,
            [digit @ b'3'..=b'9'] => Self::Descriptor(i32::from(digit - b'0')),
            _ if word.eq_ignore_ascii_case("false") => Self::Off,
            _ if word.eq_ignore_ascii_case("true") => Self::Stderr,
            _ if Path::new(value).is_absolute() => Self::Path(value.into()),
            _ => Self::Unknown,
        }
    }
}

impl Destination {
    /// Appends to a file, which is created where it does not exist.
    pub(super) fn append(path: &Path) -> io::Result<Self> {
        Self::open(OpenOptions::new().append(true).create(true), path)
    }

    /// The file of `-E`, created as ssh does it: only the user can read it.
    pub(super) fn append_private(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Self::open(&options, path)
    }

    /// A file that did not exist before.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        Self::open(OpenOptions::new().write(true).create_new(true), path)
    }

    /// A descriptor that the caller left open: a file, a pipe or a terminal, opened again by its
    /// name. A file is appended to.
    pub(super) fn descriptor(number: i32) -> io::Result<Self> {
        let name = format!("/dev/fd/{number}");
        Self::open(OpenOptions::new().append(true), Path::new(&name))
    }

    fn open(options: &OpenOptions, path: &Path) -> io::Result<Self> {
        Ok(Self::File(Mutex::new(options.open(path)?)))
    }

    /// Writes at once.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stderr => terminal::write(bytes),
            Self::File(file) => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.write_all(bytes)
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn values_mean_what_they_mean_to_git() {
        for (value, expected, why) in [
            ("", Target::Off, "empty"),
            ("0", Target::Off, "zero"),
            ("False", Target::Off, "any case"),
            ("1", Target::Stderr, "one"),
            ("2", Target::Stderr, "its descriptor"),
            ("TRUE", Target::Stderr, "any case"),
            ("3", Target::Descriptor(3), "a descriptor"),
            ("/a/b", Target::Path("/a/b".into()), "an absolute path"),
            ("trace.txt", Target::Unknown, "a path that is not absolute"),
            ("10", Target::Unknown, "one digit only"),
            ("af_unix:/a", Target::Unknown, "no sockets"),
        ] {
            assert_eq!(Target::of(OsStr::new(value)), expected, "{why}");
        }
    }

    #[test]
    fn an_open_descriptor_is_written_to() {
        use std::os::fd::AsRawFd as _;
        let file = tempfile::tempfile().expect("a file");
        let target = Destination::descriptor(file.as_raw_fd()).expect("it is open");
        target.write(b"line\n").expect("written");
        assert_eq!(file.metadata().expect("a file").len(), 5);
    }
}
