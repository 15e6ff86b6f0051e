//! Host keys: known_hosts against the published ones, revoked ones, and what the site publishes
//! today.

use std::path::{Path, PathBuf};

use ssh_key::PublicKey;

use super::finding::{Finding, Fix};
use super::patient::{Patient, word};
use crate::bitbucket;
use crate::git_connection::endpoints;
use crate::host_key::revoked::{self, RevokedKeys};
use crate::host_key::{KnownFrom, Line, known_hosts, published};
use crate::repository::SiteKind;
use crate::settings::SshConfig;
use crate::transport::known_hosts_files;

/// Lines of known_hosts, the revocation list, and (online) the site's own page.
pub(super) fn check(patient: &Patient<'_>) -> Vec<Finding> {
    let Ok(examined) = &patient.examined else {
        return vec![Finding::skip("host-keys", "the settings cannot be read")];
    };
    let config = &examined.config;
    let files = known_hosts_files(config, patient.context);
    let known = known_hosts::load(&files);
    let site = patient.site();
    let mut findings = Vec::new();
    if site.kind == SiteKind::Cloud {
        for name in endpoints::PUBLISHED_NAMES {
            let port = if name.starts_with("altssh") { 443 } else { 22 };
            let name = known_hosts::name(name, port);
            findings.extend(published_name(patient, &name, &known.keys_of(&name)));
        }
    }
    for endpoint in examined
        .ours
        .endpoints
        .iter()
        .filter(|endpoint| !endpoint.published)
    {
        let address = &endpoint.address;
        let alias = config.host_key_alias.as_deref();
        let (name, _) = known_hosts::names(alias, &address.host, address.port, false);
        let number = known.keys_of(&name).len();
        findings.push(if number == 0 {
            let next = match site.kind {
                SiteKind::Cloud => format!("ssh -p {} git@{}", address.port, word(&address.host)),
                SiteKind::DataCenter => format!("git bitbucket login --site {}", word(&site.url)),
            };
            Finding::warn(
                "host-keys",
                "no line of known_hosts speaks of it: the first connection asks",
            )
            .next(next)
            .about(name)
        } else {
            Finding::ok("host-keys", format!("{number} lines of known_hosts")).about(name)
        });
    }
    findings.extend(withdrawn(patient, &files));
    findings.push(revocation_list(config));
    findings.push(online(patient));
    findings
}

/// One of Cloud's names: whether its lines hold the published keys.
fn published_name(
    patient: &Patient<'_>,
    name: &str,
    lines: &[(PublicKey, KnownFrom)],
) -> Vec<Finding> {
    let check = "host-keys";
    if lines.is_empty() {
        let text = "no line of known_hosts: the keys built into the program are taken";
        return vec![Finding::ok(check, text).about(name)];
    }
    let mut findings = Vec::new();
    let line_of = |from: &KnownFrom| match from {
        KnownFrom::Line(line) => Some(line.clone()),
        KnownFrom::Authority(_) | KnownFrom::Published | KnownFrom::Site => None,
    };
    for (key, from) in lines {
        if !published::is_published(key) && !published::is_withdrawn(key) {
            let next = match line_of(from) {
                Some(line) => format!(
                    "ssh-keygen -f {} -R {}",
                    word(&patient.shown(&line.file)),
                    word(name)
                ),
                None => format!("ssh-keygen -R {}", word(name)),
            };
            let text = format!(
                "{from} has a key that Bitbucket does not publish: connections are refused"
            );
            findings.push(Finding::fail(check, text).next(next).about(name));
        }
    }
    let missing: Vec<_> = published::keys()
        .iter()
        .filter(|key| {
            !lines
                .iter()
                .any(|(known, _)| known.key_data() == key.key_data())
        })
        .collect();
    if findings.is_empty() && !missing.is_empty() {
        let file = lines
            .iter()
            .find_map(|(_, from)| line_of(from))
            .map(|line| line.file);
        let new: Vec<String> = missing
            .iter()
            .filter_map(|key| Some(format!("{name} {}", bare(key)?)))
            .collect();
        let text = format!(
            "{} of the {} published keys are not in known_hosts",
            missing.len(),
            published::keys().len()
        );
        let mut finding = Finding::warn(check, text)
            .next("git bitbucket doctor --fix")
            .about(name);
        finding.fix = file.map(|file| Fix::AddLines(file, new));
        findings.push(finding);
    }
    if findings.is_empty() {
        findings.push(Finding::ok(check, "known_hosts has the published keys").about(name));
    }
    findings
}

