//! `unsetup`: restores what `setup` changed, byte for byte where nothing else was changed since.

use std::io;

use super::install::{self, Found};
use super::record::{Changes, FileChange, KeyChange, Page, Shim};
use crate::commands::Error;
use crate::commands::arguments::Scopes;
use crate::commands::config_file::{self, Draft, Scope, digest};
use crate::commands::context::CommandContext;
use crate::storage::{self, Directory};
use crate::text::sanitise;

/// Restores what `setup` changed in this scope, and leaves alone what was changed since. Succeeds
/// where nothing was set up.
pub(in crate::commands) fn unsetup(
    call: &mut CommandContext<'_>,
    scopes: Scopes,
) -> Result<(), Error> {
    let scope = Scope::of(scopes);
    let directory = Directory::records(call.context)?;
    storage::check_home(call.context)?;
    let mut changes = Changes::load(&directory)?;
    let local = match scope {
        Scope::Local => Some(config_file::file(call.context, scope)?),
        Scope::Global | Scope::System => None,
    };
    let files: Vec<FileChange> = changes
        .files
        .extract_if(.., |change| {
            change.scope == scope && local.as_ref().is_none_or(|file| *file == change.file)
        })
        .collect();
    // The set-up of another repository may have created them.
    let shims_stay = changes.files.iter().any(|change| change.scope == scope);
    let shims: Vec<Shim> = changes
        .shims
        .extract_if(.., |shim| shim.scope == scope && !shims_stay)
        .collect();
    let pages = if changes.files.is_empty() && changes.shims.is_empty() {
        std::mem::take(&mut changes.pages)
    } else {
        Vec::new()
    };
    if files.is_empty() && shims.is_empty() && pages.is_empty() {
        call.say(format!("nothing to undo for setup {}", scope.option()));
        return Ok(());
    }

    for change in &files {
        restore(call, &directory, change)?;
    }
    for link in &shims {
        let shown = call.shown(&link.path);
        match install::remove_shim(link).map_err(|why| Error::file(&link.path, why))? {
            Found::OwnLink => call.say(format!("removed {shown}")),
            Found::Nothing => call.say(format!("{shown} was already gone")),
            Found::Other => call.warn(format!(
                "warning: {shown} was replaced since setup, left alone"
            )),
        }
    }
    for page in &pages {
        remove_page(call, page)?;
    }
    if !pages.is_empty() {
        call.say("removed man pages and completions");
    }
    changes.prune();
    changes.save(&directory)
}

/// Restores one configuration file.
fn restore(
    call: &mut CommandContext<'_>,
    directory: &Directory<'_>,
    change: &FileChange,
) -> Result<(), Error> {
    let shown = call.shown(&change.file);
    let Some(now) = storage::read(&change.file)? else {
        call.say(format!("{shown} no longer exists: nothing to restore"));
        return Ok(());
    };
    if let Some(before) = change.reversal.original(&now) {
        let before = (change.existed || !before.is_empty()).then_some(before);
        storage::replace_locked(&change.file, Some(&now), before.as_deref())?;
        call.say(format!("{shown}: restored as it was"));
        return Ok(());
    }
    let draft = Draft::of(call.context, directory.path(), &now)?;
    for key in change.keys.iter().rev() {
        let line = restore_value(&draft, key)?;
        match line {
            RestoreOutcome::Restored(line) => call.say(format!("{shown}: {line}")),
            RestoreOutcome::LeftAlone(line) => call.warn(format!("warning: {shown}: {line}")),
            RestoreOutcome::Already => {}
        }
    }
    let after = draft.content()?;
    if after == now {
        return Ok(());
    }
    let after = (change.existed || !after.trim_ascii().is_empty()).then_some(after);
    storage::replace_locked(&change.file, Some(&now), after.as_deref())?;
    call.say(format!(
        "{shown} was changed since setup: the values are restored, the rest is left alone"
    ));
    Ok(())
}

/// The result for one key.
enum RestoreOutcome {
    Restored(String),
    LeftAlone(String),
    Already,
}

fn restore_value(draft: &Draft<'_>, change: &KeyChange) -> Result<RestoreOutcome, Error> {
    let now = draft.values(&change.key)?;
    let key = &change.key;
    if change.added {
        if !now.contains(&change.written) {
            return Ok(RestoreOutcome::Already);
        }
        draft.remove(key, &change.written)?;
        return Ok(RestoreOutcome::Restored(format!(
            "{key}: - {}",
            sanitise(&change.written)
        )));
    }
    if now == change.values() {
        draft.set(key, &change.previous)?;
        let before = if change.previous.is_empty() {
            "(not set)".to_owned()
        } else {
            sanitise(&change.previous.join(", "))
        };
        return Ok(RestoreOutcome::Restored(format!("{key}: {before}")));
    }
    if now == change.previous {
        return Ok(RestoreOutcome::Already);
    }
    let now = if now.is_empty() {
        "(not set)".to_owned()
    } else {
        sanitise(&now.join(", "))
    };
    Ok(RestoreOutcome::LeftAlone(format!(
        "{key} was changed since setup and is left alone: {now}"
    )))
}

/// Removes a man page or completion that is still as it was written.
fn remove_page(call: &mut CommandContext<'_>, page: &Page) -> Result<(), Error> {
    let content = storage::read(&page.path)?;
    match content {
        None => Ok(()),
        Some(content) if digest(&content) == page.content => match std::fs::remove_file(&page.path)
        {
            Err(why) if why.kind() != io::ErrorKind::NotFound => Err(Error::file(&page.path, why)),
            _ => Ok(()),
        },
        Some(_) => {
            call.warn(format!(
                "warning: {} was changed since setup and is left alone",
                call.shown(&page.path)
            ));
            Ok(())
        }
    }
}
