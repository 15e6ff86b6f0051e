//! The system's keyring: API tokens, and passphrases of key files.
//!
//! Secret Service, Keychain or Credential Manager; never kernel keys. Without a keyring nothing is found,
//! which is no error. Entries are `service` and `username`, as every tool of the platform shows them: `bitbucket-ssh:SITE-URL` with the account, `bitbucket-ssh:passphrase` with
//! the key's fingerprint.

#[cfg(any(target_os = "macos", windows))]
#[path = "native.rs"]
mod store;
#[cfg(all(unix, not(target_os = "macos")))]
#[path = "secret_service.rs"]
mod store;
#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::secret::Secret;

/// Why the keyring does not return or store something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is locked, and was not unlocked.
    #[error("the system's keyring is locked")]
    Locked,
    /// There is none: no session, no service, or no answer in time.
    #[error("there is no keyring in this session")]
    Unavailable,
    /// It does not return what was stored.
    #[error("the system's keyring did not return what was stored")]
    NotStored,
    /// It failed otherwise; its message.
    #[error("the system's keyring failed: {0}")]
    Failed(String),
}

/// What identifies one secret in the keyring.
#[derive(Debug, Clone)]
struct Entry {
    service: String,
    user_name: String,
    /// What the platform's tools show.
    label: String,
}

impl Entry {
    fn token(site: &str, account: &str) -> Self {
        Self {
            service: format!("bitbucket-ssh:{site}"),
            user_name: account.to_lowercase(),
            label: format!("bitbucket-ssh: API token of {account} at {site}"),
        }
    }

    fn passphrase(fingerprint: &str) -> Self {
        Self {
            service: "bitbucket-ssh:passphrase".to_owned(),
            user_name: fingerprint.to_owned(),
            label: format!("bitbucket-ssh: passphrase of the key {fingerprint}"),
        }
    }
}

/// Whether there is a keyring, locked or not. Starts none, asks no question, waits a few seconds at most.
pub fn available(context: &Context) -> bool {
    store::available(context)
}

/// The API token of an account. `None`: no keyring, or nothing in it.
///
/// # Errors
///
/// [`Error::Locked`] where the token is there and the keyring was not unlocked.
pub fn token(context: &Context, site: &str, account: &str) -> Result<Option<Secret>, Error> {
    load(context, Entry::token(site, account))
}

/// Stores an API token, replacing an earlier one, and reads it back.
pub fn store_token(
    context: &Context,
    site: &str,
    account: &str,
    secret: &Secret,
) -> Result<(), Error> {
    save(context, Entry::token(site, account), secret)
}

/// Removes an API token. `false`: there was none.
pub fn forget_token(context: &Context, site: &str, account: &str) -> Result<bool, Error> {
    remove(context, Entry::token(site, account))
}

/// The passphrase of a key, by its `SHA256:…`. `None`: no keyring, or nothing in it.
///
/// # Errors
///
/// [`Error::Locked`] where the passphrase is there and the keyring was not unlocked.
pub fn key_passphrase(context: &Context, fingerprint: &str) -> Result<Option<Secret>, Error> {
    load(context, Entry::passphrase(fingerprint))
}

/// Stores the passphrase of a key and reads it back.
pub fn store_key_passphrase(
    context: &Context,
    fingerprint: &str,
    secret: &Secret,
) -> Result<(), Error> {
    save(context, Entry::passphrase(fingerprint), secret)
}

/// Removes the passphrase of a key. `false`: there was none.
pub fn forget_key_passphrase(context: &Context, fingerprint: &str) -> Result<bool, Error> {
    remove(context, Entry::passphrase(fingerprint))
}

fn load(context: &Context, entry: Entry) -> Result<Option<Secret>, Error> {
    match store::load(context, entry) {
        Err(Error::Unavailable) => Ok(None),
        other => other,
    }
}

fn save(context: &Context, entry: Entry, secret: &Secret) -> Result<(), Error> {
    store::store(context, entry.clone(), secret)?;
    match store::load(context, entry)? {
        Some(stored) if stored == *secret => Ok(()),
        _ => Err(Error::NotStored),
    }
}

fn remove(context: &Context, entry: Entry) -> Result<bool, Error> {
    match store::forget(context, entry) {
        Err(Error::Unavailable) => Ok(false),
        other => other,
    }
}
