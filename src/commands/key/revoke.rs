//! `key revoke`: a key goes from the site and the agent, its files aside.

use super::create::{NewKeyOptions, create_key, verify_key};
use super::{Selection, access, entries, registry, selection};
use crate::bitbucket::KeyRegistry;
use crate::commands::Error;
use crate::commands::arguments::KeyRevoke;
use crate::commands::context::CommandContext;
use crate::identity::State;
use crate::provision::key_status::KeyEntry;
use crate::provision::removal;

/// Removes each key that is named by its fingerprint. `--compromised`: a managed key is replaced
/// first. Nothing is done where one of the fingerprints is unknown.
pub(super) fn revoke(call: &mut CommandContext<'_>, options: &KeyRevoke) -> Result<(), Error> {
    let all = selection(call, None, options.site.as_deref())?;
    let mut found: Vec<(usize, usize, KeyEntry)> = Vec::new();
    let mut registries: Vec<Box<dyn KeyRegistry>> = Vec::new();
    for (place, selection) in all.iter().enumerate() {
        let registry = match registry(call, selection) {
            Ok(registry) => registry,
            Err(Error::NotLoggedIn(_)) if all.len() > 1 => continue,
            Err(error) => return Err(error),
        };
        for entry in entries(call, selection, registry.as_ref())? {
            let wanted = options.fingerprints.iter();
            if wanted
                .into_iter()
                .any(|wanted| same(wanted, &entry.fingerprint))
            {
                found.push((registries.len(), place, entry));
            }
        }
        registries.push(registry);
    }
    for wanted in &options.fingerprints {
        if !found
            .iter()
            .any(|(_, _, entry)| same(wanted, &entry.fingerprint))
        {
            return Err(Error::Other {
                what: format!("no account has the key {}", crate::text::sanitise(wanted)),
                hints: vec!["git bitbucket key list".to_owned()],
            });
        }
    }
    for (number, place, entry) in &found {
        let selection = &all[*place];
        // One that was begun and never finished is in use nowhere: making would finish it.
        let used = entry.record.as_ref();
        if options.compromised && used.is_some_and(|record| record.state != State::Pending) {
            match used.filter(|record| record.repository.is_some()) {
                Some(record) => access::replace(call, selection, record)?,
                None => replace(call, selection)?,
            }
        }
        remove(call, selection, registries[*number].as_ref(), entry)?;
    }
    Ok(())
}

fn replace(call: &mut CommandContext<'_>, selection: &Selection) -> Result<(), Error> {
    let Selection { site, account } = selection;
    let made = create_key(call, site, account, NewKeyOptions::default())?;
    verify_key(call, site, &made)?;
    call.say(format!("{} replaces it", call.shown(&made.file)));
    Ok(())
}

/// From the site, then from the settings that name it, then from here.
pub(super) fn remove(
    call: &mut CommandContext<'_>,
    selection: &Selection,
    registry: &dyn KeyRegistry,
    entry: &KeyEntry,
) -> Result<(), Error> {
    let record = entry.record.as_ref();
    let opens = record.and_then(|record| access::repository_of(record, &selection.site));
    if let Some(listed) = &entry.listed {
        let from = match &opens {
            Some(repository) => removal::Place::Repository(repository),
            None => removal::Place::Account,
        };
        let remove = || removal::remove_from_site(&entry.account, registry, from, &listed.id);
        let removed = match record {
            Some(record) => removal::remove_recorded(call.context, record, remove),
            None => remove(),
        };
        removed?;
        let from = opens.map_or_else(|| entry.account.to_string(), |place| place.to_string());
        call.say(format!("removed {} from {from}", entry.fingerprint));
    }
    if let Some(record) = record {
        access::leave(call, record)?;
    }
    if let Some(record) = record
        && let Some(moved) = removal::remove_here(call.context, record)?
    {
        call.say(format!("its files were renamed to {}", call.shown(&moved)));
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
