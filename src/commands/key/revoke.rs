//! `key revoke` and `key prune`: removes keys from the site and the agent, and renames their files.

use std::collections::HashSet;

use jiff::Timestamp;

use super::{SelectedAccount, access, confirmed, each, list, new, select};
use crate::bitbucket::{self, KeyRegistry};
use crate::commands::arguments::{KeyOf, KeyPrune, KeyRevoke};
use crate::commands::context::CommandContext;
use crate::commands::{Error, resolve};
use crate::identity::State;
use crate::provision::key_status::{self, KeyEntry, is_own_label};
use crate::provision::{self, Records, removal};
use crate::settings::Provision;
use crate::text::{Pasted, counted, sanitise};

/// `--unused` removes no key that is younger than this many days.
const YOUNGEST: i64 = 30;

/// Removes the keys with these fingerprints, or none if one of them is unknown. `--compromised`: a
/// managed key is replaced first.
pub(super) fn revoke(call: &mut CommandContext<'_>, options: &KeyRevoke) -> Result<(), Error> {
    let accounts = select(
        call,
        &KeyOf {
            account: None,
            site: options.site.clone(),
        },
    )?;
    let mut found = Vec::new();
    for selected in &accounts {
        let registry = match selected.registry(call) {
            Ok(registry) => registry,
            Err(Error::NotLoggedIn(_)) if accounts.len() > 1 => continue,
            Err(error) => return Err(error),
        };
        let mut keys = selected.keys(call, registry.as_ref())?;
        keys.retain(|key| {
            let mut wanted = options.fingerprints.iter();
            wanted.any(|wanted| same(wanted, &key.fingerprint))
        });
        found.push((selected, registry, keys));
    }
    let keys = || found.iter().flat_map(|(_, _, keys)| keys);
    let unknown = |wanted: &&String| !keys().any(|key| same(wanted, &key.fingerprint));
    if let Some(unknown) = options.fingerprints.iter().find(unknown) {
        return Err(Error::Other {
            what: format!("no account has the key {}", sanitise(unknown)),
            hints: vec!["git bitbucket key list".to_owned()],
        });
    }
    for (selected, registry, keys) in &found {
        check_delete_scope(selected, registry.as_ref(), keys)?;
    }
    for (selected, registry, keys) in &found {
        for key in keys {
            // A pending key is not in use anywhere, and creating a key would complete it.
            let record = key.record.as_ref();
            let record = record.filter(|record| record.state != State::Pending);
            if let Some(record) = record.filter(|_| options.compromised) {
                match &record.repository {
                    Some(_) => access::replace(call, selected, record)?,
                    None => drop(new::replace(call, selected, &[])?),
                }
            }
            remove(call, selected, registry.as_ref(), key)?;
        }
        let was_ours = |key: &KeyEntry| {
            let record = key.record.as_ref();
            record.is_some_and(|record| record.repository.is_none())
        };
        if keys.iter().any(was_ours) {
            next_fetch(call, selected)?;
        }
    }
    Ok(())
}

/// Fails where the token cannot remove one of the keys, before anything is changed.
fn check_delete_scope(
    selected: &SelectedAccount,
    registry: &dyn KeyRegistry,
    keys: &[KeyEntry],
) -> Result<(), Error> {
    match keys.iter().find(|key| key.listed.is_some()) {
        Some(key) if super::lacks_delete_scope(registry) => {
            Err(selected.still_valid(key, &selected.no_delete_scope(), true))
        }
        _ => Ok(()),
    }
}

/// Says what the next fetch does for an account that has no managed key left.
fn next_fetch(call: &mut CommandContext<'_>, selected: &SelectedAccount) -> Result<(), Error> {
    let (site, account) = (&selected.site, &selected.account);
    if Records::open(call.context)?.usable(account, None).is_some() {
        return Ok(());
    }
    let git_config = resolve::git_config(call.context)?;
    let settings = git_config.settings(&git_config.sites(), site, None);
    let does = match settings.provision.value {
        Provision::Auto => "creates a new one",
        Provision::Ask => "asks whether to create a new one",
        Provision::Never => return Ok(()),
    };
    call.say(format!(
        "{account} has no key of this program left here: the next fetch as {account} {does}; to prevent that: git config --global {} never",
        Pasted::new(format!("bitbucket.{}.provision", site.url))
    ));
    Ok(())
}

/// With or without `SHA256:`.
fn same(wanted: &str, fingerprint: &str) -> bool {
    let bare = |text: &str| {
        let text = text.trim_start_matches("SHA256:");
        text.trim_end_matches('=').to_owned()
    };
    bare(wanted) == bare(fingerprint)
}

