//! Making a key: each step is durable before the next begins.
//!
//! Lock of the site → token → list of the account's keys → record *pending* → private key placed →
//! `.pub` → register → record *registered*. The proof is the caller's connection, behind which
//! [`proved`] is called. Interrupted anywhere, the next call goes on with the same key pair.

use std::time::{Duration, Instant};

use super::person::{self, Person};
use super::provisioner::Provisioner;
use super::record::{self, Records};
use super::registration::List;
pub use super::request::{AccessKey, AdditionalKey, KeyRequest};
use super::{Error, manual, removal};
use crate::bitbucket::{self, KeyRegistry, RegisteredKey, User};
use crate::context::Context;
use crate::diagnostics;
use crate::identity::{Account, AccountId, ManagedKey};
use crate::prompt::{self, Prompt};
use crate::repository::{Site, SiteKind};
use crate::secret::Secret;
use crate::settings::{Provision, Settings};
use crate::storage::{self, Attempt, Directory, Lock};

/// A key that is wanted where no account is known.
pub struct UnknownAccount<'a> {
    /// The captured process surroundings.
    pub context: &'a Context,
    /// Where it is to be registered.
    pub site: &'a Site,
    /// Key type, lifetime and passphrase.
    pub settings: &'a Settings,
    /// Who can be asked.
    pub prompt: &'a dyn Prompt,
    /// Keys that are here were let in and refused the repository. `None`: no key was let in.
    pub refused: Option<Refused<'a>>,
}

/// A repository that the keys which are here may not use.
#[derive(Clone, Copy)]
pub struct Refused<'a> {
    /// What is told before anything is asked: which repository, what the server said.
    pub told: &'a str,
    /// Whether a key for this account, whose token lies here, would be of use.
    pub may_help: &'a dyn Fn(&AccountId) -> Result<bool, prompt::Error>,
}

/// A key that is registered, or about to be pasted.
#[derive(Debug)]
pub struct ProvisionedKey {
    /// Its record.
    pub record: ManagedKey,
    /// What a person has just chosen for its file: it need not be asked for again.
    pub passphrase: Option<Secret>,
    /// A person is to paste it: the site does not know it yet. Others wait until this is dropped.
    pub manual_registration: Option<ManualLock>,
}

