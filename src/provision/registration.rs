//! Registering one public key with an account, or as an access key of a repository. Whatever a call
//! answers, the site's list decides.

use std::path::Path;
use std::time::Duration;

use super::new_key;
use super::records::Records;
use super::request::AccessKey;
use crate::bitbucket::{Error, KeyRegistry, NewKey, RegisteredKey, User};
use crate::context::Context;
use crate::identity::{AccountId, ManagedKey, State};

/// Records a key file that the user made and that the account lists. It comes before the keys of
/// the account that are recorded already, so that it does not take the place of the newest. `false`:
/// the key is recorded already.
pub fn record_existing(
    context: &Context,
    account: &AccountId,
    file: &Path,
    listed: &RegisteredKey,
) -> Result<bool, super::Error> {
    let record = ManagedKey {
        account: account.clone(),
        file: file.to_owned(),
        public_key: listed.public_key.clone(),
        fingerprint: listed.fingerprint.clone(),
        key_id: Some(listed.id.as_str().to_owned()),
        label: listed.label.clone(),
        created: context.clock.now(),
        expires: listed.expires,
        state: State::Registered,
        passphrase: new_key::passphrase_place(context, file, &listed.fingerprint)?,
        repository: None,
        read_only: false,
        replaces: Vec::new(),
    };
    Records::update(context, |records| records.add_oldest(record))
}

/// The list that a key is to be on.
pub(super) enum KeyList<'a> {
    /// The account's own keys.
    Account(User),
    /// A repository's access keys.
    Repository(AccessKey<'a>),
}

impl KeyList<'_> {
    /// Every key on it.
    pub(super) fn keys(&self, registry: &dyn KeyRegistry) -> Result<Vec<RegisteredKey>, Error> {
        match self {
            Self::Account(user) => registry.keys(user),
            Self::Repository(access) => registry.access_keys(access.repository),
        }
    }

    fn add(&self, registry: &dyn KeyRegistry, key: &NewKey) -> Result<RegisteredKey, Error> {
        match self {
            Self::Account(user) => registry.register(user, key),
            Self::Repository(access) => {
                registry.register_access_key(access.repository, key, !access.read_only)
            }
        }
    }
}

/// What came of a registration.
#[derive(Debug)]
pub(super) enum Registration {
    /// It is on the list.
    Listed(RegisteredKey),
    /// The site has the key, but not on this list. Its message.
    Taken(String),
}

/// How often a call is made whose answer was lost.
const MAX_TRIES: u32 = 3;

/// How often the list is read where the key may have been stored a moment ago, because the list may
/// lag behind.
const MAX_READS: u32 = 3;

/// The first pause; the next ones are twice as long.
const PAUSE: Duration = Duration::from_millis(250);

/// Registers the key. After a refusal or a lost answer, reads the list: it may have the key. The
/// result is [`Registration::Taken`] only if the list was read after the refusal.
pub(super) fn register(
    registry: &dyn KeyRegistry,
    list: &KeyList<'_>,
    key: &NewKey,
    fingerprint: &str,
) -> Result<Registration, Error> {
    let mut tries = 1;
    loop {
        let error = match list.add(registry, key) {
            Ok(registered) if registered.fingerprint == fingerprint => {
                return Ok(Registration::Listed(registered));
            }
            Ok(_) => Error::Unexpected {
                host: "the site".to_owned(),
                why: "its answer is about another key".to_owned(),
            },
            Err(error) => error,
        };
        tracing::info!("registering the key: {error}");
        let reads = if may_be_stored(&error) { MAX_READS } else { 1 };
        match (wait_for_key(registry, list, fingerprint, reads), error) {
            (Ok(Some(listed)), _) => return Ok(Registration::Listed(listed)),
            (Ok(None), Error::Refused { status, message }) if is_taken(status, &message) => {
                return Ok(Registration::Taken(message));
            }
            (_, Error::Unreachable { .. } | Error::Server { .. }) if tries < MAX_TRIES => {
                std::thread::sleep(PAUSE * 2_u32.pow(tries));
                tries += 1;
            }
            (_, error) => return Err(error),
        }
    }
}

/// Reads the list until the key is on it, with growing pauses. A list that cannot be read ends it,
/// since the call has been repeated already.
fn wait_for_key(
    registry: &dyn KeyRegistry,
    list: &KeyList<'_>,
    fingerprint: &str,
    reads: u32,
) -> Result<Option<RegisteredKey>, Error> {
    let mut pause = PAUSE;
    for _ in 1..reads {
        if let Some(listed) = listed(registry, list, fingerprint)? {
            return Ok(Some(listed));
        }
        std::thread::sleep(pause);
        pause *= 2;
    }
    listed(registry, list, fingerprint)
}

fn listed(
    registry: &dyn KeyRegistry,
    list: &KeyList<'_>,
    fingerprint: &str,
) -> Result<Option<RegisteredKey>, Error> {
    let keys = list.keys(registry)?;
    Ok(keys.into_iter().find(|key| key.fingerprint == fingerprint))
}

/// Whether the key may have been stored nevertheless, by this call or by one before it whose answer
/// was lost.
fn may_be_stored(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. } | Error::Server { .. } | Error::Unexpected { .. } => true,
        Error::Refused { status, message } => is_taken(*status, message),
        _ => false,
    }
}

/// Data Center answers 409, Cloud 400 with one of several texts. A text that is not known is an error,
/// and does not lead to a second key.
fn is_taken(status: u16, message: &str) -> bool {
    let message = message.to_lowercase();
    status == 409
        || [
            "already registered",
            "already assigned",
            "must be unique",
            "already in",
        ]
        .iter()
        .any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::is_taken;

    #[test]
    fn only_a_duplicate_leads_to_another_pair() {
        for (status, message, expected) in [
            (400, "Someone has already registered that SSH key.", true),
            (
                400,
                "SSH keys must be unique and deleted keys may take up to 30 days to be removed. \
                 Please use a unique SSH key.",
                true,
            ),
            (
                400,
                "Someone has already registered this as a deploy key.",
                true,
            ),
            (409, "whatever", true),
            (400, "That SSH key is invalid.", false),
            (400, "Key is not long enough.", false),
            (403, "Forbidden", false),
        ] {
            assert_eq!(is_taken(status, message), expected, "{message}");
        }
    }
}
