//! `login`: checks an API token against the site, stores it, and records its account.
//!
//! Does not write git config. A token that the site does not accept is not stored.

mod ask;

use super::accounts::Accounts;
use super::arguments::Login;
use super::context::CommandContext;
use super::credential::memory;
use super::{Error, git, registry};
use crate::bitbucket::{
    self, KeyRegistry, RegisteredKey, SshSettings, User, credential, keyring, scopes,
};
use crate::context::API_TOKEN;
use crate::identity::{Account, AccountId};
use crate::provision::{Records, SCOPES, SshPlace};
use crate::repository::{Site, SiteKind, SshHost, Url, token_page};
use crate::secret::{Secret, TokenPlace};
use crate::settings::{GitConfig, check_account};
use crate::storage;
use crate::text::{Pasted, sanitise};
use ask::ask;

/// Checks the token, stores it and records the account. Asks the user only where the token does not
/// come from standard input.
pub(super) fn login(call: &mut CommandContext<'_>, options: &Login) -> Result<(), Error> {
    storage::check_home(call.context)?;
    let known = Accounts::load(call.context)?;
    let keyring = keyring::available(call.context);
    let requested = options.store.map(TokenPlace::from);
    if requested == Some(TokenPlace::Keyring) && !keyring {
        return Err(Error::NoKeyring);
    }
    let email = match options.account {
        Some(_) => None,
        None => GitConfig::open(call.context)
            .ok()
            .and_then(|config| config.user_email()),
    };
    let attempt = ask(call, options, &known, email.as_deref())?;
    let (seen, ssh_settings) = see(call, &attempt)?;
    let earlier = known.account(&attempt.site, &attempt.account);
    let place = place(requested, keyring);
    let Attempt {
        site,
        account: name,
        secret,
    } = &attempt;
    credential::store(call.context, site, name, secret, place)?;
    if earlier.is_some_and(|earlier| earlier.store.is_some_and(|old| old != place)) {
        // The older token would be found first. It is removed only after the new one is stored.
        credential::forget(call.context, site, name)?;
        credential::store(call.context, site, name, secret, place)?;
    }
    let account = account(&attempt, &seen, place, earlier);
    memory::take_up(call.context, &account.account);
    Records::update(call.context, |records| records.set_logged_in(account))?;
    report(call, &attempt, &seen, place, requested.is_some())?;
    record_ssh_place(call, &attempt.site, ssh_settings, options.with_token)
}

/// Whose token it is and which keys the account has; and where the site accepts SSH.
fn see(
    call: &CommandContext<'_>,
    attempt: &Attempt,
) -> Result<(Seen, Result<Option<SshSettings>, bitbucket::Error>), Error> {
    let page = token_page(&attempt.site.url);
    let registry = registry::connect(
        call.context,
        &attempt.site,
        &attempt.account,
        &attempt.secret,
    )
    .map_err(Refusal::Site);
    match registry.and_then(|registry| {
        let seen = check(&*registry)?;
        Ok((seen, registry.ssh_settings()))
    }) {
        Ok((seen, _)) if !is_of(attempt, &seen) => Err(Error::Other {
            what: format!(
                "this token belongs to {}, not to {}",
                sanitise(&seen.user.display_name),
                attempt.account
            ),
            // The site names the user: an answer that is no user name is in no command.
            hints: match check_account(&seen.user.display_name) {
                Ok(()) => vec![format!(
                    "git bitbucket login {} --site {}",
                    Pasted::new(&seen.user.display_name),
                    Pasted::new(&attempt.site.url)
                )],
                Err(_) => Vec::new(),
            },
        }),
        Ok(seen) => Ok(seen),
        Err(Refusal::Scopes(missing)) => Err(Error::Scopes { missing, page }),
        Err(Refusal::Site(why)) => Err(Error::Site { why, page }),
    }
}

/// Whether the token belongs to the account. On Data Center the account is the user name, and the
/// token alone identifies its user; Cloud itself compares the address.
fn is_of(attempt: &Attempt, seen: &Seen) -> bool {
    match &seen.user.user_name {
        Some(name) if attempt.site.kind == SiteKind::DataCenter => {
            name.to_lowercase() == attempt.account.to_lowercase()
        }
        _ => true,
    }
}

