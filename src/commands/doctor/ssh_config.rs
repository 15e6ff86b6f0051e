//! ssh_config for the site's hosts: whether ssh can read it, aliases, and host names that a block
//! leaves out.

use std::path::{Path, PathBuf};

use super::checkup::{Checkup, word};
use super::finding::Finding;
use crate::commands::ssh_blocks::{Block, blocks};
use crate::repository::SshUrl;
use crate::settings::ssh_config::{self, UnreadFile};
use crate::settings::{GitConfig, SshConfig, TransportKind};
use crate::ssh_command::{self, Invocation, options};
use crate::text::counted;
use crate::transport::system_ssh;

/// Errors in ssh's own words, unsupported options, aliases, and host names without settings.
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
            // A mistake that affects every host is reported once.
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
    let unread = read
        .iter()
        .find_map(|(_, config)| config.unsupported.unread_file.as_ref());
    if let Some(UnreadFile { file, why }) = unread {
        let why = why.as_deref().unwrap_or("no ssh is installed");
        let file = checkup.context.shown(file);
        findings.push(Finding::warn(check, format!("{file} is not read: {why}")));
    }
    if findings.is_empty() {
        let text = format!("readable for {}", counted(read.len(), "host name"));
        findings.push(Finding::ok(check, text));
    }
    findings.extend(skipped(checkup, &read));
    let file = checkup.ssh_config_file();
    let text = file.and_then(|file| crate::storage::read_text(&file).ok());
    let blocks = blocks(&text.unwrap_or_default());
    findings.extend(aliases(checkup, &blocks, &read));
    findings.extend(left_out(checkup, &blocks, &read));
    findings
}

fn load(checkup: &Checkup<'_>, host: &str) -> Result<SshConfig, String> {
    let request = match ssh_command::parse(vec![format!("git@{host}").into()]) {
        Ok(Invocation::Native(request)) => request,
        Ok(_) => return Err("not a host name to connect to".to_owned()),
        Err(error) => return Err(error.to_string()),
    };
    let ssh = system_ssh::find(checkup.context);
    ssh_config::load(&request, checkup.context, ssh.as_deref())
        .map_err(|error| error.to_string().trim().replace('\n', "; "))
}

/// Directives with which the system's ssh carries every connection, and those that the native
/// transport does not follow: the machine's own file has some, so they are listed and no more.
fn skipped(checkup: &Checkup<'_>, read: &[(&str, SshConfig)]) -> Vec<Finding> {
    let check = "ssh-config-options";
    let transport = checkup.settings().map(|settings| settings.transport.value);
    let mut findings = Vec::new();
    let mut ignored: Vec<&str> = Vec::new();
    for (host, config) in read {
        if let Some(directive) = &config.unsupported.needs_system_ssh {
            let text = format!("{directive}: every connection uses the system's ssh");
            let finding = if transport == Some(TransportKind::OpenSsh) {
                Finding::ok(check, format!("{text}, as set by bitbucket.transport"))
            } else {
                // Set explicitly, it is no surprise any more.
                let next = "git config --global bitbucket.transport openssh";
                Finding::warn(check, text).next(next)
            };
            findings.push(finding.about(*host));
        }
        for directive in &config.unsupported.ignored {
            if !ignored.contains(&directive.as_str()) {
                ignored.push(directive);
            }
        }
    }
    if findings.is_empty() {
        let text = match ignored.join(", ") {
            none if none.is_empty() => "every option for these hosts is supported".to_owned(),
            ignored => format!("not supported by the native transport: {ignored}"),
        };
        findings.push(Finding::ok(check, text));
    }
    findings
}

/// Names that lead to a site's host by another name. Where the remotes of this repository already
/// name a Bitbucket host and no alias, there is nothing to do.
fn aliases(checkup: &Checkup<'_>, blocks: &[Block], read: &[(&str, SshConfig)]) -> Vec<Finding> {
    let check = "ssh-config-aliases";
    let is_host = |name: &str| read.iter().any(|(host, _)| host.eq_ignore_ascii_case(name));
    let remotes = checkup.git_config.as_ref().map(GitConfig::remotes);
    let remotes = remotes.unwrap_or_default();
    let parsed = || remotes.iter().filter_map(|(_, url)| SshUrl::parse(url));
    let of_remotes = || parsed().map(|url| url.host);
    let canonical = of_remotes().any(|host| is_host(&host) || host == "bitbucket.org");
    let mut findings = Vec::new();
    for block in blocks {
        let Some(leads_to) = block.value("hostname").filter(|host| is_host(host)) else {
            continue;
        };
        for name in block.names().filter(|name| !is_host(name)) {
            let used = of_remotes().any(|host| host.eq_ignore_ascii_case(name));
            let finding = if used || !canonical {
                let text =
                    format!("alias for {leads_to}; accounts can be selected without aliases");
                Finding::warn(check, text).next("git bitbucket migrate")
            } else {
                let text = format!("alias for {leads_to}; no remote of this repository uses it");
                Finding::ok(check, text)
            };
            findings.push(finding.about(name));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(check, "no aliases for Bitbucket hosts"));
    }
    findings
}

