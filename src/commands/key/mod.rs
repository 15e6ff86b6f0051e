//! `key …`: the keys of an account on the site, beside the keys here.
//!
//! One file for each verb; what they do to keys is `provision`'s.

mod access;
mod agent;
mod create;
mod list;
mod new;
mod prune;
mod revoke;
mod rotate;

use super::accounts::Accounts;
use super::arguments::Key;
use super::context::CommandContext;
use super::{Error, registry};
use crate::bitbucket::{self, KeyRegistry};
use crate::identity::AccountId;
use crate::provision::key_status::{self, KeyEntry};
use crate::provision::{Records, machine_tag};
use crate::repository::Site;

/// Does what is asked of keys.
pub(super) fn key(call: &mut CommandContext<'_>, verb: &Key) -> Result<(), Error> {
    match verb {
        Key::List(options) => list::list(call, options),
        Key::New(options) => new::new(call, options),
        Key::Add(options) => new::add(call, options),
        Key::Load(options) => agent::load(call, options),
        Key::Unload(options) => agent::unload(call, options),
        Key::Rotate(options) => rotate::rotate(call, options),
        Key::Revoke(options) => revoke::revoke(call, options),
        Key::Prune(options) => prune::prune(call, options),
    }
}

/// An account that is selection, on its site.
struct Selection {
    site: Site,
    account: AccountId,
}

/// The accounts that are selection: the one named, else all that are recorded or in the environment.
fn selection(
    call: &CommandContext<'_>,
    account: Option<&str>,
    site: Option<&str>,
) -> Result<Vec<Selection>, Error> {
    let known = Accounts::load(call.context)?;
    let mut accounts: Vec<AccountId> = known
        .accounts
        .iter()
        .map(|record| record.account.clone())
        .collect();
    if let Some((site, token)) = bitbucket::credential::environment(call.context) {
        let name = token.account;
        let account = AccountId { site, name };
        if !accounts.contains(&account) {
            accounts.push(account);
        }
    }
    if let Some(name) = account {
        let on: Vec<_> = accounts
            .iter()
            .filter(|known| known.name.eq_ignore_ascii_case(name))
            .collect();
        let site = match (site, on.as_slice()) {
            (None, [only]) => known.site(Some(&only.site), None)?,
            _ => known.site(site, Some(name))?,
        };
        let account = on.iter().find(|account| account.site == site.url);
        let account = account.map_or_else(
            || AccountId {
                site: site.url.clone(),
                name: name.to_owned(),
            },
            |account| (*account).clone(),
        );
        return Ok(vec![Selection {
            site: site.clone(),
            account,
        }]);
    }
    let only = match site {
        Some(_) => Some(known.site(site, None)?.url.clone()),
        None => None,
    };
    accounts.retain(|account| only.as_ref().is_none_or(|url| account.site == *url));
    let mut selection = Vec::new();
    for account in accounts {
        if let Ok(site) = known.site(Some(&account.site), None) {
            let site = site.clone();
            selection.push(Selection { site, account });
        }
    }
    if selection.is_empty() {
        return Err(Error::NotLoggedIn("no account is logged in".to_owned()));
    }
    Ok(selection)
}

/// Does it for each account. One that fails is told, and the others are gone on with; one without
/// a token is passed over where others have one.
fn each<'c>(
    call: &mut CommandContext<'c>,
    selection: &[Selection],
    mut act: impl FnMut(&mut CommandContext<'c>, &Selection) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut failed = Vec::new();
    let mut without = None;
    let mut done = 0;
    for one in selection {
        match act(call, one) {
            Ok(()) => done += 1,
            Err(error) if selection.len() == 1 => return Err(error),
            Err(error) => {
                let told = error.explanation();
                call.warn(format!("{}: {}", one.account, told.what));
                for hint in told.hints {
                    call.warn(format!("hint: {hint}"));
                }
                match error {
                    Error::NotLoggedIn(_) => without = Some(error),
                    _ => failed.push(one.account.to_string()),
                }
            }
        }
    }
    match (failed.as_slice(), without) {
        ([], Some(error)) if done == 0 => Err(error),
        ([], _) => Ok(()),
        (failed, _) => Err(Error::Other {
            what: format!("failed for {}", failed.join(", ")),
            hints: Vec::new(),
        }),
    }
}

/// The one account that is selection.
fn one(
    call: &CommandContext<'_>,
    account: Option<&str>,
    site: Option<&str>,
) -> Result<Selection, Error> {
    let mut all = selection(call, account, site)?;
    if all.len() > 1 {
        let names: Vec<_> = all
            .iter()
            .map(|selection| selection.account.to_string())
            .collect();
        return Err(Error::Usage {
            what: format!("several accounts are logged in: {}", names.join(", ")),
            hint: "--account ACCOUNT".to_owned(),
        });
    }
    all.pop()
        .ok_or_else(|| Error::NotLoggedIn("no account is logged in".to_owned()))
}

/// The site as the account sees it.
fn registry(
    call: &CommandContext<'_>,
    selection: &Selection,
) -> Result<Box<dyn KeyRegistry>, Error> {
    let name = &selection.account.name;
    registry::of_account(call.context, &selection.site, name)?
        .ok_or_else(|| Error::NotLoggedIn(format!("no API token for {name}")))
}

fn refused(why: bitbucket::Error, selection: &Selection) -> Error {
    registry::refused(why, &selection.site)
}

/// The account's keys, on the site and here; behind them the access keys that it registered.
fn entries(
    call: &mut CommandContext<'_>,
    selection: &Selection,
    registry: &dyn KeyRegistry,
) -> Result<Vec<KeyEntry>, Error> {
    let keys = registry.user().and_then(|user| registry.keys(&user));
    let keys = keys.map_err(|why| refused(why, selection))?;
    let records = Records::open(call.context)?;
    let tag = machine_tag(call.context)?;
    let own = key_status::account_keys(&selection.account, &keys, records.identities(), &tag);
    let access = access::entries(call, selection, registry)?;
    Ok(own.into_iter().chain(access).collect())
}

/// A yes: by `--yes`, or by a person. Where nobody can say it, nothing is changed.
fn agreed(call: &mut CommandContext<'_>, yes: bool, question: &str) -> Result<bool, Error> {
    if yes {
        return Ok(true);
    }
    if !call.prompt.available() {
        return Err(Error::Other {
            what: "nobody can be asked here, so nothing was changed".to_owned(),
            hints: vec!["the same command with --yes".to_owned()],
        });
    }
    call.prompt
        .confirm(&format!("{question} [y/N] "))
        .map_err(Error::Unanswered)
}