/// A login that the site has not checked yet.
#[derive(Debug)]
struct Attempt {
    /// Where.
    site: Site,
    /// As whom.
    account: String,
    /// The token.
    secret: Secret,
}

/// Where the token is stored: as requested, else in the keyring if there is one, else in a file.
fn place(requested: Option<TokenPlace>, keyring: bool) -> TokenPlace {
    requested.unwrap_or(if keyring {
        TokenPlace::Keyring
    } else {
        TokenPlace::File
    })
}

/// The record of the account. On Cloud its name is one of its addresses; the addresses of an
/// earlier record are kept.
fn account(
    attempt: &Attempt,
    seen: &Seen,
    store: TokenPlace,
    earlier: Option<&Account>,
) -> Account {
    let mut emails = earlier.map_or_else(Vec::new, |account| account.emails.clone());
    let name = &attempt.account;
    let address = attempt.site.kind == SiteKind::Cloud && name.contains('@');
    if address && !emails.iter().any(|email| email.eq_ignore_ascii_case(name)) {
        emails.insert(0, name.clone());
    }
    Account {
        account: AccountId {
            site: attempt.site.url.clone(),
            name: name.clone(),
        },
        logged_in: true,
        user_name: seen.user.user_name.clone(),
        nickname: seen.user.nickname.clone(),
        id: Some(seen.user.id.clone()),
        key_fingerprints: seen
            .keys
            .iter()
            .map(|key| key.fingerprint.clone())
            .collect(),
        store: Some(store),
        emails,
    }
}

/// Reports who is logged in and what is stored where.
fn report(
    call: &mut CommandContext<'_>,
    attempt: &Attempt,
    seen: &Seen,
    store: TokenPlace,
    requested: bool,
) -> Result<(), Error> {
    let records = call
        .context
        .records_directory()
        .ok_or(storage::Error::NoHome)?;
    let records = call.shown(&records);
    call.say(format!(
        "logged in to {} as {} ({})",
        attempt.site.url,
        attempt.account,
        sanitise(&seen.user.display_name)
    ));
    call.say(format!("token: {}", stored_in(store, &records)));
    call.say(format!("account: {records}"));
    call.say(format!("keys on the account: {}", seen.keys.len()));
    if let Some((can, cannot)) = seen.abilities() {
        call.say(format!("the token can: {can}"));
        if let Some(cannot) = cannot {
            call.say(format!("the token cannot: {cannot}"));
        }
    }
    let missing = seen.missing_scopes();
    if !missing.is_empty() {
        call.warn(format!(
            "warning: git cannot create keys with this token: it lacks {}",
            missing.join(" ")
        ));
        call.warn(format!(
            "hint: scopes cannot be added to a token; create a new one with {}: {}",
            SCOPES.join(" "),
            token_page(&attempt.site.url)
        ));
    }
    if store == TokenPlace::File && !requested {
        call.warn(
            "warning: no keyring is available, so the token is stored unencrypted in a file that only you can read",
        );
    }
    if call.context.environment.is_set(API_TOKEN) {
        call.warn(format!(
            "warning: {API_TOKEN} is set and takes precedence over the stored token"
        ));
    }
    let command = git::line(call.context, &["config", "--get", "core.sshCommand"])?;
    if !command.is_some_and(|command| command.contains("bitbucket-ssh")) {
        call.warn("hint: git bitbucket setup");
    }
    Ok(())
}

/// Where a token is stored, for display.
pub(super) fn stored_in(store: TokenPlace, records: &str) -> String {
    match store {
        TokenPlace::Environment => API_TOKEN.to_owned(),
        TokenPlace::Keyring => "the system's keyring".to_owned(),
        TokenPlace::File => format!("{records}/tokens.json"),
        TokenPlace::GitCredential => "git's credential helper".to_owned(),
    }
}

/// What the site reports for a token.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Whose it is.
    pub(super) user: User,
    /// The account's keys.
    pub(super) keys: Vec<RegisteredKey>,
    /// The token's scopes. `None`: the site does not tell.
    pub(super) scopes: Option<Vec<String>>,
}