/// Holds the lock of the site while a person pastes a key.
#[derive(Debug)]
pub struct ManualLock(#[expect(dead_code, reason = "held, not used")] Lock);

/// Makes a key pair for the account and registers it; or finishes one that was begun, or adopts
/// one that the account lists already, or takes the one that another process has just made.
/// Writes below `~/.ssh` only.
///
/// # Errors
///
/// See [`Error`]; what was begun stays recorded.
pub fn ensure(request: &KeyRequest<'_>) -> Result<ProvisionedKey, Error> {
    allowed(request)?;
    let lock = lock(request)?;
    locked(request, None, lock)
}

/// As [`ensure`]; where there is no token, a person on a terminal is asked for one, or pastes the
/// key.
///
/// # Errors
///
/// As [`ensure`].
pub fn ensure_with(request: &KeyRequest<'_>, person: &Person<'_>) -> Result<ProvisionedKey, Error> {
    allowed(request)?;
    let lock = lock(request)?;
    locked(request, Some(person), lock)
}

/// For a machine that knows no account of the site: a person on a terminal says which. `None`:
/// the person named none, or one for whom a key would be of no use ([`Refused::may_help`]).
///
/// # Errors
///
/// As [`ensure`].
pub fn ensure_newcomer(
    newcomer: &UnknownAccount<'_>,
    person: &Person<'_>,
) -> Result<Option<ProvisionedKey>, Error> {
    let context = newcomer.context;
    let lock = lock_of(context, newcomer.site, newcomer.prompt)?;
    let meanwhile = Records::open(context)?.newest(&newcomer.site.url).cloned();
    if let Some(record) = meanwhile {
        return Ok(Some(made(record)));
    }
    let asked = person::account(newcomer, person)?;
    let Some(account) = asked else {
        return Ok(None);
    };
    let request = KeyRequest {
        context,
        site: newcomer.site,
        account: &account,
        settings: newcomer.settings,
        prompt: newcomer.prompt,
        replaces: None,
        further: None,
        access: None,
        supersedes: &[],
        registry: &|| (person.registry)(&account),
    };
    if let Some(refused) = newcomer.refused {
        if (request.registry)()?.is_none() && person::log_in(&request, person)?.is_none() {
            // Whoever pastes a key wants it.
            return manual::make(&request, ManualLock(lock)).map(Some);
        }
        if !(refused.may_help)(&account)? {
            return Ok(None);
        }
    }
    locked(&request, Some(person), lock).map(Some)
}

fn allowed(request: &KeyRequest<'_>) -> Result<(), Error> {
    if request.settings.provision.value == Provision::Never {
        return Err(Error::NotAllowed {
            account: request.account.clone(),
        });
    }
    Ok(())
}

fn lock(request: &KeyRequest<'_>) -> Result<Lock, Error> {
    lock_of(request.context, request.site, request.prompt)
}

/// How long to wait for another process that makes a key of the site, where nobody can answer the
/// question at which it may be waiting.
const LOCK_PATIENCE: Duration = Duration::from_secs(60);

/// Takes the lock under which keys of the site are made. While another process holds it, says so,
/// and gives up once git has ended.
pub(super) fn lock_of(context: &Context, site: &Site, prompt: &dyn Prompt) -> Result<Lock, Error> {
    let directory = Directory::records(context)?;
    let name = lock_name(site);
    let begun = Instant::now();
    let mut waiting = None;
    let lock = loop {
        let holder = match directory.try_lock(&name)? {
            Attempt::Held(lock) => break lock,
            Attempt::Busy { holder } => holder,
        };
        let waited = begun.elapsed();
        if waiting.is_none() && waited > Duration::from_millis(50) {
            let pid = holder.map_or("?".to_owned(), |pid| pid.to_string());
            let text = format!("waiting for process {pid}");
            diagnostics::notice(&text);
            let shown = move || text.clone();
            waiting = Some(diagnostics::waiting_since("lock", begun, shown));
        }
        if prompt::caller_gone() {
            return Err(Error::Prompt(prompt::Error::CallerGone));
        }
        if waited > LOCK_PATIENCE && !prompt.available() {
            return Err(storage::Error::Locked { holder }.into());
        }
        std::thread::sleep(Lock::PAUSE);
    };
    sweep(context);
    Ok(lock)
}

/// Removes what killed processes left unfinished in `~/.ssh`, in the folder of the records
/// and in that of what may be lost.
/// Never fails.
pub fn sweep(context: &Context) {
    let folders = [
        context.ssh_directory(),
        context.records_directory(),
        context.state_directory(),
    ];
    for folder in folders.into_iter().flatten() {
        storage::sweep_drafts(&folder);
    }
}

/// Everything that is done under the lock of the site.
fn locked(
    request: &KeyRequest<'_>,
    person: Option<&Person<'_>>,
    lock: Lock,
) -> Result<ProvisionedKey, Error> {
    let account = request.account;
    let _region = diagnostics::trace2::region("provision", || account.to_string());
    // Not only read: what a killed process left of the records goes, too.
    let meanwhile = record::update(request.context, |records| match request.further {
        None => records.usable(account, request.replaces).cloned(),
        Some(_) => records.successor(account, request.supersedes).cloned(),
    })?;
    if let Some(record) = meanwhile {
        tracing::info!("{}: made meanwhile", record.file.display());
        return Ok(made(record));
    }
    if request.settings.provision.value == Provision::Ask {
        let question = format!("Make a key for {account} and register it with the site? [Y/n] ");
        if !request.prompt.confirm(&question)? {
            return Err(Error::Declined {
                account: account.clone(),
            });
        }
    }
    let person = person.filter(|_| request.prompt.terminal());
    let registry = match ((request.registry)()?, person) {
        (Some(registry), _) => registry,
        (None, Some(person)) => match person::log_in(request, person)? {
            Some(registry) => registry,
            None => return manual::make(request, ManualLock(lock)),
        },
        (None, None) => {
            return Err(Error::NoToken {
                account: account.clone(),
            });
        }
    };
    let mut user = None;
    let provisioner = provisioner(request, registry.as_ref(), &mut user)?;
    let result = match provisioner.resume_pending() {
        Ok(Some(made)) => return Ok(made),
        Ok(None) => {
            if request.further.is_none()
                && let Some(record) = provisioner.adopt()?
            {
                return Ok(made(record));
            }
            provisioner.make()
        }
        Err(error) => Err(error),
    };
    match result {
        // A kind of token that may not add keys: a person may.
        Err(
            Error::Site {
                error: bitbucket::Error::Forbidden { message },
                ..
            }
            | Error::TokenMayNotAdd { message, .. },
        ) if person.is_some() => {
            diagnostics::notice(&format!("the token may not register keys: {message}"));
            manual::make(request, ManualLock(lock))
        }
        result => result,
    }
}

/// Goes on with the pending record of [`AdditionalKey::file`], and makes no other pair. `None`: nothing
/// of it is here (any more), so that there is nothing to go on with.
///
/// # Errors
///
/// As [`ensure`].
pub fn finish(request: &KeyRequest<'_>) -> Result<Option<ProvisionedKey>, Error> {
    let _lock = lock(request)?;
    let registry = (request.registry)()?.ok_or_else(|| Error::NoToken {
        account: request.account.clone(),
    })?;
    provisioner(request, registry.as_ref(), &mut None)?.resume_pending()
}

/// What the site says of the list that the key is to stand on.
fn provisioner<'a>(
    request: &'a KeyRequest<'a>,
    registry: &'a dyn KeyRegistry,
    user: &'a mut Option<User>,
) -> Result<Provisioner<'a>, Error> {
    let site_said = |error: bitbucket::Error| Error::Site {
        account: request.account.clone(),
        error,
    };
    let list = if let Some(access) = request.access {
        List::Repository {
            repository: access.repository,
            writes: !access.read_only,
        }
    } else {
        let user = user.insert(registry.user().map_err(site_said)?);
        is_of_the_account(request, user).map_err(site_said)?;
        List::Account(user)
    };
    let keys = list.keys(registry).map_err(site_said)?;
    if let List::Account(user) = list {
        note_account(request, user, &keys)?;
        removal::finish(request.context, request.account, &keys)?;
    }
    Ok(Provisioner {
        request,
        registry,
        list,
        keys,
    })
}

