//! The real rooms below, as commands see them.

mod calls;

use std::ffi::OsString;

use super::hook::PushTarget;
use super::rooms::{Examined, NewKeyOptions};
use super::status::{KnownHostKey, StatusReport};
use super::{Accounts, Error, Rooms};
use crate::bitbucket::credential::Token;
use crate::bitbucket::{self, KeyRegistry, credential, keyring};
use crate::connection::failure::Failure;
use crate::connection::managed_keys::{ManagedKeys, http_settings};
use crate::connection::resolve::{self, BitbucketTarget, ResolvedCall, with_recorded_ssh_hosts};
use crate::connection::start_trace2;
use crate::connection::verify_key::KeyVerifier;
use crate::context::Context;
use crate::host_key::{KnownFrom, known_hosts, published};
use crate::identity::{Account, AccountId, ManagedKey, history};
use crate::prompt::Prompt;
use crate::provision;
use crate::provision::ensure::AdditionalKey;
use crate::provision::record::{self, Records, SshPlace};
use crate::report;
use crate::repository::{Direction, Site, SiteKind};
use crate::secret::{Secret, TokenPlace};
use crate::settings::{GitConfig, Lines, Origin, Provision, Sourced, SshConfig};
use crate::ssh_command::{self, Invocation};
use calls::{call_for, plain_call};

/// The rooms of this machine.
pub struct House<'a> {
    context: &'a Context,
}

impl<'a> House<'a> {
    /// Opens nothing yet.
    pub fn new(context: &'a Context) -> Self {
        Self { context }
    }

    fn git_config(&self) -> Result<GitConfig, Error> {
        let git_config = GitConfig::open(self.context)
            .map_err(|error| below(&report::connection::explain(&error.into())))?;
        start_trace2(self.context, &git_config);
        Ok(match self.records() {
            Ok(records) => with_recorded_ssh_hosts(git_config, &records),
            Err(_) => git_config,
        })
    }

    fn records(&self) -> Result<Records, Error> {
        Records::open(self.context)
            .map_err(|error| below(&report::connection::explain(&error.into())))
    }

    /// What a git command for this URL would meet. `None`: no host of ours.
    fn prospect(
        &self,
        url: &str,
        direction: Direction,
    ) -> Result<Option<(SshConfig, BitbucketTarget)>, Error> {
        let git_config = self.git_config()?;
        match call_for(&git_config.sites(), url, direction) {
            Some(arguments) => self.ahead(arguments, git_config),
            None => Ok(None),
        }
    }

    /// What a command line of ours would meet. `None`: no host of ours.
    fn ahead(
        &self,
        arguments: Vec<OsString>,
        git_config: GitConfig,
    ) -> Result<Option<(SshConfig, BitbucketTarget)>, Error> {
        let explained = |failure| below(&report::connection::explain(&failure));
        let request = match ssh_command::parse(arguments) {
            Ok(Invocation::Native(request)) => request,
            Ok(_) => return Ok(None),
            Err(error) => return Err(explained(error.into())),
        };
        let found = resolve::resolve(self.context, &request, git_config).map_err(explained)?;
        Ok(match found {
            Some(ResolvedCall {
                config,
                target: Some(target),
                ..
            }) => Some((config, target)),
            _ => None,
        })
    }
}

