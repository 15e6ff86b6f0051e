//! The verdict on a host key: a pure judgement in the order of interface section 6.

use ssh_key::{Certificate, HashAlg, PublicKey};

use super::entry::Marker;
use super::known_hosts::KnownHosts;
use super::revoked::RevokedKeys;
use super::{KnownFrom, Line, Offending, Verdict, certificate, published, wording};

/// Whose key it should be, and everything that speaks about it.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// HostKeyAlias, else the name that is connected to ([`super::known_hosts::name`]). Its lines
    /// decide.
    pub name: &'a str,
    /// Further names whose lines count only where they accept.
    pub also: &'a [String],
    /// The published keys of Bitbucket Cloud speak for the endpoint.
    pub published: bool,
    /// Fingerprints (`SHA256:…`) that the site told over HTTPS.
    pub site_fingerprints: &'a [String],
    /// The user's and the system's files.
    pub known_hosts: &'a KnownHosts,
    /// RevokedHostKeys, where it is set.
    pub revoked: Option<&'a RevokedKeys>,
}

/// Judges a plain key.
pub fn verify(question: &Question<'_>, key: &PublicKey) -> Verdict {
    if let Some(verdict) = revoked(question, key) {
        return verdict;
    }
    let mut offending = Vec::new();
    for (line, entry) in question.known_hosts.speaking_of(question.name) {
        if entry.marker != Marker::None {
            continue;
        }
        let Some(known) = entry.public_key() else {
            continue;
        };
        if known.key_data() == key.key_data() {
            return Verdict::Known(KnownFrom::Line(line));
        }
        let key_type = wording::key_type(&known);
        offending.push(Offending { line, key_type });
    }
    if !offending.is_empty() {
        return Verdict::Changed { offending };
    }
    if let Some(line) = accepted_by_another_name(question, key) {
        return Verdict::Known(KnownFrom::Line(line));
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
        same_key: same_key(question.known_hosts, key),
    }
}

/// Judges a host certificate; `now` in seconds since 1970. One that no known authority signed
/// is judged by its plain key, as ssh(1) does.
pub fn verify_certificate(question: &Question<'_>, host: &Certificate, now: u64) -> Verdict {
    let plain = PublicKey::from(host.public_key().clone());
    let authority = PublicKey::from(host.signature_key().clone());
    if let Some(verdict) = revoked(question, &authority).or_else(|| revoked(question, &plain)) {
        return verdict;
    }
    let signed = question
        .known_hosts
        .speaking_of(question.name)
        .filter(|(_, entry)| entry.marker == Marker::Authority)
        .find(|(_, entry)| {
            let known = entry.public_key();
            known.is_some_and(|known| known.key_data() == authority.key_data())
        });
    match signed {
        Some((line, _)) => match certificate::check(host, question.name, now) {
            Ok(()) => Verdict::Known(KnownFrom::Authority(line)),
            Err(why) => Verdict::BadCertificate(why),
        },
        None => verify(question, &plain),
    }
}

fn revoked(question: &Question<'_>, key: &PublicKey) -> Option<Verdict> {
    let names = std::iter::once(question.name).chain(question.also.iter().map(String::as_str));
    for name in names {
        let marked = question
            .known_hosts
            .speaking_of(name)
            .filter(|(_, entry)| entry.marker == Marker::Revoked)
            .find(|(_, entry)| {
                let known = entry.public_key();
                known.is_some_and(|known| known.key_data() == key.key_data())
            });
        if let Some((line, _)) = marked {
            let by = format!("marked @revoked in {}:{}", line.file.display(), line.number);
            return Some(Verdict::Revoked {
                line: Some(line),
                by,
            });
        }
    }
    if let Some(by) = question
        .revoked
        .and_then(|list| list.refuses(key.key_data()))
    {
        return Some(Verdict::Revoked { line: None, by });
    }
    published::is_withdrawn(key).then(|| Verdict::Revoked {
        line: None,
        by: "withdrawn by Bitbucket in 2023".to_owned(),
    })
}

fn accepted_by_another_name(question: &Question<'_>, key: &PublicKey) -> Option<Line> {
    question.also.iter().find_map(|name| {
        question
            .known_hosts
            .speaking_of(name)
            .filter(|(_, entry)| entry.marker == Marker::None)
            .find(|(_, entry)| {
                let known = entry.public_key();
                known.is_some_and(|known| known.key_data() == key.key_data())
            })
            .map(|(line, _)| line)
    })
}

/// Lines of any name with this key: OpenSSH tells them when it asks.
fn same_key(known_hosts: &KnownHosts, key: &PublicKey) -> Vec<(String, Line)> {
    let Ok(text) = PublicKey::new(key.key_data().clone(), "").to_openssh() else {
        return Vec::new();
    };
    let encoded = text.split_whitespace().nth(1).unwrap_or_default();
    known_hosts
        .entries()
        .filter(|(_, _, entry)| entry.marker == Marker::None && entry.key == encoded)
        .map(|(file, number, entry)| {
            let file = file.to_owned();
            (entry.shown_names().to_owned(), Line { file, number })
        })
        .collect()
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
