//! What a key list of the site says about the keys of this machine.

use std::collections::HashSet;
use std::path::Path;

use jiff::Timestamp;

use crate::bitbucket::RegisteredKey;
use crate::context::Context;
use crate::identity::{AccountId, Identity, ManagedKey, State, agent, key_file};
use crate::settings::SshConfig;

/// The status of a managed key that a server refused. Only [`KeyStatus::Expired`] leads to a new key
/// without a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStatus {
    /// The account lists it, and it has not expired.
    Listed,
    /// It has expired, according to the list or the record.
    Expired,
    /// It is not on the list and has not expired: it was removed.
    Gone,
}

/// The status by the account's key list, whose expiry takes precedence over the record's.
pub fn key_status(record: &ManagedKey, keys: &[RegisteredKey], now: Timestamp) -> KeyStatus {
    let listed = keys
        .iter()
        .find(|key| key.fingerprint == record.fingerprint);
    let expires = listed.map_or(record.expires, |key| key.expires);
    match (listed, expires) {
        (_, Some(end)) if end <= now => KeyStatus::Expired,
        (Some(_), _) => KeyStatus::Listed,
        (None, _) => KeyStatus::Gone,
    }
}

/// Whether a key is on the site, and managed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyListing {
    /// On the site, and managed here.
    Managed(State),
    /// On the site, and not managed on this machine.
    Elsewhere,
    /// Managed here, and not on the site.
    Missing,
}

/// The state of a managed key, in words for people. The words for programs are those of the records.
pub fn described(state: State) -> &'static str {
    match state {
        State::Pending => "not registered yet",
        State::Registered => "not verified yet",
        State::Verified => "works",
        State::Unconfirmed => "account not confirmed",
        State::Removing => "being removed",
    }
}

impl KeyListing {
    /// As one word: `proved`, `registered`, `unverified`, `leaving`, `pending`, `elsewhere`, `missing`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Managed(State::Pending) => "pending",
            Self::Managed(State::Registered) => "registered",
            Self::Managed(State::Verified) => "proved",
            Self::Managed(State::Unconfirmed) => "unverified",
            Self::Managed(State::Removing) => "leaving",
            Self::Elsewhere => "elsewhere",
            Self::Missing => "missing",
        }
    }
}

/// A key of an account or repository.
#[derive(Debug, Clone)]
pub struct KeyEntry {
    /// The account.
    pub account: AccountId,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// Its label on the site, else as recorded.
    pub label: String,
    /// As the site lists it. `None`: it does not, or its list cannot be read.
    pub listed: Option<RegisteredKey>,
    /// The record. `None`: it is not managed here.
    pub record: Option<ManagedKey>,
    /// It was created on this machine: it is recorded here, or its label has this machine's tag.
    pub this_machine: bool,
    /// Whether it is on the site, and managed here.
    pub listing: KeyListing,
}

/// The access keys of a repository that are recorded here, compared with the site's list. `None`: the
/// list cannot be read.
pub fn repository_keys(records: &[ManagedKey], listed: Option<&[RegisteredKey]>) -> Vec<KeyEntry> {
    let entry = |record: &ManagedKey| {
        let known = listed.and_then(|keys| {
            let mut keys = keys.iter();
            keys.find(|key| key.fingerprint == record.fingerprint)
        });
        let gone = listed.is_some() && known.is_none() && record.state != State::Pending;
        KeyEntry {
            account: record.account.clone(),
            fingerprint: record.fingerprint.clone(),
            label: record.label.clone(),
            listed: known.cloned(),
            record: Some(record.clone()),
            this_machine: true,
            listing: if gone {
                KeyListing::Missing
            } else {
                KeyListing::Managed(record.state)
            },
        }
    };
    records.iter().map(entry).collect()
}

impl KeyEntry {
    /// When it was created.
    pub fn created(&self) -> Option<Timestamp> {
        let listed = self.listed.as_ref().and_then(|key| key.created);
        listed.or_else(|| self.record.as_ref().map(|record| record.created))
    }

    /// When it expires. `None`: never.
    pub fn expires(&self) -> Option<Timestamp> {
        let listed = self.listed.as_ref().map(|key| key.expires);
        listed.unwrap_or_else(|| self.record.as_ref().and_then(|record| record.expires))
    }
}

/// The account's keys: those on its list, in the list's order, then those that are only recorded.
/// `tag`: [`super::machine_tag`].
pub fn account_keys(
    account: &AccountId,
    listed: &[RegisteredKey],
    records: &[ManagedKey],
    tag: &str,
) -> Vec<KeyEntry> {
    let own = |record: &&ManagedKey| record.account == *account && record.repository.is_none();
    let mut entries: Vec<KeyEntry> = listed
        .iter()
        .map(|key| {
            let mut records = records.iter().filter(own);
            let record = records.find(|record| record.fingerprint == key.fingerprint);
            KeyEntry {
                account: account.clone(),
                fingerprint: key.fingerprint.clone(),
                label: key.label.clone(),
                this_machine: record.is_some() || is_labelled(&key.label, tag),
                listing: record.map_or(KeyListing::Elsewhere, |r| KeyListing::Managed(r.state)),
                record: record.cloned(),
                listed: Some(key.clone()),
            }
        })
        .collect();
    for record in records.iter().filter(own) {
        if listed
            .iter()
            .all(|key| key.fingerprint != record.fingerprint)
        {
            entries.push(KeyEntry {
                account: account.clone(),
                fingerprint: record.fingerprint.clone(),
                label: record.label.clone(),
                listed: None,
                record: Some(record.clone()),
                this_machine: true,
                listing: match record.state {
                    State::Pending | State::Unconfirmed | State::Removing => {
                        KeyListing::Managed(record.state)
                    }
                    State::Registered | State::Verified => KeyListing::Missing,
                },
            });
        }
    }
    entries
}

