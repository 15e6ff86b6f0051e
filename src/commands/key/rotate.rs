//! `key rotate`: creates and verifies a new key before the old one is removed.

use super::{SelectedAccount, confirmed, each, new, select};
use crate::commands::Error;
use crate::commands::arguments::KeyRotate;
use crate::commands::context::CommandContext;
use crate::identity::{ManagedKey, State};
use crate::provision::Records;
use crate::provision::key_status::{KeyEntry, KeyListing};
use crate::provision::removal::{self, RemovalOutcome};
use crate::repository::key_page;
use crate::text::{counted, sanitise};

/// Replaces every managed key of the selected accounts (older than `--older-than` days). An old key
/// that the token cannot delete stays and is named. An interrupted rotation is resumed with the key
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
    let question = format!("Replace {} of {account}?", counted(old.len(), "key"));
    if options.dry_run || !confirmed(call, options.yes, &question)? {
        return Ok(());
    }
    let replaces = match interrupted {
        Some(new) => new.replaces,
        None => old.into_iter().map(|key| key.fingerprint).collect(),
    };
    let created = new::replace(call, selected, &replaces)?;
    for (old, outcome) in removal::finish_rotation(call.context, registry.as_ref(), &created)? {
        report(call, selected, &old.fingerprint, outcome);
    }
    Ok(())
}

fn report(
    call: &mut CommandContext<'_>,
    selected: &SelectedAccount,
    fingerprint: &str,
    outcome: RemovalOutcome,
) {
    match outcome {
        RemovalOutcome::Renamed(renamed) => {
            call.say(format!("removed {fingerprint} from {}", selected.account));
            if let Some(renamed) = renamed {
                let renamed = call.shown(&renamed);
                call.say(format!("its files were renamed to {renamed}"));
            }
        }
        RemovalOutcome::Left(why) => {
            call.warn(format!(
                "{fingerprint} stays registered: the token cannot delete keys ({why})"
            ));
            let page = key_page(&selected.site.url);
            call.warn(format!("hint: remove it at {page}"));
        }
    }
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
/// by `key new` and `key revoke` for its repository.
fn is_in_use(key: &KeyEntry) -> bool {
    let complete = matches!(key.listing, KeyListing::Managed(state) if state != State::Pending);
    let record = key.record.as_ref();
    complete && record.is_some_and(|record| record.repository.is_none())
}

fn is_older(key: &KeyEntry, days: Option<u32>, now: jiff::Timestamp) -> bool {
    let (Some(days), Some(created)) = (days, key.created()) else {
        return true;
    };
    now.duration_since(created).as_hours() / 24 >= i64::from(days)
}
