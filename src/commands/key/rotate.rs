//! `key rotate`: a new key is made and proved before the old one goes.

use super::create::{NewKeyOptions, create_key, verify_key};
use super::list;
use super::{Selection, agreed, each, entries, registry, selection};
use crate::commands::Error;
use crate::commands::arguments::KeyRotate;
use crate::commands::context::CommandContext;
use crate::identity::{ManagedKey, State};
use crate::provision::Records;
use crate::provision::key_status::{KeyEntry, KeyListing};
use crate::provision::removal::{self, RemovalOutcome};
use crate::repository::key_page;

/// Every managed key of the accounts that are selection (older than `--older-than` days). Where the
/// token may not delete, the old key is named and left. A rotation that was interrupted is gone on
/// with, with the key that it has made.
pub(super) fn rotate(call: &mut CommandContext<'_>, options: &KeyRotate) -> Result<(), Error> {
    let which = &options.which;
    let selection = selection(call, which.account.as_deref(), which.site.as_deref())?;
    each(call, &selection, |call, selection| {
        rotate_of(call, options, selection)
    })
}

fn rotate_of(
    call: &mut CommandContext<'_>,
    options: &KeyRotate,
    selection: &Selection,
) -> Result<(), Error> {
    let now = call.context.clock.now();
    let registry = registry(call, selection)?;
    let begun = begun(call, selection)?;
    let old: Vec<KeyEntry> = entries(call, selection, registry.as_ref())?
        .into_iter()
        .filter(|entry| match &begun {
            Some(new) => new.replaces.contains(&entry.fingerprint),
            None => {
                in_use(entry.listing)
                    && is_the_account_s(entry)
                    && is_older(entry, options.older_than, now)
            }
        })
        .collect();
    match &begun {
        Some(new) => call.say(format!("{}: resuming an interrupted rotation", new.account)),
        None if old.is_empty() => {
            call.say(format!("{}: no keys to replace", selection.account));
            return Ok(());
        }
        None => {}
    }
    for entry in &old {
        call.say(format!("{}  {}", entry.fingerprint, entry.label));
    }
    if options.dry_run {
        return Ok(());
    }
    let question = format!("Replace {} of {}?", count(old.len()), selection.account);
    if !agreed(call, options.yes, &question)? {
        return Ok(());
    }
    let supersedes = match begun {
        Some(new) => new.replaces,
        None => old.into_iter().map(|entry| entry.fingerprint).collect(),
    };
    let new_key = NewKeyOptions {
        supersedes: &supersedes,
        ..NewKeyOptions::default()
    };
    let made = create_key(call, &selection.site, &selection.account, new_key)?;
    verify_key(call, &selection.site, &made)?;
    call.say(format!("{} replaces it", call.shown(&made.file)));
    let fates = removal::finish_rotation(call.context, registry.as_ref(), &made)?;
    for (old, fate) in fates {
        tell(call, selection, &old, fate);
    }
    Ok(())
}

fn tell(
    call: &mut CommandContext<'_>,
    selection: &Selection,
    old: &ManagedKey,
    fate: RemovalOutcome,
) {
    let fingerprint = &old.fingerprint;
    match fate {
        RemovalOutcome::Renamed(moved) => {
            call.say(format!("removed {fingerprint} from {}", selection.account));
            if let Some(moved) = moved {
                call.say(format!("its files were renamed to {}", call.shown(&moved)));
            }
        }
        RemovalOutcome::Left(why) => {
            call.warn(format!(
                "{fingerprint} stays registered: the token cannot delete keys ({why})"
            ));
            call.warn(format!("hint: {}", key_page(&selection.site.url)));
        }
    }
}

/// The new key of a rotation that was interrupted.
fn begun(call: &CommandContext<'_>, selection: &Selection) -> Result<Option<ManagedKey>, Error> {
    let records = Records::open(call.context)?;
    let mut records = records.identities().iter();
    let begun = records.find(|one| one.account == selection.account && !one.replaces.is_empty());
    Ok(begun.cloned())
}

/// One that was begun and never finished is the next one to be made, not one to be replaced.
fn in_use(listing: KeyListing) -> bool {
    matches!(listing, KeyListing::Managed(state) if state != State::Pending)
}

/// An access key is replaced where it is made, for its repository.
fn is_the_account_s(entry: &KeyEntry) -> bool {
    let record = entry.record.as_ref();
    record.is_some_and(|record| record.repository.is_none())
}

fn is_older(entry: &KeyEntry, days: Option<u32>, now: jiff::Timestamp) -> bool {
    let Some(days) = days else { return true };
    let age = entry
        .created()
        .map(|at| now.duration_since(at).as_hours() / 24);
    age.is_none_or(|age| age >= i64::from(days))
}

/// `1 key`, `2 keys`.
pub(super) fn count(number: usize) -> String {
    match number {
        1 => "1 key".to_owned(),
        number => format!("{number} keys"),
    }
}

/// When a key was last of use: its last login, else its making.
pub(super) fn idle_since(entry: &KeyEntry) -> Option<jiff::Timestamp> {
    let used = entry.listed.as_ref().and_then(|key| key.last_used);
    used.or_else(|| entry.created())
}

/// A key in one line, for a question.
pub(super) fn line(entry: &KeyEntry, now: jiff::Timestamp) -> String {
    let since = idle_since(entry).map_or_else(String::new, |at| {
        format!("  last used {}", list::ago(at, now))
    });
    format!(
        "{}  {}{since}",
        entry.fingerprint,
        crate::text::sanitise(&entry.label)
    )
}
