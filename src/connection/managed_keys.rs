//! The managed keys of a site, as a git command needs them: creating one, replacing one that was
//! refused, recording one that was accepted.
//!
//! Brings `provision`, `bitbucket` and the history together for `attempts`.

use std::cell::{OnceCell, RefCell};
use std::path::{Path, PathBuf};

use crate::bitbucket::{
    self, Access, KeyRegistry, RegisteredKey, credential, credential::Token, keyring,
};
use crate::connection::collect::{self, identity_of};
use crate::connection::failure::Failure;
use crate::context::Context;
use crate::identity::history::{self, HistoryEvent};
use crate::identity::{AccountId, Identity, ManagedKey, PassphrasePlace, State};
use crate::prompt::{Prompt, Silent};
use crate::provision::key_status::{self, KeyStatus};
use crate::provision::{
    self, AdditionalKey, DeniedRepository, Ensured, KeyRequest, LoginPrompt, ProvisionContext,
    ProvisionedKey, UnknownAccount, Wanted, removal,
};
use crate::repository::{Direction, Located, Repository, Site};
use crate::secret::{Secret, TokenPlace};
use crate::settings::{GitConfig, HttpSettings, Settings, SshConfig};
use crate::storage::Lock;
use crate::text::Shown;
use crate::transport::Endpoint;

/// A key that was created, completed or found just now.
pub struct NewKey {
    /// The key pair.
    pub identity: Identity,
    /// A person is adding it to the site; held until the server accepts it.
    pub manual_registration: Option<Lock>,
}

