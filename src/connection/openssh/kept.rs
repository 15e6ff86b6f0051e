//! Files for an ssh that this process has become: they lie in the state directory, named by what
//! they hold, since nobody is left to remove them; old ones go when a new one comes.

use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::context::Context;
use crate::storage::{Directory, short_name};

/// A generated file that was not used for so long is nobody's.
const OLD: Duration = Duration::from_secs(24 * 60 * 60);

/// Keeps a text in a file that only the user can read. `kind`: the end of its name.
pub(super) fn keep(context: &Context, kind: &str, text: &str) -> Result<PathBuf> {
    keep_as(
        context,
        &format!("{}.{kind}", short_name(text.as_bytes())),
        text,
    )
}

/// Keeps a text under a name that [`kept`] finds again.
pub(super) fn keep_as(context: &Context, name: &str, text: &str) -> Result<PathBuf> {
    let directory = directory(context)?;
    // Written anew also where it is there: that tells its age.
    directory
        .replace(name, text.as_bytes())
        .map_err(Error::other)?;
    remove_old(directory.path());
    Ok(directory.file(name))
}

/// What was kept under the name. `None`: nothing, or it is gone.
pub(super) fn kept(context: &Context, name: &str) -> Option<String> {
    String::from_utf8(directory(context).ok()?.read(name).ok()??).ok()
}

fn directory(context: &Context) -> Result<Directory<'_>> {
    let state = Directory::state(context).map_err(Error::other)?;
    Ok(state.below("openssh"))
}

fn remove_old(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let changed = entry.metadata().and_then(|metadata| metadata.modified());
        let age = changed.ok().and_then(|changed| changed.elapsed().ok());
        if age.is_some_and(|age| age > OLD) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
