//! What the user is asked in the middle of a git command: the account, an API token, or to add the
//! new key on the web page.

use super::Error;
use super::new_key;
use super::records::Records;
use super::request::{KeyRequest, ProvisionedKey, Registry, UnknownAccount};
use crate::bitbucket::{self, RegisteredKey, User, credential, keyring, scopes};
use crate::diagnostics;
use crate::identity::{AccountId, State, key_file};
use crate::repository::{Site, SiteKind, key_page, token_page};
use crate::secret::{Secret, TokenPlace};
use crate::settings::check_account;
use crate::storage::Lock;

/// What a login in the middle of a git command needs.
pub struct LoginPrompt<'a> {
    /// The site as seen with the account's stored token. `None`: there is none.
    pub registry: &'a dyn Fn(&AccountId) -> Result<Option<Registry>, Error>,
    /// The site as seen with this token.
    pub connect: &'a dyn Fn(&AccountId, &Secret) -> Result<Registry, bitbucket::Error>,
    /// `user.email` of the user's own configuration, suggested as the account on Cloud.
    pub user_email: Option<String>,
}

/// The account that the user names; suggests git's `user.email` on Cloud, the login name on Data
/// Center. `None`: none.
pub(super) fn ask_account(
    unknown: &UnknownAccount<'_>,
    login: &LoginPrompt<'_>,
) -> Result<Option<AccountId>, Error> {
    let (context, site, prompt) = (unknown.at.context, unknown.at.site, unknown.at.prompt);
    diagnostics::say(&match unknown.denied {
        Some(denied) => format!(
            "{} Which account should a new key belong to?",
            denied.summary
        ),
        None => format!(
            "No key for {} on this machine yet. Which account should it belong to?",
            site.url
        ),
    });
    let (kind, offered) = match site.kind {
        SiteKind::Cloud => ("Atlassian e-mail address", login.user_email.clone()),
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
        if check_account(name).is_ok() {
            return Ok(Some(AccountId {
                site: site.url.clone(),
                name: name.to_owned(),
            }));
        }
    }
}

/// Asks for a token until the site accepts one, stores it as `git bitbucket login` does, and records
/// the account as logged in. `None`: the answer was empty.
pub(super) fn log_in(
    request: &KeyRequest<'_>,
    login: &LoginPrompt<'_>,
) -> Result<Option<Registry>, Error> {
    let account = request.account;
    diagnostics::say(&format!(
        "{account} has no key on this machine for {}, and there is no API token to register one.",
        request.at.site.url
    ));
    for line in token_instructions(request.at.site, &account.name) {
        diagnostics::say(&line);
    }
    loop {
        let text = format!("API token for {account} (empty: add the key by hand): ");
        let answer = request.at.prompt.secret(&text)?;
        let secret = Secret::new(answer.reveal().trim().to_owned());
        if secret.is_empty() {
            return Ok(None);
        }
        match check_token(request, login, &secret) {
            Ok((registry, user, keys)) => {
                store_token(request, &secret, (&user, &keys))?;
                return Ok(Some(registry));
            }
            Err(error) => diagnostics::notice(&error.to_string()),
        }
    }
}

fn check_token(
    request: &KeyRequest<'_>,
    login: &LoginPrompt<'_>,
    secret: &Secret,
) -> Result<(Registry, User, Vec<RegisteredKey>), bitbucket::Error> {
    let registry = (login.connect)(request.account, secret)?;
    let user = registry.user()?;
    check_user(request, &user)?;
    let keys = registry.keys(&user)?;
    Ok((registry, user, keys))
}

fn store_token(
    request: &KeyRequest<'_>,
    secret: &Secret,
    listed: (&User, &[RegisteredKey]),
) -> Result<(), Error> {
    let account = request.account;
    let place = if keyring::available(request.at.context) {
        TokenPlace::Keyring
    } else {
        TokenPlace::File
    };
    credential::store(
        request.at.context,
        request.at.site,
        &account.name,
        secret,
        place,
    )?;
    Records::update(request.at.context, |records| {
        records.set_listed(account, request.at.site.kind, listed, Some(place));
    })?;
    diagnostics::notice(&format!(
        "logged in to {} as {account}; the token is stored in {}",
        request.at.site.url,
        match place {
            TokenPlace::File => "a file that only you can read, because no keyring is available",
            _ => "the system's keyring",
        }
    ));
    Ok(())
}

/// A Data Center does not say whose a token is until it is used, and a key must not be registered for
/// another account than the one it is created for. (Cloud compares the address itself.)
pub(super) fn check_user(request: &KeyRequest<'_>, user: &User) -> Result<(), bitbucket::Error> {
    match &user.user_name {
        Some(name)
            if request.at.site.kind == SiteKind::DataCenter
                && name.to_lowercase() != request.account.name.to_lowercase() =>
        {
            Err(bitbucket::Error::TokenRefused {
                message: format!("the token belongs to {}", user.display_name),
            })
        }
        _ => Ok(()),
    }
}

/// A new key, or the pending one of the account, shown with the page on which the user adds it. It
/// stays *pending* until a server accepts it. Its lifetime is what the user chooses there.
pub(super) fn register_manually(
    request: &KeyRequest<'_>,
    lock: Lock,
) -> Result<ProvisionedKey, Error> {
    let records = Records::open(request.at.context)?;
    let mut pending = None;
    for record in records.identities().iter().filter(|record| {
        record.state == State::Pending
            && record.account == *request.account
            && record.repository.is_none()
    }) {
        if key_file::holds(&record.file, &record.fingerprint)? {
            pending = Some(record.clone());
            break;
        }
    }
    let (record, passphrase) = if let Some(record) = pending {
        (record, None)
    } else {
        let passphrase = new_key::choose_passphrase(request)?;
        let record = new_key::create(request, &passphrase)?;
        (record, passphrase.secret)
    };
    diagnostics::say(&format!(
        "Add this public key to the account {} at\n  {}\n\n{} {}\n",
        request.account,
        key_page(&request.at.site.url),
        record.public_key,
        record.label
    ));
    diagnostics::notice("waiting until the site accepts it (Ctrl-C to stop; the key is kept)");
    Ok(ProvisionedKey {
        record,
        passphrase,
        manual_registration: Some(lock),
    })
}

/// The scopes that every API token needs. None of them implies another.
pub const SCOPES: [&str; 3] = [scopes::READ_USER, scopes::READ_KEYS, scopes::WRITE_KEYS];

/// How to create a token, printed before it is asked for.
///
/// <https://support.atlassian.com/bitbucket-cloud/docs/using-api-tokens>
pub fn token_instructions(site: &Site, account: &str) -> Vec<String> {
    let page = token_page(&site.url);
    match site.kind {
        SiteKind::Cloud => vec![
            format!("Create an API token for {account} at"),
            format!("  {page}"),
            "(Create API token with scopes, app Bitbucket), with the scopes".to_owned(),
            format!("  {}", SCOPES.join(" ")),
            "and, for rotating and revoking keys, delete:ssh-key:bitbucket.".to_owned(),
        ],
        SiteKind::DataCenter => vec![
            format!("Create an HTTP access token for {account} at"),
            format!("  {page} (HTTP access tokens)"),
            "On many sites such a token cannot register SSH keys; enter the password there."
                .to_owned(),
        ],
    }
}
