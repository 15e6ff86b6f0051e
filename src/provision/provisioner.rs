//! The steps to a registered key, each durable before the next begins.
//!
//! Lock of the site → token → list of the account's keys → record *pending* → private key file →
//! `.pub` → register → record *registered*. The caller's connection verifies the key, after which
//! [`verified`] is called. Interrupted anywhere, the next call continues with the same key pair.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use ssh_key::PublicKey;

use super::interactive::{self, LoginPrompt};
use super::new_key;
use super::records::Records;
use super::registration::{KeyList, Registration, register};
use super::request::{
    Ensured, KeyRequest, ProvisionContext, ProvisionedKey, Registry, UnknownAccount, Wanted,
};
use super::{Error, removal, ssh_config_file};
use crate::bitbucket::{self, KeyRegistry, NewKey, RegisteredKey};
use crate::context::Context;
use crate::diagnostics;
use crate::identity::{Holder, Identity, ManagedKey, State, key_file};
use crate::prompt;
use crate::repository::{Site, SiteKind};
use crate::settings::Provision;
use crate::storage::{self, Attempt, Directory, Lock};

/// Creates a key pair for the account and registers it; or completes an unfinished one, adopts one
/// that the account lists already, or takes one that another process has just created. Writes below
/// `~/.ssh` only; where that is read-only, adopts. After an error, an unfinished key stays recorded.
pub fn ensure(request: &KeyRequest<'_>) -> Result<ProvisionedKey, Error> {
    check_allowed(request)?;
    let mut request = *request;
    request.at.keys_here = &[];
    let made = match lock(&request.at) {
        Ok(lock) => locked(&request, None, lock),
        Err(error) => adopt_unrecorded(&request, error),
    };
    match made? {
        Ensured::Managed(key) => Ok(key),
        Ensured::Listed(_) => unreachable!("no key of this machine was given"),
    }
}

/// As [`ensure`]; or the key of this machine that the account lists already. Without a token, a user
/// on a terminal is asked for one, or adds the key on the web page.
pub fn ensure_interactively(
    request: &KeyRequest<'_>,
    login: &LoginPrompt<'_>,
) -> Result<Ensured, Error> {
    check_allowed(request)?;
    match lock(&request.at) {
        Ok(lock) => locked(request, Some(login), lock),
        Err(error) => adopt_unrecorded(request, error),
    }
}

/// Where the lock cannot be taken because `~/.ssh` is read-only: a key there that the account lists.
/// It is looked for again by the next call, since it cannot be recorded.
fn adopt_unrecorded(request: &KeyRequest<'_>, error: Error) -> Result<Ensured, Error> {
    let directory = request.at.context.ssh_directory();
    let (Error::Storage(storage), Some(directory)) = (&error, directory) else {
        return Err(error);
    };
    if !storage.is_read_only() {
        return Err(error);
    }
    tracing::info!("{error}");
    let read_only = Error::Storage(storage::Error::ReadOnly(directory));
    let is_adopted = !matches!(request.wanted, Wanted::Additional(_));
    let Some(registry) = (request.registry)()?.filter(|_| is_adopted) else {
        return Err(read_only);
    };
    let site_error = Error::site(request.account);
    let user = registry.user().map_err(site_error)?;
    interactive::check_user(request, &user).map_err(site_error)?;
    let list = KeyList::Account(user);
    let provisioner = Provisioner {
        request,
        keys: list.keys(registry.as_ref()).map_err(site_error)?,
        registry: registry.as_ref(),
        list,
        records: Records::default(),
    };
    let Some((record, _)) = provisioner.find_listed()? else {
        let listed = provisioner.listed_here().cloned();
        let listed = listed.filter(|_| matches!(request.wanted, Wanted::Any));
        return listed.map(Ensured::Listed).ok_or(read_only);
    };
    let file = request.at.context.shown(&record.file);
    tracing::info!("using {file}, which the account lists");
    // Nothing can be recorded of it later, either.
    let record = ManagedKey {
        state: State::Verified,
        ..record
    };
    Ok(ProvisionedKey::from(record).into())
}

