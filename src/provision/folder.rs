//! The folder of the records, `~/.ssh/bitbucket-ssh`: made, checked, and written to durably.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::Error;
use crate::context::Context;
use crate::identity::key_file::new_draft;
use crate::identity::owner::is_ours;

/// The folder as it is or would be; nothing is made.
pub(super) fn path(context: &Context) -> Result<PathBuf, Error> {
    context.records_directory().ok_or(Error::NoHome)
}

/// Makes `~/.ssh` and the folder (0700 each) where they do not exist.
///
/// # Errors
///
/// HOME or `~/.ssh` of another owner: nothing is made then.
pub(super) fn prepare(context: &Context) -> Result<PathBuf, Error> {
    let home = context.home().ok_or(Error::NoHome)?;
    let ssh = home.join(".ssh");
    for path in [home, &ssh] {
        match is_ours(path) {
            Ok(true) => {}
            Ok(false) => {
                return Err(Error::ForeignOwner {
                    path: path.to_owned(),
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::unwritable(path, &error)),
        }
    }
    let folder = path(context)?;
    for path in [&ssh, &folder] {
        if !path.is_dir() {
            make(path).map_err(|error| Error::unwritable(path, &error))?;
        }
    }
    Ok(folder)
}

/// A folder (0700) whose name is on disk before anything is put into it: a key in a folder that a
/// power cut takes away is lost, too. One that another process has made meanwhile is fine.
fn make(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync(path.parent().unwrap_or(Path::new("/"))),
    }
}

/// Replaces a file as a whole: a new one (0600) is on disk before it has the name, and the name is
/// on disk before this returns.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = (|| {
        let mut file = new_draft(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        sync(folder)
    })();
    written.map_err(|error| Error::unwritable(path, &error))
}

/// Writes a file that must not exist yet, durably. `false`: somebody else was first.
pub(super) fn create(path: &Path, bytes: &[u8]) -> Result<bool, Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = (|| {
        let mut file = new_draft(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(path) {
            Ok(_) => sync(folder).map(|()| true),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error.error),
        }
    })();
    written.map_err(|error| Error::unwritable(path, &error))
}

#[cfg(unix)]
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// A folder cannot be opened as a file there, and its entries are journalled (untested).
#[cfg(not(unix))]
fn sync(_folder: &Path) -> io::Result<()> {
    Ok(())
}
