//! What git over HTTPS taught: which account served a repository, and which was refused there.
//!
//! A small file in the state directory that may be lost: what is lost is asked of the site once
//! more. Settings win over it. Holds names and times, no secret.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::identity::AccountId;
use crate::repository::Repository;
use crate::storage::{self, Attempt, Directory};

const FILE: &str = "https.json";

/// For how long a refused account is skipped.
const REFUSED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// Entries beyond that are dropped, the oldest first.
const MOST: usize = 500;

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::commands) struct Memory {
    #[serde(default)]
    served: Vec<Served>,
    #[serde(default)]
    refused: Vec<Refused>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Served {
    /// The repository's web URL in lower case.
    repository: String,
    account: String,
}

/// An account that a site refused for a repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::commands) struct Refused {
    site: String,
    /// The repository's web URL in lower case. `None`: the caller sent no path.
    repository: Option<String>,
    /// The account.
    pub(in crate::commands) account: String,
    /// Until when it is skipped.
    pub(in crate::commands) until: Timestamp,
}

impl Memory {
    /// What is remembered; nothing, where the file is missing or cannot be read.
    pub(in crate::commands) fn open(context: &Context) -> Self {
        Directory::state(context).map_or_else(|_| Self::default(), |directory| read(&directory))
    }

    /// The account that last served the repository.
    pub(super) fn served(&self, repository: &Repository) -> Option<&str> {
        let url = key(repository);
        let mut served = self.served.iter();
        served
            .find(|entry| entry.repository == url)
            .map(|entry| entry.account.as_str())
    }

    /// The refusal that passes the account over now. `repository`: `None` where no path was sent.
    pub(in crate::commands) fn refused(
        &self,
        account: &AccountId,
        repository: Option<&Repository>,
        now: Timestamp,
    ) -> Option<&Refused> {
        let url = repository.map(key);
        self.refused.iter().find(|entry| {
            entry.site == account.site
                && entry.account.eq_ignore_ascii_case(&account.name)
                && entry.repository == url
                && now < entry.until
        })
    }
}

/// Remembers that the account served the repository, and that it is no longer skipped there.
pub(super) fn served(context: &Context, account: &AccountId, repository: &Repository) {
    change(context, |memory| {
        let url = key(repository);
        memory.refused.retain(|entry| {
            entry.repository.as_ref() != Some(&url)
                || !entry.account.eq_ignore_ascii_case(&account.name)
        });
        let entry = Served {
            repository: url,
            account: account.name.clone(),
        };
        if !memory.served.contains(&entry) {
            memory
                .served
                .retain(|known| known.repository != entry.repository);
            memory.served.push(entry);
        }
    });
}

/// Passes the account over for this repository for a day. `repository`: `None` where no path was
/// sent.
pub(super) fn refuse(context: &Context, account: &AccountId, repository: Option<&Repository>) {
    let now = context.clock.now();
    change(context, |memory| {
        let url = repository.map(key);
        memory.refused.retain(|entry| {
            now < entry.until
                && !(entry.site == account.site
                    && entry.repository == url
                    && entry.account.eq_ignore_ascii_case(&account.name))
        });
        memory.refused.push(Refused {
            site: account.site.clone(),
            repository: url,
            account: account.name.clone(),
            until: now + REFUSED_FOR,
        });
    });
}

/// Takes the account up again everywhere, as after a new token or a deliberate choice.
pub(in crate::commands) fn take_up(context: &Context, account: &AccountId) {
    change(context, |memory| {
        memory.refused.retain(|entry| {
            entry.site != account.site || !entry.account.eq_ignore_ascii_case(&account.name)
        });
    });
}

/// Forgets the account.
pub(in crate::commands) fn forget(context: &Context, account: &AccountId) {
    let site = format!("{}/", account.site.to_lowercase());
    take_up(context, account);
    change(context, |memory| {
        memory.served.retain(|entry| {
            !entry.repository.starts_with(&site)
                || !entry.account.eq_ignore_ascii_case(&account.name)
        });
    });
}

fn key(repository: &Repository) -> String {
    repository.web_url().to_lowercase()
}

/// A write that fails costs one question more next time.
fn change(context: &Context, apply: impl FnOnce(&mut Memory)) {
    let Ok(directory) = Directory::state(context) else {
        return;
    };
    let before = read(&directory);
    let mut after = before.clone();
    apply(&mut after);
    let surplus = after.served.len().saturating_sub(MOST);
    after.served.drain(..surplus);
    let surplus = after.refused.len().saturating_sub(MOST);
    after.refused.drain(..surplus);
    if after != before
        && let Err(error) = write(&directory, &before, &after)
    {
        tracing::debug!("{error}");
    }
}

/// Under a lock, as the history of connections is written: what another process recorded meanwhile
/// stays, and what this one wanted to record, it records next time.
fn write(directory: &Directory<'_>, before: &Memory, after: &Memory) -> Result<(), storage::Error> {
    let Attempt::Held(_lock) = directory.try_lock("https.lock")? else {
        return Ok(());
    };
    if read(directory) != *before {
        return Ok(());
    }
    directory.replace_json(FILE, after)
}

fn read(directory: &Directory<'_>) -> Memory {
    match directory.read_json(FILE) {
        Ok(memory) => memory.unwrap_or_default(),
        Err(error) => {
            tracing::debug!("{error}; starting afresh");
            Memory::default()
        }
    }
}
