//! `setup.json` in the records' directory: what `setup` changed, so that `unsetup` can restore it.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::commands::Error;
use crate::commands::config_file::{Reversal, Scope, digest};
use crate::storage::{self, Directory};

/// Everything that was changed and not restored.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Changes {
    /// Configuration files.
    #[serde(default)]
    pub(super) files: Vec<FileChange>,
    /// `ssh` links.
    #[serde(default)]
    pub(super) shims: Vec<Shim>,
    /// Man pages and completions.
    #[serde(default)]
    pub(super) pages: Vec<Page>,
    /// Directories that were created, outermost first; removed when they are empty.
    #[serde(default)]
    pub(super) directories: Vec<PathBuf>,
}

/// One configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileChange {
    /// Its scope.
    pub(super) scope: Scope,
    /// The file.
    pub(super) file: PathBuf,
    /// Whether it existed before.
    pub(super) existed: bool,
    /// What was written, in order.
    pub(super) keys: Vec<KeyChange>,
    /// Restores the file byte for byte; where that is impossible, the values are restored.
    #[serde(flatten)]
    pub(super) reversal: Reversal,
}

/// One key of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeyChange {
    /// As it was written.
    pub(super) key: String,
    /// The value that was written.
    pub(super) written: String,
    /// Values written after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) further: Vec<String>,
    /// The value was added to those of the key; otherwise it replaced them.
    pub(super) added: bool,
    /// The replaced values; empty for an added one.
    pub(super) previous: Vec<String>,
}

/// An `ssh` that leads to `bitbucket-ssh`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shim {
    /// The scope of the set-up that created it.
    pub(super) scope: Scope,
    /// Where it is.
    pub(super) path: PathBuf,
    /// Where it leads.
    pub(super) target: PathBuf,
}

/// A man page or completion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Page {
    /// Where it is.
    pub(super) path: PathBuf,
    /// SHA-256 of what was written.
    pub(super) content: String,
}

impl KeyChange {
    /// Every value written.
    pub(super) fn values(&self) -> Vec<String> {
        let first = std::iter::once(&self.written);
        first.chain(&self.further).cloned().collect()
    }
}

impl Changes {
    /// Reads `setup.json`; empty where it does not exist.
    pub(super) fn load(directory: &Directory<'_>) -> Result<Self, Error> {
        Ok(directory.read_json(NAME)?.unwrap_or_default())
    }

    /// Writes `setup.json` durably; where nothing is left, removes it, and the directories that were
    /// created and are empty.
    pub(super) fn save(&mut self, directory: &Directory<'_>) -> Result<(), Error> {
        if self.files.is_empty() && self.shims.is_empty() && self.pages.is_empty() {
            directory.remove(NAME)?;
            self.prune();
            return Ok(());
        }
        Ok(directory.replace_json(NAME, self)?)
    }

    /// Removes the created directories that are empty.
    pub(super) fn prune(&mut self) {
        let created = std::mem::take(&mut self.directories);
        // Innermost first. One that cannot be removed is not empty, so it is in use.
        let mut left: Vec<_> = created
            .into_iter()
            .rev()
            .filter(|directory| fs::remove_dir(directory).is_err() && directory.exists())
            .collect();
        left.reverse();
        self.directories = left;
    }

    /// Creates a directory with those above it, and records which are new. Their mode is 0700,
    /// whatever the umask: the state directory must not be below one that others can write to.
    pub(super) fn make_directory(&mut self, directory: &Path) -> Result<(), Error> {
        let missing: Vec<_> = directory
            .ancestors()
            .take_while(|ancestor| !ancestor.as_os_str().is_empty() && !ancestor.exists())
            .map(Path::to_owned)
            .collect();
        for new in missing.into_iter().rev() {
            storage::create_durably(&new).map_err(|why| Error::file(&new, why))?;
            self.directories.push(new);
        }
        Ok(())
    }

    /// Writes a man page or completion. `false`: another program's file is there.
    pub(super) fn write_page(&mut self, path: &Path, content: &[u8]) -> Result<bool, Error> {
        let new = digest(content);
        let recorded = self.pages.iter().position(|page| page.path == path);
        match (storage::read(path)?.map(|old| digest(&old)), recorded) {
            (Some(old), _) if old == new => return Ok(true),
            (Some(old), Some(at)) if old == self.pages[at].content => {}
            (Some(_), _) => return Ok(false),
            (None, _) => {}
        }
        if let Some(directory) = path.parent() {
            self.make_directory(directory)?;
        }
        fs::write(path, content).map_err(|why| Error::file(path, why))?;
        self.pages.retain(|page| page.path != path);
        self.pages.push(Page {
            path: path.to_owned(),
            content: new,
        });
        Ok(true)
    }
}

const NAME: &str = "setup.json";
