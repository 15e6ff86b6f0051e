//! `setup` and `unsetup`: bitbucket-ssh becomes git's SSH program, and back.
//!
//! The way back is written before anything is changed. Knows the commands' ground.

pub(super) mod edit;
mod overrides;
mod pages;
mod record;
mod setting_change;
mod shim;
mod target;
mod undo;

use std::path::Path;

use super::accounts::Accounts;
use super::arguments::Setup;
use super::context::CommandContext;
use super::{Error, other_tools};
use crate::storage::{self, Directory};
use crate::text::sanitise;
use edit::{Draft, Splice, digest};
use record::{Changes, FileChange, KeyChange, Shim};
use setting_change::SettingChange;
use target::Scope;
pub(super) use undo::unsetup;

/// Makes `bitbucket-ssh` git's SSH program in one scope and says what that changes. A second call
/// changes nothing.
pub(super) fn setup(call: &mut CommandContext<'_>, options: &Setup) -> Result<(), Error> {
    let scope = Scope::of(options.scopes);
    let file = target::file(call.context, scope)?;
    storage::check_home(call.context)?;
    let program = setting_change::program(call.context)?;
    let command = setting_change::command(&program)?;
    let mut wanted = setting_change::program_wishes(command.clone());
    if options.rewrite_https {
        wanted.extend(setting_change::rewrites(&Accounts::load(call.context)?));
    }
    let shim = options.shim.as_ref().map(|directory| Shim {
        scope,
        path: shim::path(&call.context.directory.join(directory)),
        target: program,
    });
    let shim_found = match &shim {
        Some(shim) => shim::look(shim).map_err(|why| Error::file(&shim.path, why))?,
        None => shim::Found::OwnLink,
    };
    if let (Some(shim), shim::Found::Other) = (&shim, shim_found) {
        return Err(Error::ShimTaken(shim.path.clone()));
    }

    let directory = Directory::records(call.context)?;
    let mut changes = Changes::load(&directory)?;
    changes.make_directory(directory.path(), true)?;
    write_config(call, &mut changes, &directory, (scope, &file), &wanted)?;
    if let (Some(shim), shim::Found::Nothing) = (shim, shim_found) {
        let parent = shim.path.parent().unwrap_or(Path::new("/"));
        changes.make_directory(parent, false)?;
        changes.shims.retain(|other| other.path != shim.path);
        changes.shims.push(shim.clone());
        changes.save(&directory)?;
        shim::make(&shim).map_err(|why| Error::file(&shim.path, why))?;
        call.say(format!(
            "{} -> {}",
            call.shown(&shim.path),
            shim.target.display()
        ));
        tell_path(call, parent);
    }
    let installed = pages::install(call, &mut changes);
    changes.save(&directory)?;
    installed?;

    let mut lines = overrides::lines(call.context, &command)?;
    lines.extend(overrides::rewrites(call.context, &wanted)?);
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

/// Whether a file is the one that `setup --global` writes, or one that git reads before it.
pub(super) fn writes(context: &crate::context::Context, file: &Path) -> bool {
    let Ok(ours) = target::file(context, Scope::Global) else {
        return false;
    };
    let same = |one: &Path, other: &Path| {
        one == other || std::fs::canonicalize(one).ok() == std::fs::canonicalize(other).ok()
    };
    // git-config(1), FILES: $XDG_CONFIG_HOME/git/config first, ~/.gitconfig after it.
    same(file, &ours) || file.ends_with("git/config") && ours.ends_with(".gitconfig")
}

/// The file that git writes for `--global`: `$GIT_CONFIG_GLOBAL`; else the one of `~/.gitconfig`
/// and `$XDG_CONFIG_HOME/git/config` that is there (git-config(1), FILES), the first before the
/// second.
pub(super) fn user_file(context: &crate::context::Context) -> Result<std::path::PathBuf, Error> {
    let ours = target::file(context, Scope::Global)?;
    if context.environment.raw("GIT_CONFIG_GLOBAL").is_some() || ours.exists() {
        return Ok(ours);
    }
    let base = match context.environment.raw("XDG_CONFIG_HOME") {
        Some(base) if !base.is_empty() => std::path::PathBuf::from(base),
        _ => context.home().ok_or(Error::NoHome)?.join(".config"),
    };
    let other = base.join("git/config");
    Ok(if other.exists() { other } else { ours })
}

/// The current repository's configuration file.
pub(super) fn repository_file(
    context: &crate::context::Context,
) -> Result<std::path::PathBuf, Error> {
    target::file(context, Scope::Local)
}

/// Writes the wanted into the file, the way back first.
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
    tell(call, file, &written);
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
            splice: Some(Splice::between(
                before.as_deref().unwrap_or_default(),
                &after,
            )),
            after: digest(&after),
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

/// The earlier set-up of the file, if anything of it still stands there: one that was interrupted
/// before it wrote, or was taken back by hand, has no way back to keep.
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

/// Writes one setting into the draft; `None` where it stands there already.
fn apply(draft: &Draft<'_>, setting: &SettingChange) -> Result<Option<KeyChange>, Error> {
    let previous = draft.values(&setting.key)?;
    let there = if setting.add {
        previous.contains(&setting.value)
    } else {
        previous == [setting.value.as_str()]
    };
    if there {
        return Ok(None);
    }
    if setting.add {
        draft.add(&setting.key, &setting.value)?;
    } else {
        draft.set(&setting.key, std::slice::from_ref(&setting.value))?;
    }
    Ok(Some(KeyChange {
        key: setting.key.clone(),
        written: setting.value.clone(),
        added: setting.add,
        previous: if setting.add { Vec::new() } else { previous },
    }))
}

/// A second set-up of the same file keeps the first one's way back: what stood there before
/// anything was ours.
fn merge(
    earlier: Option<FileChange>,
    mut new: FileChange,
    before: &[u8],
    after: &[u8],
) -> FileChange {
    let Some(earlier) = earlier else {
        return new;
    };
    let original = if earlier.after == digest(before) {
        earlier
            .splice
            .as_ref()
            .and_then(|splice| splice.undo(before))
    } else {
        None
    };
    new.splice = original.map(|original| Splice::between(&original, after));
    new.existed = earlier.existed;
    let mut keys = earlier.keys;
    for change in new.keys {
        match keys
            .iter_mut()
            .find(|old| !change.added && !old.added && old.key == change.key)
        {
            Some(old) if change.previous == [old.written.as_str()] => old.written = change.written,
            Some(old) => *old = change,
            None => keys.push(change),
        }
    }
    new.keys = keys;
    new
}

/// Before and after of every key.
fn tell(call: &mut CommandContext<'_>, file: &Path, written: &[KeyChange]) {
    call.say(call.shown(file));
    for change in written {
        let now = sanitise(&change.written);
        if change.added {
            call.say(format!("  {}: + {now}", change.key));
            continue;
        }
        let before = match change.previous.as_slice() {
            [] => "(not set)".to_owned(),
            [empty] if empty.is_empty() => "(empty)".to_owned(),
            values => sanitise(&values.join(", ")),
        };
        call.say(format!("  {}: {before} -> {now}", change.key));
        match change.previous.as_slice() {
            [] => {}
            [empty] if empty.is_empty() => call.warn(format!(
                "warning: {} was empty, with which git could not run SSH at all",
                change.key
            )),
            _ => call.warn(format!(
                "warning: this replaces {} = {before}; `git bitbucket unsetup` brings it back",
                change.key
            )),
        }
    }
}

/// A link helps only where PATH finds it before the system's ssh.
fn tell_path(call: &mut CommandContext<'_>, directory: &Path) {
    let path = call.context.environment.raw("PATH").unwrap_or_default();
    let first = std::env::split_paths(path).find(|entry| shim::path(entry).exists());
    if first.as_deref() != Some(directory) {
        let shown = directory.display();
        call.warn(format!(
            "warning: PATH finds another ssh first; put the directory in front: export PATH=\"{shown}:$PATH\""
        ));
    }
}

#[cfg(test)]
mod tests;
