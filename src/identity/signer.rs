//! Signatures of opened keys, and the key formats that only russh reads.
//!
//! RSA signs through aws-lc-rs: the `rsa` crate's private operations leak by their timing
//! (RUSTSEC-2023-0071). Asks nobody: whoever calls has the opened key. Beside `agent` the only file
//! of this room that imports russh.

use std::path::Path;

use aws_lc_rs::{rand, rsa, signature};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use russh::keys::signature::Signer as _;
use ssh_key::private::KeypairData;
use ssh_key::{Algorithm, HashAlg, PrivateKey, Signature};
use zeroize::Zeroizing;

use crate::identity::key_file::KeyFileError;
use crate::secret::Secret;

/// Why nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A key that lives on a security key; its file signs nothing.
    #[error("a security key signs through the agent only")]
    SecurityKey,
    /// The key is of a kind, or of a size, that is not signed with.
    #[error("cannot sign with this key: {0}")]
    Unusable(String),
}

/// The signature of `data` by an opened key: an SSH signature (RFC 4253 section 6.6) with its
/// algorithm's name. `hash` counts for RSA (RFC 8332); `None` there means SHA-512.
pub fn sign(key: &PrivateKey, hash: Option<HashAlg>, data: &[u8]) -> Result<Signature, Error> {
    match key.key_data() {
        KeypairData::Rsa(_) => sign_rsa(key, hash.unwrap_or(HashAlg::Sha512), data),
        KeypairData::SkEd25519(_) | KeypairData::SkEcdsaSha2NistP256(_) => Err(Error::SecurityKey),
        _ => key
            .try_sign(data)
            .map_err(|error| Error::Unusable(error.to_string())),
    }
}

fn sign_rsa(key: &PrivateKey, hash: HashAlg, data: &[u8]) -> Result<Signature, Error> {
    let unusable = |why: &dyn std::fmt::Display| Error::Unusable(why.to_string());
    // russh writes PKCS#8 with the CRT values that aws-lc-rs wants and OpenSSH's format lacks.
    let mut pem = Zeroizing::new(Vec::new());
    russh::keys::encode_pkcs8_pem(key, &mut *pem).map_err(|error| unusable(&error))?;
    let body: Zeroizing<Vec<u8>> = Zeroizing::new(
        pem.split(|byte| *byte == b'\n')
            .filter(|line| !line.starts_with(b"-----"))
            .flatten()
            .copied()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect(),
    );
    let der = Zeroizing::new(STANDARD.decode(&*body).map_err(|error| unusable(&error))?);
    let pair = rsa::KeyPair::from_pkcs8(&der).map_err(|error| unusable(&error))?;
    let (padding, hash): (&dyn signature::RsaEncoding, _) = match hash {
        HashAlg::Sha256 => (&signature::RSA_PKCS1_SHA256, HashAlg::Sha256),
        _ => (&signature::RSA_PKCS1_SHA512, HashAlg::Sha512),
    };
    let mut signed = vec![0; pair.public_modulus_len()];
    pair.sign(padding, &rand::SystemRandom::new(), data, &mut signed)
        .map_err(|error| unusable(&error))?;
    Signature::new(Algorithm::Rsa { hash: Some(hash) }, signed).map_err(|error| unusable(&error))
}

/// A private key in PEM: PKCS#8, PKCS#1 (`RSA PRIVATE KEY`), SEC1 (`EC PRIVATE KEY`).
pub(super) fn open_pem(
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
    let convert = |what: &str| KeyFileError::Unsupported {
        path: owned(),
        why: format!(
            "{what}; convert it with: ssh-keygen -p -f '{}'",
            path.display()
        ),
    };
    let encryption = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("DEK-Info: "))
        .map(|info| info.split(',').next().unwrap_or_default());
    match (label, encryption) {
        ("RSA PRIVATE KEY-----", Some("AES-128-CBC")) => {}
        (_, Some(cipher)) => {
            return Err(convert(&format!(
                "PEM encrypted with {cipher} is not supported"
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
    russh::keys::decode_secret_key(text, passphrase).map_err(|error| {
        use russh::keys::Error as E;
        match error {
            E::UnknownAlgorithm(algorithm) => {
                convert(&format!("its algorithm {algorithm} is not supported"))
            }
            E::Pkcs8(_) | E::Unpad(_) | E::Pad(_) | E::Pkcs1(_) | E::Der(_) if encrypted => {
                KeyFileError::WrongPassphrase { path: owned() }
            }
            error => malformed(error.to_string()),
        }
    })
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "keys come from ssh-keygen, started in a cleared environment"
)]
mod tests {
    use std::process::Command;

    use russh::keys::signature::Verifier as _;

    use super::*;
    use crate::identity::key_file::open;

    #[test]
    fn every_kind_of_key_signs_what_its_public_half_verifies() {
        let folder = tempfile::tempdir().unwrap();
        for (kind, bits, hash, name) in [
            ("ed25519", "256", None, "ssh-ed25519"),
            ("ecdsa", "256", None, "ecdsa-sha2-nistp256"),
            ("ecdsa", "521", None, "ecdsa-sha2-nistp521"),
            ("rsa", "2048", Some(HashAlg::Sha256), "rsa-sha2-256"),
            ("rsa", "3072", Some(HashAlg::Sha512), "rsa-sha2-512"),
            ("rsa", "2048", None, "rsa-sha2-512"),
        ] {
            let path = folder.path().join(format!("{kind}{bits}{name}"));
            let made = Command::new("ssh-keygen")
                .env_clear()
                .env("PATH", "/usr/bin:/bin")
                .args(["-q", "-t", kind, "-b", bits, "-N", "", "-f"])
                .arg(&path)
                .status()
                .unwrap();
            assert!(made.success() || path.exists());
            let key = open(&path, None).unwrap();
            let signature = sign(&key, hash, b"to sign").unwrap();
            assert_eq!(signature.algorithm().as_str(), name);
            key.public_key()
                .key_data()
                .verify(b"to sign", &signature)
                .unwrap_or_else(|error| panic!("{kind} {bits} {name}: {error}"));
        }
    }
}
