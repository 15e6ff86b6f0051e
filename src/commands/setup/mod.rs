//! `setup`: makes bitbucket-ssh git's SSH program; `unsetup` restores what was there.
//!
//! The undo is recorded before anything is changed.

mod install;
mod record;
mod unsetup;
mod values;

use std::path::Path;

use super::accounts::Accounts;
use super::arguments::Setup;
use super::config_file::{self, Draft, Reversal, Scope};
use super::context::CommandContext;
use super::{Error, other_tools};
use crate::storage::{self, Directory};
use crate::text::sanitise;
use install::Found;
use record::{Changes, FileChange, KeyChange, Shim};
pub(super) use unsetup::unsetup;
use values::SettingChange;

/// Makes `bitbucket-ssh` git's SSH program in one scope and reports what that changes. A second
/// call changes nothing.
pub(super) fn setup(call: &mut CommandContext<'_>, options: &Setup) -> Result<(), Error> {
    let scope = Scope::of(options.scopes);
    let file = config_file::file(call.context, scope)?;
    storage::check_home(call.context)?;
    let program = values::program(call.context)?;
    let command = values::command(&program)?;
    let mut wanted = values::program_settings(command.clone());
    if options.rewrite_https {
        wanted.extend(values::rewrites(&Accounts::load(call.context)?));
    }
    if options.https {
        wanted.extend(values::credential_helpers(
            &super::resolve::git_config(call.context)?,
            &program,
            scope.of_settings(),
        )?);
    }
    let shim = options.shim.as_ref().map(|directory| Shim {
        scope,
        path: install::shim_path(&call.context.directory.join(directory)),
        target: program,
    });
    let shim_found = match &shim {
        Some(shim) => install::find_shim(shim).map_err(|why| Error::file(&shim.path, why))?,
        None => Found::OwnLink,
    };
    if let (Some(shim), Found::Other) = (&shim, shim_found) {
        return Err(Error::ShimTaken(shim.path.clone()));
    }

    let directory = Directory::records(call.context)?;
    let mut changes = Changes::load(&directory)?;
    changes.make_directory(directory.path())?;
    write_config(call, &mut changes, &directory, (scope, &file), &wanted)?;
    if let (Some(shim), Found::Nothing) = (shim, shim_found) {
        let parent = shim.path.parent().unwrap_or(Path::new("/"));
        changes.make_directory(parent)?;
        changes.shims.retain(|other| other.path != shim.path);
        changes.shims.push(shim.clone());
        changes.save(&directory)?;
        install::create_shim(&shim).map_err(|why| Error::file(&shim.path, why))?;
        call.say(format!(
            "{} -> {}",
            call.shown(&shim.path),
            shim.target.display()
        ));
        check_path(call, parent);
    }
    let installed = install::install_pages(call, &mut changes);
    changes.save(&directory)?;
    installed?;

    let mut lines = values::overrides(call.context, &command)?;
    lines.extend(values::broken_rewrites(call.context, &wanted)?);
    for line in lines {
        call.warn(format!("warning: {line}"));
    }
    for found in other_tools::editors(call.context) {
        let place = call.shown(&found.file);
        call.warn(format!("warning: {place}:{}: {}", found.line, found.text));
        call.warn(format!("hint: {}", found.next));
    }
    call.say(format!("undo: git bitbucket unsetup {}", scope.option()));
    Ok(())
}

/// Records the undo, then writes the settings into the file.
fn write_config(
    call: &mut CommandContext<'_>,
    changes: &mut Changes,
    directory: &Directory<'_>,
    (scope, file): (Scope, &Path),
    wanted: &[SettingChange],
) -> Result<(), Error> {
    let before = storage::read(file)?;
    let draft = Draft::of(
        call.context,
        directory.path(),
        before.as_deref().unwrap_or_default(),
    )?;
    let earlier = earlier(changes, &draft, scope, file)?;
    let mut written = Vec::new();
    for setting in wanted {
        written.extend(apply(&draft, setting)?);
    }
    if written.is_empty() {
        call.say(format!("{}: nothing to change", call.shown(file)));
        return Ok(());
    }
    let after = draft.content()?;
    report(call, file, &written);
    changes
        .files
        .retain(|change| change.file != *file || change.scope != scope);
    changes.files.push(merge(
        earlier,
        FileChange {
            scope,
            file: file.to_owned(),
            existed: before.is_some(),
            keys: written,
            reversal: Reversal::new(Some(before.as_deref().unwrap_or_default()), &after),
        },
        before.as_deref().unwrap_or_default(),
        &after,
    ));
    changes.save(directory)?;
    Ok(storage::replace_locked(
        file,
        before.as_deref(),
        Some(&after),
    )?)
}

