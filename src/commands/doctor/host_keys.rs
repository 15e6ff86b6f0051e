//! Host keys: known_hosts against the published keys, revoked ones, and what the site publishes
//! today.

use std::path::{Path, PathBuf};

use ssh_key::PublicKey;

use super::checkup::{Checkup, ssh_login, word};
use super::finding::Finding;
use super::fix::Fix;
use crate::bitbucket;
use crate::commands::resolve::Resolved;
use crate::connection::resolve::PUBLISHED_NAMES;
use crate::host_key::known_hosts::KnownHosts;
use crate::host_key::revocation::{self, RevokedKeys};
use crate::host_key::{KnownFrom, known_hosts, published};
use crate::repository::{SiteKind, SshHost};
use crate::settings::SshConfig;
use crate::text::counted;
use crate::transport::known_hosts_files;

/// Compares known_hosts, the revocation list and (online) the site's own page with the built-in
/// keys.
pub(super) fn check(checkup: &Checkup<'_>, resolved: &Resolved) -> Vec<Finding> {
    let config = &resolved.config;
    let files = known_hosts_files(config, checkup.context);
    let known = known_hosts::load(&files);
    let today = Today::ask(checkup);
    let mut findings = Vec::new();
    if checkup.site().kind == SiteKind::Cloud {
        for name in cloud_names() {
            findings.extend(published_name(checkup, &name, &known, today.keys()));
        }
    }
    for endpoint in &resolved.target.route.endpoints {
        if !endpoint.published {
            let alias = config.host_keys.host_key_alias.as_deref();
            findings.push(other_endpoint(checkup, &endpoint.address, alias, &known));
        }
    }
    findings.extend(withdrawn(checkup, &files));
    findings.push(revocation_list(checkup, config));
    findings.push(new_keys(checkup, today, &known, &files));
    findings
}

/// Cloud's host names as known_hosts spells them.
fn cloud_names() -> impl Iterator<Item = String> {
    PUBLISHED_NAMES.into_iter().map(|name| {
        let port = if name.starts_with("altssh") { 443 } else { 22 };
        known_hosts::name(name, port)
    })
}

/// Whether the key is one of these.
fn holds<'k>(keys: impl IntoIterator<Item = &'k PublicKey>, key: &PublicKey) -> bool {
    let mut keys = keys.into_iter();
    keys.any(|one| one.key_data() == key.key_data())
}

/// A line of known_hosts for a name.
fn line_for(name: &str, key: &PublicKey) -> Option<String> {
    let text = key.to_openssh().ok()?;
    let bare: Vec<_> = text.split(' ').take(2).collect();
    Some(format!("{name} {}", bare.join(" ")))
}

/// Whether the lines for one of Cloud's host names hold the published keys.
fn published_name(
    checkup: &Checkup<'_>,
    name: &str,
    known: &KnownHosts,
    today: &[PublicKey],
) -> Vec<Finding> {
    let check = "host-keys";
    let lines = known.keys_of(name);
    if lines.is_empty() {
        let text = "not in known_hosts; the built-in keys are used";
        return vec![Finding::ok(check, text).about(name)];
    }
    let file_of = |from: &KnownFrom| match from {
        KnownFrom::Line(line) => Some(line.file.clone()),
        KnownFrom::Authority(_) | KnownFrom::Published | KnownFrom::Site => None,
    };
    let mut findings = Vec::new();
    for (key, from) in &lines {
        if holds(today, key) || published::is_published(key) || published::is_withdrawn(key) {
            continue;
        }
        let file = file_of(from).map(|file| format!("-f {} ", word(&checkup.shown(&file))));
        let next = format!("ssh-keygen {}-R {}", file.unwrap_or_default(), word(name));
        let text = format!("{from} has a key that Bitbucket does not publish, so connections fail");
        findings.push(Finding::fail(check, text).next(next).about(name));
    }
    if !findings.is_empty() {
        return findings;
    }
    let missing: Vec<_> = published::keys()
        .iter()
        .filter(|key| !holds(lines.iter().map(|(known, _)| known), key))
        .collect();
    if missing.is_empty() {
        return vec![Finding::ok(check, "known_hosts has the published keys").about(name)];
    }
    let text = format!(
        "{} of the {} published keys {} not in known_hosts",
        missing.len(),
        published::keys().len(),
        if missing.len() == 1 { "is" } else { "are" },
    );
    let new = missing.into_iter().filter_map(|key| line_for(name, key));
    let file = lines.iter().find_map(|(_, from)| file_of(from));
    let mut finding = Finding::warn(check, text).next(checkup.again("--fix --yes"));
    finding.fix = file.map(|file| Fix::AddLines(file, new.collect()));
    vec![finding.about(name)]
}

/// An endpoint whose keys are not published.
fn other_endpoint(
    checkup: &Checkup<'_>,
    address: &SshHost,
    alias: Option<&str>,
    known: &KnownHosts,
) -> Finding {
    let check = "host-keys";
    let (name, _) = known_hosts::names(alias, &address.host, address.port, false);
    let lines = known.keys_of(&name).len();
    if lines > 0 {
        let text = format!("{} in known_hosts", counted(lines, "line"));
        return Finding::ok(check, text).about(name);
    }
    let site = checkup.site();
    let next = match site.kind {
        SiteKind::Cloud => ssh_login(address),
        SiteKind::DataCenter => format!("git bitbucket login --site {}", word(&site.url)),
    };
    let text = "not in known_hosts, so the first connection will ask";
    Finding::warn(check, text).next(next).about(name)
}

