//! Host keys: known_hosts against the published keys, revoked ones, and what the site publishes
//! today.

use std::path::{Path, PathBuf};

use ssh_key::PublicKey;

use super::checkup::{Checkup, word};
use super::finding::{Finding, Fix, counted};
use crate::bitbucket;
use crate::connection::endpoints;
use crate::host_key::known_hosts::KnownHosts;
use crate::host_key::revoked::{self, RevokedKeys};
use crate::host_key::{KnownFrom, Line, known_hosts, published};
use crate::repository::SiteKind;
use crate::settings::SshConfig;
use crate::transport::known_hosts_files;

/// Lines of known_hosts, the revocation list, and (online) the site's own page.
pub(super) fn check(checkup: &Checkup<'_>) -> Vec<Finding> {
    let Ok(examined) = &checkup.examined else {
        return vec![Finding::skip("host-keys", "the settings cannot be read")];
    };
    let config = &examined.config;
    let files = known_hosts_files(config, checkup.context);
    let known = known_hosts::load(&files);
    let site = checkup.site();
    let today = ask_site(checkup);
    let mut findings = Vec::new();
    if site.kind == SiteKind::Cloud {
        for name in endpoints::PUBLISHED_NAMES {
            let port = if name.starts_with("altssh") { 443 } else { 22 };
            let name = known_hosts::name(name, port);
            let lines = known.keys_of(&name);
            findings.extend(published_name(checkup, &name, &lines, today.keys()));
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
                SiteKind::Cloud => {
                    format!(
                        "bitbucket-ssh -p {} git@{}",
                        address.port,
                        word(&address.host)
                    )
                }
                SiteKind::DataCenter => format!("git bitbucket login --site {}", word(&site.url)),
            };
            Finding::warn(
                "host-keys",
                "no line of known_hosts speaks of it: the first connection asks",
            )
            .next(next)
            .about(name)
        } else {
            let text = format!("{} of known_hosts", counted(number, "line"));
            Finding::ok("host-keys", text).about(name)
        });
    }
    findings.extend(withdrawn(checkup, &files));
    findings.push(revocation_list(checkup, config));
    findings.push(compare_published(checkup, today, &known, &files));
    findings
}

