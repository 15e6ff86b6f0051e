//! `migrate.json`: the way back of every migration that was not undone.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::commands::Error;
use crate::commands::setup::edit::Splice;
use crate::storage::Directory;

/// In the order in which they were made.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Record {
    /// Every migration that was not undone.
    pub(super) migrations: Vec<Migrated>,
}

/// One migration of one file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Migrated {
    /// The configuration file.
    pub(super) file: PathBuf,
    /// The way back, from the content with the digest [`Migrated::after`].
    pub(super) splice: Splice,
    /// SHA-256 of what was written.
    pub(super) after: String,
}

/// The file's name.
const NAME: &str = "migrate.json";

impl Record {
    /// Nothing where there is no file.
    pub(super) fn load(directory: &Directory<'_>) -> Result<Self, Error> {
        Ok(directory.read_json(NAME)?.unwrap_or_default())
    }

    /// Writes the file, durably; removes it where nothing is left.
    pub(super) fn save(&self, directory: &Directory<'_>) -> Result<(), Error> {
        if self.migrations.is_empty() {
            return Ok(directory.remove(NAME)?);
        }
        Ok(directory.replace_json(NAME, self)?)
    }
}
