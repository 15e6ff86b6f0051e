//! The `ssh` link for tools that call ssh themselves.
//!
//! A symbolic link where the system has them for everybody, a copy elsewhere. Never over a file
//! that is there. Knows nothing but files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::record::Shim;

/// What stands at the link's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// The same link as is wanted.
    OwnLink,
    /// Something else.
    Other,
}

/// `DIR/ssh`, `DIR/ssh.exe` on Windows.
pub(super) fn path(directory: &Path) -> PathBuf {
    directory.join(format!("ssh{}", std::env::consts::EXE_SUFFIX))
}

/// What stands there.
pub(super) fn look(shim: &Shim) -> io::Result<Found> {
    match fs::symlink_metadata(&shim.path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
        Err(why) => Err(why),
        Ok(metadata) => Ok(if is_ours(shim, &metadata)? {
            Found::OwnLink
        } else {
            Found::Other
        }),
    }
}

/// Removes the link where it is still ours; says what was found.
pub(super) fn remove(shim: &Shim) -> io::Result<Found> {
    let found = look(shim)?;
    if found == Found::OwnLink {
        fs::remove_file(&shim.path)?;
    }
    Ok(found)
}

#[cfg(unix)]
fn is_ours(shim: &Shim, metadata: &fs::Metadata) -> io::Result<bool> {
    Ok(metadata.is_symlink() && fs::read_link(&shim.path)? == shim.target)
}

/// Makes the link; fails where something is there.
#[cfg(unix)]
pub(super) fn make(shim: &Shim) -> io::Result<()> {
    std::os::unix::fs::symlink(&shim.target, &shim.path)
}

#[cfg(not(unix))]
fn is_ours(shim: &Shim, metadata: &fs::Metadata) -> io::Result<bool> {
    Ok(metadata.is_file()
        && fs::metadata(&shim.target).is_ok_and(|target| target.len() == metadata.len())
        && fs::read(&shim.path)? == fs::read(&shim.target)?)
}

/// Makes the copy; fails where something is there.
#[cfg(not(unix))]
pub(super) fn make(shim: &Shim) -> io::Result<()> {
    let mut from = fs::File::open(&shim.target)?;
    let mut to = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&shim.path)?;
    io::copy(&mut from, &mut to)?;
    to.sync_all()
}
