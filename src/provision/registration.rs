//! Getting one public key onto the account's list. Whatever a call answers, the list decides.

use std::time::Duration;

use crate::bitbucket::{Error, KeyRegistry, NewKey, RegisteredKey, User};

/// What became of it.
#[derive(Debug)]
pub(super) enum Registration {
    /// It is on the account's list.
    Listed(RegisteredKey),
    /// The site knows the key, and it is not on this account's list; the site's words.
    Taken(String),
}

/// How often a call is repeated whose answer was lost.
const TRIES: u32 = 3;

/// Registers the key; after a refusal or a lost answer it looks whether the key is on the list.
///
/// # Errors
///
/// The refusal, where the key is not on the list; the last error, where the site cannot be asked.
pub(super) fn register(
    registry: &dyn KeyRegistry,
    user: &User,
    key: &NewKey,
    fingerprint: &str,
) -> Result<Registration, Error> {
    let mut pause = Duration::from_millis(500);
    for last in (0..TRIES).map(|number| number + 1 == TRIES) {
        let error = match registry.register(user, key) {
            Ok(registered) => return Ok(Registration::Listed(registered)),
            Err(error) => error,
        };
        tracing::info!("registering the key: {error}");
        match listed(registry, user, fingerprint) {
            Ok(Some(registered)) => return Ok(Registration::Listed(registered)),
            Ok(None) => match error {
                Error::Refused { status, message } if is_taken(status, &message) => {
                    return Ok(Registration::Taken(message));
                }
                Error::Unreachable { .. } | Error::Server { .. } if !last => {}
                error => return Err(error),
            },
            Err(_) if !last && may_pass(&error) => {}
            Err(_) => return Err(error),
        }
        std::thread::sleep(pause);
        pause *= 2;
    }
    unreachable!("the last try returns")
}

fn listed(
    registry: &dyn KeyRegistry,
    user: &User,
    fingerprint: &str,
) -> Result<Option<RegisteredKey>, Error> {
    let keys = registry.keys(user)?;
    Ok(keys.into_iter().find(|key| key.fingerprint == fingerprint))
}

/// An error after which the same call may work.
fn may_pass(error: &Error) -> bool {
    matches!(error, Error::Unreachable { .. } | Error::Server { .. })
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
