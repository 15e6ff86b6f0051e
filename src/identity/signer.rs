//! Signatures by opened private keys.
//!
//! RSA signs with aws-lc-rs, because the private operations of the `rsa` crate leak the key by their
//! timing (RUSTSEC-2023-0071).

use aws_lc_rs::{rand, rsa, signature};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use russh::keys::signature::Signer as _;
use ssh_key::private::KeypairData;
use ssh_key::{Algorithm, HashAlg, PrivateKey, Signature};
use zeroize::Zeroizing;

/// Why nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The key is on a security key; its file cannot sign.
    #[error("a security key can only sign through the agent")]
    SecurityKey,
    /// The key has a type or size that cannot be used.
    #[error("cannot sign with this key: {0}")]
    Unusable(String),
}

/// The signature of `data` (RFC 4253 section 6.6). `hash` is for RSA (RFC 8332), where `None` means
/// SHA-512.
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
