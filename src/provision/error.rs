//! Why there is no key.

use std::path::PathBuf;

use crate::identity::AccountId;
use crate::identity::key_file::KeyFileError;
use crate::{bitbucket, prompt, storage};

/// Why a key could not be made, found or recorded. What was begun stays recorded: the next run
/// goes on with the same key pair.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The records cannot be read or understood; they are left as they are.
    #[error("{}: {why}", path.display())]
    Records {
        /// The file.
        path: PathBuf,
        /// The system's words, or what is wrong in it.
        why: String,
    },
    /// A file of ours cannot be written.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// `bitbucket.provision = never`.
    #[error("{account} has no key here, and bitbucket.provision is never")]
    NotAllowed {
        /// Whose key it would be.
        account: AccountId,
    },
    /// The person said no.
    #[error("no key was wanted for {account}")]
    Declined {
        /// Whose key it would be.
        account: AccountId,
    },
    /// No source has a token for the account.
    #[error("there is no API token for {account}")]
    NoToken {
        /// Whose.
        account: AccountId,
    },
    /// The site did not do what was asked.
    #[error("{error}")]
    Site {
        /// Whose token was used.
        account: AccountId,
        /// What came back.
        error: bitbucket::Error,
    },
    /// Data Center: this kind of token may not add keys to its user's account. The pair is made and
    /// stays recorded; once a person has added it, the next run goes on with it.
    #[error("{account}'s token may not add SSH keys: {message}")]
    TokenMayNotAdd {
        /// Whose token was used.
        account: AccountId,
        /// The site's words, sanitised.
        message: String,
        /// The line to add.
        public_key: String,
    },
    /// A token lies somewhere and cannot be read.
    #[error(transparent)]
    Credential(#[from] bitbucket::credential::Error),
    /// The system's keyring has to keep the passphrase and does not.
    #[error(transparent)]
    Keyring(#[from] bitbucket::keyring::Error),
    /// The site says of every pair that it knows it already.
    #[error("the site takes none of the key pairs: {message}")]
    AlwaysTaken {
        /// The site's words, sanitised.
        message: String,
    },
    /// A key file.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The random source, or a key type that cannot be made.
    #[error("cannot make a key pair: {0}")]
    Generate(String),
    /// A question that had no answer.
    #[error(transparent)]
    Prompt(#[from] prompt::Error),
}
