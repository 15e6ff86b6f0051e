//! Whose home this is: with sudo, HOME may be somebody else's, and what would be written there
//! nobody could use.

use super::Error;
use crate::context::Context;

/// Fails without a home, and where it belongs to another user than the effective one.
#[cfg(unix)]
pub(super) fn check_home(context: &Context) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt as _;
    let home = context.home().ok_or(Error::NoHome)?;
    let metadata = std::fs::metadata(home).map_err(|why| Error::file(home, why))?;
    if metadata.uid() == nix::unistd::Uid::effective().as_raw() {
        Ok(())
    } else {
        Err(Error::ForeignHome(home.to_owned()))
    }
}

/// Fails without a home.
#[cfg(not(unix))]
pub(super) fn check_home(context: &Context) -> Result<(), Error> {
    context.home().map(|_| ()).ok_or(Error::NoHome)
}
