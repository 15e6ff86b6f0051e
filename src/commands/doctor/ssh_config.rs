//! ssh_config for the site's hosts: whether ssh can read it, aliases, and host names that a block
//! leaves out.

use std::path::{Path, PathBuf};

use super::checkup::{Checkup, word};
use super::finding::{Finding, counted};
use super::git::host_of;
use crate::commands::ssh_blocks::{Block, blocks};
use crate::settings::{GitConfig, SshConfig, TransportKind, ssh_config};
use crate::ssh_command::{self, Invocation};
use crate::transport::system;

/// Errors in ssh's own words, options that are passed over, aliases, other host names.
pub(super) fn check(checkup: &Checkup<'_>) -> Vec<Finding> {
    let check = "ssh-config";
    let sites = checkup.sites();
    let mut hosts: Vec<&str> = Vec::new();
    for place in sites.iter().flat_map(|site| &site.ssh_hosts) {
        if !hosts.contains(&place.host.as_str()) {
            hosts.push(&place.host);
        }
    }
    let mut findings: Vec<Finding> = Vec::new();
    let mut read = Vec::new();
    for host in hosts {
        match load(checkup, host) {
            Ok(config) => read.push((host, config)),
            // What is wrong for every host is told once.
            Err(why) if findings.iter().any(|finding| finding.text == why) => {}
            Err(why) => {
                let next = remedy(checkup, &why);
                let next = next.unwrap_or_else(|| format!("ssh -G {}", word(host)));
                findings.push(Finding::fail(check, why).next(next));
            }
        }
    }
    if read.is_empty() {
        return findings;
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            check,
            format!("can be read for {}", counted(read.len(), "host name")),
        ));
    }
    findings.extend(skipped(checkup, &read));
    let file = checkup
        .context
        .ssh_directory()
        .map(|folder| folder.join("config"));
    let text = file
        .as_deref()
        .and_then(|file| std::fs::read_to_string(file).ok());
    let found = blocks(&text.unwrap_or_default());
    findings.extend(aliases(checkup, &found, &read));
    findings.extend(forgotten(checkup, &read, &found));
    findings
}

fn load(checkup: &Checkup<'_>, host: &str) -> Result<SshConfig, String> {
    let request = match ssh_command::parse(vec![format!("git@{host}").into()]) {
        Ok(Invocation::Native(request)) => request,
        Ok(_) => return Err("no host that can be connected to".to_owned()),
        Err(error) => return Err(error.to_string()),
    };
    let ssh = system::find(checkup.context);
    ssh_config::load(&request, checkup.context, ssh.as_deref())
        .map_err(|error| error.to_string().trim().replace('\n', "; "))
}

/// Directives with which the system's ssh carries every connection, and those that the native
/// transport does not follow: the machine's own file has some, so these are told and no more.
fn skipped(checkup: &Checkup<'_>, read: &[(&str, SshConfig)]) -> Vec<Finding> {
    let check = "ssh-config-options";
    let mut findings = Vec::new();
    let mut ignored: Vec<&str> = Vec::new();
    let wanted = checkup
        .examined
        .as_ref()
        .is_ok_and(|examined| examined.ours.settings.transport.value == TransportKind::OpenSsh);
    for (host, config) in read {
        if let Some(directive) = &config.needs_system_ssh {
            let text = format!("{directive}: the system's ssh carries every connection");
            findings.push(if wanted {
                Finding::ok(check, format!("{text}, as bitbucket.transport says")).about(*host)
            } else {
                // Said once more by name, it is a wish and no surprise.
                let next = "git config --global bitbucket.transport openssh";
                Finding::warn(check, text).about(*host).next(next)
            });
        }
        for directive in &config.ignored {
            if !ignored.contains(&directive.as_str()) {
                ignored.push(directive);
            }
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            check,
            if ignored.is_empty() {
                "every option for these hosts is followed".to_owned()
            } else {
                format!(
                    "not followed by the native transport: {}",
                    ignored.join(", ")
                )
            },
        ));
    }
    findings
}

