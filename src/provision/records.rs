//! `records.json`: the accounts, and the keys that bitbucket-ssh created or adopted.
//!
//! Reading takes no lock, since the file is only replaced as a whole. Every change reads the file
//! again under a lock.

use serde::{Deserialize, Serialize};

use super::Error;
use crate::bitbucket::{RegisteredKey, User};
use crate::context::Context;
use crate::identity::{Account, AccountId, ManagedKey, State};
use crate::repository::SiteKind;
use crate::secret::TokenPlace;
use crate::storage::{self, Directory};

/// The file's name.
const FILE: &str = "records.json";

/// What this version writes, and the newest it reads.
const VERSION: u32 = 1;

/// The content of the file when it was read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Records {
    version: u32,
    #[serde(default)]
    accounts: Vec<Account>,
    #[serde(default)]
    identities: Vec<ManagedKey>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ssh_places: Vec<SshPlace>,
}

/// The SSH address of a Data Center, as its settings named it over HTTPS at login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshPlace {
    /// [`crate::repository::Site::url`].
    pub site: String,
    /// In lower case. `None`: the settings name another host than the web host, and the user has not
    /// confirmed it.
    pub host: Option<String>,
    /// Its port.
    pub port: u16,
    /// `SHA256:…` of the host key. `None`: not named.
    pub fingerprint: Option<String>,
}

impl Default for Records {
    fn default() -> Self {
        Self {
            version: VERSION,
            accounts: Vec::new(),
            identities: Vec::new(),
            ssh_places: Vec::new(),
        }
    }
}

