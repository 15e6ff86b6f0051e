//! `key prune`: this program's keys on the site that nobody holds any more.

use std::collections::HashSet;

use jiff::Timestamp;

use super::rotate::{count, idle_since, line};
use super::{Selection, agreed, each, entries, registry, revoke, selection};
use crate::commands::Error;
use crate::commands::arguments::KeyPrune;
use crate::commands::context::CommandContext;
use crate::provision::key_status::{self, KeyEntry, is_own_label};

/// Never younger than this, with `--unused`.
const YOUNGEST: i64 = 30;

/// Offers keys of this machine that are no longer held here; with `--unused DAYS` any machine's
/// that carry this program's label and were last used longer ago.
pub(super) fn prune(call: &mut CommandContext<'_>, options: &KeyPrune) -> Result<(), Error> {
    let which = &options.which;
    let held = key_status::local_fingerprints(call.context);
    let selection = selection(call, which.account.as_deref(), which.site.as_deref())?;
    each(call, &selection, |call, selection| {
        prune_of(call, options, selection, &held)
    })
}

fn prune_of(
    call: &mut CommandContext<'_>,
    options: &KeyPrune,
    selection: &Selection,
    held: &HashSet<String>,
) -> Result<(), Error> {
    let now = call.context.clock.now();
    let registry = registry(call, selection)?;
    let due: Vec<KeyEntry> = entries(call, selection, registry.as_ref())?
        .into_iter()
        .filter(|entry| entry.listed.is_some() && is_own_label(&entry.label))
        .filter(|entry| is_due(entry, held, options.unused, now))
        .collect();
    if due.is_empty() {
        call.say(format!("{}: nothing to remove", selection.account));
        return Ok(());
    }
    for entry in &due {
        call.say(line(entry, now));
    }
    if options.dry_run {
        return Ok(());
    }
    let question = format!("Remove {} from {}?", count(due.len()), selection.account);
    if agreed(call, options.yes, &question)? {
        for entry in &due {
            revoke::remove(call, selection, registry.as_ref(), entry)?;
        }
    }
    Ok(())
}

fn is_due(entry: &KeyEntry, held: &HashSet<String>, unused: Option<u32>, now: Timestamp) -> bool {
    let recorded = entry.record.as_ref();
    let held =
        held.contains(&entry.fingerprint) || recorded.is_some_and(|record| record.file.exists());
    let days = |at: Timestamp| now.duration_since(at).as_hours() / 24;
    match unused {
        None => entry.this_machine && !held,
        Some(limit) => {
            let young = entry.created().is_none_or(|at| days(at) < YOUNGEST);
            let idle = idle_since(entry).is_some_and(|at| days(at) >= i64::from(limit));
            !young && idle && !held
        }
    }
}
