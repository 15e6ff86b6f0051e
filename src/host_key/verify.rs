//! The verdict on a host key, without reading or asking anything. In this order: revoked; a line for
//! the name decides; a line for a further name accepts; Bitbucket Cloud's published keys; the
//! fingerprint a Data Center's settings name; otherwise the key is unknown.

use ssh_key::{Algorithm, Certificate, EcdsaCurve, HashAlg, PublicKey};

use super::known_hosts::{EncodedKey, KnownHosts, Marker, Match};
use super::revocation::RevokedKeys;
use super::{KnownFrom, Line, Offending, Verdict, certificate, messages, published};

/// The host whose key it should be, and every source that can tell.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// HostKeyAlias, else the host that is connected to ([`super::known_hosts::names`]). Its lines
    /// decide.
    pub name: &'a str,
    /// Further names, whose lines only accept or revoke.
    pub also: &'a [String],
    /// The endpoint is Bitbucket Cloud's, which publishes its keys.
    pub published: bool,
    /// Fingerprints (`SHA256:…`) that the site named over HTTPS.
    pub site_fingerprints: &'a [String],
    /// The user's and the system's files.
    pub known_hosts: &'a KnownHosts,
    /// RevokedHostKeys, where it is set.
    pub revoked: Option<&'a RevokedKeys>,
}

/// Judges a plain key.
pub fn verify(question: &Question<'_>, key: &PublicKey) -> Verdict {
    judge(question, &matches(question), key)
}

/// Judges a host certificate; `now` in seconds since 1970. One that no known authority signed is
/// judged by its plain key, as in ssh(1). So is one that is not valid, unless its plain key is
/// unknown: then the verdict is that the certificate is not valid.
pub fn verify_certificate(question: &Question<'_>, host: &Certificate, now: u64) -> Verdict {
    let lines = matches(question);
    let plain = PublicKey::from(host.public_key().clone());
    let authority = PublicKey::from(host.signature_key().clone());
    if let Some(by) = question
        .revoked
        .and_then(|list| list.refuses_certificate(host))
    {
        return Verdict::Revoked { line: None, by };
    }
    if let Some(verdict) = revoked(question, &lines, &authority) {
        return verdict;
    }
    let Some(line) = signed_by(&lines, &authority) else {
        return judge(question, &lines, &plain);
    };
    match certificate::check(host, question.name, now) {
        Ok(()) => {
            revoked(question, &lines, &plain).unwrap_or(Verdict::Known(KnownFrom::Authority(line)))
        }
        Err(why) => match judge(question, &lines, &plain) {
            Verdict::Unknown { .. } => Verdict::BadCertificate(why),
            verdict => verdict,
        },
    }
}

fn matches<'a>(question: &Question<'a>) -> Vec<Match<'a>> {
    question.known_hosts.matches(question.name, question.also)
}

fn judge(question: &Question<'_>, lines: &[Match<'_>], key: &PublicKey) -> Verdict {
    if let Some(verdict) = revoked(question, lines, key) {
        return verdict;
    }
    if let Some(verdict) = by_own_lines(lines, key) {
        return verdict;
    }
    let another = lines
        .iter()
        .find(|found| !found.own && found.entry.marker == Marker::None && found.has(key));
    if let Some(found) = another {
        return Verdict::Known(KnownFrom::Line(found.line()));
    }
    if question.published {
        return if published::is_published(key) {
            Verdict::Known(KnownFrom::Published)
        } else {
            Verdict::NotPublished
        };
    }
    let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
    if question.site_fingerprints.contains(&fingerprint) {
        return Verdict::Known(KnownFrom::Site);
    }
    Verdict::Unknown {
        same_key: same_key(question, key),
    }
}

/// `None`: no line for the name has a key.
fn by_own_lines(lines: &[Match<'_>], key: &PublicKey) -> Option<Verdict> {
    let mut offending = Vec::new();
    for found in lines {
        if !found.own || found.entry.marker != Marker::None {
            continue;
        }
        let Some(known) = found.entry.public_key() else {
            tracing::debug!("{}: the key cannot be read", found.line());
            continue;
        };
        if known.key_data() == key.key_data() {
            return Some(Verdict::Known(KnownFrom::Line(found.line())));
        }
        offending.push(Offending {
            line: found.line(),
            key_type: messages::key_type(&known),
        });
    }
    (!offending.is_empty()).then_some(Verdict::Changed { offending })
}

fn revoked(question: &Question<'_>, lines: &[Match<'_>], key: &PublicKey) -> Option<Verdict> {
    let marked = lines
        .iter()
        .find(|found| found.entry.marker == Marker::Revoked && found.has(key));
    if let Some(found) = marked {
        let line = found.line();
        return Some(Verdict::Revoked {
            by: format!("marked @revoked in {line}"),
            line: Some(line),
        });
    }
    let by = match question.revoked {
        Some(list) => list.refuses(key.key_data()),
        None => None,
    };
    let withdrawn = || {
        let by = "withdrawn by Bitbucket in 2023".to_owned();
        published::is_withdrawn(key).then_some(by)
    };
    by.or_else(withdrawn)
        .map(|by| Verdict::Revoked { line: None, by })
}

fn signed_by(lines: &[Match<'_>], authority: &PublicKey) -> Option<Line> {
    let signed =
        |found: &&Match<'_>| found.entry.marker == Marker::Authority && found.has(authority);
    lines.iter().find(signed).map(Match::line)
}

/// Lines for other names with this key, which OpenSSH lists in its question.
fn same_key(question: &Question<'_>, key: &PublicKey) -> Vec<(String, Line)> {
    let Some(written) = EncodedKey::of(key) else {
        return Vec::new();
    };
    let own = question.name.to_ascii_lowercase();
    question
        .known_hosts
        .entries()
        .filter(|(_, _, entry)| entry.has(&written))
        .filter(|(_, _, entry)| entry.marker == Marker::None && !entry.matches(&own))
        .map(|(file, number, entry)| {
            let file = file.to_owned();
            (entry.display_names().to_owned(), Line { file, number })
        })
        .collect()
}

/// The host-key algorithms that are accepted, the strongest first; not `ssh-rsa` (SHA-1).
const ALGORITHMS: [Algorithm; 6] = [
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

/// The host-key algorithms to ask for: first those of keys that are known for the name, so that a
/// server with several keys shows one that can be checked; else of keys that further names accept,
/// else of the published keys.
pub fn preferred_algorithms(question: &Question<'_>) -> Vec<Algorithm> {
    let lines = matches(question);
    let types_of = |own: bool| -> Vec<&str> {
        lines
            .iter()
            .filter(|found| found.own == own && found.entry.marker == Marker::None)
            .map(|found| found.entry.algorithm)
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
    let mut order = ALGORITHMS.to_vec();
    order.sort_by_key(|algorithm| !known.contains(&key_name(algorithm)));
    order
}

/// Whether an `@cert-authority` line is for the name; only then certificates are asked for.
pub fn wants_certificates(question: &Question<'_>) -> bool {
    matches(question)
        .iter()
        .any(|found| found.entry.marker == Marker::Authority)
}

/// The name of the key type in known_hosts, which is one for all of RSA's signature algorithms.
fn key_name(algorithm: &Algorithm) -> &str {
    match algorithm {
        Algorithm::Rsa { .. } => "ssh-rsa",
        other => other.as_str(),
    }
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
