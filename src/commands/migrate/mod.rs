//! `migrate`: turns host aliases, `core.sshCommand = ssh -i …` and remotes on the old host of the
//! current repository into `bitbucket.*` settings and canonical URLs.
//!
//! Changes only the repository's configuration file, after recording the undo. ssh_config is only
//! read: other repositories may use its aliases.

mod plan;
#[cfg(test)]
#[cfg(unix)]
mod tests;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::accounts::Accounts;
use super::arguments::Migrate;
use super::config_file::{self, Draft, Reversal, Scope};
use super::context::CommandContext;
use super::doctor::runs_bitbucket_ssh;
use super::ssh_blocks::blocks;
use super::{Error, git};
use crate::storage::{self, Directory};
use crate::text::sanitise;
use plan::{Plan, Step};

/// Shows the changes, asks, makes them. `false`: there is no terminal to ask on, or the answer was
/// no.
pub(super) fn migrate(call: &mut CommandContext<'_>, options: Migrate) -> Result<bool, Error> {
    storage::check_home(call.context)?;
    let file = config_file::file(call.context, Scope::Local)?;
    if options.undo {
        return undo(call, &file).map(|()| true);
    }
    let plan = plan(call)?;
    for step in &plan.steps {
        for line in step.words() {
            call.say(sanitise(&line));
        }
    }
    for line in &plan.left {
        call.warn(format!("left: {}", sanitise(line)));
    }
    if plan.steps.is_empty() {
        call.say("nothing to change");
        return Ok(true);
    }
    if options.dry_run {
        return Ok(true);
    }
    if !options.yes {
        if !call.prompt.available() {
            call.warn("no terminal to ask on, so nothing was changed");
            call.warn("hint: git bitbucket migrate --yes");
            return Ok(false);
        }
        let question = format!("Change {}? [y/N] ", call.shown(&file));
        if !call.prompt.confirm(&question).map_err(Error::Unanswered)? {
            call.say("nothing was changed");
            return Ok(false);
        }
    }
    apply(call, &file, &plan.steps)?;
    call.say(format!("{}: changed", call.shown(&file)));
    call.say("undo: git bitbucket migrate --undo");
    Ok(true)
}

/// Reads the configuration and plans the changes.
fn plan(call: &CommandContext<'_>) -> Result<Plan, Error> {
    let context = call.context;
    let listed = |scope: &str, pattern: &str| -> Result<Vec<(String, String)>, Error> {
        let found = git::ask(
            context,
            &["config", scope, "--null", "--get-regexp", pattern],
        )?;
        let found = String::from_utf8(found.unwrap_or_default()).map_err(|_| Error::NotUtf8)?;
        let entries = found.split_terminator('\0');
        let entries = entries.map(|entry| entry.split_once('\n').unwrap_or((entry, "")));
        Ok(entries
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect())
    };
    let config = context.ssh_directory().map(|folder| folder.join("config"));
    let config = config.and_then(|file| storage::read_text(&file).ok());
    let user = |scope: &str| git::line(context, &["config", scope, "--get", "core.sshCommand"]);
    // `--global` fails where there is no such file.
    let others = ["--global", "--system"].into_iter();
    let set_up = others
        .filter_map(|scope| user(scope).ok().flatten())
        .any(|command| runs_bitbucket_ssh(context, &command));
    Ok(plan::plan(&plan::Found {
        sites: &Accounts::load(call.context)?.sites,
        remotes: listed("--local", r"^remote\..*\.(url|pushurl)$")?,
        ssh_command: git::line(context, &["config", "--local", "--get", "core.sshCommand"])?,
        blocks: &blocks(&config.unwrap_or_default()),
        includes: listed("--global", r"^includeif\.").unwrap_or_default(),
        set_up,
        exists: &|file| context.expand_home(file).is_file(),
    }))
}

/// Lets git change a copy, records the undo, and puts the copy in place.
fn apply(call: &CommandContext<'_>, file: &std::path::Path, steps: &[Step]) -> Result<(), Error> {
    let directory = Directory::records(call.context)?;
    directory.create()?;
    let before = storage::read(file)?.unwrap_or_default();
    let draft = Draft::of(call.context, directory.path(), &before)?;
    for step in steps {
        match step {
            Step::Url { key, old, new } => {
                let values = draft.values(key)?;
                let values: Vec<String> = values
                    .into_iter()
                    .map(|value| if value == *old { new.clone() } else { value })
                    .collect();
                draft.set(key, &values)?;
            }
            Step::Set { key, value } => draft.set(key, std::slice::from_ref(value))?,
            Step::Unset { key, .. } => draft.set(key, &[])?,
        }
    }
    let after = draft.content()?;
    let mut record = Record::load(&directory)?;
    record.migrations.push(Migrated {
        file: file.to_owned(),
        reversal: Reversal::new(Some(&before), &after),
    });
    record.save(&directory)?;
    Ok(storage::replace_locked(file, Some(&before), Some(&after))?)
}

/// Restores the file byte for byte; fails where it was changed since.
fn undo(call: &mut CommandContext<'_>, file: &std::path::Path) -> Result<(), Error> {
    let directory = Directory::records(call.context)?;
    let mut record = Record::load(&directory)?;
    let Some(at) = record.migrations.iter().rposition(|one| one.file == file) else {
        call.say("no migration to undo in this repository");
        return Ok(());
    };
    let now = storage::read(file)?.unwrap_or_default();
    let one = &record.migrations[at];
    let shown = call.shown(file);
    let Some(before) = one.reversal.original(&now) else {
        return Err(Error::Other {
            what: format!("{shown} was changed since the migration, so it is left alone"),
            hints: vec!["git remote -v; git config --local --list".to_owned()],
        });
    };
    storage::replace_locked(file, Some(&now), Some(&before))?;
    record.migrations.remove(at);
    record.save(&directory)?;
    call.say(format!("{shown}: restored as it was"));
    Ok(())
}

/// `migrate.json`: how to undo every migration that was not undone, in the order in which they
/// were made.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    /// Every migration that was not undone.
    migrations: Vec<Migrated>,
}

/// One migration of one file.
#[derive(Debug, Serialize, Deserialize)]
struct Migrated {
    /// The configuration file.
    file: PathBuf,
    #[serde(flatten)]
    reversal: Reversal,
}

const NAME: &str = "migrate.json";

impl Record {
    /// Empty where there is no file.
    fn load(directory: &Directory<'_>) -> Result<Self, Error> {
        Ok(directory.read_json(NAME)?.unwrap_or_default())
    }

    /// Writes the file durably; removes it where nothing is left.
    fn save(&self, directory: &Directory<'_>) -> Result<(), Error> {
        if self.migrations.is_empty() {
            return Ok(directory.remove(NAME)?);
        }
        Ok(directory.replace_json(NAME, self)?)
    }
}
