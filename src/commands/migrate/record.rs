//! `migrate.json`: the way back of every migration that was not undone (0600).

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::commands::Error;
use crate::commands::setup::edit::{self, Splice};
use crate::context::Context;
use crate::settings::private_directory;

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

/// The records' folder, made (0700) where it is not there.
pub(in crate::commands) fn folder(context: &Context) -> Result<PathBuf, Error> {
    let folder = context.records_directory().ok_or(Error::NoHome)?;
    private_directory(&folder).map_err(|why| Error::file(&folder, why))?;
    Ok(folder)
}

impl Record {
    /// Nothing where there is no file.
    pub(super) fn load(context: &Context) -> Result<Self, Error> {
        let file = file(context)?;
        match edit::read(&file)? {
            None => Ok(Self::default()),
            Some(text) => serde_json::from_slice(&text)
                .map_err(|why| Error::file(&file, io::Error::new(io::ErrorKind::InvalidData, why))),
        }
    }

    /// Synced before it takes its place; removed where nothing is left.
    pub(super) fn save(&self, context: &Context) -> Result<(), Error> {
        let file = file(context)?;
        let fail = |why| Error::file(&file, why);
        if self.migrations.is_empty() {
            return match fs::remove_file(&file) {
                Err(why) if why.kind() != io::ErrorKind::NotFound => Err(fail(why)),
                _ => Ok(()),
            };
        }
        let text = serde_json::to_vec_pretty(self).map_err(|why| fail(io::Error::other(why)))?;
        write_private(context, &file, &text)
    }
}

/// A file of the records' folder, synced before it takes its place (0600).
pub(in crate::commands) fn write_private(
    context: &Context,
    file: &std::path::Path,
    text: &[u8],
) -> Result<(), Error> {
    let fail = |why| Error::file(file, why);
    let folder = folder(context)?;
    let mut new = tempfile::Builder::new()
        .prefix(".changes-")
        .tempfile_in(&folder)
        .map_err(fail)?;
    new.write_all(text).map_err(fail)?;
    new.as_file().sync_all().map_err(fail)?;
    new.persist(file).map_err(|why| fail(why.error))?;
    Ok(())
}

fn file(context: &Context) -> Result<PathBuf, Error> {
    Ok(context
        .records_directory()
        .ok_or(Error::NoHome)?
        .join("migrate.json"))
}
