//! `key rotate`: a new key is made and proved before the old one goes.

use super::{Meant, agreed, each, entries, meant, provision, registry, table};
use crate::commands::Error;
use crate::commands::arguments::KeyRotate;
use crate::commands::call::Call;
use crate::commands::rooms::Wish;
use crate::identity::{Managed, State};
use crate::provision::guide;
use crate::provision::inventory::{Entry, Standing};
use crate::provision::record::Records;
use crate::provision::removal::{self, Fate};

/// Every managed key of the accounts that are meant (older than `--older-than` days). Where the
/// token may not delete, the old key is named and left. A rotation that was interrupted is gone on
/// with, with the key that it has made.
pub(super) fn rotate(call: &mut Call<'_>, options: &KeyRotate) -> Result<(), Error> {
    let which = &options.which;
    let meant = meant(call, which.account.as_deref(), which.site.as_deref())?;
    each(call, &meant, |call, meant| rotate_of(call, options, meant))
}

fn rotate_of(call: &mut Call<'_>, options: &KeyRotate, meant: &Meant) -> Result<(), Error> {
    let now = call.context.clock.now();
    let registry = registry(call, meant)?;
    let begun = begun(call, meant)?;
    let old: Vec<Entry> = entries(call, meant, registry.as_ref())?
        .into_iter()
        .filter(|entry| match &begun {
            Some(new) => new.replaces.contains(&entry.fingerprint),
            None => {
                in_use(entry.standing)
                    && is_the_account_s(entry)
                    && is_older(entry, options.older_than, now)
            }
        })
        .collect();
    match &begun {
        Some(new) => call.say(format!(
            "{}: going on with the rotation that was begun",
            new.account
        )),
        None if old.is_empty() => {
            call.say(format!("{}: no key is due", meant.account));
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
    let question = format!("Replace {} of {}?", count(old.len()), meant.account);
    if !agreed(call, options.yes, &question)? {
        return Ok(());
    }
    let supersedes = match begun {
        Some(new) => new.replaces,
        None => old.into_iter().map(|entry| entry.fingerprint).collect(),
    };
    let wish = Wish {
        supersedes: &supersedes,
        ..Wish::default()
    };
    let made = call
        .rooms
        .make(&meant.site, &meant.account, wish, call.prompt)?;
    call.rooms.prove(&meant.site, &made, call.prompt)?;
    call.say(format!("{} is in its place", call.shown(&made.file)));
    let fates = removal::superseded(call.context, registry.as_ref(), &made).map_err(provision)?;
    for (old, fate) in fates {
        tell(call, meant, &old, fate);
    }
    Ok(())
}

fn tell(call: &mut Call<'_>, meant: &Meant, old: &Managed, fate: Fate) {
    let fingerprint = &old.fingerprint;
    match fate {
        Fate::Aside(moved) => {
            call.say(format!("removed {fingerprint} from {}", meant.account));
            if let Some(moved) = moved {
                call.say(format!("its files are aside: {}", call.shown(&moved)));
            }
        }
        Fate::Left(why) => {
            call.warn(format!(
                "{fingerprint} stays on the account: the token may not delete keys ({why})"
            ));
            call.warn(format!("hint: {}", guide::key_page(&meant.site)));
        }
    }
}

/// The new key of a rotation that was interrupted.
fn begun(call: &Call<'_>, meant: &Meant) -> Result<Option<Managed>, Error> {
    let records = Records::open(call.context).map_err(provision)?;
    let mut records = records.identities().iter();
    let begun = records.find(|one| one.account == meant.account && !one.replaces.is_empty());
    Ok(begun.cloned())
}

/// One that was begun and never finished is the next one to be made, not one to be replaced.
fn in_use(standing: Standing) -> bool {
    matches!(standing, Standing::Managed(state) if state != State::Pending)
}

/// An access key is replaced where it is made, for its repository.
fn is_the_account_s(entry: &Entry) -> bool {
    let record = entry.record.as_ref();
    record.is_some_and(|record| record.repository.is_none())
}

fn is_older(entry: &Entry, days: Option<u32>, now: jiff::Timestamp) -> bool {
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
pub(super) fn idle_since(entry: &Entry) -> Option<jiff::Timestamp> {
    let used = entry.listed.as_ref().and_then(|key| key.last_used);
    used.or_else(|| entry.created())
}

/// A key in one line, for a question.
pub(super) fn line(entry: &Entry, now: jiff::Timestamp) -> String {
    let since = idle_since(entry).map_or_else(String::new, |at| {
        format!("  last of use {}", table::ago(at, now))
    });
    format!(
        "{}  {}{since}",
        entry.fingerprint,
        crate::sanitise::sanitise(&entry.label)
    )
}
