//! A person on a terminal who has no token here: says which account, gives a token, or nothing.

use super::ensure::{KeyRequest, UnknownAccount, is_of_the_account};
use super::{Error, record, site_pages};
use crate::bitbucket::{self, KeyRegistry, RegisteredKey, User, credential, keyring};
use crate::diagnostics;
use crate::identity::{Account, AccountId};
use crate::repository::SiteKind;
use crate::secret::{Secret, TokenPlace};

/// An account's view of the site.
type Registry = Box<dyn KeyRegistry>;

/// What is needed to take a login in the middle of a git command.
pub struct Person<'a> {
    /// The site as seen with a token of the account that lies here. `None`: there is none.
    pub registry: &'a dyn Fn(&AccountId) -> Result<Option<Registry>, Error>,
    /// The site as seen with this token.
    pub connect: &'a dyn Fn(&AccountId, &Secret) -> Result<Registry, bitbucket::Error>,
    /// git's `user.email`: offered as the account on Cloud.
    pub user_email: Option<String>,
}

/// Which account: the address that git knows on Cloud, the login name elsewhere, unless another
/// is typed. `None`: none.
pub(super) fn account(
    newcomer: &UnknownAccount<'_>,
    person: &Person<'_>,
) -> Result<Option<AccountId>, Error> {
    let (context, site, prompt) = (newcomer.context, newcomer.site, newcomer.prompt);
    let told = match newcomer.refused {
        Some(refused) => refused.told.to_owned(),
        None => format!("There is no key for {} on this machine yet.", site.url),
    };
    diagnostics::say(&format!("{told} One is made now, for which account?"));
    let (kind, offered) = match site.kind {
        SiteKind::Cloud => ("Atlassian e-mail address", person.user_email.clone()),
        SiteKind::DataCenter => ("user name", context.login_name()),
    };
    let offered = offered.unwrap_or_default();
    let bracket = if offered.is_empty() {
        String::new()
    } else {
        format!(" [{offered}]")
    };
    loop {
        let answer = prompt.line(&format!("Account on {} ({kind}){bracket}: ", site.url))?;
        let name = match answer.trim() {
            "" => offered.as_str(),
            typed => typed,
        };
        if name.is_empty() {
            return Ok(None);
        }
        if !name.contains(char::is_control) {
            return Ok(Some(AccountId {
                site: site.url.clone(),
                name: name.to_owned(),
            }));
        }
    }
}

/// Takes a token, shows it to the site, keeps it as `git bitbucket login` does, and records the
/// account as logged in. `None`: the answer was empty.
pub(super) fn log_in(
    request: &KeyRequest<'_>,
    person: &Person<'_>,
) -> Result<Option<Registry>, Error> {
    let account = request.account;
    diagnostics::say(&format!(
        "{account} has no key on this machine for {}, and there is no API token to register one.",
        request.site.url
    ));
    for line in site_pages::lines(request.site, &account.name) {
        diagnostics::say(&line);
    }
    loop {
        let text = format!("API token for {account} (empty: paste the key by hand): ");
        let answer = request.prompt.secret(&text)?;
        let secret = Secret::new(answer.reveal().trim().to_owned());
        if secret.is_empty() {
            return Ok(None);
        }
        match seen(request, person, &secret) {
            Ok((registry, user, keys)) => {
                keep(request, &secret, &user, &keys)?;
                return Ok(Some(registry));
            }
            Err(error) => diagnostics::notice(&error.to_string()),
        }
    }
}

type Seen = (Registry, User, Vec<RegisteredKey>);

fn seen(
    request: &KeyRequest<'_>,
    person: &Person<'_>,
    secret: &Secret,
) -> Result<Seen, bitbucket::Error> {
    let registry = (person.connect)(request.account, secret)?;
    let user = registry.user()?;
    is_of_the_account(request, &user)?;
    let keys = registry.keys(&user)?;
    Ok((registry, user, keys))
}

fn keep(
    request: &KeyRequest<'_>,
    secret: &Secret,
    user: &User,
    keys: &[RegisteredKey],
) -> Result<(), Error> {
    let account = request.account;
    let place = if keyring::available(request.context) {
        TokenPlace::Keyring
    } else {
        TokenPlace::File
    };
    credential::store(request.context, request.site, &account.name, secret, place)?;
    record::update(request.context, |records| {
        let emails = match (records.account(account), request.site.kind) {
            (Some(known), _) => known.emails.clone(),
            (None, SiteKind::Cloud) => vec![account.name.clone()],
            (None, SiteKind::DataCenter) => Vec::new(),
        };
        records.set_account(Account {
            account: account.clone(),
            logged_in: true,
            user_name: user.user_name.clone(),
            id: Some(user.id.clone()),
            key_fingerprints: keys.iter().map(|key| key.fingerprint.clone()).collect(),
            store: Some(place),
            emails,
        });
    })?;
    diagnostics::notice(&format!(
        "logged in to {} as {account}; the token lies in {}",
        request.site.url,
        match place {
            TokenPlace::File => "a file that only you can read: there is no keyring here",
            _ => "the system's keyring",
        }
    ));
    Ok(())
}
