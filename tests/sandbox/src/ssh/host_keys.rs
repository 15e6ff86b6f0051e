//! The host keys: fresh for every sandbox.

use std::fmt::Write;

use getrandom::SysRng;
use rand_core::UnwrapErr;
use russh::keys::{Algorithm, EcdsaCurve, PrivateKey};
use ssh_key::private::RsaKeypair;

#[derive(Debug)]
pub(crate) struct HostKeys(Vec<PrivateKey>);

impl HostKeys {
    /// Ed25519, ECDSA (P-256), and on mode RSA (2048 bits).
    pub(crate) fn generate(rsa: bool) -> Self {
        let mut random = UnwrapErr(SysRng);
        let kinds = [
            Algorithm::Ed25519,
            Algorithm::Ecdsa {
                curve: EcdsaCurve::NistP256,
            },
        ];
        let mut keys: Vec<PrivateKey> = kinds
            .into_iter()
            .map(|kind| PrivateKey::random(&mut random, kind).expect("both kinds are supported"))
            .collect();
        if rsa {
            let pair = RsaKeypair::random(&mut random, 2048).expect("2048 bits are supported");
            keys.push(PrivateKey::from(pair));
        }
        Self(keys)
    }

    pub(crate) fn current(&self) -> Vec<PrivateKey> {
        self.0.clone()
    }

    /// `SHA256:…` of the first.
    pub(crate) fn fingerprint(&self) -> String {
        let first = self.0.first().expect("at least two keys are made");
        first.fingerprint(russh::keys::HashAlg::Sha256).to_string()
    }

    /// One line for each key.
    pub(crate) fn known_hosts(&self, name: &str) -> String {
        self.0.iter().fold(String::new(), |mut lines, key| {
            let public = key
                .public_key()
                .to_openssh()
                .expect("a public key can be written");
            let _ = writeln!(lines, "{name} {public}");
            lines
        })
    }
}
