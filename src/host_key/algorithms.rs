//! Which host-key algorithms are asked for, in which order: first those of the keys that are
//! known for the name, so that a server with several keys shows the one we can check.

use ssh_key::{Algorithm, EcdsaCurve, HashAlg};

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

/// The order for a name.
pub fn preferred(question: &Question<'_>) -> Vec<Algorithm> {
    let mut known: Vec<String> = lines_of(question, question.name);
    if known.is_empty() {
        let also = question.also.iter();
        known = also.flat_map(|name| lines_of(question, name)).collect();
    }
    if known.is_empty() && question.published {
        known = published::keys()
            .iter()
            .map(|key| key.algorithm().as_str().to_owned())
            .collect();
    }
    let mut order = ALL.to_vec();
    order.sort_by_key(|algorithm| !known.iter().any(|name| *name == key_name(algorithm)));
    order
}

/// Whether an `@cert-authority` line speaks of the name: only then certificates are asked for.
pub fn wants_certificates(question: &Question<'_>) -> bool {
    question
        .known_hosts
        .speaking_of(question.name)
        .any(|(_, entry)| entry.marker == Marker::Authority)
}

fn lines_of(question: &Question<'_>, name: &str) -> Vec<String> {
    question
        .known_hosts
        .speaking_of(name)
        .filter(|(_, entry)| entry.marker == Marker::None)
        .map(|(_, entry)| entry.algorithm.to_owned())
        .collect()
}

/// The key's name in known_hosts: RSA has one for all its signatures.
fn key_name(algorithm: &Algorithm) -> String {
    match algorithm {
        Algorithm::Rsa { .. } => "ssh-rsa".to_owned(),
        other => other.as_str().to_owned(),
    }
}
