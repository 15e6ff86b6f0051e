//! `key rotate`: creates and verifies a new key before the old one is removed.

use super::{SelectedAccount, confirmed, each, new, select};
use crate::commands::Error;
use crate::commands::arguments::KeyRotate;
use crate::commands::context::CommandContext;
use crate::identity::{ManagedKey, State};
use crate::provision::Records;
use crate::provision::key_status::{KeyEntry, KeyListing};
use crate::provision::removal::{self, RemovalOutcome};
use crate::repository::{key_page, token_page};
use crate::text::{Pasted, counted, sanitise};

/// Replaces every managed key of the selected accounts (older than `--older-than` days). Where the
/// token cannot remove the old keys nothing is created, unless they are to stay. An interrupted rotation is resumed with the key
/// that it created.
pub(super) fn rotate(call: &mut CommandContext<'_>, options: &KeyRotate) -> Result<(), Error> {
    let accounts = select(call, &options.which)?;
    each(call, &accounts, |call, selected| {
        rotate_account(call, options, selected)
    })
}

fn rotate_account(
    call: &mut CommandContext<'_>,
    options: &KeyRotate,
    selected: &SelectedAccount,
) -> Result<(), Error> {
    let account = &selected.account;
    let registry = selected.registry(call)?;
    let interrupted = interrupted(call, selected)?;
    let mut old = selected.keys(call, registry.as_ref())?;
    if let Some(new) = &interrupted {
        old.retain(|key| new.replaces.contains(&key.fingerprint));
        call.say(format!("{account}: resuming an interrupted rotation"));
    } else {
        let now = call.context.clock.now();
        old.retain(|key| is_in_use(key) && is_older(key, options.older_than, now));
        if old.is_empty() {
            call.say(format!("{account}: no keys to replace"));
            return Ok(());
        }
    }
    for key in &old {
        call.say(format!("{}  {}", key.fingerprint, sanitise(&key.label)));
    }
    if !options.keep_old && super::lacks_delete_scope(registry.as_ref()) {
        return Err(cannot_remove(selected, options));
    }
    let question = format!("Replace {} of {account}?", counted(old.len(), "key"));
    if options.dry_run {
        call.say(format!(
            "{account}: would replace {}",
            counted(old.len(), "key")
        ));
        return Ok(());
    }
    if !confirmed(call, options.yes, &question)? {
        return Ok(());
    }
    let replaces = match interrupted {
        Some(new) => new.replaces,
        None => old.into_iter().map(|key| key.fingerprint).collect(),
    };
    let created = new::replace(call, selected, &replaces)?;
    if options.keep_old {
        for old in removal::finish_keeping(call.context, &created)? {
            let (file, fingerprint) = (call.shown(&old.file), old.fingerprint);
            call.say(format!(
                "{file} stays registered; to remove it: git bitbucket key revoke {fingerprint}"
            ));
        }
        return Ok(());
    }
    let mut left = Vec::new();
    for (old, outcome) in removal::finish_rotation(call.context, registry.as_ref(), &created)? {
        match outcome {
            RemovalOutcome::Renamed(renamed) => {
                let account = &selected.account;
                call.say(format!("removed {} from {account}", old.fingerprint));
                if let Some(renamed) = renamed {
                    let renamed = call.shown(&renamed);
                    call.say(format!("its files were renamed to {renamed}"));
                }
            }
            RemovalOutcome::Left(why) => left.push((old.fingerprint, why)),
        }
    }
    let Some((_, why)) = left.first() else {
        return Ok(());
    };
    let why = why.to_string();
    let left: Vec<String> = left
        .into_iter()
        .map(|(fingerprint, _)| fingerprint)
        .collect();
    let are = if left.len() == 1 { "is" } else { "are" };
    let page = key_page(&selected.site.url);
    Err(Error::other(
        format!("{} {are} STILL valid: {why}", left.join(", ")),
        [format!("remove the old key yourself at {page}")],
    ))
}

/// The token cannot remove keys, so rotating would only add one.
fn cannot_remove(selected: &SelectedAccount, options: &KeyRotate) -> Error {
    let account = Pasted::new(&selected.account.name);
    let older_than = options.older_than;
    let older_than = older_than.map_or_else(String::new, |days| format!(" --older-than {days}"));
    let keep = format!("git bitbucket key rotate --keep-old --account {account}{older_than}");
    Error::other(
        format!(
            "{}, which removes the old key; no key was created",
            selected.no_delete_scope()
        ),
        [
            format!(
                "create a token that has it as well, and log in with it: {}",
                token_page(&selected.site.url)
            ),
            selected.login(),
            format!(
                "or keep the old key, and remove it yourself at {}:",
                key_page(&selected.site.url)
            ),
            keep,
        ],
    )
}

/// The new key of an interrupted rotation.
fn interrupted(
    call: &CommandContext<'_>,
    selected: &SelectedAccount,
) -> Result<Option<ManagedKey>, Error> {
    let records = Records::open(call.context)?;
    let mut records = records.identities().iter();
    let new = records.find(|one| one.account == selected.account && !one.replaces.is_empty());
    Ok(new.cloned())
}

/// A managed key of the account. A pending one is completed, not replaced; an access key is replaced
/// by `key new` and `key revoke` for its repository; a key that the user made is the user's to replace.
fn is_in_use(key: &KeyEntry) -> bool {
    let complete = matches!(key.listing, KeyListing::Managed(state) if state != State::Pending);
    let record = key.record.as_ref();
    complete
        && record.is_some_and(|record| record.repository.is_none() && removal::is_created(record))
}

fn is_older(key: &KeyEntry, days: Option<u32>, now: jiff::Timestamp) -> bool {
    let (Some(days), Some(created)) = (days, key.created()) else {
        return true;
    };
    now.duration_since(created).as_hours() / 24 >= i64::from(days)
}