impl Records {
    /// Reads the file. One that does not exist is empty; one that cannot be read or parsed is an
    /// error, and left as it is.
    pub fn open(context: &Context) -> Result<Self, Error> {
        let Ok(directory) = Directory::records(context) else {
            return Ok(Self::default());
        };
        let broken = |why: String| Error::Records {
            path: directory.file(FILE),
            why,
        };
        let text = match directory.read(FILE) {
            Ok(Some(text)) => text,
            Ok(None) => return Ok(Self::default()),
            Err(storage::Error::File { why, .. }) => {
                return Err(broken(why));
            }
            Err(error) => return Err(error.into()),
        };
        let records: Self =
            serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))?;
        if records.version > VERSION {
            return Err(broken(
                "written by a newer version of bitbucket-ssh".to_owned(),
            ));
        }
        Ok(records)
    }

    /// Changes the records: reads them, changes them, and has them on disk when it returns. A file
    /// that cannot be read is left as it is; where it cannot be written, the old one stays.
    pub fn update<T>(context: &Context, change: impl FnOnce(&mut Self) -> T) -> Result<T, Error> {
        let directory = Directory::records(context)?;
        let _lock = directory.lock("records.lock")?;
        let mut records = Self::open(context)?;
        let as_text = |records: &Self| {
            serde_json::to_vec_pretty(records).map_err(|error| Error::Records {
                path: directory.file(FILE),
                why: error.to_string(),
            })
        };
        let before = as_text(&records)?;
        let result = change(&mut records);
        let after = as_text(&records)?;
        directory.sweep();
        if after != before {
            directory.replace(FILE, &after)?;
        }
        Ok(result)
    }

    /// Forgets a key; its files stay.
    pub fn forget(context: &Context, fingerprint: &str) -> Result<(), Error> {
        Self::update(context, |records| records.forget_identity(fingerprint))
    }

    /// Every account, in the order of their last login.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// Every managed key, in the order of their creation.
    pub fn identities(&self) -> &[ManagedKey] {
        &self.identities
    }

    /// The SSH addresses of Data Centers.
    pub fn ssh_places(&self) -> &[SshPlace] {
        &self.ssh_places
    }

    /// Fingerprints of the site's host keys that its settings named.
    pub fn site_fingerprints(&self, site: &str) -> Vec<String> {
        let of_site = self.ssh_places.iter().filter(|place| place.site == site);
        of_site
            .filter_map(|place| place.fingerprint.clone())
            .collect()
    }

    /// Records a site's SSH address, in place of an earlier one.
    pub fn set_ssh_place(&mut self, place: SshPlace) {
        self.ssh_places.retain(|known| known.site != place.site);
        self.ssh_places.push(place);
    }

    /// The record of an account. `None`: there is none.
    pub fn account(&self, name: &AccountId) -> Option<&Account> {
        self.accounts
            .iter()
            .find(|account| account.account == *name)
    }

    /// Adds an account, or replaces its record. Unconfirmed keys of the account that its list shows
    /// are verified by that.
    pub fn set_account(&mut self, account: Account) {
        for identity in &mut self.identities {
            let listed = account.key_fingerprints.contains(&identity.fingerprint);
            let confirmed = identity.state == State::Unconfirmed && listed;
            if confirmed && identity.account == account.account {
                identity.state = State::Verified;
            }
        }
        let known = self.accounts.iter_mut();
        match known
            .into_iter()
            .find(|known| known.account == account.account)
        {
            Some(known) => *known = account,
            None => self.accounts.push(account),
        }
    }

    /// As [`Self::set_account`], for a login: the account comes behind those that logged in before.
    pub fn set_logged_in(&mut self, account: Account) {
        let name = account.account.clone();
        self.set_account(account);
        let at = self.accounts.iter().position(|one| one.account == name);
        if let Some(at) = at {
            self.accounts[at..].rotate_left(1);
        }
    }

    /// Records what the site reports of an account: the user and the key list. `store`: where a login
    /// has just stored the token.
    pub(super) fn set_listed(
        &mut self,
        account: &AccountId,
        kind: SiteKind,
        (user, keys): (&User, &[RegisteredKey]),
        store: Option<TokenPlace>,
    ) {
        let known = self.account(account);
        let emails = match (known, kind) {
            (Some(known), _) => known.emails.clone(),
            (None, SiteKind::Cloud) => vec![account.name.clone()],
            (None, SiteKind::DataCenter) => Vec::new(),
        };
        let is_login = store.is_some();
        let account = Account {
            account: known.map_or_else(|| account.clone(), |known| known.account.clone()),
            logged_in: store.is_some() || known.is_some_and(|known| known.logged_in),
            user_name: user.user_name.clone(),
            nickname: user.nickname.clone(),
            id: Some(user.id.clone()),
            key_fingerprints: keys.iter().map(|key| key.fingerprint.clone()).collect(),
            store: store.or(known.and_then(|known| known.store)),
            emails,
        };
        if is_login {
            self.set_logged_in(account);
        } else {
            self.set_account(account);
        }
    }

    /// Adds a key to what is recorded of the account's key list.
    pub(super) fn add_listed(&mut self, account: &AccountId, fingerprint: &str) {
        if let Some(mut account) = self.account(account).cloned()
            && !account
                .key_fingerprints
                .iter()
                .any(|one| one == fingerprint)
        {
            account.key_fingerprints.push(fingerprint.to_owned());
            self.set_account(account);
        }
    }

    /// Forgets an account; its keys stay. `false`: it was not recorded. With the last account and key
    /// of a site, the site's SSH address is forgotten.
    pub fn forget_account(&mut self, name: &AccountId) -> bool {
        let before = self.accounts.len();
        self.accounts.retain(|account| account.account != *name);
        let identities = self.identities.iter().map(|identity| &identity.account);
        let mut left = self
            .accounts
            .iter()
            .map(|one| &one.account)
            .chain(identities);
        if left.all(|account| account.site != name.site) {
            self.ssh_places.retain(|place| place.site != name.site);
        }
        self.accounts.len() < before
    }

    /// The newest key of any account of the site that is registered and whose file exists. The order
    /// of creation decides, not the clock, which may jump.
    pub fn newest(&self, site: &str) -> Option<&ManagedKey> {
        self.identities
            .iter()
            .rfind(|identity| identity.account.site == site && is_usable(identity))
    }

    /// Adds a key, or replaces the record with the same fingerprint.
    pub fn set_identity(&mut self, identity: ManagedKey) {
        let known = self.identities.iter_mut();
        match known
            .into_iter()
            .find(|known| known.fingerprint == identity.fingerprint)
        {
            Some(known) => *known = identity,
            None => self.identities.push(identity),
        }
    }

    /// Adds a key as if it had been created before all others. `false`: it is recorded already.
    pub fn add_oldest(&mut self, identity: ManagedKey) -> bool {
        let mut known = self.identities.iter();
        if known.any(|known| known.fingerprint == identity.fingerprint) {
            return false;
        }
        self.identities.insert(0, identity);
        true
    }

    /// A server accepted the key. A registered key is verified by that; one that the user added on the
    /// web page is unverified, since only a login tells which account has it. One that another
    /// process has revoked meanwhile stays forgotten.
    pub fn set_accepted(&mut self, fingerprint: &str) {
        let known = self.identities.iter_mut();
        for known in known.filter(|known| known.fingerprint == fingerprint) {
            known.state = match known.state {
                State::Pending => State::Unconfirmed,
                State::Registered => State::Verified,
                state => state,
            };
        }
    }

    /// Sets the state of a key.
    pub fn set_state(&mut self, fingerprint: &str, state: State) {
        let known = self.identities.iter_mut();
        for known in known.filter(|known| known.fingerprint == fingerprint) {
            known.state = state;
        }
    }

    /// The key that another process has meanwhile created to replace these.
    pub fn successor(&self, account: &AccountId, replaced: &[String]) -> Option<&ManagedKey> {
        if replaced.is_empty() {
            return None;
        }
        let new = self.identities.iter().find(|identity| {
            let theirs = &identity.replaces;
            identity.account == *account
                && is_usable(identity)
                && replaced.iter().any(|old| theirs.contains(old))
        });
        let left = |old: &String| self.identities.iter().any(|one| one.fingerprint == *old);
        new.or_else(|| {
            let all_gone = !replaced.iter().any(left);
            self.usable(account, None).filter(|_| all_gone)
        })
    }

    /// The new key of a rotation on this site that is not finished.
    pub fn unfinished_rotation(&self, site: &str) -> Option<&ManagedKey> {
        let mut identities = self.identities.iter();
        identities.find(|one| one.account.site == site && !one.replaces.is_empty())
    }

    /// Ends the rotation to this key: the old keys are removed, or stay.
    pub fn rotation_done(&mut self, fingerprint: &str) {
        for identity in &mut self.identities {
            if identity.fingerprint == fingerprint {
                identity.replaces.clear();
            }
        }
    }

    /// Forgets a key; its files stay.
    pub fn forget_identity(&mut self, fingerprint: &str) {
        self.identities
            .retain(|identity| identity.fingerprint != fingerprint);
    }

    /// The newest key of the account that is registered and whose file exists. `newer_than`: only one
    /// that was created after that one.
    pub fn usable(
        &self,
        account: &AccountId,
        newer_than: Option<&ManagedKey>,
    ) -> Option<&ManagedKey> {
        let is_old = |identity: &ManagedKey| {
            newer_than.is_some_and(|old| identity.fingerprint == old.fingerprint)
        };
        let older = self.identities.iter().position(is_old);
        let older = older.map_or(0, |place| place + 1);
        self.identities
            .iter()
            .skip(older)
            .rfind(|identity| identity.account == *account && is_usable(identity))
    }
}

