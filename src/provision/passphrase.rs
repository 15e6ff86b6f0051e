//! The passphrase of a new key file: in the keyring, in a person's head, or none.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Error;
use crate::bitbucket::keyring;
use crate::context::Context;
use crate::diagnostics;
use crate::identity::key_file::{self, Encryption, KeyFileError};
use crate::identity::{ManagedKey, PassphrasePlace};
use crate::prompt::Prompt;
use crate::secret::Secret;
use crate::settings::PassphraseStore;

/// 192 bits: nobody guesses it, so the key file needs no slow derivation.
const RANDOM_BYTES: usize = 24;

/// A passphrase and where it lies.
#[derive(Debug)]
pub(super) struct Passphrase {
    pub(super) place: PassphrasePlace,
    /// `None`: the file is not encrypted.
    pub(super) secret: Option<Secret>,
}

impl Passphrase {
    fn none() -> Self {
        Self {
            place: PassphrasePlace::None,
            secret: None,
        }
    }

    /// How the key file is locked with it.
    pub(super) fn lock(&self) -> Option<Encryption<'_>> {
        let secret = self.secret.as_ref()?;
        Some(match self.place {
            PassphrasePlace::Keyring => Encryption::random(secret),
            _ => Encryption::chosen(secret),
        })
    }
}

/// Where a new key's passphrase is to lie: decided (and asked) before the pair is made.
///
/// # Errors
///
/// `keyring` without one, a locked keyring, `ask` where nobody can answer.
pub(super) fn choose(
    context: &Context,
    wished: PassphraseStore,
    prompt: &dyn Prompt,
) -> Result<Passphrase, Error> {
    match wished {
        PassphraseStore::None => Ok(Passphrase::none()),
        PassphraseStore::Ask => ask(prompt),
        PassphraseStore::Keyring => random(),
        PassphraseStore::Auto if keyring::available(context) => random(),
        PassphraseStore::Auto if prompt.terminal() => ask(prompt),
        PassphraseStore::Auto => {
            diagnostics::notice(
                "no keyring here: the private key is protected by its file's permissions alone",
            );
            Ok(Passphrase::none())
        }
    }
}

/// Keeps a random passphrase in the keyring and reads it back, before the key file is placed.
pub(super) fn keep(
    context: &Context,
    passphrase: &Passphrase,
    fingerprint: &str,
) -> Result<(), Error> {
    match (passphrase.place, &passphrase.secret) {
        (PassphrasePlace::Keyring, Some(secret)) => {
            Ok(keyring::store_key_passphrase(context, fingerprint, secret)?)
        }
        _ => Ok(()),
    }
}

/// Takes the passphrase of a key that never came to be out of the keyring. Never fails: what stays
/// there opens nothing.
pub(super) fn forget(context: &Context, record: &ManagedKey) {
    if record.passphrase == PassphrasePlace::Keyring
        && let Err(error) = keyring::forget_key_passphrase(context, &record.fingerprint)
    {
        tracing::info!("{error}");
    }
}

/// Where the passphrase of a key file that is found lies.
///
/// # Errors
///
/// The file cannot be used; the keyring cannot be asked.
pub(super) fn place_of(
    context: &Context,
    file: &Path,
    fingerprint: &str,
) -> Result<PassphrasePlace, Error> {
    match key_file::open(file, None) {
        Ok(_) => Ok(PassphrasePlace::None),
        Err(KeyFileError::Encrypted { .. }) => {
            match keyring::key_passphrase(context, fingerprint) {
                // It is locked only where it has the passphrase.
                Ok(Some(_)) | Err(keyring::Error::Locked) => Ok(PassphrasePlace::Keyring),
                Ok(None) => Ok(PassphrasePlace::Person),
                Err(error) => Err(error.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

fn random() -> Result<Passphrase, Error> {
    let mut bytes = zeroize::Zeroizing::new([0u8; RANDOM_BYTES]);
    getrandom::fill(bytes.as_mut()).map_err(|error| Error::Generate(error.to_string()))?;
    Ok(Passphrase {
        place: PassphrasePlace::Keyring,
        secret: Some(Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_ref()))),
    })
}

/// ssh-keygen's questions.
fn ask(prompt: &dyn Prompt) -> Result<Passphrase, Error> {
    loop {
        let secret = prompt.secret("Enter passphrase (empty for no passphrase): ")?;
        if secret.is_empty() {
            return Ok(Passphrase::none());
        }
        if prompt.secret("Enter same passphrase again: ")? == secret {
            return Ok(Passphrase {
                place: PassphrasePlace::Person,
                secret: Some(secret),
            });
        }
        diagnostics::notice("Passphrases do not match.  Try again.");
    }
}
