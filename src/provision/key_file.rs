//! A key file of ours, looked at: what it holds, whether its name is free, how it is told.

use std::path::{Path, PathBuf};

use ssh_key::HashAlg;

use super::Error;
use crate::identity::key_file::{self, KeyFileError};

/// Whether the file itself (never its `.pub`) holds the private half of this key. One that holds no
/// private key at all does not; one that cannot be read (others may read it, a broken disk) is an
/// error and no "no": the site may know its key.
pub(super) fn holds(file: &Path, fingerprint: &str) -> Result<bool, Error> {
    let found = match key_file::open(file, None) {
        Ok(key) => Some(key.fingerprint(HashAlg::Sha256).to_string()),
        Err(KeyFileError::Encrypted { .. }) => key_file::identity(file)?.fingerprint(),
        Err(
            KeyFileError::Missing { .. }
            | KeyFileError::Malformed { .. }
            | KeyFileError::Putty { .. }
            | KeyFileError::PublicOnly { .. },
        ) => None,
        Err(error) => return Err(error.into()),
    };
    Ok(found.as_deref() == Some(fingerprint))
}

/// Whether something has the name, be it a link that leads nowhere.
pub(super) fn is_taken(file: &Path) -> bool {
    std::fs::symlink_metadata(file).is_ok()
}

/// Where its public half stands.
pub(super) fn with_pub(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}