/// As [`ensure_interactively`], where no account of the site is known: a user on a terminal names
/// one. `None`: the user names none, or one whose key would not help.
pub fn ensure_for_unknown_account(
    unknown: &UnknownAccount<'_>,
    login: &LoginPrompt<'_>,
) -> Result<Option<Ensured>, Error> {
    let at = unknown.at;
    let lock = lock(&at)?;
    let records = Records::open(at.context)?;
    if let Some(record) = records.newest(&at.site.url) {
        return Ok(Some(ProvisionedKey::from(record.clone()).into()));
    }
    let Some(account) = interactive::ask_account(unknown, login)? else {
        return Ok(None);
    };
    let request = KeyRequest {
        at,
        account: &account,
        wanted: Wanted::Any,
        replaces: &[],
        registry: &|| (login.registry)(&account),
    };
    if let Some(denied) = unknown.denied {
        if (request.registry)()?.is_none() && interactive::log_in(&request, login)?.is_none() {
            // Whether the key helps cannot be asked without a token.
            let key = interactive::register_manually(&request, lock)?;
            return Ok(Some(key.into()));
        }
        if !(denied.may_help)(&account)? {
            return Ok(None);
        }
    }
    locked(&request, Some(login), lock).map(Some)
}

/// Completes the pending key in [`super::AdditionalKey::file`], and creates no other. `None`: its
/// files no longer exist.
pub fn finish(request: &KeyRequest<'_>) -> Result<Option<ProvisionedKey>, Error> {
    let _lock = lock(&request.at)?;
    let registry = (request.registry)()?.ok_or_else(|| Error::NoToken {
        account: request.account.clone(),
    })?;
    Provisioner::new(request, registry.as_ref())?.resume_pending()
}

/// Records that a server accepted the key. A key that the user added on the web page is
/// unconfirmed then: only a login tells which account has it.
pub fn verified(context: &Context, record: &ManagedKey) -> Result<(), Error> {
    Records::update(context, |records| {
        records.set_accepted(&record.fingerprint);
    })
}

/// Removes what killed processes left unfinished in `~/.ssh`, in the records' directory and in the
/// state directory. Never fails.
pub fn sweep(context: &Context) {
    if let Some(ssh) = context.ssh_directory()
        && storage::is_own(&ssh).is_ok_and(|own| own)
    {
        storage::sweep_drafts(&ssh);
    }
    let directories = [Directory::records(context), Directory::state(context)];
    for directory in directories.into_iter().flatten() {
        directory.sweep();
    }
}

fn check_allowed(request: &KeyRequest<'_>) -> Result<(), Error> {
    if request.at.settings.provision.value == Provision::Never {
        return Err(Error::NotAllowed {
            account: request.account.clone(),
        });
    }
    Ok(())
}

/// How long to wait for a process that creates a key for the same site, where the user cannot be
/// asked. That process may be waiting for an answer.
const LOCK_PATIENCE: Duration = Duration::from_secs(60);

/// Takes the lock under which keys of the site are created. Says so while another process has it,
/// and gives up once git has ended.
pub(super) fn lock(at: &ProvisionContext<'_>) -> Result<Lock, Error> {
    let directory = Directory::records(at.context)?;
    let name = lock_name(at.site);
    let started = Instant::now();
    let mut waiting = None;
    let lock = loop {
        let holder = match directory.try_lock(&name)? {
            Attempt::Held(lock) => break lock,
            Attempt::Busy { holder } => holder,
        };
        let waited = started.elapsed();
        if waiting.is_none() && waited > Duration::from_millis(50) {
            let pid = holder.map_or("?".to_owned(), |pid| pid.to_string());
            let text = format!("waiting for process {pid}");
            diagnostics::notice(&text);
            let shown = move || text.clone();
            waiting = Some(diagnostics::waiting_since("lock", started, shown));
        }
        if prompt::caller_gone() {
            return Err(Error::Prompt(prompt::Error::CallerGone));
        }
        if waited > LOCK_PATIENCE && !at.prompt.available() {
            return Err(storage::Error::Locked { holder }.into());
        }
        std::thread::sleep(Lock::PAUSE);
    };
    sweep(at.context);
    Ok(lock)
}

fn lock_name(site: &Site) -> String {
    let address = site.address();
    let name = address.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "_");
    format!("{name}.lock")
}

