//! Whose a file is: with sudo, HOME may be somebody else's, and what would be written there its
//! owner could not use.

use std::io;
use std::path::Path;

/// Whether the file or folder (a link: what it points to) belongs to the effective user.
///
/// # Errors
///
/// It is not there, or cannot be looked at.
#[cfg(unix)]
pub fn is_ours(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let user = rustix::process::geteuid().as_raw();
    std::fs::metadata(path).map(|metadata| metadata.uid() == user)
}

/// Windows gives a profile its own rights (untested).
#[cfg(not(unix))]
pub fn is_ours(path: &Path) -> io::Result<bool> {
    std::fs::metadata(path).map(|_| true)
}
