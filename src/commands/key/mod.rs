//! `key …`: the keys of an account, on the site and on this machine.

mod access;
mod agent;
mod list;
mod new;
mod revoke;
mod rotate;

use super::accounts::Accounts;
use super::arguments::{Key, KeyOf};
use super::context::CommandContext;
use super::{Error, registry};
use crate::bitbucket::{self, KeyRegistry, scopes};
use crate::identity::AccountId;
use crate::provision::key_status::{self, KeyEntry};
use crate::provision::{Records, machine_tag};
use crate::repository::{Repository, Site, access_key_page, key_page, token_page};
use crate::text::Pasted;

/// Runs a verb.
pub(super) fn key(call: &mut CommandContext<'_>, verb: &Key) -> Result<(), Error> {
    match verb {
        Key::List(options) => list::list(call, options),
        Key::New(options) => match &options.repository {
            Some(url) => access::new(call, options, url),
            None => new::new(call, options),
        },
        Key::Add(options) => new::add(call, options),
        Key::Load(options) => agent::load(call, options),
        Key::Unload(options) => agent::unload(call, options),
        Key::Rotate(options) => rotate::rotate(call, options),
        Key::Revoke(options) => revoke::revoke(call, options),
        Key::Prune(options) => revoke::prune(call, options),
    }
}

/// An account that a command works on.
struct SelectedAccount {
    site: Site,
    account: AccountId,
}

impl SelectedAccount {
    /// The site as the account sees it.
    fn registry(&self, call: &CommandContext<'_>) -> Result<Box<dyn KeyRegistry>, Error> {
        let name = &self.account.name;
        registry::of_account(call.context, &self.site, name)?
            .ok_or_else(|| Error::NotLoggedIn(format!("no API token for {name}")))
    }

    fn refused(&self, why: bitbucket::Error) -> Error {
        registry::refused(why, &self.site)
    }

    /// The command that logs in to the account.
    fn login(&self) -> String {
        let (name, site) = (Pasted::new(&self.account.name), Pasted::new(&self.site.url));
        format!("git bitbucket login {name} --site {site}")
    }

    /// That a key could not be removed, and what to do about it. `why`: the token's fault or the
    /// site's answer.
    fn still_valid(&self, key: &KeyEntry, why: &str, lacks_scope: bool) -> Error {
        let record = key.record.as_ref();
        let repository = record.and_then(|record| access::repository_of(record, &self.site));
        let page = self.page(repository.as_ref());
        let mut hints = vec![format!("remove it yourself at {page}")];
        if lacks_scope {
            hints.push(format!(
                "or create a token that has the scope {} as well, and log in with it: {}",
                scopes::DELETE_KEYS,
                token_page(&self.site.url)
            ));
            hints.push(self.login());
        }
        Error::other(format!("{} is STILL valid: {why}", key.fingerprint), hints)
    }

    /// That the token lacks the scope that removing keys needs.
    fn no_delete_scope(&self) -> String {
        let account = &self.account;
        format!(
            "the API token of {account} lacks the scope {}",
            scopes::DELETE_KEYS
        )
    }

    /// The page on which a person removes a key: of the account, or of a repository.
    fn page(&self, repository: Option<&Repository>) -> String {
        match repository {
            Some(repository) => access_key_page(self.site.kind, repository),
            None => key_page(&self.site.url),
        }
    }

    /// The account's keys on the site and on this machine, followed by the access keys that it
    /// registered.
    fn keys(
        &self,
        call: &mut CommandContext<'_>,
        registry: &dyn KeyRegistry,
    ) -> Result<Vec<KeyEntry>, Error> {
        let keys = registry.user().and_then(|user| registry.keys(&user));
        let keys = keys.map_err(|why| self.refused(why))?;
        let records = Records::open(call.context)?;
        let tag = machine_tag(call.context)?;
        let mut all = key_status::account_keys(&self.account, &keys, records.identities(), &tag);
        all.extend(access::keys(call, self, registry)?);
        Ok(all)
    }
}

fn none_logged_in() -> Error {
    Error::NotLoggedIn("no account is logged in".to_owned())
}