/// Names that lead to a site's host by another name. In a repository of a Bitbucket whose remotes
/// name none of them, nothing is to be done.
fn aliases(checkup: &Checkup<'_>, found: &[Block], read: &[(&str, SshConfig)]) -> Vec<Finding> {
    let check = "ssh-config-aliases";
    let is_host = |name: &str| read.iter().any(|(host, _)| host.eq_ignore_ascii_case(name));
    let remotes = checkup.git_config.as_ref().map(GitConfig::remotes);
    let remotes = remotes.unwrap_or_default();
    let of_remotes = || remotes.iter().filter_map(|(_, url)| host_of(url));
    let canonical = of_remotes().any(|host| is_host(host) || host == "bitbucket.org");
    let mut findings = Vec::new();
    for block in found {
        let Some(leads_to) = block.value("hostname").filter(|host| is_host(host)) else {
            continue;
        };
        for name in block.names().filter(|name| !is_host(name)) {
            let used = of_remotes().any(|host| host.eq_ignore_ascii_case(name));
            findings.push(if used || !canonical {
                let text =
                    format!("leads to {leads_to}; an account can be chosen without an alias");
                let finding = Finding::warn(check, text).about(name);
                finding.next("git bitbucket migrate")
            } else {
                let text = format!("leads to {leads_to}; no remote here names it");
                Finding::ok(check, text).about(name)
            });
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(check, "no host name stands for a Bitbucket"));
    }
    findings
}

/// Cloud has three names: what is said for one is not said for the others.
fn forgotten(checkup: &Checkup<'_>, read: &[(&str, SshConfig)], found: &[Block]) -> Vec<Finding> {
    let check = "ssh-config-hosts";
    let said = |config: &SshConfig| {
        let proxy = config
            .proxy_command
            .clone()
            .or_else(|| config.proxy_jump.clone());
        (config.identity_files.clone(), proxy, config.user.clone())
    };
    let site = checkup.site();
    let mut of_site = read
        .iter()
        .filter(|(host, _)| site.ssh_hosts.iter().any(|place| place.host == *host));
    let Some((first, config)) = of_site.next() else {
        return Vec::new();
    };
    let differing: Vec<_> = of_site
        .filter(|(_, other)| said(other) != said(config))
        .map(|(host, _)| *host)
        .collect();
    if differing.is_empty() {
        return vec![Finding::ok(
            check,
            "the site's host names are treated alike",
        )];
    }
    let next = name_all(checkup, read, found);
    let others = differing.join(", ");
    let text = format!("says something else for {first} than for {others}");
    vec![Finding::warn(check, text).next(next)]
}

/// The line that lets the block of one of the site's host names speak for all of them; where no
/// single block does, the editor.
fn name_all(checkup: &Checkup<'_>, read: &[(&str, SshConfig)], found: &[Block]) -> String {
    let file = checkup
        .context
        .ssh_directory()
        .unwrap_or_default()
        .join("config");
    let names = |block: &Block, host: &str| {
        let mut patterns = block.patterns.iter();
        patterns.any(|pattern| pattern.eq_ignore_ascii_case(host))
    };
    let site = checkup.site();
    let of_site = || {
        let mut hosts: Vec<&str> = site
            .ssh_hosts
            .iter()
            .map(|place| place.host.as_str())
            .collect();
        hosts.retain(|host| read.iter().any(|(known, _)| known == host));
        hosts.dedup();
        hosts
    };
    let mut partial = found.iter().filter_map(|block| {
        let missing: Vec<&str> = of_site()
            .into_iter()
            .filter(|host| !names(block, host))
            .collect();
        let some = missing.len() < of_site().len() && !missing.is_empty();
        some.then_some((block.line, missing))
    });
    match (partial.next(), partial.next()) {
        (Some((line, missing)), None) => {
            checkup.edited(&file, &format!("{line}s/$/ {}/", missing.join(" ")))
        }
        _ => checkup.opened(&file),
    }
}

