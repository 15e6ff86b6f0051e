//! Who owns a file. With sudo, HOME may be another user's, who could not use what root writes
//! there.

use std::io;
use std::path::Path;

use super::Error;
use crate::context::Context;

/// Whether a file or directory (for a link, its target) belongs to the effective user. Fails where
/// it does not exist or cannot be examined.
#[cfg(unix)]
pub fn is_own(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let user = rustix::process::geteuid().as_raw();
    std::fs::metadata(path).map(|metadata| metadata.uid() == user)
}

/// A profile has its own access rights there.
#[cfg(not(unix))]
pub fn is_own(path: &Path) -> io::Result<bool> {
    std::fs::metadata(path).map(|_| true)
}

/// Fails without a home directory, and where it belongs to another user.
pub fn check_home(context: &Context) -> Result<(), Error> {
    let home = context.home().ok_or(Error::NoHome)?;
    match is_own(home) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::ForeignOwner(home.to_owned())),
        Err(why) => Err(Error::file(home, why)),
    }
}
