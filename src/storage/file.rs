//! Reading a file whose name somebody else may have chosen: only a regular file, without waiting for
//! it, and only up to a size.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;

/// No file that is read here is as large as this.
const LARGEST: u64 = 64 << 20;

/// The content of a regular file, to which links may lead. The null device is empty. A directory, a
/// pipe, another device and a file that is too large are errors.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    // Looked at before it is opened, since opening a device can already have an effect.
    let metadata = fs::metadata(path)?;
    if is_null(&metadata) {
        return Ok(Vec::new());
    }
    check_regular(&metadata)?;
    read_open(open(path, true)?)
}

/// As [`read_file`], for a text. Bytes that are not UTF-8 are an error.
pub fn read_text(path: &Path) -> io::Result<String> {
    let text = read_file(path)?;
    String::from_utf8(text).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))
}

/// The content of a regular file of the effective user's. A link is an error.
pub(super) fn read_own(path: &Path) -> io::Result<Vec<u8>> {
    check_regular(&fs::symlink_metadata(path)?)?;
    let file = open(path, false)?;
    check_own(&file)?;
    read_open(file)
}

fn open(path: &Path, follow: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    open_with(&mut options, path, follow)
}

/// Opens a regular file without waiting for it, as a pipe would have to be.
pub(super) fn open_with(options: &mut OpenOptions, path: &Path, follow: bool) -> io::Result<File> {
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        flags.set(OFlags::NOFOLLOW, !follow);
        options.custom_flags(flags.bits().cast_signed());
    }
    #[cfg(not(unix))]
    let _ = follow;
    let file = options.open(path)?;
    check_regular(&file.metadata()?)?;
    Ok(file)
}

fn read_open(file: File) -> io::Result<Vec<u8>> {
    let size = file.metadata()?.len().min(LARGEST);
    let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.take(LARGEST + 1).read_to_end(&mut content)?;
    if content.len() as u64 > LARGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "too large"));
    }
    Ok(content)
}

fn check_regular(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() {
        Ok(())
    } else if metadata.is_dir() {
        Err(io::Error::new(io::ErrorKind::IsADirectory, "a directory"))
    } else {
        Err(not_regular())
    }
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

/// Fails for a file of another user's.
#[cfg(unix)]
pub(super) fn check_own(file: &File) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = file.metadata()?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        let why = "belongs to another user";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    Ok(())
}

/// A profile's inherited access lists keep others out there.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "fails on other systems")]
pub(super) fn check_own(_file: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn is_null(metadata: &Metadata) -> bool {
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
    metadata.file_type().is_char_device()
        && fs::metadata("/dev/null").is_ok_and(|null| null.rdev() == metadata.rdev())
}

#[cfg(not(unix))]
fn is_null(_metadata: &Metadata) -> bool {
    false
}

/// A file without a name, which is gone once it is closed. Needs no directory on Linux.
pub fn nameless_file(directory: &Path) -> io::Result<File> {
    #[cfg(target_os = "linux")]
    if let Ok(file) = rustix::fs::memfd_create("bitbucket-ssh", rustix::fs::MemfdFlags::CLOEXEC) {
        return Ok(file.into());
    }
    tempfile::tempfile_in(directory)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_regular_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "content").unwrap();
        symlink(path("file"), path("link")).unwrap();
        symlink("/dev/zero", path("endless")).unwrap();
        symlink("/dev/null", path("null")).unwrap();
        let pipe = path("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        let large = File::create(path("large")).unwrap();
        large.set_len(LARGEST + 1).unwrap();
        assert_eq!(read_file(&path("link")).unwrap(), b"content");
        assert_eq!(read_file(&path("null")).unwrap(), b"");
        for (name, kind) in [
            ("endless", io::ErrorKind::InvalidInput),
            ("pipe", io::ErrorKind::InvalidInput),
            ("large", io::ErrorKind::FileTooLarge),
            ("", io::ErrorKind::IsADirectory),
            ("missing", io::ErrorKind::NotFound),
        ] {
            assert_eq!(read_file(&path(name)).unwrap_err().kind(), kind, "{name}");
        }
        assert!(read_own(&path("file")).is_ok());
        for name in ["link", "pipe", "endless"] {
            assert!(read_own(&path(name)).is_err(), "{name}");
        }
    }
}
