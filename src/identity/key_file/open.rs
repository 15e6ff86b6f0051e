//! Reading key files: the public half without the passphrase, and the private key.
//!
//! OpenSSH's own format is read with ssh-key; PEM and PKCS#8 with russh.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ssh_key::encoding::{Decode as _, Reader as _};
use ssh_key::public::KeyData;
use ssh_key::{Certificate, HashAlg, PrivateKey, PublicKey};
use zeroize::Zeroizing;

use super::KeyFileError;
use crate::identity::{Holder, Identity};
use crate::secret::Secret;
use crate::text::sanitise;

/// First line of OpenSSH's own format (PROTOCOL.key).
const OPENSSH: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";

/// The key pair that a file names: a private key file, or the `.pub` of a key that the agent has. A
/// certificate beside it (`FILE-cert.pub`) comes with it where it is for this key. The private key
/// is opened only where nothing else shows the public half: in an unencrypted PEM file without
/// `.pub`.
pub fn identity(path: &Path) -> Result<Identity, KeyFileError> {
    let text = read(path)?;
    let (holder, public_key) = if let Some(public_key) = public_line(&text) {
        (Holder::Agent, Some(public_key))
    } else {
        check_permissions(path)?;
        let public_key = match openssh_header(path, &text)? {
            Some(public_key) => Some(public_key),
            None => match public_beside(path) {
                Some(public_key) => Some(public_key),
                None => match open(path, None) {
                    Ok(key) => Some(key.public_key().clone()),
                    Err(KeyFileError::Encrypted { .. } | KeyFileError::ForeignFormat { .. }) => {
                        None
                    }
                    Err(error) => return Err(error),
                },
            },
        };
        (Holder::File(path.to_owned()), public_key)
    };
    Ok(known_by(path, holder, public_key))
}

/// The key of `FILE.pub`, for a file whose private half is not here: only an agent can have it.
/// `None`: there is no such file, or no key in it.
pub fn identity_of_public_half(path: &Path) -> Option<Identity> {
    let public_key = public_beside(path)?;
    Some(known_by(path, Holder::Agent, Some(public_key)))
}

fn known_by(path: &Path, holder: Holder, public_key: Option<PublicKey>) -> Identity {
    Identity {
        certificates: certificate_beside(path)
            .into_iter()
            .filter(|certificate| {
                public_key
                    .as_ref()
                    .is_some_and(|key| key.key_data() == certificate.public_key())
            })
            .collect(),
        holder,
        public_key,
        file: Some(path.to_owned()),
        managed: None,
    }
}

/// Whether the file itself (never its `.pub`) has the private half of this key. A file without a
/// private key does not. One that cannot be read is an error, because it may have it.
pub fn holds(path: &Path, fingerprint: &str) -> Result<bool, KeyFileError> {
    let found = match open(path, None) {
        Ok(key) => Some(key.fingerprint(HashAlg::Sha256).to_string()),
        Err(KeyFileError::Encrypted { .. }) => identity(path)?.fingerprint(),
        Err(
            KeyFileError::Missing { .. }
            | KeyFileError::Malformed { .. }
            | KeyFileError::Putty { .. }
            | KeyFileError::PublicOnly { .. },
        ) => None,
        Err(error) => return Err(error),
    };
    Ok(found.as_deref() == Some(fingerprint))
}

/// `FILE.pub`.
pub fn public_file(path: &Path) -> PathBuf {
    with_suffix(path, ".pub")
}

/// The key in `FILE.pub`. `None`: there is no such file, or no key in it.
pub fn public_beside(path: &Path) -> Option<PublicKey> {
    public_line(&read(&public_file(path)).ok()?)
}

/// The certificate in `FILE-cert.pub`, also for `FILE.pub`. `None`: there is no such file, or no
/// certificate in it.
pub fn certificate_beside(path: &Path) -> Option<Certificate> {
    let private = match path.extension() {
        Some(extension) if extension == "pub" => path.with_extension(""),
        _ => path.to_owned(),
    };
    certificate(&with_suffix(&private, "-cert.pub"))
}

/// The certificate in a file (CertificateFile). `None`: there is no such file, or no certificate in
/// it.
pub fn certificate(file: &Path) -> Option<Certificate> {
    Certificate::from_openssh(read(file).ok()?.trim()).ok()
}

/// The file name with a suffix.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The public key in a text that is one, perhaps below comments.
fn public_line(text: &str) -> Option<PublicKey> {
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'))?;
    PublicKey::from_openssh(line).ok()
}