/// Everything that happens under the lock of the site.
fn locked(
    request: &KeyRequest<'_>,
    login: Option<&LoginPrompt<'_>>,
    lock: Lock,
) -> Result<Ensured, Error> {
    let account = request.account;
    let _region = diagnostics::trace2::region("provision", || account.to_string());
    // An update, not only a look: it also removes what a killed process left of the records.
    let meanwhile = Records::update(request.at.context, |records| match request.wanted {
        Wanted::Any => records.usable(account, None).cloned(),
        Wanted::NewerThan(old) => records.usable(account, Some(old)).cloned(),
        Wanted::Additional(_) => records.successor(account, request.replaces).cloned(),
    })?;
    if let Some(record) = meanwhile {
        tracing::info!("{}: created meanwhile", record.file.display());
        return Ok(ProvisionedKey::from(record).into());
    }
    if request.at.settings.provision.value == Provision::Ask {
        let question = format!("Create a key for {account} and register it with the site? [y/N] ");
        if !request.at.prompt.confirm(&question)? {
            return Err(Error::Declined {
                account: account.clone(),
            });
        }
    }
    let login = login.filter(|_| request.at.prompt.terminal());
    let Some(registry) = registry(request, login)? else {
        return interactive::register_manually(request, lock).map(Into::into);
    };
    match Provisioner::new(request, registry.as_ref())?.run() {
        // A kind of token that cannot add keys; the user can.
        Err(
            Error::Site {
                error: bitbucket::Error::Forbidden { message },
                ..
            }
            | Error::TokenMayNotAdd { message, .. },
        ) if login.is_some() => {
            diagnostics::notice(&format!("the token cannot register keys: {message}"));
            interactive::register_manually(request, lock).map(Into::into)
        }
        result => result,
    }
}

/// The account's view of the site, after a login where there is no token. `None`: the user adds the
/// key on the web page instead.
fn registry(
    request: &KeyRequest<'_>,
    login: Option<&LoginPrompt<'_>>,
) -> Result<Option<Registry>, Error> {
    match ((request.registry)()?, login) {
        (Some(registry), _) => Ok(Some(registry)),
        (None, Some(login)) => interactive::log_in(request, login),
        (None, None) => Err(Error::NoToken {
            account: request.account.clone(),
        }),
    }
}

/// How many key pairs are created where the site says that it has each of them already.
const MAX_PAIRS: usize = 3;

/// A request, and what the site lists.
struct Provisioner<'a> {
    request: &'a KeyRequest<'a>,
    registry: &'a dyn KeyRegistry,
    list: KeyList<'a>,
    keys: Vec<RegisteredKey>,
    /// The records after the site's answers were recorded.
    records: Records,
}

impl<'a> Provisioner<'a> {
    /// Reads the list that the key is to be on, and records what it says of the account.
    fn new(request: &'a KeyRequest<'a>, registry: &'a dyn KeyRegistry) -> Result<Self, Error> {
        let context = request.at.context;
        let site_error = Error::site(request.account);
        let list = if let Some(access) = request.access() {
            KeyList::Repository(access)
        } else {
            let user = registry.user().map_err(site_error)?;
            interactive::check_user(request, &user).map_err(site_error)?;
            KeyList::Account(user)
        };
        let keys = list.keys(registry).map_err(site_error)?;
        let records = match &list {
            KeyList::Account(user) => {
                let records = Records::update(context, |records| {
                    records.set_listed(request.account, request.at.site.kind, (user, &keys), None);
                    records.clone()
                })?;
                removal::finish_removals(context, &records, request.account, &keys)?;
                records
            }
            KeyList::Repository(_) => Records::open(context)?,
        };
        Ok(Self {
            request,
            registry,
            list,
            keys,
            records,
        })
    }

    fn run(&self) -> Result<Ensured, Error> {
        if let Some(resumed) = self.resume_pending()? {
            return Ok(resumed.into());
        }
        if !matches!(self.request.wanted, Wanted::Additional(_))
            && let Some(adopted) = self.adopt()?
        {
            return Ok(ProvisionedKey::from(adopted).into());
        }
        if let (Wanted::Any, Some(identity)) = (self.request.wanted, self.listed_here()) {
            diagnostics::notice(&format!(
                "using the key {identity}, which is registered with {}",
                self.request.account
            ));
            return Ok(Ensured::Listed(identity.clone()));
        }
        self.create().map(Into::into)
    }