/// Cloud has three host names: settings for one of them do not apply to the others.
fn left_out(
    checkup: &Checkup<'_>,
    blocks: &[Block],
    read: &[(&str, SshConfig)],
) -> Option<Finding> {
    let check = "ssh-config-hosts";
    let settings = |config: &SshConfig| {
        let proxy = config
            .endpoint
            .proxy_command
            .as_ref()
            .or(config.endpoint.proxy_jump.as_ref());
        let proxy = proxy.cloned();
        (
            config.identities.identity_files.clone(),
            proxy,
            config.endpoint.user.clone(),
        )
    };
    let site = checkup.site();
    let of_site = read
        .iter()
        .filter(|(host, _)| site.ssh_hosts.iter().any(|place| place.host == *host));
    let of_site: Vec<_> = of_site.collect();
    let [(first, config), others @ ..] = of_site.as_slice() else {
        return None;
    };
    let others = others
        .iter()
        .filter(|(_, other)| settings(other) != settings(config));
    let others: Vec<_> = others.map(|(host, _)| *host).collect();
    if others.is_empty() {
        let text = "same settings for all of the site's host names";
        return Some(Finding::ok(check, text));
    }
    let others = others.join(", ");
    let text = format!("different settings for {first} than for {others}");
    let hosts: Vec<_> = of_site.iter().map(|(host, _)| *host).collect();
    let next = name_all(checkup, &hosts, blocks);
    Some(Finding::warn(check, text).next(next))
}

/// The line that extends the one block that names some of the site's hosts to all of them; where
/// there are several such blocks, the editor.
fn name_all(checkup: &Checkup<'_>, hosts: &[&str], blocks: &[Block]) -> String {
    let file = checkup.ssh_config_file().unwrap_or_default();
    let mut partial = blocks.iter().filter_map(|block| {
        let is_missing = |host: &&&str| {
            let mut patterns = block.patterns.iter();
            !patterns.any(|pattern| pattern.eq_ignore_ascii_case(host))
        };
        let missing: Vec<&str> = hosts.iter().filter(is_missing).copied().collect();
        let some = missing.len() < hosts.len() && !missing.is_empty();
        some.then_some((block.line, missing))
    });
    match (partial.next(), partial.next()) {
        (Some((line, missing)), None) => {
            checkup.edited(&file, &format!("{line}s/$/ {}/", missing.join(" ")))
        }
        _ => checkup.opened(&file),
    }
}

/// The line of shell after which ssh reads the file. `None`: ssh names no file, or no line of it.
pub(super) fn remedy(checkup: &Checkup<'_>, message: &str) -> Option<String> {
    if let Some(file) = message.split("Bad owner or permissions on ").nth(1) {
        let file = PathBuf::from(file.split(';').next()?.trim());
        return Some(format!("chmod 600 {}", word(&checkup.shown(&file))));
    }
    let (file, number, option) = place(message)?;
    let text = crate::storage::read_text(&file).ok()?;
    let line = text.lines().nth(number.checked_sub(1)?)?;
    let script = option
        .and_then(|option| {
            let at = line
                .to_ascii_lowercase()
                .find(&option.to_ascii_lowercase())?;
            let written = &line[at..at + option.len()];
            Some(format!("{number}s/{written}/{}/", options::meant(written)?))
        })
        .unwrap_or_else(|| format!("{number}s/^/#/"));
    Some(checkup.edited(&file, &script))
}

/// `FILE: line N: Bad configuration option: WORD`, or `FILE line N: …` of other mistakes.
fn place(message: &str) -> Option<(PathBuf, usize, Option<&str>)> {
    let message = message.split([';', '\n']).next()?;
    let (file, rest) = message.split_once(" line ")?;
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
            ("IdentityOnly", Some("IdentitiesOnly"), "the singular"),
            ("Hots", Some("Host"), "a short one"),
            ("Colour", None, "nothing is near"),
        ] {
            assert_eq!(options::meant(written), expected, "{why}");
        }
    }

    #[test]
    fn ssh_names_file_line_and_option() {
        for (message, expected) in [
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
            let found = place(message);
            let found = found
                .as_ref()
                .map(|(file, line, option)| (file.to_str().expect("text"), *line, *option));
            assert_eq!(found, expected, "{message}");
        }
    }
}
