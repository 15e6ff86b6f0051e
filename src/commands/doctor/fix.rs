//! The steps that are safe, asked before each.

use std::fs;
use std::path::Path;

use super::finding::Fix;
use crate::commands::Error;
use crate::commands::context::CommandContext;
use crate::identity::key_file;
use crate::provision::Records;
use crate::storage;

/// Does them; the result says whether none was left undone for want of somebody to ask.
pub(super) fn all(
    call: &mut CommandContext<'_>,
    steps: Vec<Fix>,
    yes: bool,
) -> Result<bool, Error> {
    if steps.is_empty() {
        call.warn("nothing for --fix to repair");
        return Ok(true);
    }
    if !yes && !call.prompt.available() {
        call.warn("nobody can be asked here, so nothing is changed");
        call.warn("hint: git bitbucket doctor --fix --yes");
        return Ok(false);
    }
    for step in steps {
        let what = words(call, &step);
        let agreed = yes
            || call
                .prompt
                .confirm(&format!("{what}? [y/N] "))
                .map_err(Error::Unanswered)?;
        if agreed {
            perform(call, &step)?;
            call.warn(format!("done: {what}"));
        } else {
            call.warn(format!("skipped: {what}"));
        }
    }
    Ok(true)
}

fn words(call: &CommandContext<'_>, step: &Fix) -> String {
    let shown = |path: &Path| call.shown(path);
    match step {
        Fix::Mode(path, mode) => format!("chmod {mode:o} {}", shown(path)),
        Fix::Public(path, _) => format!("write {}.pub", shown(path)),
        Fix::RemoveLine(file, line) => {
            let names = line.split_whitespace().next().unwrap_or_default();
            format!(
                "remove the withdrawn host key of {names} from {}",
                shown(file)
            )
        }
        Fix::AddLines(file, lines) => {
            format!("add {} published host keys to {}", lines.len(), shown(file))
        }
        Fix::Forget(fingerprint) => format!("forget the unfinished key pair {fingerprint}"),
        Fix::Sweep(folder) => format!("remove unfinished files from {}", shown(folder)),
    }
}

fn perform(call: &CommandContext<'_>, step: &Fix) -> Result<(), Error> {
    match step {
        Fix::Mode(path, mode) => set_mode(path, *mode).map_err(|why| Error::file(path, why)),
        Fix::Public(path, key) => {
            let comment = path
                .file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            key_file::create_public(path, key, &comment).map_err(|error| Error::Other {
                what: error.to_string(),
                hints: Vec::new(),
            })
        }
        Fix::RemoveLine(file, line) => rewrite(file, |text| {
            text.split_inclusive('\n')
                .filter(|one| one.trim_end_matches(['\n', '\r']) != line)
                .collect()
        }),
        Fix::AddLines(file, lines) => rewrite(file, |text| {
            let gap = if text.is_empty() || text.ends_with('\n') {
                ""
            } else {
                "\n"
            };
            format!("{text}{gap}{}\n", lines.join("\n"))
        }),
        Fix::Forget(fingerprint) => {
            Records::update(call.context, |records| records.forget_identity(fingerprint)).map_err(
                |error| Error::Other {
                    what: error.to_string(),
                    hints: Vec::new(),
                },
            )
        }
        Fix::Sweep(folder) => {
            storage::sweep_drafts(folder);
            Ok(())
        }
    }
}

/// Bytes that are no UTF-8 stay: such a file is left alone.
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

/// No check finds such a step there.
#[cfg(not(unix))]
fn set_mode(_path: &Path, _mode: u32) -> std::io::Result<()> {
    Ok(())
}
