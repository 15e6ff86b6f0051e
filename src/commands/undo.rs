//! `changes.json`: how configuration files were before `use` and `hooks install` changed them, so
//! that their undo restores every byte (mode 0600, in the records' directory).
//!
//! A file that was changed since is not restored, because that would lose the other change: then
//! the command removes its own value by name.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Error;
use super::config_file::{Draft, Reversal};
use crate::context::Context;
use crate::storage::{self, Directory};

/// Every change that was not undone.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Changes {
    changes: Vec<Change>,
    /// Directories that were created, to be removed when they are empty again.
    #[serde(default)]
    directories: Vec<PathBuf>,
}

/// What one command did to one file.
#[derive(Debug, Serialize, Deserialize)]
struct Change {
    /// The command and, where it writes several, the key.
    what: String,
    file: PathBuf,
    /// Whether the file was there before.
    existed: bool,
    #[serde(flatten)]
    reversal: Reversal,
}

/// Lets git change a copy of the file, records the undo, and puts the copy in place. Two changes
/// without another program's change between them are undone together. Fails in a home directory
/// that belongs to another user.
pub(super) fn change(
    context: &Context,
    what: &str,
    file: &Path,
    write: impl FnOnce(&Draft<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    storage::check_home(context)?;
    let directory = Directory::records(context)?;
    directory.create()?;
    let before = storage::read(file)?;
    let old = before.clone().unwrap_or_default();
    let draft = Draft::of(context, directory.path(), &old)?;
    write(&draft)?;
    let new = draft.content()?;
    if before.as_deref() == Some(new.as_slice()) {
        return Ok(());
    }
    let mut changes = Changes::load(context)?;
    let of_this = |change: &Change| change.what == what && change.file == file;
    let earlier = changes.changes.iter().position(of_this);
    let earlier = earlier.map(|at| changes.changes.remove(at));
    let recorded = match earlier {
        None => Some((before.is_some(), old.clone())),
        Some(earlier) => {
            let original = earlier.reversal.original(&old);
            original.map(|text| (earlier.existed, text))
        }
    };
    if let Some((existed, original)) = recorded {
        changes.changes.push(Change {
            what: what.to_owned(),
            file: file.to_owned(),
            existed,
            reversal: Reversal::new(Some(&original), &new),
        });
    }
    changes.save(context)?;
    Ok(storage::replace_locked(
        file,
        before.as_deref(),
        Some(&new),
    )?)
}

/// Restores the file as it was before the command. `false`: the command did not change it, or it
/// was changed since.
pub(super) fn take_back(context: &Context, what: &str, file: &Path) -> Result<bool, Error> {
    let mut changes = Changes::load(context)?;
    let of_this = |change: &Change| change.what == what && change.file == file;
    let Some(at) = changes.changes.iter().position(of_this) else {
        return Ok(false);
    };
    let change = changes.changes.remove(at);
    let now = storage::read(file)?;
    let text = now.as_deref().unwrap_or_default();
    let original = change.reversal.original(text);
    if let Some(original) = &original {
        let original = (change.existed || !original.is_empty()).then_some(original.as_slice());
        storage::replace_locked(file, now.as_deref(), original)?;
    }
    changes.save(context)?;
    Ok(original.is_some())
}

/// Creates a directory with those above it, and records which are new.
pub(super) fn make_directory(context: &Context, directory: &Path) -> Result<(), Error> {
    let fail = |why| Error::file(directory, why);
    let mut missing: Vec<PathBuf> = directory
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .map(Path::to_owned)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    std::fs::create_dir_all(directory).map_err(fail)?;
    if storage::check_home(context).is_ok() {
        let mut changes = Changes::load(context)?;
        changes.directories.append(&mut missing);
        changes.save(context)?;
    }
    Ok(())
}

/// Removes a directory that [`make_directory`] created, and those above it, if they are empty.
pub(super) fn remove_directory(context: &Context, directory: &Path) -> Result<(), Error> {
    let mut changes = Changes::load(context)?;
    for folder in directory.ancestors() {
        if changes.directories.iter().any(|made| made == folder)
            && std::fs::remove_dir(folder).is_ok()
        {
            changes.directories.retain(|made| made != folder);
        }
    }
    changes.save(context)
}

impl Changes {
    /// Nothing where there is no file.
    fn load(context: &Context) -> Result<Self, Error> {
        Ok(Directory::records(context)?
            .read_json(NAME)?
            .unwrap_or_default())
    }

    /// Written durably; removed where nothing is left. Changes of files whose directory no longer
    /// exists are dropped.
    fn save(&mut self, context: &Context) -> Result<(), Error> {
        let directory = Directory::records(context)?;
        let parent_is_there = |file: &Path| file.parent().is_none_or(Path::exists);
        self.changes.retain(|change| parent_is_there(&change.file));
        self.directories.retain(|folder| folder.exists());
        if self.changes.is_empty() && self.directories.is_empty() {
            return Ok(directory.remove(NAME)?);
        }
        Ok(directory.replace_json(NAME, self)?)
    }
}

/// The file's name.
const NAME: &str = "changes.json";
