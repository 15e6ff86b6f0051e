//! `key rotate`: a new key is made and proved before the old one goes.

use super::{agreed, entries, meant, registry, revoke, table};
use crate::bitbucket;
use crate::commands::Error;
use crate::commands::arguments::KeyRotate;
use crate::commands::call::Call;
use crate::commands::rooms::Wish;
use crate::identity::State;
use crate::provision::inventory::{Entry, Standing};

/// Every managed key of the accounts that are meant (older than `--older-than` days). Where the
/// token may not delete, the old key is named and left.
pub(super) fn rotate(call: &mut Call<'_>, options: &KeyRotate) -> Result<(), Error> {
    let now = call.context.clock.now();
    let which = &options.which;
    for meant in meant(call, which.account.as_deref(), which.site.as_deref())? {
        let registry = registry(call, &meant)?;
        let old: Vec<Entry> = entries(call, &meant, registry.as_ref())?
            .into_iter()
            .filter(|entry| in_use(entry.standing) && is_the_account_s(entry))
            .filter(|entry| is_older(entry, options.older_than, now))
            .collect();
        if old.is_empty() {
            call.say(format!("{}: no key is due", meant.account));
            continue;
        }
        for entry in &old {
            call.say(format!("{}  {}", entry.fingerprint, entry.label));
        }
        if options.dry_run {
            continue;
        }
        let question = format!("Replace {} of {}?", count(old.len()), meant.account);
        if !agreed(call, options.yes, &question)? {
            return Ok(());
        }
        let made = call
            .rooms
            .make(&meant.site, &meant.account, Wish::default(), call.prompt)?;
        call.rooms.prove(&meant.site, &made, call.prompt)?;
        call.say(format!("{} is in its place", call.shown(&made.file)));
        for entry in &old {
            match revoke::remove(call, &meant, registry.as_ref(), entry) {
                Ok(()) => {}
                Err(error) if may_not_delete(&error) => {
                    call.warn(format!(
                        "{} stays on the account: the token may not delete keys",
                        entry.fingerprint
                    ));
                    call.warn("hint: https://bitbucket.org/account/settings/ssh-keys/");
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
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

/// The site's words for a scope that is missing; they have been worded already.
fn may_not_delete(error: &Error) -> bool {
    match error {
        Error::Below { what, .. } => {
            what.contains("delete:ssh-key") || what.contains("refuses this")
        }
        Error::Site { why, .. } => matches!(
            why,
            bitbucket::Error::ScopeMissing { .. } | bitbucket::Error::Forbidden { .. }
        ),
        _ => false,
    }
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
