//! An account that is a folder, with what goes wrong at a site.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;

use ssh_key::{HashAlg, PublicKey};

use crate::bitbucket::{Access, Error, KeyId, KeyRegistry, NewKey, RegisteredKey, User};
use crate::repository::Repository;

/// What goes wrong at the site.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// The answer to the first POST is lost; the key was stored.
    LostAfterStoring,
    /// The first POST is lost before it was stored.
    LostBeforeStoring,
    /// 500, and the key was stored.
    FailedAfterStoring,
    /// The site knows the first pair from elsewhere.
    TakenElsewhere,
    /// The site refuses whatever it is.
    Invalid,
    /// Stored before, and the site says so.
    AlreadyOurs,
    /// The same, and the list shows it only later.
    StoredUnseen,
    /// Stored, and the answer speaks of another key.
    AnotherKey,
}

/// An account's keys as files: name is a number, text the public key, a tab and the label.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) fault: Cell<Fault>,
    /// How many more times the list is read before it shows what was stored.
    pub(super) lag: Cell<u32>,
}

impl Folder {
    pub(super) fn store(&self, key: &NewKey) -> RegisteredKey {
        let number = fs::read_dir(&self.path).expect("the account").count();
        let name = format!("{number}-{}", std::process::id());
        fs::write(
            self.path.join(&name),
            format!("{}\t{}", key.public_key, key.label),
        )
        .expect("stored");
        self.read(&name).expect("just stored")
    }

    fn read(&self, name: &str) -> Option<RegisteredKey> {
        let text = fs::read_to_string(self.path.join(name)).ok()?;
        let (key, label) = text.split_once('\t')?;
        let public = PublicKey::from_openssh(key).ok()?;
        Some(RegisteredKey {
            id: KeyId::new(name)?,
            public_key: key.to_owned(),
            fingerprint: public.fingerprint(HashAlg::Sha256).to_string(),
            label: label.to_owned(),
            created: None,
            last_used: None,
            expires: None,
        })
    }
}

impl KeyRegistry for Folder {
    fn user(&self) -> Result<User, Error> {
        Ok(User {
            id: "{1}".to_owned(),
            user_name: Some("you".to_owned()),
            nickname: None,
            display_name: "You".to_owned(),
        })
    }

    fn keys(&self, _user: &User) -> Result<Vec<RegisteredKey>, Error> {
        if self.lag.get() > 0 {
            self.lag.set(self.lag.get() - 1);
            return Ok(Vec::new());
        }
        let names = fs::read_dir(&self.path).expect("the account");
        Ok(names
            .filter_map(|entry| self.read(&entry.ok()?.file_name().to_string_lossy()))
            .collect())
    }

    fn register(&self, _user: &User, key: &NewKey) -> Result<RegisteredKey, Error> {
        let lost = || Error::Unreachable {
            host: "api".to_owned(),
            why: "connection reset".to_owned(),
        };
        let refused = |message: &str| Error::Refused {
            status: 400,
            message: message.to_owned(),
        };
        match self.fault.replace(Fault::None) {
            Fault::None => Ok(self.store(key)),
            Fault::LostAfterStoring => {
                self.store(key);
                Err(lost())
            }
            Fault::LostBeforeStoring => Err(lost()),
            Fault::StoredUnseen => {
                self.store(key);
                self.lag.set(2);
                Err(refused("Someone has already registered that SSH key."))
            }
            Fault::AnotherKey => {
                let mut other = self.store(key);
                "SHA256:other".clone_into(&mut other.fingerprint);
                Ok(other)
            }
            Fault::FailedAfterStoring => {
                self.store(key);
                Err(Error::Server {
                    status: 500,
                    message: String::new(),
                })
            }
            Fault::AlreadyOurs => {
                self.store(key);
                Err(refused("Someone has already registered that SSH key."))
            }
            Fault::TakenElsewhere => Err(refused("Someone has already registered that SSH key.")),
            Fault::Invalid => {
                self.fault.set(Fault::Invalid);
                Err(refused("That SSH key is invalid."))
            }
        }
    }

    fn remove(&self, _user: &User, _id: &KeyId) -> Result<(), Error> {
        Ok(())
    }

    fn access(&self, _repository: &Repository) -> Result<Access, Error> {
        Ok(Access::Write)
    }

    fn access_keys(&self, _: &Repository) -> Result<Vec<RegisteredKey>, Error> {
        unreachable!("keys of the account alone")
    }

    fn register_access_key(
        &self,
        _: &Repository,
        _: &NewKey,
        _: bool,
    ) -> Result<RegisteredKey, Error> {
        unreachable!("keys of the account alone")
    }

    fn remove_access_key(&self, _: &Repository, _: &KeyId) -> Result<(), Error> {
        unreachable!("keys of the account alone")
    }
}
