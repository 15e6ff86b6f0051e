//! Making a key pair.

use rand_core::UnwrapErr;
use ssh_key::private::{KeypairData, RsaKeypair};
use ssh_key::{Algorithm, EcdsaCurve, PrivateKey};

use super::Error;
use crate::settings::KeyType;

/// A new pair from the system's random source.
pub(super) fn key_pair(key_type: KeyType) -> Result<PrivateKey, Error> {
    // One failing read now is an error; the source does not begin to fail afterwards.
    getrandom::u32().map_err(|error| Error::Generate(error.to_string()))?;
    let mut random = UnwrapErr(getrandom::SysRng);
    let pair = match key_type {
        KeyType::Ed25519 => PrivateKey::random(&mut random, Algorithm::Ed25519),
        KeyType::Ecdsa => {
            let curve = EcdsaCurve::NistP256;
            PrivateKey::random(&mut random, Algorithm::Ecdsa { curve })
        }
        KeyType::Rsa(bits) => RsaKeypair::random(&mut random, bits as usize)
            .and_then(|pair| PrivateKey::new(KeypairData::Rsa(pair), "")),
    };
    pair.map_err(|error| Error::Generate(error.to_string()))
}

/// What people call it: `ed25519`, `ECDSA`, `RSA`.
pub(super) fn name(key_type: KeyType) -> &'static str {
    match key_type {
        KeyType::Ed25519 => "ed25519",
        KeyType::Ecdsa => "ECDSA",
        KeyType::Rsa(_) => "RSA",
    }
}
