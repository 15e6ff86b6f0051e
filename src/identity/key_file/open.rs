//! Opening the secret half.

use std::path::Path;

use ssh_key::PrivateKey;
use zeroize::Zeroizing;

use crate::identity::key_file::{KeyFileError, public_half};
use crate::identity::signer;
use crate::secret::Secret;

/// Key files are small; a file beyond this is none.
const LARGEST: u64 = 1 << 20;

/// The private key: OpenSSH's format, PKCS#8, PKCS#1 and SEC1 PEM.
///
/// `passphrase`: `None` where none is known; an encrypted file is then
/// [`KeyFileError::Encrypted`]. A passphrase for a file that needs none is not looked at. A file
/// that others may read is not opened, as with ssh(1).
pub fn open(path: &Path, passphrase: Option<&Secret>) -> Result<PrivateKey, KeyFileError> {
    let text = read(path)?;
    check_permissions(path)?;
    let owned = || path.to_owned();
    if text.starts_with("PuTTY-User-Key-File-") {
        return Err(KeyFileError::Putty { path: owned() });
    }
    if public_half::public_line(&text).is_some() {
        return Err(KeyFileError::PublicOnly { path: owned() });
    }
    if !text.trim_start().starts_with(public_half::OPENSSH) {
        return signer::open_pem(path, &text, passphrase);
    }
    let malformed = |error: ssh_key::Error| KeyFileError::Malformed {
        path: path.to_owned(),
        why: error.to_string(),
    };
    let key = PrivateKey::from_openssh(text.trim_start().as_bytes()).map_err(malformed)?;
    if !key.is_encrypted() {
        return Ok(key);
    }
    let passphrase = passphrase.ok_or_else(|| KeyFileError::Encrypted { path: owned() })?;
    key.decrypt(passphrase.reveal())
        .map_err(|error| match error {
            // The two check numbers differ, the padding or (AEAD) the tag is wrong.
            ssh_key::Error::Crypto | ssh_key::Error::Encoding(_) => {
                KeyFileError::WrongPassphrase { path: owned() }
            }
            ssh_key::Error::AlgorithmUnsupported { algorithm } => KeyFileError::Unsupported {
                path: owned(),
                why: format!("{algorithm} is not supported"),
            },
            error => malformed(error),
        })
}

/// What ssh(1) calls an opened key in an agent: the comment that stands in the file, where its format
/// has one, else the file's path.
pub fn comment(path: &Path, key: &PrivateKey) -> Vec<u8> {
    let within = key.comment().as_bytes();
    let has_one =
        || read(path).is_ok_and(|text| text.trim_start().starts_with(public_half::OPENSSH));
    if !within.is_empty() || has_one() {
        return within.to_owned();
    }
    path.as_os_str().as_encoded_bytes().to_owned()
}

/// The file's text. Anything that is not UTF-8 is no key file.
pub(super) fn read(path: &Path) -> Result<Zeroizing<String>, KeyFileError> {
    use std::io::Read as _;
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => KeyFileError::Missing {
            path: path.to_owned(),
        },
        _ => KeyFileError::Unreadable {
            path: path.to_owned(),
            why: crate::diagnostics::os_error_message(&error),
        },
    };
    let mut options = std::fs::OpenOptions::new();
    options.read(true);
    // A pipe without a writer would never be opened otherwise.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        rustix::fs::OFlags::NONBLOCK.bits().cast_signed(),
    );
    let file = options.open(path).map_err(failed)?;
    let malformed = |why: &str| KeyFileError::Malformed {
        path: path.to_owned(),
        why: why.to_owned(),
    };
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(malformed("not a regular file"));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(8 << 10));
    file.take(LARGEST).read_to_end(&mut bytes).map_err(failed)?;
    std::str::from_utf8(&bytes)
        .map(|text| Zeroizing::new(text.to_owned()))
        .map_err(|_| malformed("not a key"))
}

/// ssh(1)'s rule: a file of our own must not be readable for anybody else.
#[cfg(unix)]
pub(super) fn check_permissions(path: &Path) -> Result<(), KeyFileError> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(path).map_err(|error| KeyFileError::Unreadable {
        path: path.to_owned(),
        why: error.to_string(),
    })?;
    let mode = metadata.mode() & 0o777;
    if metadata.uid() == rustix::process::getuid().as_raw() && mode & 0o077 != 0 {
        return Err(KeyFileError::Unprotected {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(())
}

/// Windows keeps files of a user's profile to that user by inherited access lists.
#[cfg(not(unix))]
pub(super) fn check_permissions(_path: &Path) -> Result<(), KeyFileError> {
    Ok(())
}
