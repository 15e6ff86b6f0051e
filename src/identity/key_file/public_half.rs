//! The public half of a key file, without opening the secret one.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ssh_key::encoding::{Decode as _, Reader as _};
use ssh_key::public::KeyData;
use ssh_key::{Certificate, PublicKey};

use crate::identity::key_file::{KeyFileError, open};
use crate::identity::{Holder, Identity};

/// First line of OpenSSH's own format (PROTOCOL.key).
pub(super) const OPENSSH: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";

/// The key pair that a file stands for: a private key file, or the `.pub` of a key that the agent
/// holds. Certificates beside it (`FILE-cert.pub`) come with it where they certify this key. The
/// secret half is opened only where nothing else shows the public one: an unencrypted PEM file
/// without `.pub`.
pub fn identity(path: &Path) -> Result<Identity, KeyFileError> {
    let text = open::read(path)?;
    let (holder, public_key) = if let Some(public_key) = public_line(&text) {
        (Holder::Agent, Some(public_key))
    } else {
        open::check_permissions(path)?;
        let public_key = match openssh_header(path, &text)? {
            Some(public_key) => Some(public_key),
            None => match public_beside(path) {
                Some(public_key) => Some(public_key),
                None => match open::open(path, None) {
                    Ok(key) => Some(key.public_key().clone()),
                    Err(KeyFileError::Encrypted { .. }) => None,
                    Err(error) => return Err(error),
                },
            },
        };
        (Holder::File(path.to_owned()), public_key)
    };
    Ok(Identity {
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
    })
}

/// The key in `FILE.pub`. `None`: no such file, or none that holds a key.
pub fn public_beside(path: &Path) -> Option<PublicKey> {
    public_line(&open::read(&beside(path, ".pub")).ok()?)
}

/// The certificate in `FILE-cert.pub` (for `FILE.pub`: the same). `None`: no such file, or none
/// that holds a certificate.
pub fn certificate_beside(path: &Path) -> Option<Certificate> {
    let private = match path.extension() {
        Some(extension) if extension == "pub" => path.with_extension(""),
        _ => path.to_owned(),
    };
    certificate(&beside(&private, "-cert.pub"))
}

/// The certificate in a file (CertificateFile). `None`: no such file, or none that holds one.
pub fn certificate(file: &Path) -> Option<Certificate> {
    Certificate::from_openssh(open::read(file).ok()?.trim()).ok()
}

/// The file's name with something appended.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// A file that is one public key line, perhaps below comments.
pub(super) fn public_line(text: &str) -> Option<PublicKey> {
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'))?;
    PublicKey::from_openssh(line).ok()
}

/// The public key in the clear part of OpenSSH's format. `None`: another format.
fn openssh_header(path: &Path, text: &str) -> Result<Option<PublicKey>, KeyFileError> {
    let Some(body) = text.trim_start().strip_prefix(OPENSSH) else {
        return Ok(None);
    };
    let encoded: zeroize::Zeroizing<String> = body
        .lines()
        .take_while(|line| !line.starts_with("-----END"))
        .map(str::trim)
        .collect::<String>()
        .into();
    let malformed = |why: &str| KeyFileError::Malformed {
        path: path.to_owned(),
        why: why.to_owned(),
    };
    let bytes = zeroize::Zeroizing::new(
        STANDARD
            .decode(encoded.as_bytes())
            .map_err(|_| malformed("not base64"))?,
    );
    header(&bytes)
        .map(Some)
        .ok_or_else(|| malformed("its header is cut or of another version"))
}

/// `openssh-key-v1`, cipher, kdf, its options, the number of keys, the first public key.
fn header(bytes: &[u8]) -> Option<PublicKey> {
    let mut reader = bytes.strip_prefix(b"openssh-key-v1\0")?;
    let reader = &mut reader;
    for _cipher_kdf_options in 0..3 {
        reader.drain_prefixed().ok()?;
    }
    let keys = u32::decode(reader).ok()?;
    if keys != 1 {
        return None;
    }
    let blob = Vec::<u8>::decode(reader).ok()?;
    Some(PublicKey::from(KeyData::decode(&mut blob.as_slice()).ok()?))
}