/// What people write for these hosts (ssh_config(5)).
const OPTIONS: [&str; 42] = [
    "AddKeysToAgent",
    "AddressFamily",
    "BatchMode",
    "BindAddress",
    "CertificateFile",
    "CheckHostIP",
    "Ciphers",
    "Compression",
    "ConnectTimeout",
    "ConnectionAttempts",
    "ControlMaster",
    "ControlPath",
    "ControlPersist",
    "ForwardAgent",
    "GlobalKnownHostsFile",
    "HashKnownHosts",
    "Host",
    "HostKeyAlgorithms",
    "HostKeyAlias",
    "HostName",
    "IdentitiesOnly",
    "IdentityAgent",
    "IdentityFile",
    "IgnoreUnknown",
    "Include",
    "KexAlgorithms",
    "LogLevel",
    "MACs",
    "Match",
    "PasswordAuthentication",
    "Port",
    "PreferredAuthentications",
    "ProxyCommand",
    "ProxyJump",
    "PubkeyAcceptedAlgorithms",
    "PubkeyAuthentication",
    "SendEnv",
    "ServerAliveCountMax",
    "ServerAliveInterval",
    "StrictHostKeyChecking",
    "User",
    "UserKnownHostsFile",
];

/// The line of shell after which ssh reads the file. `None`: ssh names no file, or no line of it.
pub(super) fn remedy(checkup: &Checkup<'_>, said: &str) -> Option<String> {
    if let Some(file) = said.split("Bad owner or permissions on ").nth(1) {
        let file = PathBuf::from(file.split(';').next()?.trim());
        return Some(format!("chmod 600 {}", word(&checkup.shown(&file))));
    }
    let (file, number, option) = place(said)?;
    let text = std::fs::read_to_string(&file).ok()?;
    let line = text.lines().nth(number.checked_sub(1)?)?;
    let script = option
        .and_then(|option| {
            let at = line
                .to_ascii_lowercase()
                .find(&option.to_ascii_lowercase())?;
            let written = &line[at..at + option.len()];
            Some(format!("{number}s/{written}/{}/", selection(written)?))
        })
        .unwrap_or_else(|| format!("{number}s/^/#/"));
    Some(checkup.edited(&file, &script))
}

/// `FILE: line N: Bad configuration option: WORD`, or `FILE line N: …` of other mistakes.
fn place(said: &str) -> Option<(PathBuf, usize, Option<&str>)> {
    let said = said.split([';', '\n']).next()?;
    let (file, rest) = said.split_once(" line ")?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let number = rest[..end].parse().ok()?;
    let option = rest.split("Bad configuration option: ").nth(1);
    let option = option
        .map(str::trim)
        .filter(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    Some((
        Path::new(file.trim_end_matches(':')).to_owned(),
        number,
        option,
    ))
}

/// The option that differs by two letters at most. `None`: none, or several that are as near.
fn selection(written: &str) -> Option<&'static str> {
    let written = written.to_ascii_lowercase();
    let distances = OPTIONS
        .iter()
        .map(|option| (distance(&written, &option.to_ascii_lowercase()), *option));
    let mut near: Vec<_> = distances.filter(|(distance, _)| *distance <= 2).collect();
    near.sort_unstable();
    match near.as_slice() {
        [(_, option)] => Some(option),
        [(first, option), (second, _), ..] if first < second => Some(option),
        _ => None,
    }
}

/// Letters to change, add or leave out (Levenshtein's).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, b) in other.bytes().enumerate() {
            let change = corner + usize::from(a != b);
            corner = row[j + 1];
            row[j + 1] = change.min(corner + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_that_was_meant() {
        for (written, expected, why) in [
            (
                "IdentitiesOnyl",
                Some("IdentitiesOnly"),
                "two letters changed places",
            ),
            ("hostnam", Some("HostName"), "one is missing"),
            ("Hots", Some("Host"), "a short one"),
            ("Colour", None, "nothing is near"),
        ] {
            assert_eq!(selection(written), expected, "{why}");
        }
    }

    #[test]
    fn ssh_names_file_line_and_option() {
        for (said, expected) in [
            (
                "/h/config: line 2: Bad configuration option: identitiesonyl; /h/config: terminating",
                Some(("/h/config", 2, Some("identitiesonyl"))),
            ),
            (
                "/h/config line 7: unsupported option \"maybe\".",
                Some(("/h/config", 7, None)),
            ),
            ("no such host", None),
        ] {
            let found = place(said);
            let found = found
                .as_ref()
                .map(|(file, line, option)| (file.to_str().expect("text"), *line, *option));
            assert_eq!(found, expected, "{said}");
        }
    }
}
