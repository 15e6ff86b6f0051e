//! `logout`: forgets the token of an account and the history of its keys; the keys stay.

use super::accounts::Accounts;
use super::arguments::Logout;
use super::config_file::literally;
use super::context::CommandContext;
use super::credential::memory;
use super::login::stored_in;
use super::{Error, resolve};
use crate::bitbucket::credential;
use crate::context::API_TOKEN;
use crate::identity::{Account, AccountId, history};
use crate::provision::Records;
use crate::repository::Url;
use crate::secret::TokenPlace;
use crate::storage;
use crate::text::{Pasted, sanitise};

/// Removes the token wherever it is stored, and the record of the account.
pub(super) fn logout(call: &mut CommandContext<'_>, options: &Logout) -> Result<(), Error> {
    let known = Accounts::load(call.context)?;
    let account = which(options, &known)?;
    let site = known.site(Some(&account.site), None)?;
    let recorded = known
        .account(site, &account.name)
        .is_some_and(|record| record.logged_in);
    let forgotten = credential::forget(call.context, site, &account.name)?;
    if !recorded && forgotten.is_empty() {
        return Err(Error::NotLoggedIn(format!(
            "{account} is not logged in on {}",
            account.site
        )));
    }
    history::forget(call.context, &account.site, &account.name);
    memory::forget(call.context, &account);
    Records::update(call.context, |records| records.forget_account(&account))?;
    report(call, &account, &forgotten)?;
    name_settings(call, known.account(site, &account.name), &account)
}

/// Names the settings that still speak of the account, each with the line that removes it.
fn name_settings(
    call: &mut CommandContext<'_>,
    record: Option<&Account>,
    account: &AccountId,
) -> Result<(), Error> {
    let git_config = resolve::git_config(call.context)?;
    for entry in git_config.accounts() {
        let named = entry.value.eq_ignore_ascii_case(&account.name)
            || record.is_some_and(|record| record.is_called(&entry.value));
        let of_site = entry.subsection.as_deref().is_none_or(|url| {
            let url = Url::parse(url);
            let site = Url::parse(&account.site);
            matches!((url, site), (Some(url), Some(site)) if url.host == site.host || url.scheme == "ssh")
        });
        if !named || !of_site {
            continue;
        }
        let (key, file) = (entry.key(), call.shown(&entry.file));
        call.warn(format!(
            "warning: {} still names {} ({file}:{})",
            sanitise(&key),
            sanitise(&entry.value),
            entry.line
        ));
        call.warn(format!(
            "hint: git config --file {} --unset-all {} {}",
            call.context.pasted(&entry.file),
            Pasted::new(&key),
            Pasted::new(literally(&entry.value))
        ));
    }
    Ok(())
}

/// The selected account: the one named, else the only one that is logged in.
fn which(options: &Logout, known: &Accounts) -> Result<AccountId, Error> {
    let site = options.site.as_deref();
    if let Some(name) = &options.account {
        let site = known.site(site, Some(name))?;
        let recorded = known.account(site, name);
        return Ok(recorded.map_or_else(
            || AccountId {
                site: site.url.clone(),
                name: name.clone(),
            },
            |account| account.account.clone(),
        ));
    }
    let site = match site {
        Some(_) => Some(known.site(site, None)?),
        None => None,
    };
    let on = |account: &&Account| site.is_none_or(|site| account.account.site == site.url);
    let logged_in: Vec<_> = known
        .accounts
        .iter()
        .filter(|account| account.logged_in)
        .filter(on)
        .collect();
    match logged_in.as_slice() {
        [] => Err(Error::NotLoggedIn("no account is logged in".to_owned())),
        [only] => Ok(only.account.clone()),
        several => {
            let names: Vec<_> = several
                .iter()
                .map(|account| format!("{} on {}", account.account, account.account.site))
                .collect();
            Err(Error::Usage {
                what: format!("several accounts are logged in: {}", names.join(", ")),
                hint: format!(
                    "git bitbucket logout {}",
                    Pasted::new(&several[0].account.name)
                ),
            })
        }
    }
}

/// Reports what was removed.
fn report(
    call: &mut CommandContext<'_>,
    account: &AccountId,
    forgotten: &[TokenPlace],
) -> Result<(), Error> {
    let records = call
        .context
        .records_directory()
        .ok_or(storage::Error::NoHome)?;
    let records = call.shown(&records);
    call.say(format!("logged out of {} as {account}", account.site));
    for place in forgotten {
        call.say(format!("token removed: {}", stored_in(*place, &records)));
    }
    call.say("the account's keys are kept, here and on the site");
    if call.context.environment.is_set(API_TOKEN) {
        call.warn(format!("warning: {API_TOKEN} is set and is still used"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::accounts::tests::{CENTER, CLOUD, account, site};

    #[test]
    fn the_account_is_named_or_the_only_one() {
        let known = |accounts: Vec<Account>| Accounts {
            sites: vec![site(CLOUD), site(CENTER)],
            accounts,
        };
        let mut out = account(CLOUD, "out@example.com");
        out.logged_in = false;
        let two = || vec![account(CLOUD, "Al@example.com"), account(CENTER, "carol")];
        let options = |name: Option<&str>, site: Option<&str>| Logout {
            account: name.map(str::to_owned),
            site: site.map(str::to_owned),
        };
        for (options, accounts, expected, why) in [
            (options(None, None), vec![], Err(4), "nobody"),
            (
                options(None, None),
                vec![out.clone()],
                Err(4),
                "recorded only",
            ),
            (options(None, None), two(), Err(2), "two"),
            (
                options(None, Some(CENTER)),
                two(),
                Ok("carol"),
                "the only one there",
            ),
            (
                options(Some("al@EXAMPLE.com"), None),
                two(),
                Ok("Al@example.com"),
                "as first typed",
            ),
            (
                options(Some("x"), Some(CLOUD)),
                two(),
                Ok("x"),
                "a token may lie somewhere",
            ),
            (options(Some("x"), None), two(), Err(2), "which site?"),
        ] {
            let found = which(&options, &known(accounts));
            assert_eq!(
                found
                    .as_ref()
                    .map(|account| account.name.as_str())
                    .map_err(|error| error.explanation().status),
                expected,
                "{why}"
            );
        }
    }
}