/// Removes a key from the site, from the setting that names its file, and from this machine.
fn remove(
    call: &mut CommandContext<'_>,
    selected: &SelectedAccount,
    registry: &dyn KeyRegistry,
    key: &KeyEntry,
) -> Result<(), Error> {
    let record = key.record.as_ref();
    let repository = record.and_then(|record| access::repository_of(record, &selected.site));
    if let Some(listed) = &key.listed {
        let (place, from) = match &repository {
            Some(repository) => (
                removal::Place::Repository(repository),
                repository.to_string(),
            ),
            None => (removal::Place::Account, key.account.to_string()),
        };
        let remove = || removal::remove_from_site(&key.account, registry, place, &listed.id);
        let removed = match record {
            Some(record) => removal::remove_recorded(call.context, record, remove),
            None => remove(),
        };
        removed.map_err(|error| not_removed(selected, key, error))?;
        call.say(format!("removed {} from {from}", key.fingerprint));
    }
    let Some(record) = record else { return Ok(()) };
    access::remove_setting(call, record)?;
    if let Some(renamed) = removal::remove_here(call.context, record)? {
        let renamed = call.shown(&renamed);
        call.say(format!("its files were renamed to {renamed}"));
    }
    Ok(())
}

/// A refusal of the site leaves the key valid; after any other error that is not known.
fn not_removed(selected: &SelectedAccount, key: &KeyEntry, error: provision::Error) -> Error {
    use bitbucket::Error::{Forbidden, ScopeMissing, TokenRefused};
    match &error {
        provision::Error::Site {
            error: ScopeMissing { .. },
            ..
        } => selected.still_valid(key, &selected.no_delete_scope(), true),
        provision::Error::Site {
            error: site @ (Forbidden { .. } | TokenRefused { .. }),
            ..
        } => selected.still_valid(key, &site.to_string(), false),
        _ => error.into(),
    }
}

/// Offers to remove keys of this machine whose private key is gone; with `--unused DAYS` keys of any
/// machine that carry this program's label and were last used longer ago.
pub(super) fn prune(call: &mut CommandContext<'_>, options: &KeyPrune) -> Result<(), Error> {
    let held = key_status::local_fingerprints(call.context);
    let accounts = select(call, &options.which)?;
    each(call, &accounts, |call, selected| {
        prune_account(call, options, selected, &held)
    })
}

fn prune_account(
    call: &mut CommandContext<'_>,
    options: &KeyPrune,
    selected: &SelectedAccount,
    held: &HashSet<String>,
) -> Result<(), Error> {
    let account = &selected.account;
    let now = call.context.clock.now();
    let registry = selected.registry(call)?;
    let mut keys = selected.keys(call, registry.as_ref())?;
    keys.retain(|key| {
        let ours = key.listed.is_some() && is_own_label(&key.label);
        ours && is_due(key, held, options.unused, now)
    });
    if keys.is_empty() {
        call.say(format!("{account}: nothing to remove"));
        return Ok(());
    }
    for key in &keys {
        let used = last_used(key);
        let used = used.map(|at| format!("  last used {}", list::ago(at, now)));
        let (label, used) = (sanitise(&key.label), used.unwrap_or_default());
        call.say(format!("{}  {label}{used}", key.fingerprint));
    }
    if options.dry_run {
        call.say(format!(
            "{account}: would remove {}",
            counted(keys.len(), "key")
        ));
        return Ok(());
    }
    check_delete_scope(selected, registry.as_ref(), &keys)?;
    let question = format!("Remove {} from {account}?", counted(keys.len(), "key"));
    if confirmed(call, options.yes, &question)? {
        for key in &keys {
            remove(call, selected, registry.as_ref(), key)?;
        }
    }
    Ok(())
}

fn is_due(key: &KeyEntry, held: &HashSet<String>, unused: Option<u32>, now: Timestamp) -> bool {
    let record = key.record.as_ref();
    if held.contains(&key.fingerprint) || record.is_some_and(|record| record.file.exists()) {
        return false;
    }
    let Some(limit) = unused else {
        return key.this_machine;
    };
    let older = |at: Option<Timestamp>, days: i64| {
        at.is_some_and(|at| now.duration_since(at).as_hours() / 24 >= days)
    };
    older(key.created(), YOUNGEST) && older(last_used(key), i64::from(limit))
}

/// The last use of a key; its creation if it was never used.
fn last_used(key: &KeyEntry) -> Option<Timestamp> {
    let used = key.listed.as_ref().and_then(|key| key.last_used);
    used.or_else(|| key.created())
}