/// A connection with the key was let in. Written once. What a person has pasted is let in and yet
/// unverified: whose account it was pasted into, only a login tells.
pub fn proved(context: &Context, record: &ManagedKey) -> Result<(), Error> {
    record::update(context, |records| records.let_in(&record.fingerprint))
}

pub(super) fn made(record: ManagedKey) -> ProvisionedKey {
    ProvisionedKey {
        record,
        passphrase: None,
        manual_registration: None,
    }
}

/// One lock for each site.
fn lock_name(site: &Site) -> String {
    let place = site
        .url
        .split_once("://")
        .map_or(site.url.as_str(), |(_, rest)| rest);
    let name: String = place
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '_'
            }
        })
        .collect();
    format!("{name}.lock")
}

/// On Data Center a token does not say whose it is until it is used: a key must not go to another
/// account than the one it is made for. (Cloud compares the address itself.)
pub(super) fn is_of_the_account(
    request: &KeyRequest<'_>,
    user: &User,
) -> Result<(), bitbucket::Error> {
    let wanted = request.account.name.to_lowercase();
    match &user.user_name {
        Some(name)
            if request.site.kind == SiteKind::DataCenter && name.to_lowercase() != wanted =>
        {
            Err(bitbucket::Error::TokenRefused {
                message: format!("it is the token of {}", user.display_name),
            })
        }
        _ => Ok(()),
    }
}

/// What the site told of the account is kept for the plan; whether it is logged in stays.
fn note_account(
    request: &KeyRequest<'_>,
    user: &User,
    keys: &[RegisteredKey],
) -> Result<(), Error> {
    record::update(request.context, |records| {
        let known = records.account(request.account).cloned();
        let known = known.unwrap_or_else(|| Account {
            account: request.account.clone(),
            logged_in: false,
            user_name: None,
            id: None,
            key_fingerprints: Vec::new(),
            store: None,
            emails: match request.site.kind {
                SiteKind::Cloud => vec![request.account.name.clone()],
                SiteKind::DataCenter => Vec::new(),
            },
        });
        records.set_account(Account {
            user_name: user.user_name.clone(),
            id: Some(user.id.clone()),
            key_fingerprints: keys.iter().map(|key| key.fingerprint.clone()).collect(),
            ..known
        });
    })
}
