//! The verdict on a host key: a pure judgement in the order of interface section 6.

use ssh_key::{Certificate, HashAlg, PublicKey};

use super::entry::{Marker, Written};
use super::known_hosts::{KnownHosts, Spoken};
use super::revoked::RevokedKeys;
use super::{KnownFrom, Line, Offending, Verdict, certificate, published, wording};

/// Whose key it should be, and everything that speaks about it.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// HostKeyAlias, else the name that is connected to ([`super::known_hosts::names`]). Its lines
    /// decide.
    pub name: &'a str,
    /// Further names: their lines accept or revoke, and say nothing else.
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
    judge(question, &spoken(question), key)
}

/// Judges a host certificate; `now` in seconds since 1970. One that no known authority signed
/// is judged by its plain key, as ssh(1) does. So is one that does not hold; but where nobody
/// knows its plain key, that it does not hold is the verdict, and nobody is asked.
pub fn verify_certificate(question: &Question<'_>, host: &Certificate, now: u64) -> Verdict {
    let lines = spoken(question);
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

fn spoken<'a>(question: &Question<'a>) -> Vec<Spoken<'a>> {
    question.known_hosts.about(question.name, question.also)
}

fn judge(question: &Question<'_>, lines: &[Spoken<'_>], key: &PublicKey) -> Verdict {
    if let Some(verdict) = revoked(question, lines, key) {
        return verdict;
    }
    if let Some(verdict) = by_own_lines(lines, key) {
        return verdict;
    }
    let another = lines
        .iter()
        .find(|spoken| !spoken.own && spoken.entry.marker == Marker::None && spoken.has(key));
    if let Some(spoken) = another {
        return Verdict::Known(KnownFrom::Line(spoken.line()));
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

/// `None`: no line has a key for the name.
fn by_own_lines(lines: &[Spoken<'_>], key: &PublicKey) -> Option<Verdict> {
    let mut offending = Vec::new();
    for spoken in lines {
        if !spoken.own || spoken.entry.marker != Marker::None {
            continue;
        }
        let Some(known) = spoken.entry.public_key() else {
            tracing::debug!("{}: the key cannot be read", spoken.line());
            continue;
        };
        if known.key_data() == key.key_data() {
            return Some(Verdict::Known(KnownFrom::Line(spoken.line())));
        }
        offending.push(Offending {
            line: spoken.line(),
            key_type: wording::key_type(&known),
        });
    }
    (!offending.is_empty()).then_some(Verdict::Changed { offending })
}

fn revoked(question: &Question<'_>, lines: &[Spoken<'_>], key: &PublicKey) -> Option<Verdict> {
    let marked = lines
        .iter()
        .find(|spoken| spoken.entry.marker == Marker::Revoked && spoken.has(key));
    if let Some(spoken) = marked {
        let line = spoken.line();
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

fn signed_by(lines: &[Spoken<'_>], authority: &PublicKey) -> Option<Line> {
    let signed =
        |spoken: &&Spoken<'_>| spoken.entry.marker == Marker::Authority && spoken.has(authority);
    lines.iter().find(signed).map(Spoken::line)
}

/// Lines of other names with this key: OpenSSH tells them when it asks.
fn same_key(question: &Question<'_>, key: &PublicKey) -> Vec<(String, Line)> {
    let Some(written) = Written::of(key) else {
        return Vec::new();
    };
    let own = question.name.to_ascii_lowercase();
    question
        .known_hosts
        .entries()
        .filter(|(_, _, entry)| entry.has(&written))
        .filter(|(_, _, entry)| entry.marker == Marker::None && !entry.speaks_of(&own))
        .map(|(file, number, entry)| {
            let file = file.to_owned();
            (entry.shown_names().to_owned(), Line { file, number })
        })
        .collect()
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