/// The public key in the clear part of OpenSSH's format. `None`: another format.
fn openssh_header(path: &Path, text: &str) -> Result<Option<PublicKey>, KeyFileError> {
    let Some(bytes) = openssh_bytes(path, text)? else {
        return Ok(None);
    };
    let header = header(&bytes).ok_or_else(|| KeyFileError::Malformed {
        path: path.to_owned(),
        why: "its header is truncated or has an unknown version".to_owned(),
    })?;
    Ok(Some(header.public_key))
}

/// What OpenSSH's format has between its first and its last line, decoded. As with ssh(1), neither
/// blanks at the ends of lines nor text behind the last line matter. `None`: another format.
fn openssh_bytes(path: &Path, text: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyFileError> {
    let Some(body) = text.trim_start().strip_prefix(OPENSSH) else {
        return Ok(None);
    };
    let encoded: Zeroizing<String> = body
        .lines()
        .take_while(|line| !line.starts_with("-----END"))
        .flat_map(str::split_whitespace)
        .collect::<String>()
        .into();
    let bytes = STANDARD.decode(encoded.as_bytes());
    let bytes = bytes.map_err(|_| KeyFileError::Malformed {
        path: path.to_owned(),
        why: "not base64".to_owned(),
    })?;
    Ok(Some(Zeroizing::new(bytes)))
}

/// The clear part of OpenSSH's format.
struct Header {
    cipher: Vec<u8>,
    public_key: PublicKey,
}

/// `openssh-key-v1`, cipher, kdf, its options, the number of keys, the first public key.
fn header(bytes: &[u8]) -> Option<Header> {
    let mut reader = bytes.strip_prefix(b"openssh-key-v1\0")?;
    let reader = &mut reader;
    let cipher = Vec::<u8>::decode(reader).ok()?;
    for _kdf_and_options in 0..2 {
        reader.drain_prefixed().ok()?;
    }
    let keys = u32::decode(reader).ok()?;
    if keys != 1 {
        return None;
    }
    let blob = Vec::<u8>::decode(reader).ok()?;
    let public_key = PublicKey::from(KeyData::decode(&mut blob.as_slice()).ok()?);
    Some(Header { cipher, public_key })
}

/// The ciphers of OpenSSH's format that are supported here: all but 3des-cbc.
const CIPHERS: [&str; 10] = [
    "none",
    "aes128-cbc",
    "aes192-cbc",
    "aes256-cbc",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
];

/// Key files are small; a larger file is not one.
const MAX_SIZE: u64 = 1 << 20;

/// The private key: OpenSSH's format, PKCS#8, PKCS#1 and SEC1 PEM.
///
/// Without a passphrase, an encrypted file is [`KeyFileError::Encrypted`]; for a file that needs
/// none, the passphrase is ignored. A file that other users can read is not opened, as in ssh(1).
pub fn open(path: &Path, passphrase: Option<&Secret>) -> Result<PrivateKey, KeyFileError> {
    let text = read(path)?;
    check_permissions(path)?;
    let owned = || path.to_owned();
    if text.starts_with("PuTTY-User-Key-File-") {
        return Err(KeyFileError::Putty { path: owned() });
    }
    if public_line(&text).is_some() {
        return Err(KeyFileError::PublicOnly { path: owned() });
    }
    let Some(bytes) = openssh_bytes(path, &text)? else {
        return open_pem(path, &text, passphrase);
    };
    let malformed = |error: ssh_key::Error| KeyFileError::Malformed {
        path: path.to_owned(),
        why: error.to_string(),
    };
    let foreign = |cipher: &str| KeyFileError::ForeignFormat {
        path: path.to_owned(),
        why: format!("its cipher {cipher} is not supported"),
    };
    if let Some(Header { cipher, .. }) = header(&bytes)
        && !CIPHERS.iter().any(|known| known.as_bytes() == cipher)
    {
        return Err(foreign(&sanitise(&String::from_utf8_lossy(&cipher))));
    }
    let key = PrivateKey::from_bytes(&bytes).map_err(malformed)?;
    if !key.is_encrypted() {
        return Ok(key);
    }
    let passphrase = passphrase.ok_or_else(|| KeyFileError::Encrypted { path: owned() })?;
    key.decrypt(passphrase.reveal())
        .map_err(|error| match error {
            // The check numbers differ, or the padding or (AEAD) the tag is wrong.
            ssh_key::Error::Crypto | ssh_key::Error::Encoding(_) => {
                KeyFileError::WrongPassphrase { path: owned() }
            }
            ssh_key::Error::AlgorithmUnsupported { algorithm } => foreign(algorithm.as_str()),
            error => malformed(error),
        })
}

/// The comment with which ssh(1) adds a key to an agent: the one in the file, where its format has
/// comments, else the path.
pub fn comment(path: &Path, key: &PrivateKey) -> Vec<u8> {
    let within = key.comment().as_bytes();
    let has_one = || read(path).is_ok_and(|text| text.trim_start().starts_with(OPENSSH));
    if !within.is_empty() || has_one() {
        return within.to_owned();
    }
    path.as_os_str().as_encoded_bytes().to_owned()
}

/// A private key in PEM: PKCS#8, PKCS#1 (`RSA PRIVATE KEY`), SEC1 (`EC PRIVATE KEY`).
fn open_pem(
    path: &Path,
    text: &str,
    passphrase: Option<&Secret>,
) -> Result<PrivateKey, KeyFileError> {
    let owned = || path.to_owned();
    let malformed = |why: String| KeyFileError::Malformed { path: owned(), why };
    let Some(label) = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("-----BEGIN "))
    else {
        return Err(malformed("not a private key".to_owned()));
    };
    let foreign = |why: String| KeyFileError::ForeignFormat { path: owned(), why };
    let encryption = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("DEK-Info: "))
        .map(|info| info.split(',').next().unwrap_or_default());
    match (label, encryption) {
        ("RSA PRIVATE KEY-----", Some("AES-128-CBC")) => {}
        (_, Some(cipher)) => {
            let label = label.trim_end_matches('-');
            let cipher = sanitise(cipher);
            return Err(foreign(format!(
                "{} in PEM encrypted with {cipher} is not supported",
                sanitise(label)
            )));
        }
        ("DSA PRIVATE KEY-----", None) => {
            return Err(KeyFileError::Unsupported {
                path: owned(),
                why: "DSA keys are not supported".to_owned(),
            });
        }
        _ => {}
    }
    let encrypted = encryption.is_some() || label.starts_with("ENCRYPTED ");
    let passphrase = match (encrypted, passphrase) {
        (true, None) => return Err(KeyFileError::Encrypted { path: owned() }),
        (true, Some(passphrase)) => Some(passphrase.reveal()),
        (false, _) => None,
    };
    russh::keys::decode_secret_key(&pem(text), passphrase).map_err(|error| {
        use russh::keys::Error as E;
        match error {
            E::UnknownAlgorithm(algorithm) => {
                foreign(format!("its algorithm {algorithm} is not supported"))
            }
            // A cipher or a derivation of the key (pkcs5, Error).
            E::Pkcs8(error) if error.to_string().contains("unsupported") => {
                foreign(error.to_string())
            }
            E::Pkcs8(_) | E::Unpad(_) | E::Pad(_) | E::Pkcs1(_) | E::Der(_) if encrypted => {
                KeyFileError::WrongPassphrase { path: owned() }
            }
            error => malformed(error.to_string()),
        }
    })
}

/// The first key of a PEM text, without blanks at the ends of its lines.
fn pem(text: &str) -> Zeroizing<String> {
    let lines = text.lines().map(str::trim);
    let lines = lines.skip_while(|line| !line.starts_with("-----BEGIN "));
    let mut key = Zeroizing::new(String::with_capacity(text.len() + 1));
    for line in lines {
        key.push_str(line);
        key.push('\n');
        if line.starts_with("-----END ") {
            break;
        }
    }
    key
}

/// The text of a key file, which is UTF-8.
fn read(path: &Path) -> Result<Zeroizing<String>, KeyFileError> {
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
    // Opening a pipe that has no writer would block.
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
    file.take(MAX_SIZE)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    std::str::from_utf8(&bytes)
        .map(|text| Zeroizing::new(text.to_owned()))
        .map_err(|_| malformed("not a key"))
}

/// ssh(1)'s rule: other users must not be able to read a file of this user.
#[cfg(unix)]
fn check_permissions(path: &Path) -> Result<(), KeyFileError> {
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

/// A profile's inherited access lists keep others out there.
#[cfg(not(unix))]
fn check_permissions(_path: &Path) -> Result<(), KeyFileError> {
    Ok(())
}