fn bare(key: &PublicKey) -> Option<String> {
    let text = key.to_openssh().ok()?;
    Some(text.split(' ').take(2).collect::<Vec<_>>().join(" "))
}

/// Lines, of whatever name, with a key that Bitbucket withdrew in 2023 and does not revoke.
fn withdrawn(patient: &Patient<'_>, files: &[PathBuf]) -> Vec<Finding> {
    let check = "host-keys-revoked";
    let mut findings = Vec::new();
    for file in files {
        let text = std::fs::read(file).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        for (index, line) in text.lines().enumerate() {
            let place = Line {
                file: file.clone(),
                number: index + 1,
            };
            let shown = patient.shown(&place.file);
            let Some((revoked, key)) = key_of(line) else {
                continue;
            };
            if revoked && published::is_published(&key) {
                let text =
                    "the line revokes a key that Bitbucket publishes: connections are refused";
                findings.push(
                    Finding::fail(check, text)
                        .about(format!("{shown}:{}", place.number))
                        .next(format!("sed -i {}d {}", place.number, word(&shown))),
                );
            } else if !revoked && published::is_withdrawn(&key) {
                findings.push(
                    Finding::fail(
                        check,
                        "the line trusts a key that Bitbucket withdrew in 2023",
                    )
                    .about(format!("{shown}:{}", place.number))
                    .next("git bitbucket doctor --fix")
                    .fix(Fix::RemoveLine(file.clone(), line.to_owned())),
                );
            }
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            check,
            "no line of known_hosts has a withdrawn key",
        ));
    }
    findings
}

/// The key of a known_hosts line (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT), and whether it is marked
/// as revoked.
fn key_of(line: &str) -> Option<(bool, PublicKey)> {
    let line = line.trim();
    let (revoked, rest) = match line.strip_prefix("@revoked") {
        Some(rest) => (true, rest.trim_start()),
        None => (false, line),
    };
    let key = rest.split_once([' ', '\t'])?.1.trim_start();
    Some((revoked, PublicKey::from_openssh(key).ok()?))
}

fn revocation_list(config: &SshConfig) -> Finding {
    let check = "revoked-host-keys";
    let Some(file) = config
        .revoked_host_keys
        .as_deref()
        .filter(|file| *file != Path::new("none"))
    else {
        return Finding::ok(check, "RevokedHostKeys is not set");
    };
    let about = file.display().to_string();
    match revoked::load(file) {
        RevokedKeys::Unreadable { why, .. } => Finding::fail(
            check,
            format!("it cannot be read, so no host is trusted: {why}"),
        )
        .next(format!("ls -l {}", word(&about)))
        .about(about),
        RevokedKeys::Keys { keys, .. } => {
            let ours = published::keys()
                .iter()
                .any(|key| keys.contains(key.key_data()));
            if ours {
                Finding::fail(check, "it names a key that Bitbucket publishes")
                    .next(format!("grep -n . {}", word(&about)))
                    .about(about)
            } else {
                Finding::ok(check, format!("{} keys", keys.len())).about(about)
            }
        }
    }
}

/// The keys built in against those that Cloud publishes today.
fn online(patient: &Patient<'_>) -> Finding {
    let check = "host-keys-published";
    if patient.offline {
        return Finding::skip(check, "--offline").next("git bitbucket doctor");
    }
    let site = patient.site();
    match bitbucket::published_host_keys(patient.context, &site, &patient.http(&site)) {
        Ok(None) => Finding::skip(check, format!("{} publishes none over HTTPS", site.url)),
        Ok(Some(text)) => {
            let today: Vec<PublicKey> = text
                .lines()
                .filter_map(|line| Some(key_of(line)?.1))
                .collect();
            let new = today
                .iter()
                .filter(|key| !published::is_published(key))
                .count();
            if today.is_empty() {
                Finding::warn(check, "the page with the host keys is not understood")
                    .next(format!("curl -s {}/site/ssh", site.url))
            } else if new > 0 {
                Finding::warn(
                    check,
                    format!("{new} published keys are new: this program is older than they are"),
                )
                .next(format!(
                    "curl -s {}/site/ssh >>~/.ssh/known_hosts",
                    site.url
                ))
            } else {
                Finding::ok(check, "the site publishes the keys that are built in")
            }
        }
        Err(error) => Finding::warn(check, format!("could not be read: {error}"))
            .next(format!("curl -s {}/site/ssh", site.url)),
    }
}