impl Rooms for House<'_> {
    fn known(&self) -> Result<Accounts, Error> {
        let records = self.records()?;
        let mut accounts = records.accounts().to_vec();
        for identity in records.identities() {
            if !accounts
                .iter()
                .any(|account| account.account == identity.account)
            {
                accounts.push(Account {
                    account: identity.account.clone(),
                    logged_in: false,
                    user_name: None,
                    id: None,
                    key_fingerprints: Vec::new(),
                    store: None,
                    emails: Vec::new(),
                });
            }
        }
        Ok(Accounts {
            sites: self.git_config()?.sites(),
            accounts,
        })
    }

    fn keyring(&self) -> bool {
        keyring::available(self.context)
    }

    fn connect(
        &self,
        site: &Site,
        account: &str,
        secret: &Secret,
    ) -> Result<Box<dyn KeyRegistry>, bitbucket::Error> {
        let http = GitConfig::open(self.context).map(|config| http_settings(&config, site));
        let token = Token {
            account: account.to_owned(),
            secret: secret.clone(),
            place: TokenPlace::Environment,
        };
        bitbucket::connect(self.context, site, token, http.unwrap_or_default())
    }

    fn store(
        &self,
        site: &Site,
        account: &str,
        secret: &Secret,
        place: TokenPlace,
    ) -> Result<(), Error> {
        credential::store(self.context, site, account, secret, place)
            .map_err(|error| of_credential(&error))
    }

    fn forget(&self, site: &Site, account: &str) -> Result<Vec<TokenPlace>, Error> {
        credential::forget(self.context, site, account).map_err(|error| of_credential(&error))
    }

    fn record(&self, account: Account) -> Result<(), Error> {
        record::update(self.context, |records| records.set_account(account))
            .map_err(|error| below(&report::connection::explain(&error.into())))
    }

    fn record_ssh(&self, place: SshPlace) -> Result<(), Error> {
        record::update(self.context, |records| records.set_ssh_place(place))
            .map_err(|error| below(&report::connection::explain(&error.into())))
    }

    fn erase(&self, account: &AccountId) -> Result<(), Error> {
        history::forget(self.context, &account.site, &account.name);
        record::update(self.context, |records| records.forget_account(account))
            .map(drop)
            .map_err(|error| below(&report::connection::explain(&error.into())))
    }

    fn going(&self, url: &str, direction: Direction) -> Result<Option<PushTarget>, Error> {
        let Some((_, ours)) = self.prospect(url, direction)? else {
            return Ok(None);
        };
        if let Some(fault) = ours.settings.invalid.get("hooks.author") {
            let failure = Failure::InvalidSetting(fault.clone());
            return Err(below(&report::connection::explain(&failure)));
        }
        let first = ours.plan.candidates.first();
        let account = first.and_then(|candidate| candidate.account.as_ref());
        let account = account.and_then(|name| ours.records.account(name)).cloned();
        Ok(match (ours.located.repository, account) {
            (Some(repository), Some(account)) => Some(PushTarget {
                repository,
                account,
                check: ours.settings.author_check.value,
            }),
            _ => None,
        })
    }

    fn status(&self, url: &str) -> Result<Option<StatusReport>, Error> {
        let Some((config, ours)) = self.prospect(url, Direction::Fetch)? else {
            return Ok(None);
        };
        let site = ours.located.site;
        let accounts = ours.records.accounts().iter();
        Ok(Some(StatusReport {
            host_keys: host_keys(
                self.context,
                &config,
                &ours.endpoints,
                &ours.records.site_fingerprints(&site.url),
            ),
            endpoints: ours
                .endpoints
                .into_iter()
                .map(|endpoint| endpoint.address)
                .collect(),
            lines: Lines::read(StatusReport::origins(&ours.settings, &ours.plan)),
            accounts: accounts
                .filter(|account| account.account.site == site.url)
                .cloned()
                .collect(),
            home: self.context.home().map(Into::into),
            repository: ours.located.repository,
            user: ours.user,
            settings: ours.settings,
            ssh_config: config,
            plan: ours.plan,
            site,
        }))
    }

    fn examine(&self, url: Option<&str>) -> Result<Option<Examined>, Error> {
        let found = match url {
            Some(url) => self.prospect(url, Direction::Fetch)?,
            None => self.ahead(plain_call(), self.git_config()?)?,
        };
        Ok(found.map(|(config, ours)| Examined { config, ours }))
    }

    fn token(&self, site: &Site, account: &str) -> Result<Option<Token>, Error> {
        credential::find(self.context, site, account).map_err(|error| of_credential(&error))
    }

    fn make(
        &self,
        site: &Site,
        account: &AccountId,
        new_key: NewKeyOptions<'_>,
        prompt: &dyn Prompt,
    ) -> Result<ManagedKey, Error> {
        let git_config = self.git_config()?;
        let mut settings = git_config.settings(&git_config.sites(), site, None);
        let asked = || Origin::CommandLine("key new".to_owned());
        // Asked for by a person: the leave to make keys unasked is not needed.
        settings.provision = Sourced::new(Provision::Auto, asked());
        if let Some(key_type) = new_key.key_type {
            settings.key_type = Sourced::new(key_type, asked());
        }
        if let Some(days) = new_key.days {
            settings.key_lifetime = Some(Sourced::new(days, asked()));
        }
        let further = AdditionalKey { file: new_key.file };
        ManagedKeys::new(self.context, site, &settings, &git_config)
            .create_additional(account, prompt, further, new_key.access, new_key.supersedes)
            .map_err(|failure| match failure {
                Failure::Provision(provision::Error::NoToken { account }) => {
                    Error::NotLoggedIn(format!("there is no API token for {}", account.name))
                }
                failure => below(&report::connection::explain(&failure)),
            })
    }

    fn prove(&self, site: &Site, record: &ManagedKey, prompt: &dyn Prompt) -> Result<(), Error> {
        let git_config = self.git_config()?;
        let place = site.ssh_hosts.first();
        let call = match (site.kind, place) {
            (SiteKind::DataCenter, Some(place)) => {
                vec![format!("ssh://git@{}:{}", place.host, place.port).into()]
            }
            _ => plain_call(),
        };
        let Some((config, ours)) = self.ahead(call, git_config)? else {
            return Err(Error::NoBitbucket(site.url.clone()));
        };
        let git_config = self.git_config()?;
        let keys = ManagedKeys::new(self.context, site, &ours.settings, &git_config);
        let verifier = KeyVerifier {
            keys: &keys,
            config: &config,
            endpoints: &ours.endpoints,
            site_fingerprints: ours.site_fingerprints(),
            prompt,
        };
        verifier
            .verify(record)
            .map_err(|failure| below(&report::connection::explain(&failure)))
    }
}

