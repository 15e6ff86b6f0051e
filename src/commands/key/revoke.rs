//! `key revoke`: a key goes from the site and the agent, its files aside.

use super::{Meant, entries, meant, provision, registry};
use crate::bitbucket::KeyRegistry;
use crate::commands::Error;
use crate::commands::arguments::KeyRevoke;
use crate::commands::call::Call;
use crate::commands::rooms::Wish;
use crate::identity::State;
use crate::provision::inventory::Entry;
use crate::provision::removal;

/// Removes each key that is named by its fingerprint. `--compromised`: a managed key is replaced
/// first. Nothing is done where one of the fingerprints is unknown.
pub(super) fn revoke(call: &mut Call<'_>, options: &KeyRevoke) -> Result<(), Error> {
    let all = meant(call, None, options.site.as_deref())?;
    let mut found: Vec<(usize, Entry)> = Vec::new();
    let mut registries: Vec<Box<dyn KeyRegistry>> = Vec::new();
    for meant in &all {
        let registry = match registry(call, meant) {
            Ok(registry) => registry,
            Err(Error::NotLoggedIn(_)) if all.len() > 1 => continue,
            Err(error) => return Err(error),
        };
        for entry in entries(call, meant, registry.as_ref())? {
            let wanted = options.fingerprints.iter();
            if wanted
                .into_iter()
                .any(|wanted| same(wanted, &entry.fingerprint))
            {
                found.push((registries.len(), entry));
            }
        }
        registries.push(registry);
    }
    for wanted in &options.fingerprints {
        if !found
            .iter()
            .any(|(_, entry)| same(wanted, &entry.fingerprint))
        {
            return Err(Error::Below {
                what: format!("no account has a key {}", crate::sanitise::sanitise(wanted)),
                hints: vec!["git bitbucket key list".to_owned()],
            });
        }
    }
    for (number, entry) in &found {
        // One that was begun and never finished is in use nowhere: making would finish it.
        let used = entry.record.as_ref();
        if options.compromised && used.is_some_and(|record| record.state != State::Pending) {
            let site = all.iter().find(|meant| meant.account == entry.account);
            if let Some(Meant { site, account }) = site {
                let made = call
                    .rooms
                    .make(site, account, Wish::default(), call.prompt)?;
                call.rooms.prove(site, &made, call.prompt)?;
                call.say(format!("{} takes its place", call.shown(&made.file)));
            }
        }
        remove(call, registries[*number].as_ref(), entry)?;
    }
    Ok(())
}

/// From the site, then from here.
pub(super) fn remove(
    call: &mut Call<'_>,
    registry: &dyn KeyRegistry,
    entry: &Entry,
) -> Result<(), Error> {
    if let Some(listed) = &entry.listed {
        let remove = || removal::from_site(&entry.account, registry, &listed.id);
        let removed = match &entry.record {
            Some(record) => removal::begun(call.context, record, remove),
            None => remove(),
        };
        removed.map_err(provision)?;
        call.say(format!(
            "removed {} from {}",
            entry.fingerprint, entry.account
        ));
    }
    if let Some(record) = &entry.record
        && let Some(moved) = removal::from_here(call.context, record).map_err(provision)?
    {
        call.say(format!("its files are aside: {}", call.shown(&moved)));
    }
    Ok(())
}

/// With or without `SHA256:`.
fn same(wanted: &str, fingerprint: &str) -> bool {
    let bare = |text: &str| {
        text.trim_start_matches("SHA256:")
            .trim_end_matches('=')
            .to_owned()
    };
    bare(wanted) == bare(fingerprint)
}
