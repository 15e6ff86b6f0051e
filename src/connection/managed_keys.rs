//! ManagedKeys on the way: one that is to be made, one that was refused, one that served.
//!
//! Brings `provision`, `bitbucket` and what is remembered together for the loop.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use crate::bitbucket::{
    self, Access, HttpSettings, KeyRegistry, RegisteredKey, credential, credential::Token, keyring,
};
use crate::connection::collect::{ConnectionTarget, identity_of};
use crate::connection::failure::Failure;
use crate::context::Context;
use crate::identity::history::{self, HistoryEvent};
use crate::identity::{AccountId, Identity, ManagedKey, PassphrasePlace, State};
use crate::prompt::{Prompt, Silent};
use crate::provision::person::Person;
use crate::provision::record::Records;
use crate::provision::{self, ensure, key_status, removal};
use crate::repository::{Direction, Repository, Site};
use crate::secret::{Secret, TokenPlace};
use crate::settings::{GitConfig, Settings};
use crate::transport::Endpoint;

/// A key that was made, finished or found just now.
pub struct NewKey {
    /// It.
    pub identity: Identity,
    /// A person is pasting it; held until it is let in.
    pub manual_registration: Option<ensure::ManualLock>,
}

/// What the loop needs to know about keys.
pub struct ManagedKeys<'a> {
    /// The captured process surroundings.
    pub context: &'a Context,
    /// The site.
    pub site: &'a Site,
    /// Key type, lifetime, passphrase, and whether a key may be made.
    pub settings: &'a Settings,
    /// For proxies and certificates of the REST calls.
    pub git_config: &'a GitConfig,
    /// What a person has chosen for a new key's file in this run.
    chosen: RefCell<Option<(PathBuf, Secret)>>,
    /// Why the keyring did not give a passphrase that it keeps.
    keyring: RefCell<Option<keyring::Error>>,
}

impl<'a> ManagedKeys<'a> {
    /// For one git command at one site.
    pub fn new(
        context: &'a Context,
        site: &'a Site,
        settings: &'a Settings,
        git_config: &'a GitConfig,
    ) -> Self {
        Self {
            context,
            site,
            settings,
            git_config,
            chosen: RefCell::new(None),
            keyring: RefCell::new(None),
        }
    }

    /// Makes (or finishes, or finds) the account's key pair and registers it.
    pub fn make(&self, account: &AccountId, prompt: &dyn Prompt) -> Result<NewKey, Failure> {
        self.ensure(account, prompt, None, &[])
    }

    /// Makes a further key pair for the account, although it has one; what is there stays. With
    /// `access`: an access key, registered by the account's token. `supersedes`: fingerprints of
    /// those that go once it is proved.
    pub fn make_further(
        &self,
        account: &AccountId,
        prompt: &dyn Prompt,
        further: ensure::AdditionalKey<'_>,
        access: Option<ensure::AccessKey<'_>>,
        supersedes: &[String],
    ) -> Result<ManagedKey, Failure> {
        let made = ensure::ensure(&ensure::KeyRequest {
            context: self.context,
            site: self.site,
            account,
            settings: self.settings,
            prompt,
            replaces: None,
            further: Some(further),
            access,
            supersedes,
            registry: &|| self.registry(account),
        })?;
        let record = made.record.clone();
        self.new_key(made);
        Ok(record)
    }

    /// As [`Self::make`] where no account is known: a person says which. `None`: none, or one that
    /// would not help.
    pub fn make_for_newcomer(
        &self,
        prompt: &dyn Prompt,
        refused: Option<ensure::Refused<'_>>,
    ) -> Result<Option<NewKey>, Failure> {
        let newcomer = ensure::UnknownAccount {
            context: self.context,
            site: self.site,
            settings: self.settings,
            prompt,
            refused,
        };
        let made = self.with_person(|person| ensure::ensure_newcomer(&newcomer, person))?;
        Ok(made.map(|made| self.new_key(made)))
    }

    /// [`Self::make`], in the place of one that no longer serves or soon will not.
    pub(super) fn ensure(
        &self,
        account: &AccountId,
        prompt: &dyn Prompt,
        replaces: Option<&ManagedKey>,
        supersedes: &[String],
    ) -> Result<NewKey, Failure> {
        let order = ensure::KeyRequest {
            context: self.context,
            site: self.site,
            account,
            settings: self.settings,
            prompt,
            replaces,
            further: None,
            access: None,
            supersedes,
            registry: &|| self.registry(account),
        };
        let made = self.with_person(|person| ensure::ensure_with(&order, person));
        Ok(self.new_key(made.map_err(|error| self.with_its_token(error))?))
    }

