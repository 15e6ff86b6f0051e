//! What the account's key list says about a managed identity that a server refused. Pure.

use jiff::Timestamp;

use crate::bitbucket::RegisteredKey;
use crate::identity::ManagedKey;

/// The judgement; only [`KeyStatus::Expired`] leads to a new key without a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStatus {
    /// The account still lists the key, and it has not expired.
    Listed,
    /// Its time is over, by the list or by the record.
    Expired,
    /// It is not on the list although its time is not over: somebody removed it.
    Gone,
}

/// Compares by fingerprint; the list's expiry stands before the record's.
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use jiff::{Timestamp, ToSpan as _};

    use super::{KeyStatus, key_status};
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
}