    /// The first key of this machine that the account lists and that has not expired.
    fn listed_here(&self) -> Option<&'a Identity> {
        let mut keys = self.request.at.keys_here.iter();
        keys.find(|identity| {
            let listed = identity.fingerprint().and_then(|one| self.listed(&one));
            listed.is_some_and(|listed| listed.expires.is_none_or(|end| end > self.now()))
        })
    }

    fn now(&self) -> Timestamp {
        self.request.at.context.clock.now()
    }

    fn listed(&self, fingerprint: &str) -> Option<&RegisteredKey> {
        self.keys.iter().find(|key| key.fingerprint == fingerprint)
    }

    /// Completes a pending key whose file exists, and forgets those whose file does not. Where a
    /// file was asked for, only its key.
    fn resume_pending(&self) -> Result<Option<ProvisionedKey>, Error> {
        let context = self.request.at.context;
        let file = self.request.file();
        let pending = self.records.identities().iter().filter(|record| {
            record.state == State::Pending
                && self.request.matches(record)
                && file.as_ref().is_none_or(|file| *file == record.file)
        });
        for record in pending {
            if !key_file::holds(&record.file, &record.fingerprint)? {
                self.forget_without_file(record)?;
                continue;
            }
            if let Ok(public) = PublicKey::from_openssh(&record.public_key) {
                key_file::create_public(&record.file, &public, &record.label)?;
            }
            let shown = context.shown(&record.file);
            diagnostics::notice(&format!("continuing with the key {shown}"));
            // Its lifetime begins when it is registered.
            let mut record = ManagedKey {
                expires: new_key::expires(self.request, self.now()),
                ..record.clone()
            };
            for old in self.request.replaces {
                if !record.replaces.contains(old) {
                    record.replaces.push(old.clone());
                }
            }
            match self.register(&record)? {
                Ok(record) => return Ok(Some(record.into())),
                Err(message) => self.forget_taken_key(&record, &message)?,
            }
        }
        Ok(None)
    }

    /// Forgets a pending key without a file. Where the site has it nevertheless, that is said and the
    /// key stays there: its file may have been moved.
    fn forget_without_file(&self, record: &ManagedKey) -> Result<(), Error> {
        let context = self.request.at.context;
        if let Some(listed) = self.listed(&record.fingerprint) {
            diagnostics::notice(&format!(
                "the key file {} no longer exists; the site still lists the key as \"{}\" ({})",
                context.shown(&record.file),
                listed.label,
                record.fingerprint
            ));
        } else {
            new_key::forget_passphrase(context, record);
        }
        Records::forget(context, &record.fingerprint)
    }

    /// Forgets a key that the site has for another account. Its files stay.
    fn forget_taken_key(&self, record: &ManagedKey, message: &str) -> Result<(), Error> {
        let context = self.request.at.context;
        let file = context.shown(&record.file);
        diagnostics::notice(&format!("the site does not accept {file}: {message}"));
        Records::forget(context, &record.fingerprint)
    }

    /// Takes a key file with one of the usual names that the account lists and that is not recorded.
    fn adopt(&self) -> Result<Option<ManagedKey>, Error> {
        let context = self.request.at.context;
        let Some((record, public)) = self.find_listed()? else {
            return Ok(None);
        };
        if let Err(error) = key_file::create_public(&record.file, &public, &record.label) {
            tracing::info!("{error}");
        }
        Records::update(context, |records| records.set_identity(record.clone()))?;
        diagnostics::notice(&format!(
            "using the key {}, which is registered with {}",
            context.shown(&record.file),
            self.request.account
        ));
        Ok(Some(record))
    }

    /// The key file that [`Self::adopt`] takes, as it is recorded, with its public key.
    fn find_listed(&self) -> Result<Option<(ManagedKey, PublicKey)>, Error> {
        let context = self.request.at.context;
        let Some(directory) = context.ssh_directory() else {
            return Ok(None);
        };
        let old = self.request.newer_than();
        let name = new_key::file_name(self.request);
        let files = new_key::file_names(&directory, &name);
        for file in files.take_while(|file| key_file::is_taken(file)) {
            let Ok(identity) = key_file::identity(&file) else {
                continue;
            };
            let (Holder::File(_), Some(fingerprint), Some(public)) = (
                &identity.holder,
                identity.fingerprint(),
                &identity.public_key,
            ) else {
                continue;
            };
            let Some(listed) = self.listed(&fingerprint) else {
                continue;
            };
            if listed.expires.is_some_and(|end| end <= self.now())
                || old.is_some_and(|old| old.fingerprint == fingerprint)
            {
                continue;
            }
            let passphrase = match new_key::passphrase_place(context, &file, &fingerprint) {
                Err(Error::KeyFile(error)) => {
                    tracing::info!("{error}");
                    continue;
                }
                place => place?,
            };
            let record = ManagedKey {
                account: self.request.account.clone(),
                file: file.clone(),
                public_key: new_key::one_line(public),
                fingerprint,
                key_id: Some(listed.id.as_str().to_owned()),
                label: listed.label.clone(),
                created: self.now(),
                expires: listed.expires,
                state: State::Registered,
                passphrase,
                repository: None,
                read_only: false,
                replaces: Vec::new(),
            };
            return Ok(Some((record, public.clone())));
        }
        Ok(None)
    }

    fn create(&self) -> Result<ProvisionedKey, Error> {
        let passphrase = new_key::choose_passphrase(self.request)?;
        let mut message = String::new();
        for _ in 0..MAX_PAIRS {
            let record = new_key::create(self.request, &passphrase)?;
            match self.register(&record)? {
                Ok(record) => {
                    return Ok(ProvisionedKey {
                        passphrase: passphrase.secret,
                        ..record.into()
                    });
                }
                Err(taken) => {
                    self.forget_taken_key(&record, &taken)?;
                    message = taken;
                }
            }
        }
        Err(Error::AlwaysTaken { message })
    }

    /// Registers the key, and records that. The inner error is the site's message: it has the key
    /// for another account.
    fn register(&self, record: &ManagedKey) -> Result<Result<ManagedKey, String>, Error> {
        let registration = if let Some(listed) = self.listed(&record.fingerprint) {
            Registration::Listed(listed.clone())
        } else {
            let key = NewKey {
                public_key: record.public_key.clone(),
                label: record.label.clone(),
                expires: record.expires,
            };
            register(self.registry, &self.list, &key, &record.fingerprint)
                .map_err(|error| self.not_registered(record, error))?
        };
        let listed = match registration {
            Registration::Listed(listed) => listed,
            Registration::Taken(message) => return Ok(Err(message)),
        };
        let registered = ManagedKey {
            key_id: Some(listed.id.as_str().to_owned()),
            expires: listed.expires.or(record.expires),
            state: State::Registered,
            ..record.clone()
        };
        // A rotation keeps the old key's record: it is used until the new key is verified, and the
        // site still has it.
        let old = self.request.newer_than();
        let old = old.filter(|old| !registered.replaces.contains(&old.fingerprint));
        let context = self.request.at.context;
        Records::update(context, |records| {
            records.set_identity(registered.clone());
            if let Some(old) = old {
                records.forget_identity(&old.fingerprint);
            }
            if registered.repository.is_none() {
                records.add_listed(self.request.account, &registered.fingerprint);
            }
        })?;
        if let Some(old) = old {
            ssh_config_file::follow(context, &old.file, &registered.file);
        }
        diagnostics::notice(&format!(
            "registered it with Bitbucket as \"{}\"",
            registered.label
        ));
        Ok(Ok(registered))
    }

    fn not_registered(&self, record: &ManagedKey, error: bitbucket::Error) -> Error {
        match error {
            bitbucket::Error::Forbidden { message }
                if self.request.at.site.kind == SiteKind::DataCenter
                    && record.repository.is_none() =>
            {
                Error::TokenMayNotAdd {
                    account: self.request.account.clone(),
                    message,
                    public_key: format!("{} {}", record.public_key, record.label),
                }
            }
            error => Error::site(self.request.account)(error),
        }
    }
}
