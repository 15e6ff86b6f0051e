//! The repairs that are safe, and `doctor --fix`, which asks before each of them.

use std::fs;
use std::path::{Path, PathBuf};

use ssh_key::PublicKey;

use crate::commands::Error;
use crate::commands::context::CommandContext;
use crate::identity::key_file;
use crate::provision::Records;
use crate::storage;

/// A repair that is safe.
#[derive(Debug, Clone)]
pub(super) enum Fix {
    /// Sets the mode of a file or directory.
    Mode(PathBuf, u32),
    /// Writes the missing `.pub` of a private key file.
    Public(PathBuf, Box<PublicKey>),
    /// Removes one line, given by its text, from a known_hosts file.
    RemoveLine(PathBuf, String),
    /// Adds published keys, as known_hosts lines.
    AddLines(PathBuf, Vec<String>),
    /// Removes the record of a key pair that was never written, by its fingerprint.
    Forget(String),
    /// Removes the unfinished files that killed processes left in a directory.
    Sweep(PathBuf),
}

/// Asks about each repair and does it. `false`: nobody can be asked, so nothing was changed.
pub(super) fn all(
    call: &mut CommandContext<'_>,
    repairs: Vec<Fix>,
    yes: bool,
) -> Result<bool, Error> {
    if repairs.is_empty() {
        call.warn("nothing for --fix to repair");
        return Ok(true);
    }
    if !yes && !call.prompt.available() {
        call.warn("no terminal to ask on, so nothing was changed");
        call.warn("hint: git bitbucket doctor --fix --yes");
        return Ok(false);
    }
    for repair in repairs {
        let what = repair.describe(call);
        let question = format!("{what}? [y/N] ");
        if yes || call.prompt.confirm(&question).map_err(Error::Unanswered)? {
            repair.run(call)?;
            call.warn(format!("done: {what}"));
        } else {
            call.warn(format!("skipped: {what}"));
        }
    }
    Ok(true)
}

impl Fix {
    fn describe(&self, call: &CommandContext<'_>) -> String {
        let shown = |path: &Path| call.shown(path);
        match self {
            Self::Mode(path, mode) => format!("chmod {mode:o} {}", shown(path)),
            Self::Public(path, _) => format!("write {}.pub", shown(path)),
            Self::RemoveLine(file, line) => {
                let hosts = line.split_whitespace().next().unwrap_or_default();
                let file = shown(file);
                format!("remove the withdrawn host key of {hosts} from {file}")
            }
            Self::AddLines(file, lines) => {
                format!("add {} published host keys to {}", lines.len(), shown(file))
            }
            Self::Forget(fingerprint) => format!("forget the unfinished key pair {fingerprint}"),
            Self::Sweep(folder) => format!("remove unfinished files from {}", shown(folder)),
        }
    }

    fn run(&self, call: &CommandContext<'_>) -> Result<(), Error> {
        match self {
            Self::Mode(path, mode) => set_mode(path, *mode).map_err(|why| Error::file(path, why)),
            Self::Public(path, key) => {
                let comment = path.file_name().unwrap_or_default().to_string_lossy();
                key_file::create_public(path, key, &comment).map_err(|error| Error::Other {
                    what: error.to_string(),
                    hints: Vec::new(),
                })
            }
            Self::RemoveLine(file, removed) => rewrite(file, |text| {
                let lines = text.split_inclusive('\n');
                let kept = lines.filter(|line| line.trim_end_matches(['\n', '\r']) != removed);
                kept.collect()
            }),
            Self::AddLines(file, lines) => rewrite(file, |text| {
                let complete = text.is_empty() || text.ends_with('\n');
                let gap = if complete { "" } else { "\n" };
                format!("{text}{gap}{}\n", lines.join("\n"))
            }),
            Self::Forget(fingerprint) => Ok(Records::update(call.context, |records| {
                records.forget_identity(fingerprint);
            })?),
            Self::Sweep(folder) => {
                storage::sweep_drafts(folder);
                Ok(())
            }
        }
    }
}

/// A file that is not UTF-8 is an error, not changed.
fn rewrite(file: &Path, change: impl FnOnce(&str) -> String) -> Result<(), Error> {
    let before = storage::read(file)?.unwrap_or_default();
    let text = std::str::from_utf8(&before).map_err(|_| Error::NotUtf8)?;
    let after = change(text);
    Ok(storage::replace_locked(
        file,
        Some(&before),
        Some(after.as_bytes()),
    )?)
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// Never called: no check finds a mode to repair there.
#[cfg(not(unix))]
fn set_mode(_path: &Path, _mode: u32) -> std::io::Result<()> {
    Ok(())
}