/// The accounts to work on: the one that is named, else all that are recorded or in the environment.
fn select(call: &CommandContext<'_>, which: &KeyOf) -> Result<Vec<SelectedAccount>, Error> {
    let site = which.site.as_deref();
    let known = Accounts::load(call.context)?;
    let recorded = known.accounts.iter();
    let mut accounts: Vec<_> = recorded.map(|record| record.account.clone()).collect();
    if let Some((site, token)) = bitbucket::credential::environment(call.context) {
        let name = token.account;
        let account = AccountId { site, name };
        if !accounts.contains(&account) {
            accounts.push(account);
        }
    }
    if let Some(name) = which.account.as_deref() {
        accounts.retain(|account| account.name.eq_ignore_ascii_case(name));
        let site = match (site, accounts.as_slice()) {
            (None, [only]) => known.site(Some(&only.site), None)?,
            _ => known.site(site, Some(name))?,
        };
        let mut accounts = accounts.into_iter();
        let account = accounts.find(|account| account.site == site.url);
        let account = account.unwrap_or_else(|| AccountId {
            site: site.url.clone(),
            name: name.to_owned(),
        });
        let site = site.clone();
        return Ok(vec![SelectedAccount { site, account }]);
    }
    if site.is_some() {
        let site = known.site(site, None)?;
        accounts.retain(|account| account.site == site.url);
    }
    let on_site = |account: AccountId| {
        let site = known.site(Some(&account.site), None).ok()?.clone();
        Some(SelectedAccount { site, account })
    };
    let selected: Vec<_> = accounts.into_iter().filter_map(on_site).collect();
    if selected.is_empty() {
        return Err(none_logged_in());
    }
    Ok(selected)
}

/// The one account to work on.
fn select_one(call: &CommandContext<'_>, which: &KeyOf) -> Result<SelectedAccount, Error> {
    let mut all = select(call, which)?;
    if let [first, _, ..] = all.as_slice() {
        let names: Vec<_> = all.iter().map(|one| one.account.to_string()).collect();
        return Err(Error::Usage {
            what: format!("several accounts are logged in: {}", names.join(", ")),
            hint: format!(
                "select one, for example --account {}",
                Pasted::new(&first.account.name)
            ),
        });
    }
    all.pop().ok_or_else(none_logged_in)
}

/// Runs `act` for each account. A failure is reported, and the other accounts follow; an account
/// without a token is skipped if others have one.
fn each<'c>(
    call: &mut CommandContext<'c>,
    accounts: &[SelectedAccount],
    mut act: impl FnMut(&mut CommandContext<'c>, &SelectedAccount) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut failed = Vec::new();
    let mut without_token = None;
    let mut done = 0;
    for one in accounts {
        match act(call, one) {
            Ok(()) => done += 1,
            Err(error) if accounts.len() == 1 => return Err(error),
            Err(error) => {
                let explanation = error.explanation();
                call.warn(format!("{}: {}", one.account, explanation.what));
                for hint in explanation.hints {
                    call.warn(format!("hint: {hint}"));
                }
                match error {
                    Error::NotLoggedIn(_) => without_token = Some(error),
                    _ => failed.push(one.account.to_string()),
                }
            }
        }
    }
    match (failed.as_slice(), without_token) {
        ([], Some(error)) if done == 0 => Err(error),
        ([], _) => Ok(()),
        (failed, _) => Err(Error::Other {
            what: format!("failed for {}", failed.join(", ")),
            hints: Vec::new(),
        }),
    }
}

/// Whether to continue: `--yes`, or the answer of a person. An error where there is no terminal to ask on.
fn confirmed(call: &mut CommandContext<'_>, yes: bool, question: &str) -> Result<bool, Error> {
    if yes {
        return Ok(true);
    }
    if !call.prompt.available() {
        return Err(Error::Other {
            what: "no terminal to ask on, so nothing was changed".to_owned(),
            hints: vec![call.again_with("--yes")],
        });
    }
    call.prompt
        .confirm(&format!("{question} [y/N] "))
        .map_err(Error::Unanswered)
}

/// Whether the token cannot remove keys, as far as the site told in the answers so far.
fn lacks_delete_scope(registry: &dyn KeyRegistry) -> bool {
    let granted = registry.granted_scopes();
    granted.is_some_and(|all| !all.iter().any(|scope| scope == scopes::DELETE_KEYS))
}