/// The earlier set-up of the file, if any of its values is still there: the record of one that was
/// interrupted before it wrote, or was undone by hand, is not kept.
fn earlier(
    changes: &Changes,
    draft: &Draft<'_>,
    scope: Scope,
    file: &Path,
) -> Result<Option<FileChange>, Error> {
    let found = changes
        .files
        .iter()
        .find(|change| change.file == *file && change.scope == scope);
    let Some(change) = found else {
        return Ok(None);
    };
    for key in &change.keys {
        if draft.values(&key.key)?.contains(&key.written) {
            return Ok(Some(change.clone()));
        }
    }
    Ok(None)
}

/// Writes one setting into the draft; `None` where it is there already.
fn apply(draft: &Draft<'_>, setting: &SettingChange) -> Result<Option<KeyChange>, Error> {
    let previous = draft.values(&setting.key)?;
    let there = if setting.add {
        previous.contains(&setting.value)
    } else {
        previous == setting.values()
    };
    if there {
        return Ok(None);
    }
    if setting.add {
        draft.add(&setting.key, &setting.value)?;
    } else {
        draft.set(&setting.key, &setting.values())?;
    }
    Ok(Some(KeyChange {
        key: setting.key.clone(),
        written: setting.value.clone(),
        further: setting.further.clone(),
        added: setting.add,
        previous: if setting.add { Vec::new() } else { previous },
    }))
}

/// A second set-up of the same file keeps the undo of the first: the values before both.
fn merge(
    earlier: Option<FileChange>,
    mut new: FileChange,
    before: &[u8],
    after: &[u8],
) -> FileChange {
    let Some(earlier) = earlier else {
        return new;
    };
    let original = earlier.reversal.original(before);
    new.reversal = Reversal::new(original.as_deref(), after);
    new.existed = earlier.existed;
    let mut keys = earlier.keys;
    for change in new.keys {
        match keys
            .iter_mut()
            .find(|old| !change.added && !old.added && old.key == change.key)
        {
            Some(old) if change.previous == old.values() => {
                old.written = change.written;
                old.further = change.further;
            }
            Some(old) => *old = change,
            None => keys.push(change),
        }
    }
    new.keys = keys;
    new
}

/// Prints every key's value before and after.
fn report(call: &mut CommandContext<'_>, file: &Path, written: &[KeyChange]) {
    call.say(call.shown(file));
    for change in written {
        let now = shown(&change.values());
        if change.added {
            call.say(format!("  {}: + {now}", change.key));
            continue;
        }
        let before = shown(&change.previous);
        call.say(format!("  {}: {before} -> {now}", change.key));
        match change.previous.as_slice() {
            [] => {}
            // The same program by another path.
            [program]
                if change.key == "core.sshCommand"
                    && !program.contains(' ')
                    && Path::new(program)
                        .file_name()
                        .is_some_and(|name| name == "bitbucket-ssh") => {}
            [empty] if empty.is_empty() && change.key == "core.sshCommand" => call.warn(format!(
                "warning: {} was empty, so git could not run SSH",
                change.key
            )),
            _ => call.warn(format!(
                "warning: this replaces {} = {before}; `git bitbucket unsetup` restores it",
                change.key
            )),
        }
    }
}

/// The values of a key, for people.
fn shown(values: &[String]) -> String {
    if values.is_empty() {
        return "(not set)".to_owned();
    }
    let values = values.iter().map(|value| match value.as_str() {
        "" => "(empty)".to_owned(),
        value => sanitise(value),
    });
    values.collect::<Vec<_>>().join(", ")
}

/// Warns where PATH finds another ssh before the link.
fn check_path(call: &mut CommandContext<'_>, directory: &Path) {
    let path = call.context.environment.raw("PATH").unwrap_or_default();
    let first = std::env::split_paths(path).find(|entry| install::shim_path(entry).exists());
    if first.as_deref() != Some(directory) {
        let shown = directory.display();
        call.warn(format!(
            "warning: PATH finds another ssh first; to change that: export PATH=\"{shown}:$PATH\""
        ));
    }
}

#[cfg(test)]
mod tests;
