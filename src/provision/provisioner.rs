//! The work at the site's counter: finish what was begun, adopt what is listed, make what is not
//! there. The request of the steps, and the lock around them, are [`super::ensure`]'s.

use jiff::Timestamp;

use super::ensure::{KeyRequest, ProvisionedKey, made};
use super::key_file::{holds, is_taken};
use super::new_pair::{expires, file_name, one_line, place_new};
use super::passphrase;
use super::record::{self, Records};
use super::registration::{List, Registration, register};
use super::ssh_config_file;
use super::{Error, names};
use crate::bitbucket::{self, KeyRegistry, NewKey, RegisteredKey};
use crate::diagnostics;
use crate::identity::{Holder, ManagedKey, State, key_file};
use crate::repository::SiteKind;

/// How many pairs are made where the site says it knows each of them already.
const PAIRS: usize = 3;

/// What is at hand once the site has answered.
pub(super) struct Provisioner<'a> {
    pub(super) request: &'a KeyRequest<'a>,
    pub(super) registry: &'a dyn KeyRegistry,
    pub(super) list: List<'a>,
    pub(super) keys: Vec<RegisteredKey>,
}

impl Provisioner<'_> {
    fn now(&self) -> Timestamp {
        self.request.context.clock.now()
    }

    fn listed(&self, fingerprint: &str) -> Option<&RegisteredKey> {
        self.keys.iter().find(|key| key.fingerprint == fingerprint)
    }

    /// A pending record whose file is here is gone on with; one without its file is dropped. Where
    /// a file was asked for, only that one's.
    pub(super) fn resume_pending(&self) -> Result<Option<ProvisionedKey>, Error> {
        let context = self.request.context;
        let records = Records::open(context)?;
        let asked_for = self.request.file();
        let pending = records.identities().iter().filter(|record| {
            record.state == State::Pending
                && self.request.is(record)
                && asked_for.as_ref().is_none_or(|file| *file == record.file)
        });
        for record in pending {
            if !holds(&record.file, &record.fingerprint)? {
                self.drop_without_file(record)?;
                continue;
            }
            if let Ok(public) = ssh_key::PublicKey::from_openssh(&record.public_key) {
                key_file::create_public(&record.file, &public, &record.label)?;
            }
            let file = context.shown(&record.file);
            diagnostics::notice(&format!("going on with the key {file}"));
            // Its time begins when the site is told of it, not when it was begun.
            let mut record = ManagedKey {
                expires: expires(self.request, self.now()),
                ..record.clone()
            };
            for old in self.request.supersedes {
                if !record.replaces.contains(old) {
                    record.replaces.push(old.clone());
                }
            }
            match self.register(&record)? {
                Ok(record) => return Ok(Some(made(record))),
                Err(words) => self.forget_taken_key(&record, &words)?,
            }
        }
        Ok(None)
    }

    /// Nothing of it is here. Where the site knows it nevertheless, that is said: its file may
    /// have been moved, so it is not ours to remove.
    fn drop_without_file(&self, record: &ManagedKey) -> Result<(), Error> {
        if let Some(listed) = self.listed(&record.fingerprint) {
            diagnostics::notice(&format!(
                "the key {} has gone; the site still lists it as \"{}\" ({})",
                self.request.context.shown(&record.file),
                listed.label,
                record.fingerprint
            ));
        } else {
            passphrase::forget(self.request.context, record);
        }
        record::update(self.request.context, |records| {
            records.forget_identity(&record.fingerprint);
        })
    }

    /// The site knows this key from elsewhere: it is nobody's here. Its files stay.
    fn forget_taken_key(&self, record: &ManagedKey, words: &str) -> Result<(), Error> {
        let file = self.request.context.shown(&record.file);
        diagnostics::notice(&format!("the site does not take {file}: {words}"));
        record::update(self.request.context, |records| {
            records.forget_identity(&record.fingerprint);
        })
    }

    /// A key file of the name we would give it, which the account lists and nobody recorded.
    pub(super) fn adopt(&self) -> Result<Option<ManagedKey>, Error> {
        let Some(directory) = self.request.context.ssh_directory() else {
            return Ok(None);
        };
        let replaced = self
            .request
            .replaces
            .map(|record| record.fingerprint.as_str());
        let name = file_name(self.request);
        for file in names::places(&directory, &name).take_while(|file| is_taken(file)) {
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
            let expired = listed.expires.is_some_and(|end| end <= self.now());
            if expired || replaced == Some(fingerprint.as_str()) {
                continue;
            }
            let passphrase = match passphrase::place_of(self.request.context, &file, &fingerprint) {
                Err(Error::KeyFile(error)) => {
                    tracing::info!("{error}");
                    continue;
                }
                place => place?,
            };
            if let Err(error) = key_file::create_public(&file, public, &listed.label) {
                tracing::info!("{error}");
            }
            let record = ManagedKey {
                account: self.request.account.clone(),
                file: file.clone(),
                public_key: one_line(public),
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
            record::update(self.request.context, |records| {
                records.set_identity(record.clone());
            })?;
            diagnostics::notice(&format!(
                "taking the key {}, which {} lists",
                self.request.context.shown(&file),
                self.request.account
            ));
            return Ok(Some(record));
        }
        Ok(None)
    }

    pub(super) fn make(&self) -> Result<ProvisionedKey, Error> {
        let request = self.request;
        let context = request.context;
        let passphrase =
            passphrase::choose(context, request.settings.passphrase.value, request.prompt)?;
        let mut message = String::new();
        for _ in 0..PAIRS {
            let record = place_new(request, &passphrase)?;
            match self.register(&record)? {
                Ok(record) => {
                    return Ok(ProvisionedKey {
                        record,
                        passphrase: passphrase.secret,
                        manual_registration: None,
                    });
                }
                Err(words) => {
                    self.forget_taken_key(&record, &words)?;
                    message = words;
                }
            }
        }
        Err(Error::AlwaysTaken { message })
    }

    /// On the account's list, and recorded so. The inner error: the site knows the key from
    /// elsewhere, in its words.
    fn register(&self, record: &ManagedKey) -> Result<Result<ManagedKey, String>, Error> {
        let registration = if let Some(listed) = self.listed(&record.fingerprint) {
            Registration::Listed(listed.clone())
        } else {
            let key = NewKey {
                public_key: record.public_key.clone(),
                label: record.label.clone(),
                expires: record.expires,
            };
            let registered = register(self.registry, self.list, &key, &record.fingerprint);
            registered.map_err(|error| self.not_registered(record, error))?
        };
        let listed = match registration {
            Registration::Listed(listed) => listed,
            Registration::Taken(words) => return Ok(Err(words)),
        };
        let registered = ManagedKey {
            key_id: Some(listed.id.as_str().to_owned()),
            expires: listed.expires.or(record.expires),
            state: State::Registered,
            ..record.clone()
        };
        // A rotation keeps the old one's record: until the new one is proved it serves, and then
        // the site has to be told.
        let replaced = self.request.replaces.map(|old| old.fingerprint.clone());
        let replaced = replaced.filter(|old| !registered.replaces.contains(old));
        record::update(self.request.context, |records| {
            records.set_identity(registered.clone());
            if let Some(old) = &replaced {
                records.forget_identity(old);
            }
            let account = records.account(self.request.account).cloned();
            if let Some(mut account) = account.filter(|_| registered.repository.is_none())
                && !account.key_fingerprints.contains(&registered.fingerprint)
            {
                let fingerprint = registered.fingerprint.clone();
                account.key_fingerprints.push(fingerprint);
                records.set_account(account);
            }
        })?;
        if let Some(old) = self.request.replaces.filter(|_| replaced.is_some()) {
            ssh_config_file::follow(self.request.context, &old.file, &registered.file);
        }
        diagnostics::notice(&format!(
            "registered it with Bitbucket as \"{}\"",
            registered.label
        ));
        Ok(Ok(registered))
    }

    fn not_registered(&self, record: &ManagedKey, error: bitbucket::Error) -> Error {
        let account = self.request.account.clone();
        let kind = self.request.site.kind;
        match error {
            bitbucket::Error::Forbidden { message }
                if kind == SiteKind::DataCenter && record.repository.is_none() =>
            {
                Error::TokenMayNotAdd {
                    account,
                    message,
                    public_key: format!("{} {}", record.public_key, record.label),
                }
            }
            error => Error::Site { account, error },
        }
    }
}