/// A registered key of an account whose file exists. A file that cannot be examined counts as
/// existing.
fn is_usable(identity: &ManagedKey) -> bool {
    identity.state != State::Pending
        && identity.repository.is_none()
        && identity.file.try_exists().unwrap_or(true)
}

/// A random word that is created once, by which this machine's labels are told from another's.
pub fn machine_tag(context: &Context) -> Result<String, Error> {
    const FILE: &str = "machine";
    let directory = Directory::records(context)?;
    loop {
        match directory.read(FILE)? {
            Some(tag) if !tag.trim_ascii().is_empty() => {
                return Ok(String::from_utf8_lossy(tag.trim_ascii()).into_owned());
            }
            Some(_) => directory.replace(FILE, random_word()?.as_bytes())?,
            None => {
                directory.create_file(FILE, random_word()?.as_bytes())?;
            }
        }
    }
}

/// Four syllables: about 26 bits, and easy to read out.
fn random_word() -> Result<String, Error> {
    const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
    const VOWELS: &[u8; 5] = b"aeiou";
    let mut bytes = [0u8; 8];
    getrandom::fill(&mut bytes).map_err(|error| Error::Generate(error.to_string()))?;
    let letters = bytes.iter().enumerate().map(|(place, byte)| {
        let byte = usize::from(*byte);
        char::from(if place % 2 == 0 {
            CONSONANTS[byte % CONSONANTS.len()]
        } else {
            VOWELS[byte % VOWELS.len()]
        })
    });
    Ok(letters.collect())
}
