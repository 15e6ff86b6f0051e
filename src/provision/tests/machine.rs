//! A machine: a home and an account, both folders.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use ssh_key::HashAlg;

use super::site::{Fault, Folder};
use crate::bitbucket::{KeyRegistry, User};
use crate::clock::SystemClock;
use crate::context::{Context, Environment};
use crate::identity::{AccountId, ManagedKey, State, key_file};
use crate::prompt::{Prompt, Silent};
use crate::provision::Error;
use crate::provision::Records;
use crate::provision::{KeyRequest, ProvisionContext, ProvisionedKey, Wanted, ensure};
use crate::repository::{Site, SiteKind};
use crate::settings::{
    AuthorCheck, IdentitySettings, KeyType, Origin, PassphraseStore, Provision, Settings, Sourced,
    TransportKind,
};

pub(super) struct Machine {
    pub(super) directory: PathBuf,
    /// The address of its session bus. `None`: there is none, and so no keyring.
    pub(super) bus: Option<String>,
    _kept: Option<tempfile::TempDir>,
}

impl Machine {
    pub(super) fn new() -> Self {
        let kept = tempfile::tempdir().expect("a folder");
        fs::create_dir(kept.path().join("home")).expect("a home");
        fs::create_dir(kept.path().join("account")).expect("an account");
        Self {
            directory: kept.path().to_owned(),
            bus: None,
            _kept: Some(kept),
        }
    }

    pub(super) fn context(&self) -> Context {
        let home = self.directory.join("home").into_os_string();
        let bus = self.bus.clone().map(Into::into);
        let bus = bus.map(|bus| ("DBUS_SESSION_BUS_ADDRESS".into(), bus));
        Context {
            environment: Environment::new([("HOME".into(), home)].into_iter().chain(bus)),
            directory: self.directory.clone(),
            program: PathBuf::new(),
            clock: Arc::new(SystemClock),
        }
    }

    pub(super) fn records_file(&self) -> PathBuf {
        self.ssh().join("bitbucket-ssh/records.json")
    }

    pub(super) fn ssh(&self) -> PathBuf {
        self.directory.join("home/.ssh")
    }

    pub(super) fn account(&self, fault: Fault) -> Folder {
        Folder {
            path: self.directory.join("account"),
            fault: Cell::new(fault),
            lag: Cell::new(0),
        }
    }

    /// The one of the parent process.
    pub(super) fn of_parent(directory: PathBuf) -> Self {
        Self {
            directory,
            bus: None,
            _kept: None,
        }
    }

    /// Fingerprints on the account.
    pub(super) fn on_the_site(&self) -> Vec<String> {
        let keys = self.account(Fault::None).keys(&self.user());
        keys.expect("a list")
            .into_iter()
            .map(|key| key.fingerprint)
            .collect()
    }

    pub(super) fn user(&self) -> User {
        self.account(Fault::None).user().expect("a user")
    }

    pub(super) fn ensure(&self, fault: Fault) -> Result<ProvisionedKey, Error> {
        self.ensure_with(fault, &settings(), &Silent)
    }

    pub(super) fn ensure_with(
        &self,
        fault: Fault,
        settings: &Settings,
        prompt: &dyn Prompt,
    ) -> Result<ProvisionedKey, Error> {
        let account = self.directory.join("account");
        self.request(settings, prompt, None, &move || {
            Ok(Some(Box::new(Folder {
                path: account.clone(),
                fault: Cell::new(fault),
                lag: Cell::new(0),
            })))
        })
    }

    pub(super) fn request(
        &self,
        settings: &Settings,
        prompt: &dyn Prompt,
        replaces: Option<&ManagedKey>,
        registry: &dyn Fn() -> Result<Option<Box<dyn KeyRegistry>>, Error>,
    ) -> Result<ProvisionedKey, Error> {
        ensure(&KeyRequest {
            at: ProvisionContext {
                context: &self.context(),
                site: &site(),
                settings,
                prompt,
                keys_here: &[],
            },
            account: &account(),
            wanted: replaces.map_or(Wanted::Any, Wanted::NewerThan),
            replaces: &[],
            registry,
        })
    }

    /// One key on the site, its private half here, and nothing half done.
    pub(super) fn is_in_order(&self, why: &str) {
        let on_the_site = self.on_the_site();
        assert_eq!(on_the_site.len(), 1, "{why}: one key on the site");
        let records = Records::open(&self.context()).expect("records");
        let usable = records.usable(&account(), None).expect(why);
        assert_eq!(usable.fingerprint, on_the_site[0], "{why}: recorded");
        let private = key_file::open(&usable.file, None).expect(why);
        let print = private.fingerprint(HashAlg::Sha256).to_string();
        assert_eq!(print, on_the_site[0], "{why}: its private half is here");
        let public = fs::read_to_string(format!("{}.pub", usable.file.display()));
        assert!(
            public.is_ok_and(|line| line.starts_with("ssh-")),
            "{why}: .pub"
        );
        let pending = records
            .identities()
            .iter()
            .any(|r| r.state == State::Pending);
        assert!(!pending, "{why}: nothing pending");
        for folder in [self.ssh(), self.ssh().join("bitbucket-ssh")] {
            for entry in fs::read_dir(folder).expect("a folder") {
                let name = entry.expect("an entry").file_name();
                let name = name.to_string_lossy().into_owned();
                assert!(!name.starts_with('.'), "{why}: {name} is left behind");
            }
        }
    }
}

pub(super) fn site() -> Site {
    Site {
        kind: SiteKind::Cloud,
        url: "https://bitbucket.org".to_owned(),
        api_url: "https://api.bitbucket.org/2.0".to_owned(),
        ssh_hosts: Vec::new(),
    }
}

pub(super) fn account() -> AccountId {
    AccountId {
        site: "https://bitbucket.org".to_owned(),
        name: "you@example.com".to_owned(),
    }
}

pub(super) fn settings() -> Settings {
    fn said<T>(value: T) -> Sourced<T> {
        Sourced::new(value, Origin::Default)
    }
    Settings {
        repository: IdentitySettings::default(),
        by_url: IdentitySettings::default(),
        plain: IdentitySettings::default(),
        provision: said(Provision::Auto),
        key_type: said(KeyType::Ed25519),
        key_lifetime: None,
        passphrase: said(PassphraseStore::None),
        transport: said(TransportKind::Native),
        author_check: said(AuthorCheck::Warn),
        invalid: std::collections::BTreeMap::new(),
        ignored: Vec::new(),
    }
}
