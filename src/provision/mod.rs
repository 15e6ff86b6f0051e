//! Creating, registering, rotating and removing keys, each step durable before the next.
//!
//! The records are in `~/.ssh/bitbucket-ssh/`. That a new key works is verified by the caller's
//! connection.

mod interactive;
pub mod key_status;
mod new_key;
mod provisioner;
mod records;
mod registration;
pub mod removal;
mod request;
pub mod ssh_config_file;
#[cfg(all(test, unix))]
mod tests;

use std::path::PathBuf;

use crate::identity::AccountId;
use crate::identity::key_file::KeyFileError;
use crate::{bitbucket, prompt, storage};

pub use interactive::{LoginPrompt, SCOPES, token_instructions};
pub use provisioner::{
    ensure, ensure_for_unknown_account, ensure_interactively, finish, sweep, verified,
};
pub use records::{Records, SshPlace, machine_tag};
pub use registration::record_existing;
pub use request::{
    AccessKey, AdditionalKey, DeniedRepository, Ensured, KeyRequest, ProvisionContext,
    ProvisionedKey, Registry, UnknownAccount, Wanted,
};

/// Why a key could not be created, found or recorded. An unfinished key stays recorded, and the
/// next call continues with it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The records cannot be read or parsed. They are left as they are.
    #[error("{}: {why}", path.display())]
    Records {
        /// The file.
        path: PathBuf,
        /// The system's words, or what is wrong with it.
        why: String,
    },
    /// A file cannot be read or written.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// `bitbucket.provision = never`.
    #[error("{account} has no key on this machine, and bitbucket.provision is never")]
    NotAllowed {
        /// The account.
        account: AccountId,
    },
    /// The user declined.
    #[error("declined: no key was created for {account}")]
    Declined {
        /// The account.
        account: AccountId,
    },
    /// No source has a token for the account.
    #[error("there is no API token for {account}")]
    NoToken {
        /// The account.
        account: AccountId,
    },
    /// The site refused, or could not be asked.
    #[error("{error}")]
    Site {
        /// The account whose token was used.
        account: AccountId,
        /// The error.
        error: bitbucket::Error,
    },
    /// Data Center: this kind of token cannot add keys to its user's account. The new key stays
    /// recorded; once the user has added it on the web page, the next call continues with it.
    #[error("the token of {account} cannot add SSH keys: {message}")]
    TokenMayNotAdd {
        /// The account whose token was used.
        account: AccountId,
        /// The site's message, sanitised.
        message: String,
        /// The public key to add.
        public_key: String,
    },
    /// A stored token cannot be read.
    #[error(transparent)]
    Credential(#[from] bitbucket::credential::Error),
    /// The system's keyring cannot store the passphrase.
    #[error(transparent)]
    Keyring(#[from] bitbucket::keyring::Error),
    /// The site says of every new key that it has it already.
    #[error("the site accepts none of the new keys: {message}")]
    AlwaysTaken {
        /// The site's message, sanitised.
        message: String,
    },
    /// A key file cannot be used or written.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The random source failed, or the key type cannot be created.
    #[error("cannot create a key pair: {0}")]
    Generate(String),
    /// A question was not answered.
    #[error(transparent)]
    Prompt(#[from] prompt::Error),
}

impl Error {
    /// For what the site answers to calls with this account's token.
    pub fn site(account: &AccountId) -> impl Fn(bitbucket::Error) -> Self + Copy {
        move |error| Self::Site {
            account: account.clone(),
            error,
        }
    }
}