/// Lines for any host that trust a key that Bitbucket withdrew in 2023, or revoke a published one.
fn withdrawn(checkup: &Checkup<'_>, files: &[PathBuf]) -> Vec<Finding> {
    let check = "host-keys-revoked";
    let mut findings = Vec::new();
    for file in files {
        let text = crate::storage::read_file(file).unwrap_or_default();
        for (index, line) in String::from_utf8_lossy(&text).lines().enumerate() {
            let Some((revoked, key)) = key_of(line) else {
                continue;
            };
            let number = index + 1;
            let finding = if revoked && published::is_published(&key) {
                let text = "this line revokes a key that Bitbucket publishes, so connections fail";
                Finding::fail(check, text).next(checkup.edited(file, &format!("{number}d")))
            } else if !revoked && published::is_withdrawn(&key) {
                let text = "this line trusts a key that Bitbucket withdrew in 2023";
                Finding::fail(check, text)
                    .next(checkup.again("--fix --yes"))
                    .fix(Fix::RemoveLine(file.clone(), line.to_owned()))
            } else {
                continue;
            };
            findings.push(finding.about(format!("{}:{number}", checkup.shown(file))));
        }
    }
    if findings.is_empty() {
        let text = "no withdrawn keys in known_hosts";
        findings.push(Finding::ok(check, text));
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

/// ssh_config's RevokedHostKeys: readable, and without a published key.
fn revocation_list(checkup: &Checkup<'_>, config: &SshConfig) -> Finding {
    let check = "revoked-host-keys";
    let file = config.host_keys.revoked_host_keys.as_deref();
    let Some(file) = file.filter(|file| *file != Path::new("none")) else {
        return Finding::ok(check, "RevokedHostKeys is not set");
    };
    let about = checkup.shown(file);
    let list = revocation::load(file);
    let finding = if let RevokedKeys::Unreadable { why, .. } = &list {
        let next = if !file.exists() {
            format!("touch {}", word(&about))
        } else if crate::storage::read_file(file).is_err() {
            format!("chmod u+r {}", word(&about))
        } else {
            checkup.opened(file)
        };
        let text = format!("cannot be read, so no host is trusted: {why}");
        Finding::fail(check, text).next(next)
    } else if published::keys()
        .iter()
        .any(|key| list.refuses(key.key_data()).is_some())
    {
        // A list in ssh-keygen's own format (KRL) is no text.
        let text = crate::storage::read_text(file).unwrap_or_default();
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
        Finding::fail(check, "revokes a key that Bitbucket publishes").next(next)
    } else {
        Finding::ok(check, "revokes no key that Bitbucket publishes")
    };
    finding.about(about)
}

/// What the site publishes over HTTPS today.
enum Today {
    /// `--offline`.
    NotAsked,
    /// It does not publish its keys there.
    None,
    /// These; empty if the format of its page is unknown.
    Keys(Vec<PublicKey>),
    /// It could not be read.
    Unread(bitbucket::Error),
}

impl Today {
    /// Asks the site, unless `--offline`.
    fn ask(checkup: &Checkup<'_>) -> Self {
        if checkup.offline {
            return Self::NotAsked;
        }
        let site = checkup.site();
        match bitbucket::published_host_keys(checkup.context, &site, &checkup.http(&site)) {
            Ok(None) => Self::None,
            Ok(Some(text)) => {
                let keys = text.lines().filter_map(|line| Some(key_of(line)?.1));
                Self::Keys(keys.collect())
            }
            Err(error) => Self::Unread(error),
        }
    }

    /// The published keys, if they could be read.
    fn keys(&self) -> &[PublicKey] {
        match self {
            Self::Keys(keys) => keys,
            Self::NotAsked | Self::None | Self::Unread(_) => &[],
        }
    }
}

/// The keys that Cloud publishes today and this program does not have built in. `--fix` enters all
/// published keys for every host name: a host name that has lines uses no built-in keys.
fn new_keys(checkup: &Checkup<'_>, today: Today, known: &KnownHosts, files: &[PathBuf]) -> Finding {
    let check = "host-keys-published";
    let url = checkup.site().url;
    let page = format!("curl -sS {url}/site/ssh");
    let keys = match today {
        Today::NotAsked => return Finding::skip(check, "--offline").next(checkup.again("")),
        Today::None => {
            return Finding::skip(
                check,
                format!("{url} does not publish its host keys over HTTPS"),
            );
        }
        Today::Unread(error) => {
            return Finding::warn(check, format!("could not be read: {error}")).next(page);
        }
        Today::Keys(keys) if keys.is_empty() => {
            let text = "the format of the site's host key page is unknown";
            return Finding::warn(check, text).next(page);
        }
        Today::Keys(keys) => keys,
    };
    let new = keys.iter().filter(|key| !published::is_published(key));
    let new = new.count();
    if new == 0 {
        return Finding::ok(check, "the site publishes the built-in keys");
    }
    let mut lines = Vec::new();
    for name in cloud_names() {
        let there = known.keys_of(&name);
        let missing = keys
            .iter()
            .filter(|key| !holds(there.iter().map(|(known, _)| known), key));
        lines.extend(missing.filter_map(|key| line_for(&name, key)));
    }
    let text = format!(
        "{} newer than this version of bitbucket-ssh",
        counted(new, "published key")
    );
    if lines.is_empty() {
        return Finding::ok(check, format!("{text}, already in known_hosts"));
    }
    let mut finding = Finding::warn(check, text).next(checkup.again("--fix --yes"));
    finding.fix = files.first().map(|file| Fix::AddLines(file.clone(), lines));
    finding
}