    /// A token that does not do is another matter where it stands in the environment: no login
    /// takes its place.
    fn with_its_token(&self, error: provision::Error) -> Failure {
        use bitbucket::Error::{ScopeMissing, TokenRefused};
        let provision::Error::Site {
            account,
            error: TokenRefused { .. } | ScopeMissing { .. },
        } = &error
        else {
            return Failure::Provision(error);
        };
        match credential::find(self.context, self.site, &account.name) {
            Ok(Some(token)) if token.place == TokenPlace::Environment => {
                Failure::TokenOfTheEnvironment(error)
            }
            _ => Failure::Provision(error),
        }
    }

    /// Goes on with a record that is pending. `None`: nothing of it is here.
    pub(super) fn finish(&self, record: &ManagedKey) -> Result<Option<NewKey>, Failure> {
        let further = ensure::AdditionalKey {
            file: Some(&record.file),
        };
        let made = ensure::finish(&ensure::KeyRequest {
            context: self.context,
            site: self.site,
            account: &record.account,
            settings: self.settings,
            prompt: &Silent,
            replaces: None,
            further: Some(further),
            access: None,
            supersedes: &[],
            registry: &|| self.registry(&record.account),
        })?;
        Ok(made.map(|made| self.new_key(made)))
    }

    fn with_person<T>(&self, act: impl FnOnce(&Person<'_>) -> T) -> T {
        act(&Person {
            registry: &|account| self.registry(account),
            connect: &|account, secret| {
                let token = Token {
                    account: account.name.clone(),
                    secret: secret.clone(),
                    place: TokenPlace::File,
                };
                let http = http_settings(self.git_config, self.site);
                bitbucket::connect(self.context, self.site, token, http)
            },
            user_email: self.git_config.user_email(),
        })
    }

    fn new_key(&self, made: ensure::ProvisionedKey) -> NewKey {
        if let Some(passphrase) = made.passphrase {
            self.chosen
                .replace(Some((made.record.file.clone(), passphrase)));
        }
        NewKey {
            identity: identity_of(&made.record),
            manual_registration: made.manual_registration,
        }
    }

    /// A managed identity was refused on a connection that stayed open: only the account's key
    /// list says what that means (interface section 4). `None`: listed, and never proved.
    pub fn judge(
        &self,
        record: &ManagedKey,
        prompt: &dyn Prompt,
    ) -> Result<Option<NewKey>, Failure> {
        let not_judged = |why| Failure::NotJudged {
            record: Box::new(record.clone()),
            why,
        };
        let keys = match self.listed(&record.account) {
            Ok(Some(keys)) => keys,
            Ok(None) => return Err(not_judged(None)),
            Err(error) => return Err(not_judged(Some(error))),
        };
        match key_status::key_status(record, &keys, self.context.clock.now()) {
            key_status::KeyStatus::Listed if super::attempts::unproved(record) => Ok(None),
            key_status::KeyStatus::Listed => {
                Err(Failure::ListedButRefused(Box::new(record.clone())))
            }
            key_status::KeyStatus::Expired => {
                match self.ensure(&record.account, prompt, Some(record), &[]) {
                    Err(Failure::Provision(provision::Error::NotAllowed { .. })) => {
                        Err(Failure::Expired(Box::new(record.clone())))
                    }
                    made => made.map(Some),
                }
            }
            // A revoke of ours that did not come to its end.
            key_status::KeyStatus::Gone if record.state == State::Removing => {
                removal::from_here(self.context, record)?;
                self.ensure(&record.account, prompt, None, &[]).map(Some)
            }
            key_status::KeyStatus::Gone => {
                let removed = || Failure::Removed(Box::new(record.clone()));
                if !prompt.terminal() {
                    return Err(removed());
                }
                let question = format!(
                    "The key {} is no longer on {}'s account. Make a new one? [y/N] ",
                    record.file.display(),
                    record.account
                );
                match prompt.confirm(&question) {
                    Ok(true) => self
                        .ensure(&record.account, prompt, Some(record), &[])
                        .map(Some),
                    Ok(false) | Err(_) => Err(removed()),
                }
            }
        }
    }

    /// The account's key list. `None`: there is no token.
    fn listed(&self, account: &AccountId) -> Result<Option<Vec<RegisteredKey>>, provision::Error> {
        let Some(registry) = self.registry(account)? else {
            return Ok(None);
        };
        let keys = registry.user().and_then(|user| registry.keys(&user));
        let keys = keys.map_err(|error| provision::Error::Site {
            account: account.clone(),
            error,
        })?;
        Ok(Some(keys))
    }

    /// Whether the account's token sees the repository (for a push: may write to it).
    pub fn sees(
        &self,
        account: &AccountId,
        repository: &Repository,
        direction: Direction,
    ) -> Result<bool, provision::Error> {
        let Some(registry) = self.registry(account)? else {
            return Err(provision::Error::NoToken {
                account: account.clone(),
            });
        };
        let access = registry
            .access(repository)
            .map_err(|error| provision::Error::Site {
                account: account.clone(),
                error,
            })?;
        Ok(match direction {
            Direction::Fetch => access != Access::None,
            Direction::Push => access == Access::Write,
        })
    }

    /// Host keys that the site told at login (`SHA256:…`).
    pub fn site_fingerprints(&self) -> Vec<String> {
        let records = Records::open(self.context).unwrap_or_default();
        records.site_fingerprints(&self.site.url)
    }

    /// The passphrase of a managed key, where the keyring has it. `None`: a person must be asked.
    pub fn passphrase(&self, file: &Path) -> Option<Secret> {
        if let Some((chosen, passphrase)) = &*self.chosen.borrow()
            && chosen == file
        {
            return Some(passphrase.clone());
        }
        let records = Records::open(self.context).ok()?;
        let record = records
            .identities()
            .iter()
            .find(|record| record.file == file)?;
        if record.passphrase != PassphrasePlace::Keyring {
            return None;
        }
        match keyring::key_passphrase(self.context, &record.fingerprint) {
            Ok(passphrase) => passphrase,
            Err(error) => {
                tracing::info!("{}: {error}", file.display());
                self.keyring.replace(Some(error));
                None
            }
        }
    }

    /// A keyring that did not give what it keeps is an error of its own, no refused key.
    pub fn keyring_gave(&self) -> Result<(), Failure> {
        match self.keyring.take() {
            Some(error) => Err(Failure::Provision(provision::Error::Keyring(error))),
            None => Ok(()),
        }
    }

    /// An endpoint answered: it is remembered.
    pub(super) fn answered(&self, endpoint: &Endpoint) {
        history::remember(self.context, &[self.worked(endpoint)]);
    }

    /// An identity was let in: a new one is proved by that, and the endpoint is remembered.
    pub fn let_in(&self, identity: &Identity, endpoint: &Endpoint) {
        self.prove(identity);
        self.answered(endpoint);
    }

    /// An identity served the repository: that is remembered for the next time.
    pub fn served(&self, target: ConnectionTarget<'_>, identity: &Identity, endpoint: &Endpoint) {
        self.prove(identity);
        let mut lessons = vec![self.worked(endpoint)];
        if let Some(repository) = target.repository {
            lessons.push(HistoryEvent::Served {
                repository: repository.clone(),
                direction: target.service.direction(),
                account: identity.account().map(|account| account.name.clone()),
                fingerprint: identity.fingerprint(),
            });
        }
        history::remember(self.context, &lessons);
        ensure::sweep(self.context);
    }

    fn prove(&self, identity: &Identity) {
        if let Some(record) = &identity.managed
            && matches!(record.state, State::Registered | State::Pending)
            && let Err(error) = ensure::proved(self.context, record)
        {
            tracing::warn!("{error}");
        }
    }

    fn worked(&self, endpoint: &Endpoint) -> HistoryEvent {
        HistoryEvent::Endpoint {
            site: self.site.url.clone(),
            address: endpoint.address.clone(),
        }
    }

    /// The account's view of the site. `None`: there is no token.
    pub(super) fn registry(
        &self,
        account: &AccountId,
    ) -> Result<Option<Box<dyn KeyRegistry>>, provision::Error> {
        let Some(token) = credential::find(self.context, self.site, &account.name)? else {
            return Ok(None);
        };
        let http = http_settings(self.git_config, self.site);
        let registry = bitbucket::connect(self.context, self.site, token, http);
        registry.map(Some).map_err(|error| provision::Error::Site {
            account: account.clone(),
            error,
        })
    }
}

/// git's `http.*` for the site's REST calls.
pub fn http_settings(git_config: &GitConfig, site: &Site) -> HttpSettings {
    let said = git_config.http(&site.api_url);
    for ignored in &said.ignored {
        tracing::info!("{} ignored: {}", ignored.value, ignored.why);
    }
    HttpSettings {
        proxy: said.proxy,
        ssl_ca_info: said.ssl_ca_info,
    }
}
