//! Which host-key algorithms are asked for, in which order: first those of the keys that are
//! known for the name, so that a server with several keys shows the one we can check.

use ssh_key::{Algorithm, EcdsaCurve, HashAlg, PublicKey};

use super::entry::Marker;
use super::published;
use super::verify::Question;

/// All that are accepted, the strongest first. `ssh-rsa` (SHA-1) is not among them.
const ALL: [Algorithm; 6] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP256,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP384,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP521,
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha512),
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha256),
    },
];

/// The order for a name: the key types of its own lines first, else those that other names accept,
/// else the published ones.
pub fn preferred(question: &Question<'_>) -> Vec<Algorithm> {
    let lines = question.known_hosts.about(question.name, question.also);
    let types_of = |own: bool| -> Vec<&str> {
        lines
            .iter()
            .filter(|spoken| spoken.own == own && spoken.entry.marker == Marker::None)
            .map(|spoken| spoken.entry.algorithm)
            .collect()
    };
    let published: Vec<_> = published::keys().iter().map(PublicKey::algorithm).collect();
    let mut known = types_of(true);
    if known.is_empty() {
        known = types_of(false);
    }
    if known.is_empty() && question.published {
        known = published.iter().map(Algorithm::as_str).collect();
    }
    let mut order = ALL.to_vec();
    order.sort_by_key(|algorithm| !known.contains(&key_name(algorithm)));
    order
}

/// Whether an `@cert-authority` line speaks of the name: only then certificates are asked for.
pub fn wants_certificates(question: &Question<'_>) -> bool {
    question
        .known_hosts
        .about(question.name, question.also)
        .iter()
        .any(|spoken| spoken.entry.marker == Marker::Authority)
}

/// The key's name in known_hosts: RSA has one for all its signatures.
fn key_name(algorithm: &Algorithm) -> &str {
    match algorithm {
        Algorithm::Rsa { .. } => "ssh-rsa",
        other => other.as_str(),
    }
}