/// Whether a label is one of bitbucket-ssh, `bitbucket-ssh USER@MACHINE DATE TAG`.
pub fn is_own_label(label: &str) -> bool {
    let words: Vec<_> = label.split(' ').collect();
    words.len() == 4 && words[0] == "bitbucket-ssh" && words[1].contains('@')
}

fn is_labelled(label: &str, tag: &str) -> bool {
    is_own_label(label) && label.split(' ').next_back() == Some(tag)
}

/// The fingerprints (`SHA256:…`) of the private key files in `~/.ssh` and of the agent's keys, which
/// are in use even where their records were lost. `FILE.revoked` is ignored, as are files that
/// cannot be read.
pub fn local_fingerprints(context: &Context) -> HashSet<String> {
    let folder = context.ssh_directory();
    let files = folder.and_then(|folder| std::fs::read_dir(folder).ok());
    let mut found: HashSet<String> = files
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file() && is_private(path))
        .filter_map(|path| key_file::identity(&path).ok()?.fingerprint())
        .collect();
    if let Some(socket) = agent::socket(&SshConfig::default(), context)
        && let Ok(identities) = agent::identities(&socket)
    {
        found.extend(identities.iter().filter_map(Identity::fingerprint));
    }
    found
}

fn is_private(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy());
    ending.is_none_or(|ending| ending != "pub" && !ending.starts_with("revoked"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use jiff::{Timestamp, ToSpan as _};

    use super::{KeyStatus, is_labelled, is_own_label, key_status};
    use crate::bitbucket::{KeyId, RegisteredKey};
    use crate::identity::{AccountId, ManagedKey, PassphrasePlace, State};

    fn record(expires: Option<Timestamp>) -> ManagedKey {
        ManagedKey {
            account: AccountId {
                site: "https://bitbucket.org".to_owned(),
                name: "a@x".to_owned(),
            },
            file: PathBuf::from("/k"),
            public_key: String::new(),
            fingerprint: "SHA256:mine".to_owned(),
            key_id: None,
            label: String::new(),
            created: Timestamp::UNIX_EPOCH,
            expires,
            state: State::Verified,
            passphrase: PassphrasePlace::None,
            repository: None,
            read_only: false,
            replaces: Vec::new(),
        }
    }

    fn listed(fingerprint: &str, expires: Option<Timestamp>) -> RegisteredKey {
        RegisteredKey {
            id: KeyId::new("{1}").expect("not empty"),
            public_key: String::new(),
            fingerprint: fingerprint.to_owned(),
            label: String::new(),
            created: None,
            last_used: None,
            expires,
        }
    }

    #[test]
    fn only_the_list_and_the_clock_judge() {
        let now = Timestamp::UNIX_EPOCH + 24.hours();
        let past = Some(now - 1.hour());
        let future = Some(now + 1.hour());
        for (expires, keys, expected, why) in [
            (
                None,
                vec![listed("SHA256:mine", None)],
                KeyStatus::Listed,
                "still there",
            ),
            (
                None,
                vec![listed("SHA256:other", None)],
                KeyStatus::Gone,
                "another key is not ours",
            ),
            (None, vec![], KeyStatus::Gone, "an empty list"),
            (
                past,
                vec![],
                KeyStatus::Expired,
                "sites drop expired keys from the list",
            ),
            (
                past,
                vec![listed("SHA256:mine", future)],
                KeyStatus::Listed,
                "the list knows better",
            ),
            (
                None,
                vec![listed("SHA256:mine", past)],
                KeyStatus::Expired,
                "shortened on the site",
            ),
            (future, vec![], KeyStatus::Gone, "removed before its time"),
        ] {
            assert_eq!(key_status(&record(expires), &keys, now), expected, "{why}");
        }
    }

    #[test]
    fn a_label_tells_whose_machine_made_the_key() {
        for (label, ours, here, why) in [
            (
                "bitbucket-ssh me@laptop 2026-11-25 kolibu",
                true,
                true,
                "this machine's",
            ),
            (
                "bitbucket-ssh me@laptop 2026-11-25 other",
                true,
                false,
                "another machine's",
            ),
            ("bitbucket-ssh", false, false, "a person's own label"),
            (
                "my laptop kolibu",
                false,
                false,
                "the word alone is nothing",
            ),
            ("", false, false, "no label"),
        ] {
            assert_eq!(is_own_label(label), ours, "{why}");
            assert_eq!(is_labelled(label, "kolibu"), here, "{why}");
        }
    }
}
