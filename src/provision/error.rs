//! Why there is no key.

use std::path::PathBuf;

use crate::identity::AccountId;
use crate::identity::key_file::KeyFileError;
use crate::{bitbucket, prompt};

/// Why a key could not be made, found or recorded. What was begun stays recorded: the next run
/// goes on with the same key pair.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No HOME: there is no place for keys.
    #[error("HOME is not set, so there is no place for keys")]
    NoHome,
    /// HOME or `~/.ssh` belongs to somebody else (sudo keeps HOME): nothing is made there.
    #[error("{} belongs to another user", path.display())]
    ForeignOwner {
        /// Which.
        path: PathBuf,
    },
    /// The records cannot be read or understood; they are left as they are.
    #[error("{}: {why}", path.display())]
    Records {
        /// The file.
        path: PathBuf,
        /// The system's words, or what is wrong in it.
        why: String,
    },
    /// A file could not be written.
    #[error("{}: {why}", path.display())]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
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
    /// Another process makes a key for the site, and did not end in time.
    #[error("process {} still holds the lock", holder.map_or("?".to_owned(), |pid| pid.to_string()))]
    Locked {
        /// Its number, where it told.
        holder: Option<u32>,
    },
    /// A question that had no answer.
    #[error(transparent)]
    Prompt(#[from] prompt::Error),
}

impl Error {
    /// With the system's words.
    pub(super) fn unwritable(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::Unwritable {
            path: path.to_owned(),
            why: crate::diagnostics::os_error_message(error),
        }
    }
}