impl Seen {
    /// The scopes that creating keys needs and the token lacks, as far as the site tells.
    pub(super) fn missing_scopes(&self) -> Vec<&'static str> {
        let missing = SCOPES.into_iter().filter(|scope| self.lacks(scope));
        missing.collect()
    }

    /// Whether the token lacks the scope, as far as the site tells.
    pub(super) fn lacks(&self, scope: &str) -> bool {
        let granted = self.scopes.as_ref();
        granted.is_some_and(|all| !all.iter().any(|one| one == scope))
    }

    /// What the token can do, and what it cannot, with the scope that it lacks.
    pub(super) fn abilities(&self) -> Option<(String, Option<String>)> {
        let (can, cannot) = scopes::abilities(self.scopes.as_ref()?);
        let cannot = cannot
            .iter()
            .map(|(ability, scope)| format!("{ability} ({scope})"));
        let cannot: Vec<String> = cannot.collect();
        let cannot = Some(cannot.join(", ")).filter(|cannot| !cannot.is_empty());
        Some((can.join(", "), cannot))
    }
}

/// Why a token cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It lacks these scopes, as far as the site tells: all that are missing where it names those
    /// that were granted, else those of the call that failed.
    Scopes(Vec<String>),
    /// Everything else.
    Site(bitbucket::Error),
}

/// Reads user and keys.
pub(super) fn check(registry: &dyn KeyRegistry) -> Result<Seen, Refusal> {
    let user = registry.user().map_err(refusal)?;
    let keys = registry.keys(&user).map_err(refusal)?;
    let scopes = registry.granted_scopes();
    Ok(Seen { user, keys, scopes })
}

fn refusal(error: bitbucket::Error) -> Refusal {
    let bitbucket::Error::ScopeMissing { required, granted } = error else {
        return Refusal::Site(error);
    };
    let mut needed: Vec<String> = if granted.is_empty() {
        Vec::new()
    } else {
        SCOPES.map(str::to_owned).to_vec()
    };
    for scope in required {
        if !needed.contains(&scope) {
            needed.push(scope);
        }
    }
    Refusal::Scopes(scopes::missing(&needed, &granted))
}

/// Records where a Data Center accepts SSH: host, port and host key. A host other than the web host
/// is used only where the user confirms it, or git config or an earlier login names it. Settings
/// that cannot be read are a warning: then the site's default host and port are used.
fn record_ssh_place(
    call: &mut CommandContext<'_>,
    site: &Site,
    settings: Result<Option<SshSettings>, bitbucket::Error>,
    with_token: bool,
) -> Result<(), Error> {
    let settings = match settings {
        Ok(Some(settings)) => settings,
        Ok(None) => return Ok(()),
        Err(error) => {
            call.warn(format!(
                "warning: cannot read the site's SSH settings: {error}"
            ));
            return Ok(());
        }
    };
    if !settings.enabled {
        call.warn("warning: SSH is disabled on the site");
        return Ok(());
    }
    let web_host = web_host(site);
    let place = SshHost {
        host: settings.host.unwrap_or_else(|| web_host.clone()),
        port: settings.port,
    };
    let SshHost { host, port } = &place;
    let known = *host == web_host || site.ssh_hosts.iter().any(|known| known.host == *host);
    // A script that passes the token cannot be asked.
    let confirmed = known
        || !with_token
            && call.prompt.available()
            && matches!(
                call.prompt.confirm(&format!(
                    "{} names {host} port {port} as its SSH server. Use it? [y/N] ",
                    site.url
                )),
                Ok(true)
            );
    if confirmed {
        let key = settings.fingerprint.as_deref().unwrap_or("not reported");
        call.say(format!("SSH: {host} port {port}, host key {key}"));
    } else {
        call.warn(format!(
            "warning: {} names {host} port {port} as its SSH server, which is not its web host; \
             to use it all the same:",
            site.url
        ));
        call.warn(format!(
            "hint: git config --global {} {}",
            Pasted::new(format!("bitbucket.{}.sshHost", site.url)),
            Pasted::new(place.to_string())
        ));
    }
    let place = SshPlace {
        site: site.url.clone(),
        host: confirmed.then_some(place.host),
        port: place.port,
        fingerprint: settings.fingerprint,
    };
    Ok(Records::update(call.context, |records| {
        records.set_ssh_place(place);
    })?)
}

/// The site's host without port and brackets.
fn web_host(site: &Site) -> String {
    Url::parse(&site.url).map_or_else(String::new, |url| url.host)
}

#[cfg(test)]
mod tests;