/// The managed keys of one site.
pub struct ManagedKeys<'a> {
    /// The captured process surroundings.
    pub context: &'a Context,
    /// The site.
    pub site: &'a Site,
    /// Key type, lifetime, passphrase, and whether a key may be created.
    pub settings: &'a Settings,
    /// For proxies and certificates of the REST calls.
    pub git_config: &'a GitConfig,
    /// The file of a new key, and the passphrase that a person has just chosen for it.
    chosen: RefCell<Option<(PathBuf, Secret)>>,
    /// With it, a key that is here and on the account's key list is used in the place of a new one.
    ssh_config: Option<&'a SshConfig>,
    /// What it finds.
    keys_here: OnceCell<Vec<Identity>>,
    /// Why the keyring did not return a passphrase that it has.
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
            ssh_config: None,
            keys_here: OnceCell::new(),
            keyring: RefCell::new(None),
        }
    }

    /// The same, for a connection with this ssh_config.
    #[must_use]
    pub fn with_ssh_config(self, config: &'a SshConfig) -> Self {
        Self {
            ssh_config: Some(config),
            ..self
        }
    }

    /// Creates (or completes, or finds) the account's key pair and registers it.
    pub fn create(&self, account: &AccountId, prompt: &dyn Prompt) -> Result<NewKey, Failure> {
        self.ensure(account, prompt, None, &[])
    }

    /// Creates a further key pair for an account that has one, which stays. `replaces`:
    /// fingerprints of keys that are removed once the new one is verified.
    pub fn create_additional(
        &self,
        account: &AccountId,
        prompt: &dyn Prompt,
        key: AdditionalKey<'_>,
        replaces: &[String],
    ) -> Result<ManagedKey, Failure> {
        let made = provision::ensure(&KeyRequest {
            at: self.at(prompt),
            account,
            wanted: Wanted::Additional(key),
            replaces,
            registry: &|| self.registry(account),
        })?;
        let record = made.record.clone();
        self.new_key(made);
        Ok(record)
    }

    /// As [`Self::create`], for an account that a person names. `None`: no answer, or an account
    /// whose key would not help.
    pub fn create_for_unknown_account(
        &self,
        prompt: &dyn Prompt,
        denied: Option<DeniedRepository<'_>>,
    ) -> Result<Option<NewKey>, Failure> {
        let unknown = UnknownAccount {
            at: self.at(prompt),
            denied,
        };
        let made =
            self.with_login(|login| provision::ensure_for_unknown_account(&unknown, login))?;
        Ok(made.map(|made| self.ensured(made)))
    }

    /// Creates a key in the place of one that has expired, was removed or expires soon.
    /// `replaces` as for [`Self::create_additional`].
    pub(super) fn replace(
        &self,
        key: &ManagedKey,
        replaces: &[String],
        prompt: &dyn Prompt,
    ) -> Result<NewKey, Failure> {
        self.ensure(&key.account, prompt, Some(key), replaces)
    }

    fn ensure(
        &self,
        account: &AccountId,
        prompt: &dyn Prompt,
        newer_than: Option<&ManagedKey>,
        replaces: &[String],
    ) -> Result<NewKey, Failure> {
        let request = KeyRequest {
            at: self.at(prompt),
            account,
            wanted: newer_than.map_or(Wanted::Any, Wanted::NewerThan),
            replaces,
            registry: &|| self.registry(account),
        };
        let made = self.with_login(|login| provision::ensure_interactively(&request, login));
        Ok(self.ensured(made.map_err(|error| self.with_token_source(error))?))
    }

    /// A token of the environment is its own kind of error: no login replaces it.
    fn with_token_source(&self, error: provision::Error) -> Failure {
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
                Failure::EnvironmentToken(error)
            }
            _ => Failure::Provision(error),
        }
    }

    /// Completes a key whose record is pending. `None`: its files are not here.
    pub(super) fn finish(&self, record: &ManagedKey) -> Result<Option<NewKey>, Failure> {
        let key = AdditionalKey {
            file: Some(&record.file),
            access: None,
        };
        let made = provision::finish(&KeyRequest {
            at: self.at(&Silent),
            account: &record.account,
            wanted: Wanted::Additional(key),
            replaces: &[],
            registry: &|| self.registry(&record.account),
        })?;
        Ok(made.map(|made| self.new_key(made)))
    }

    fn at<'b>(&'b self, prompt: &'b dyn Prompt) -> ProvisionContext<'b> {
        ProvisionContext {
            context: self.context,
            site: self.site,
            settings: self.settings,
            prompt,
            keys_here: self.keys_here.get_or_init(|| match self.ssh_config {
                Some(config) => collect::keys_here(self.context, config),
                None => Vec::new(),
            }),
        }
    }

    /// Calls `provision` with what it needs to let a person log in.
    fn with_login<T>(&self, provision: impl FnOnce(&LoginPrompt<'_>) -> T) -> T {
        provision(&LoginPrompt {
            registry: &|account| self.registry(account),
            connect: &|account, secret| {
                let token = Token {
                    account: account.name.clone(),
                    secret: secret.clone(),
                    place: TokenPlace::File,
                };
                let http = http_settings(self.git_config, self.site);
                bitbucket::connect(self.context, self.site, token, http, bitbucket::Caller::Git)
            },
            user_email: self.git_config.user_email(),
        })
    }

    fn ensured(&self, made: Ensured) -> NewKey {
        match made {
            Ensured::Managed(made) => self.new_key(made),
            Ensured::Listed(identity) => NewKey {
                identity,
                manual_registration: None,
            },
        }
    }

    fn new_key(&self, made: ProvisionedKey) -> NewKey {
        if let Some(passphrase) = made.passphrase {
            self.chosen
                .replace(Some((made.record.file.clone(), passphrase)));
        }
        NewKey {
            identity: identity_of(&made.record),
            manual_registration: made.manual_registration,
        }
    }

    /// A managed key was refused on a connection that stayed open: the account's key list says
    /// what that means. Returns the key that replaces it. `None`: the list shows it, and it was
    /// never used before, so waiting may help.
    pub fn replace_refused(
        &self,
        key: &ManagedKey,
        prompt: &dyn Prompt,
    ) -> Result<Option<NewKey>, Failure> {
        let boxed = || Box::new(key.clone());
        let unreadable = |why| Failure::KeyListUnreadable { key: boxed(), why };
        let keys = match self.listed(&key.account) {
            Ok(Some(keys)) => keys,
            Ok(None) => return Err(unreadable(None)),
            Err(error) => return Err(unreadable(Some(error))),
        };
        let new = match key_status::key_status(key, &keys, self.context.clock.now()) {
            KeyStatus::Listed if is_unverified(key) => return Ok(None),
            KeyStatus::Listed => return Err(Failure::ListedButRefused(boxed())),
            KeyStatus::Expired => match self.replace(key, &[], prompt) {
                Err(Failure::Provision(provision::Error::NotAllowed { .. })) => {
                    return Err(Failure::Expired(boxed()));
                }
                new => new?,
            },
            // A `key revoke` that was interrupted.
            KeyStatus::Gone if key.state == State::Removing => {
                removal::remove_here(self.context, key)?;
                self.create(&key.account, prompt)?
            }
            KeyStatus::Gone => {
                let question = format!(
                    "The key {} was removed from {}'s account. Create a new one? [y/N] ",
                    Shown::path(&key.file, None),
                    Shown::new(&key.account.name)
                );
                if !prompt.terminal() || !prompt.confirm(&question).unwrap_or(false) {
                    return Err(Failure::Removed(boxed()));
                }
                self.replace(key, &[], prompt)?
            }
        };
        Ok(Some(new))
    }

    /// The account's key list. `None`: there is no token.
    fn listed(&self, account: &AccountId) -> Result<Option<Vec<RegisteredKey>>, provision::Error> {
        let Some(registry) = self.registry(account)? else {
            return Ok(None);
        };
        let keys = registry.user().and_then(|user| registry.keys(&user));
        Ok(Some(keys.map_err(provision::Error::site(account))?))
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
            .map_err(provision::Error::site(account))?;
        Ok(match direction {
            Direction::Fetch => access != Access::None,
            Direction::Push => access == Access::Write,
        })
    }

    /// The passphrase of a managed key among these, where the keyring has it. `None`: a person
    /// must be asked.
    pub fn passphrase(&self, identities: &[Identity], file: &Path) -> Option<Secret> {
        if let Some((chosen, passphrase)) = &*self.chosen.borrow()
            && chosen == file
        {
            return Some(passphrase.clone());
        }
        let mut managed = identities.iter().filter_map(|one| one.managed.as_ref());
        let key = managed.find(|key| key.file == file)?;
        if key.passphrase != PassphrasePlace::Keyring {
            return None;
        }
        match keyring::key_passphrase(self.context, &key.fingerprint) {
            Ok(passphrase) => passphrase,
            Err(error) => {
                tracing::info!("{}: {error}", file.display());
                self.keyring.replace(Some(error));
                None
            }
        }
    }

    /// # Errors
    ///
    /// The keyring did not return a passphrase that it has: the login failed for that reason, and
    /// the server did not refuse the key.
    pub fn check_keyring(&self) -> Result<(), Failure> {
        match self.keyring.take() {
            Some(error) => Err(Failure::Provision(provision::Error::Keyring(error))),
            None => Ok(()),
        }
    }

    /// Remembers that an endpoint answered.
    pub(super) fn remember_endpoint(&self, endpoint: &Endpoint) {
        history::remember(self.context, &[self.endpoint_worked(endpoint)]);
    }

    /// The server accepted an identity: a new one is verified by that, and the endpoint is
    /// remembered.
    pub fn accepted(&self, identity: &Identity, endpoint: &Endpoint) {
        self.record_verified(identity);
        self.remember_endpoint(endpoint);
    }

    /// The git command completed with this identity: that is remembered for the next one.
    pub(super) fn completed(&self, located: &Located, identity: &Identity, endpoint: &Endpoint) {
        self.record_verified(identity);
        let mut events = vec![self.endpoint_worked(endpoint)];
        if let Some(repository) = &located.repository {
            events.push(HistoryEvent::Served {
                repository: repository.clone(),
                direction: located.service.direction(),
                account: identity.account().map(|account| account.name.clone()),
                fingerprint: identity.fingerprint(),
            });
        }
        history::remember(self.context, &events);
        provision::sweep(self.context);
    }

    fn record_verified(&self, identity: &Identity) {
        if let Some(key) = identity.managed.as_ref().filter(|key| is_unverified(key))
            && let Err(error) = provision::verified(self.context, key)
        {
            tracing::warn!("{error}");
        }
    }

    fn endpoint_worked(&self, endpoint: &Endpoint) -> HistoryEvent {
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
        let registry =
            bitbucket::connect(self.context, self.site, token, http, bitbucket::Caller::Git);
        registry.map(Some).map_err(provision::Error::site(account))
    }
}

/// Whether no server has accepted the key yet.
pub(super) fn is_unverified(key: &ManagedKey) -> bool {
    matches!(key.state, State::Registered | State::Pending)
}

/// git's `http.*` settings for the site's REST calls.
pub fn http_settings(git_config: &GitConfig, site: &Site) -> HttpSettings {
    let http = git_config.http(&site.api_url);
    for ignored in &http.ignored {
        tracing::info!("{} ignored: {}", ignored.value, ignored.why);
    }
    http
}
