//! macOS' Keychain and Windows' Credential Manager, through the `keyring` crate.
//!
//! The platform itself decides whether it asks the user to unlock it.

use super::{Entry, Error};
use crate::context::Context;
use crate::secret::Secret;

/// Whether the platform's store could be opened.
pub(super) fn available(_: &Context) -> bool {
    keyring::Entry::store_status().is_ok()
}

/// `None`: nothing there.
pub(super) fn load(_: &Context, entry: Entry) -> Result<Option<Secret>, Error> {
    match open(&entry)?.get_password() {
        Ok(text) => Ok(Some(Secret::new(text))),
        Err(keyring::Error::NoEntry) => Ok(None),
        Err(error) => Err(failure(&error)),
    }
}

/// Replaces what was there.
pub(super) fn store(_: &Context, entry: Entry, secret: &Secret) -> Result<(), Error> {
    open(&entry)?
        .set_password(secret.reveal())
        .map_err(|error| failure(&error))
}

/// `false`: nothing was there.
pub(super) fn forget(_: &Context, entry: Entry) -> Result<bool, Error> {
    match open(&entry)?.delete_credential() {
        Ok(()) => Ok(true),
        Err(keyring::Error::NoEntry) => Ok(false),
        Err(error) => Err(failure(&error)),
    }
}

fn open(entry: &Entry) -> Result<keyring::Entry, Error> {
    tracing::trace!("keyring: {}", entry.label);
    keyring::Entry::new(&entry.service, &entry.user_name).map_err(|error| failure(&error))
}

fn failure(error: &keyring::Error) -> Error {
    match error {
        keyring::Error::NoDefaultStore => Error::Unavailable,
        keyring::Error::NoStorageAccess(_) => Error::Locked,
        other => Error::Failed(other.to_string()),
    }
}
