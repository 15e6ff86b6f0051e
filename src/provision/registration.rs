//! Getting one public key onto a list of the site: an account's, or a repository's access keys.
//! Whatever a call answers, the list decides.

use std::time::Duration;

use crate::bitbucket::{Error, KeyRegistry, NewKey, RegisteredKey, User};
use crate::repository::Repository;

/// The list that a key is to stand on.
#[derive(Clone, Copy)]
pub(super) enum List<'a> {
    /// The account's own keys.
    Account(&'a User),
    /// A repository's access keys.
    Repository {
        /// Which.
        repository: &'a Repository,
        /// Whether the new key may push.
        writes: bool,
    },
}

impl List<'_> {
    /// Every key on it.
    pub(super) fn keys(self, registry: &dyn KeyRegistry) -> Result<Vec<RegisteredKey>, Error> {
        match self {
            Self::Account(user) => registry.keys(user),
            Self::Repository { repository, .. } => registry.access_keys(repository),
        }
    }

    fn add(self, registry: &dyn KeyRegistry, key: &NewKey) -> Result<RegisteredKey, Error> {
        match self {
            Self::Account(user) => registry.register(user, key),
            Self::Repository { repository, writes } => {
                registry.register_access_key(repository, key, writes)
            }
        }
    }
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Registration {
    /// It is on the list.
    Listed(RegisteredKey),
    /// The site knows the key, and it is not on this list; the site's words.
    Taken(String),
}

/// How often a call is repeated whose answer was lost.
const TRIES: u32 = 3;

/// How often the list is read where a key may have been stored a moment ago: the site's list may
/// lag behind its store.
const LOOKS: u32 = 3;

/// The first pause; the next ones are twice as long.
const PAUSE: Duration = Duration::from_millis(250);

/// Registers the key; after a refusal or a lost answer it looks whether the key is on the list.
///
/// # Errors
///
/// The refusal, where the key is not on the list; the last error, where the site cannot be asked.
/// Never [`Registration::Taken`] without a list that was read after the refusal.
pub(super) fn register(
    registry: &dyn KeyRegistry,
    list: List<'_>,
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
                why: "it speaks of another key than it was given".to_owned(),
            },
            Err(error) => error,
        };
        tracing::info!("registering the key: {error}");
        let looks = if may_be_stored(&error) { LOOKS } else { 1 };
        match (look(registry, list, fingerprint, looks), error) {
            (Ok(Some(listed)), _) => return Ok(Registration::Listed(listed)),
            (Ok(None), Error::Refused { status, message }) if is_taken(status, &message) => {
                return Ok(Registration::Taken(message));
            }
            (_, Error::Unreachable { .. } | Error::Server { .. }) if tries < TRIES => {
                std::thread::sleep(PAUSE * 2_u32.pow(tries));
                tries += 1;
            }
            (_, error) => return Err(error),
        }
    }
}

/// Reads the list until the key is on it, with growing pauses. A list that cannot be read ends it:
/// the call itself was patient already.
fn look(
    registry: &dyn KeyRegistry,
    list: List<'_>,
    fingerprint: &str,
    looks: u32,
) -> Result<Option<RegisteredKey>, Error> {
    let mut pause = PAUSE;
    for _ in 1..looks {
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
    list: List<'_>,
    fingerprint: &str,
) -> Result<Option<RegisteredKey>, Error> {
    let keys = list.keys(registry)?;
    Ok(keys.into_iter().find(|key| key.fingerprint == fingerprint))
}

/// Whether this call, or one before it whose answer was lost, may have stored the key although it
/// says otherwise.
fn may_be_stored(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. } | Error::Server { .. } | Error::Unexpected { .. } => true,
        Error::Refused { status, message } => is_taken(*status, message),
        _ => false,
    }
}

/// 409 is Data Center's word for it. Cloud answers 400 with one of several texts (bitbucket.md
/// 2.7); a text that is not known is an error with the site's words, never a second key.
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