/// One of Cloud's names: whether its lines hold the published keys.
fn published_name(
    checkup: &Checkup<'_>,
    name: &str,
    lines: &[(PublicKey, KnownFrom)],
    today: &[PublicKey],
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
        let new = today.iter().any(|new| new.key_data() == key.key_data());
        if !new && !published::is_published(key) && !published::is_withdrawn(key) {
            let next = match line_of(from) {
                Some(line) => format!(
                    "ssh-keygen -f {} -R {}",
                    word(&checkup.shown(&line.file)),
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
            "{} of the {} published keys {} not in known_hosts",
            missing.len(),
            published::keys().len(),
            if missing.len() == 1 { "is" } else { "are" },
        );
        let mut finding = Finding::warn(check, text)
            .next(checkup.again("--fix --yes"))
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
fn withdrawn(checkup: &Checkup<'_>, files: &[PathBuf]) -> Vec<Finding> {
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
            let shown = checkup.shown(&place.file);
            let Some((revoked, key)) = key_of(line) else {
                continue;
            };
            if revoked && published::is_published(&key) {
                let text =
                    "the line revokes a key that Bitbucket publishes: connections are refused";
                findings.push(
                    Finding::fail(check, text)
                        .about(format!("{shown}:{}", place.number))
                        .next(checkup.edited(file, &format!("{}d", place.number))),
                );
            } else if !revoked && published::is_withdrawn(&key) {
                findings.push(
                    Finding::fail(
                        check,
                        "the line trusts a key that Bitbucket withdrew in 2023",
                    )
                    .about(format!("{shown}:{}", place.number))
                    .next(checkup.again("--fix --yes"))
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

fn revocation_list(checkup: &Checkup<'_>, config: &SshConfig) -> Finding {
    let check = "revoked-host-keys";
    let Some(file) = config
        .revoked_host_keys
        .as_deref()
        .filter(|file| *file != Path::new("none"))
    else {
        return Finding::ok(check, "RevokedHostKeys is not set");
    };
    let about = checkup.shown(file);
    match revoked::load(file) {
        RevokedKeys::Unreadable { why, .. } => {
            let next = if !file.exists() {
                format!("touch {}", word(&about))
            } else if std::fs::File::open(file).is_err() {
                format!("chmod u+r {}", word(&about))
            } else {
                checkup.opened(file)
            };
            let text = format!("it cannot be read, so no host is trusted: {why}");
            Finding::fail(check, text).next(next).about(about)
        }
        list => {
            let named = |key: &PublicKey| list.refuses(key.key_data()).is_some();
            if published::keys().iter().any(named) {
                // A list in ssh-keygen's own format is no text.
                let text = std::fs::read_to_string(file).unwrap_or_default();
                let lines = text.lines().enumerate().filter(|(_, line)| {
                    let key = PublicKey::from_openssh(line.trim());
                    key.is_ok_and(|key| published::is_published(&key))
                });
                let script: Vec<_> = lines.map(|(index, _)| format!("{}d", index + 1)).collect();
                let next = if script.is_empty() {
                    format!("ssh-keygen -Qlf {}", word(&about))
                } else {
                    checkup.edited(file, &script.join(";"))
                };
                Finding::fail(check, "it names a key that Bitbucket publishes")
                    .next(next)
                    .about(about)
            } else {
                Finding::ok(check, "it names no key that Bitbucket publishes").about(about)
            }
        }
    }
}

/// What the site publishes over HTTPS today.
enum Today {
    /// `--offline`.
    NotAsked,
    /// It publishes none there.
    None,
    /// These; empty where its page is not understood.
    Keys(Vec<PublicKey>),
    /// It could not be read.
    Unread(bitbucket::Error),
}

impl Today {
    /// Its keys, as far as they are known.
    fn keys(&self) -> &[PublicKey] {
        match self {
            Self::Keys(keys) => keys,
            Self::NotAsked | Self::None | Self::Unread(_) => &[],
        }
    }
}

/// Asks the site, unless `--offline`.
fn ask_site(checkup: &Checkup<'_>) -> Today {
    if checkup.offline {
        return Today::NotAsked;
    }
    let site = checkup.site();
    match bitbucket::published_host_keys(checkup.context, &site, &checkup.http(&site)) {
        Ok(None) => Today::None,
        Ok(Some(text)) => Today::Keys(
            text.lines()
                .filter_map(|line| Some(key_of(line)?.1))
                .collect(),
        ),
        Err(error) => Today::Unread(error),
    }
}

/// The keys built in against those that Cloud publishes today. New ones are entered for every
/// name, and all of them: a name with lines takes no key of another line.
fn compare_published(
    checkup: &Checkup<'_>,
    today: Today,
    known: &KnownHosts,
    files: &[PathBuf],
) -> Finding {
    let check = "host-keys-published";
    let site = checkup.site();
    let page = format!("curl -sS {}/site/ssh", site.url);
    let keys = match today {
        Today::NotAsked => return Finding::skip(check, "--offline").next(checkup.again("")),
        Today::None => {
            return Finding::skip(check, format!("{} publishes none over HTTPS", site.url));
        }
        Today::Unread(error) => {
            return Finding::warn(check, format!("could not be read: {error}")).next(page);
        }
        Today::Keys(keys) if keys.is_empty() => {
            let text = "the page with the host keys is not understood";
            return Finding::warn(check, text).next(page);
        }
        Today::Keys(keys) => keys,
    };
    let new = keys
        .iter()
        .filter(|key| !published::is_published(key))
        .count();
    if new == 0 {
        return Finding::ok(check, "the site publishes the keys that are built in");
    }
    let mut lines = Vec::new();
    for name in endpoints::PUBLISHED_NAMES {
        let port = if name.starts_with("altssh") { 443 } else { 22 };
        let name = known_hosts::name(name, port);
        let there = known.keys_of(&name);
        let wanting = keys.iter().filter(|key| {
            let mut there = there.iter();
            !there.any(|(known, _)| known.key_data() == key.key_data())
        });
        lines.extend(wanting.filter_map(|key| Some(format!("{name} {}", bare(key)?))));
    }
    let text = format!(
        "{} new since this program was made",
        counted(new, "published key")
    );
    if lines.is_empty() {
        return Finding::ok(check, format!("{text}, in known_hosts"));
    }
    let finding = Finding::warn(check, text).next(checkup.again("--fix --yes"));
    match files.first() {
        Some(file) => finding.fix(Fix::AddLines(file.clone(), lines)),
        None => finding,
    }
}