/// The keys by which the endpoints are known: lines of known_hosts, else the published keys, else
/// those that the site told at login.
fn host_keys(
    context: &Context,
    config: &SshConfig,
    endpoints: &[crate::transport::Endpoint],
    told: &[String],
) -> Vec<KnownHostKey> {
    let known = known_hosts::load(&crate::transport::known_hosts_files(config, context));
    let mut keys = Vec::new();
    for endpoint in endpoints {
        let address = &endpoint.address;
        let alias = config.host_keys.host_key_alias.as_deref();
        let (name, _) = known_hosts::names(alias, &address.host, address.port, endpoint.published);
        let mut lines = known.keys_of(&name);
        if lines.is_empty() && endpoint.published {
            let published = published::keys().iter().cloned();
            lines = published.map(|key| (key, KnownFrom::Published)).collect();
        }
        if lines.is_empty() {
            keys.extend(told.iter().map(|fingerprint| KnownHostKey {
                endpoint: address.clone(),
                algorithm: None,
                fingerprint: fingerprint.clone(),
                from: KnownFrom::Site,
            }));
        }
        keys.extend(lines.into_iter().map(|(key, from)| KnownHostKey {
            endpoint: address.clone(),
            algorithm: Some(key.algorithm().as_str().to_owned()),
            fingerprint: key.fingerprint(ssh_key::HashAlg::Sha256).to_string(),
            from,
        }));
    }
    keys
}

fn below(told: &report::Explanation) -> Error {
    Error::Below {
        what: told.what.clone(),
        hints: told.hints.clone(),
    }
}

fn of_credential(error: &credential::Error) -> Error {
    Error::Below {
        what: error.to_string(),
        hints: vec!["git bitbucket login --store file".to_owned()],
    }
}
