//! What is recorded beside the keys: accounts, and the identities this program made.
//!
//! Reading takes no lock, since a file is only ever replaced as a whole. Every change reads the
//! file anew under a lock of its own.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Error;
use crate::context::Context;
use crate::identity::{Account, AccountId, ManagedKey, State};
use crate::storage::{self, Directory};

/// The file's name.
const FILE: &str = "records.json";

/// What this version writes, and the newest it reads.
const VERSION: u32 = 1;

/// Accounts and identities as they stood when the file was read.
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

/// Where a Data Center speaks SSH, as its settings told at login, over the API's connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshPlace {
    /// [`crate::repository::Site::url`].
    pub site: String,
    /// Lower case. `None`: the settings name another host than the web host, and nobody has
    /// confirmed it.
    pub host: Option<String>,
    /// Its port.
    pub port: u16,
    /// `SHA256:…` of the host key. `None`: not told.
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
    /// Reads the file. One that is not there is empty.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or understood; it is left as it is.
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
            return Err(broken("written by a newer bitbucket-ssh".to_owned()));
        }
        Ok(records)
    }

    /// Every account, in the request of login.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// Every identity, in the request of making.
    pub fn identities(&self) -> &[ManagedKey] {
        &self.identities
    }

    /// Every Data Center's place of SSH.
    pub fn ssh_places(&self) -> &[SshPlace] {
        &self.ssh_places
    }

    /// Fingerprints of the site's host keys, as it told them over the API's connection.
    pub fn site_fingerprints(&self, site: &str) -> Vec<String> {
        let of_site = self.ssh_places.iter().filter(|place| place.site == site);
        of_site
            .filter_map(|place| place.fingerprint.clone())
            .collect()
    }

    /// Notes where a site speaks SSH, in place of what was noted before.
    pub fn set_ssh_place(&mut self, place: SshPlace) {
        self.ssh_places.retain(|known| known.site != place.site);
        self.ssh_places.push(place);
    }

    /// The account's record. `None`: nothing is recorded of it.
    pub fn account(&self, name: &AccountId) -> Option<&Account> {
        self.accounts
            .iter()
            .find(|account| account.account == *name)
    }

    /// Adds an account, or puts what is known of it in the place of what was known.
    /// An unverified identity that the account lists is verified by that.
    pub fn set_account(&mut self, account: Account) {
        for identity in &mut self.identities {
            let listed = account.key_fingerprints.contains(&identity.fingerprint);
            let confirmed = identity.state == State::Unverified && listed;
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

    /// Forgets an account; its identities stay. `false`: nothing was recorded of it. With the last
    /// account and identity of a site goes what was noted of its place of SSH.
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

    /// The newest identity of any account of the site that was let in or registered and whose
    /// file is here. The request of making decides, never a clock: clocks jump.
    pub fn newest(&self, site: &str) -> Option<&ManagedKey> {
        self.identities
            .iter()
            .rfind(|identity| identity.account.site == site && is_usable(identity))
    }

    /// Adds an identity, or puts it in the place of the one with the same fingerprint.
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

    /// A connection with an identity was let in: what was registered is proved; what a person has
    /// pasted is unverified, since only a login tells into whose account. One that was forgotten
    /// meanwhile (revoked by another process) stays forgotten.
    pub fn let_in(&mut self, fingerprint: &str) {
        let known = self.identities.iter_mut();
        for known in known.filter(|known| known.fingerprint == fingerprint) {
            known.state = match known.state {
                State::Pending => State::Unverified,
                State::Registered => State::Verified,
                state => state,
            };
        }
    }

    /// What is known of an identity now.
    pub fn set_state(&mut self, fingerprint: &str, state: State) {
        let known = self.identities.iter_mut();
        for known in known.filter(|known| known.fingerprint == fingerprint) {
            known.state = state;
        }
    }

    /// The identity that another run has made meanwhile in the place of these. `None`: nobody has.
    pub fn successor(&self, account: &AccountId, superseded: &[String]) -> Option<&ManagedKey> {
        if superseded.is_empty() {
            return None;
        }
        let begun = self.identities.iter().find(|identity| {
            let theirs = &identity.replaces;
            identity.account == *account
                && is_usable(identity)
                && superseded.iter().any(|old| theirs.contains(old))
        });
        let left = |old: &String| self.identities.iter().any(|one| one.fingerprint == *old);
        begun.or_else(|| {
            let all_gone = !superseded.iter().any(left);
            self.usable(account, None).filter(|_| all_gone)
        })
    }

    /// The identity with which a rotation was begun that is not done. `None`: there is none on the
    /// site.
    pub fn rotation_begun(&self, site: &str) -> Option<&ManagedKey> {
        let mut identities = self.identities.iter();
        identities.find(|one| one.account.site == site && !one.replaces.is_empty())
    }

    /// The identities that one replaces are gone, or are left where they are.
    pub fn rotation_done(&mut self, fingerprint: &str) {
        for identity in &mut self.identities {
            if identity.fingerprint == fingerprint {
                identity.replaces.clear();
            }
        }
    }

    /// Forgets an identity; its files stay.
    pub fn forget_identity(&mut self, fingerprint: &str) {
        self.identities
            .retain(|identity| identity.fingerprint != fingerprint);
    }

    /// The newest identity of the account that the site was told of and whose file is here.
    /// `newer_than`: only one that was made after that one.
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

/// A key of an account whose file is here. A file that cannot be looked at has not gone.
fn is_usable(identity: &ManagedKey) -> bool {
    identity.state != State::Pending
        && identity.repository.is_none()
        && identity.file.try_exists().unwrap_or(true)
}

/// Changes the records: read anew, changed, and on disk when this returns.
///
/// # Errors
///
/// The file cannot be read (it is left as it is) or written (the old one stands).
pub fn update<T>(context: &Context, change: impl FnOnce(&mut Records) -> T) -> Result<T, Error> {
    let directory = Directory::records(context)?;
    let _lock = directory.lock("records.lock")?;
    let mut records = Records::open(context)?;
    let before = serde_json::to_vec_pretty(&records).unwrap_or_default();
    let result = change(&mut records);
    let after = serde_json::to_vec_pretty(&records).map_err(|error| Error::Records {
        path: directory.file(FILE),
        why: error.to_string(),
    })?;
    directory.sweep();
    if after != before {
        directory.replace(FILE, &after)?;
    }
    Ok(result)
}

/// Where the records lie. `None` without a home.
pub fn file(context: &Context) -> Option<PathBuf> {
    Some(context.records_directory()?.join(FILE))
}

/// A random word of this machine, made once: it tells this machine's labels from another's.
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

/// Four syllables: about 26 bits, and a person can read it out.
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
