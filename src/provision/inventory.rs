//! The keys on the site beside the keys here. Pure.

use jiff::Timestamp;

use crate::bitbucket::RegisteredKey;
use crate::identity::{AccountId, ManagedKey, State};

/// How a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyListing {
    /// On the site, and managed here.
    Managed(State),
    /// On the site, and not this program's on this machine.
    Elsewhere,
    /// ManagedKey here, and not on the site.
    Missing,
}

impl KeyListing {
    /// One word: `proved`, `registered`, `unverified`, `leaving`, `pending`, `elsewhere`, `missing`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Managed(State::Pending) => "pending",
            Self::Managed(State::Registered) => "registered",
            Self::Managed(State::Verified) => "proved",
            Self::Managed(State::Unverified) => "unverified",
            Self::Managed(State::Removing) => "leaving",
            Self::Elsewhere => "elsewhere",
            Self::Missing => "missing",
        }
    }
}

/// One key.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Whose.
    pub account: AccountId,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// As the site has it, else as recorded.
    pub label: String,
    /// As the site says. `None`: not told, or not on the site.
    pub listed: Option<RegisteredKey>,
    /// The record. `None`: not managed here.
    pub record: Option<ManagedKey>,
    /// It was made on this machine: recorded here, or labelled with its tag.
    pub this_machine: bool,
    /// How it stands.
    pub standing: KeyListing,
}

/// A repository's access keys that are recorded here, beside what the site lists of them. `None`:
/// its list cannot be read, and the records alone speak.
pub fn of_repository(records: &[ManagedKey], listed: Option<&[RegisteredKey]>) -> Vec<Entry> {
    let entry = |record: &ManagedKey| {
        let known = listed.and_then(|keys| {
            let mut keys = keys.iter();
            keys.find(|key| key.fingerprint == record.fingerprint)
        });
        let gone = listed.is_some() && known.is_none() && record.state != State::Pending;
        Entry {
            account: record.account.clone(),
            fingerprint: record.fingerprint.clone(),
            label: record.label.clone(),
            listed: known.cloned(),
            record: Some(record.clone()),
            this_machine: true,
            standing: if gone {
                KeyListing::Missing
            } else {
                KeyListing::Managed(record.state)
            },
        }
    };
    records.iter().map(entry).collect()
}

impl Entry {
    /// When it was made.
    pub fn created(&self) -> Option<Timestamp> {
        let listed = self.listed.as_ref().and_then(|key| key.created);
        listed.or_else(|| self.record.as_ref().map(|record| record.created))
    }

    /// When it ends. `None`: never.
    pub fn expires(&self) -> Option<Timestamp> {
        let listed = self.listed.as_ref().map(|key| key.expires);
        listed.unwrap_or_else(|| self.record.as_ref().and_then(|record| record.expires))
    }
}

/// The account's keys: those of its list in the list's request, then those of records that the list
/// does not show. `tag`: this machine's word in labels.
pub fn of_account(
    account: &AccountId,
    listed: &[RegisteredKey],
    records: &[ManagedKey],
    tag: &str,
) -> Vec<Entry> {
    let own = |record: &&ManagedKey| record.account == *account && record.repository.is_none();
    let mut entries: Vec<Entry> = listed
        .iter()
        .map(|key| {
            let mut records = records.iter().filter(own);
            let record = records.find(|record| record.fingerprint == key.fingerprint);
            Entry {
                account: account.clone(),
                fingerprint: key.fingerprint.clone(),
                label: key.label.clone(),
                this_machine: record.is_some() || is_labelled(&key.label, tag),
                standing: record.map_or(KeyListing::Elsewhere, |r| KeyListing::Managed(r.state)),
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
            entries.push(Entry {
                account: account.clone(),
                fingerprint: record.fingerprint.clone(),
                label: record.label.clone(),
                listed: None,
                record: Some(record.clone()),
                this_machine: true,
                standing: match record.state {
                    State::Pending | State::Unverified | State::Removing => {
                        KeyListing::Managed(record.state)
                    }
                    State::Registered | State::Verified => KeyListing::Missing,
                },
            });
        }
    }
    entries
}

/// Whether a label is this program's, `bitbucket-ssh USER@MACHINE DATE TAG`.
pub fn is_ours(label: &str) -> bool {
    let words: Vec<_> = label.split(' ').collect();
    words.len() == 4 && words[0] == "bitbucket-ssh" && words[1].contains('@')
}

fn is_labelled(label: &str, tag: &str) -> bool {
    is_ours(label) && label.split(' ').next_back() == Some(tag)
}

#[cfg(test)]
mod tests {
    use super::{is_labelled, is_ours};

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
            assert_eq!(is_ours(label), ours, "{why}");
            assert_eq!(is_labelled(label, "kolibu"), here, "{why}");
        }
    }
}
