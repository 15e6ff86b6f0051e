//! The changes that a migration makes, and what it leaves. Pure.

use crate::commands::ssh_blocks::Block;
use crate::repository::{Repository, Site, SiteKind, SshUrl};

/// What was found.
pub(super) struct Found<'a> {
    /// Every site that is known.
    pub(super) sites: &'a [Site],
    /// `remote.NAME.url` and `.pushurl` as written in the repository's file.
    pub(super) remotes: Vec<(String, String)>,
    /// Its core.sshCommand.
    pub(super) ssh_command: Option<String>,
    /// `~/.ssh/config`.
    pub(super) blocks: &'a [Block],
    /// `includeIf.…` of the user's configuration.
    pub(super) includes: Vec<(String, String)>,
    /// Whether bitbucket-ssh is git's SSH program outside this repository.
    pub(super) set_up: bool,
    /// Whether a key file exists.
    pub(super) exists: &'a dyn Fn(&str) -> bool,
}

/// One change of the repository's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Replaces a URL.
    Url {
        /// `remote.NAME.url`.
        key: String,
        /// The present URL.
        old: String,
        /// The canonical one.
        new: String,
    },
    /// Adds a `bitbucket.*` setting.
    Set {
        /// The key.
        key: String,
        /// Its value.
        value: String,
    },
    /// Removes a value.
    Unset {
        /// The key.
        key: String,
        /// The present value.
        old: String,
    },
}

impl Step {
    /// Before and after.
    pub(super) fn words(&self) -> Vec<String> {
        match self {
            Self::Url { key, old, new } => vec![format!("{key}: {old} -> {new}")],
            Self::Set { key, value } => vec![format!("{key}: + {value}")],
            Self::Unset { key, old } => vec![format!("{key}: {old} -> (not set)")],
        }
    }
}

/// The changes, and what stays as it is, each with the reason.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// In order.
    pub(super) steps: Vec<Step>,
    /// One line each.
    pub(super) left: Vec<String>,
}

/// Remotes first, then core.sshCommand; includeIf is only reported.
pub(super) fn plan(found: &Found<'_>) -> Plan {
    let mut plan = Plan::default();
    let mut on_bitbucket = false;
    for (key, url) in &found.remotes {
        if let Some(target) = target(found, url) {
            on_bitbucket = true;
            of_remote(found, key, url, &target, &mut plan);
        }
    }
    if let Some(command) = &found.ssh_command {
        of_command(found, command, on_bitbucket, &mut plan);
    }
    for (key, file) in &found.includes {
        plan.left.push(format!(
            "{key} = {file}: if it selects a key, use `git bitbucket use ACCOUNT --workspace WS` instead"
        ));
    }
    plan
}

/// A remote on a Bitbucket site, also by an alias of its host.
struct Target<'a> {
    repository: Repository,
    site: &'a Site,
    user: String,
    /// The block of ssh_config whose alias the URL has.
    alias: Option<&'a Block>,
}

fn target<'a>(found: &Found<'a>, url: &str) -> Option<Target<'a>> {
    let ssh = SshUrl::parse(url)?;
    let alias = found.blocks.iter().find(|block| {
        block.names().any(|name| name == ssh.host.as_str())
            && block
                .value("hostname")
                .is_some_and(|real| !real.eq_ignore_ascii_case(&ssh.host))
    });
    let option = |key: &str| alias.and_then(|block| block.value(key));
    let host = option("hostname").unwrap_or(&ssh.host);
    let port = match ssh.port {
        None => option("port").and_then(|port| port.parse().ok()),
        typed => typed,
    };
    let repository = ssh.with_host(host, port).repository(found.sites)?;
    let site = found
        .sites
        .iter()
        .find(|site| site.url == repository.site)?;
    Some(Target {
        repository,
        site,
        user: ssh
            .user
            .as_deref()
            .or(option("user"))
            .unwrap_or("git")
            .to_owned(),
        alias,
    })
}

fn of_remote(found: &Found<'_>, key: &str, url: &str, target: &Target<'_>, plan: &mut Plan) {
    let old_host = crate::commands::doctor::names_the_old_host(url);
    if target.alias.is_none() && !old_host {
        return;
    }
    let new = canonical(target);
    let file = target.alias.and_then(|block| block.value("identityfile"));
    if let Some(file) = file {
        if !(found.exists)(file) {
            plan.left.push(format!(
                "{key} = {url}: its alias names {file}, which does not exist"
            ));
            return;
        }
        let set = Step::Set {
            key: format!("bitbucket.{}.identityFile", target.repository.web_url()),
            value: file.to_owned(),
        };
        if !plan.steps.contains(&set) {
            plan.steps.push(set);
        }
    }
    plan.steps.push(Step::Url {
        key: key.to_owned(),
        old: url.to_owned(),
        new,
    });
}

/// Cloud's SSH host, or the first of a Data Center.
fn canonical(target: &Target<'_>) -> String {
    let Target {
        repository, user, ..
    } = target;
    match (target.site.kind, target.site.ssh_hosts.first()) {
        (SiteKind::DataCenter, Some(place)) => {
            format!("ssh://{user}@{place}/{repository}.git")
        }
        _ => format!("{user}@ssh.bitbucket.org:{repository}.git"),
    }
}

/// `ssh -i FILE`, with or without IdentitiesOnly, becomes the setting; everything else is reported.
fn of_command(found: &Found<'_>, command: &str, on_bitbucket: bool, plan: &mut Plan) {
    let Some(file) = key_of(command) else {
        let is_ssh = command
            .split_whitespace()
            .next()
            .is_some_and(|word| word.ends_with("ssh") && !word.ends_with("bitbucket-ssh"));
        if is_ssh {
            plan.left.push(format!(
                "core.sshCommand = {command}: it sets more than a key file"
            ));
        }
        return;
    };
    let why = if !on_bitbucket {
        "no remote of this repository is on Bitbucket"
    } else if !found.set_up {
        "bitbucket-ssh is not git's SSH program yet: git bitbucket setup"
    } else if !(found.exists)(&file) {
        "the key file does not exist"
    } else {
        plan.steps.push(Step::Set {
            key: "bitbucket.identityFile".to_owned(),
            value: file,
        });
        plan.steps.push(Step::Unset {
            key: "core.sshCommand".to_owned(),
            old: command.to_owned(),
        });
        return;
    };
    plan.left
        .push(format!("core.sshCommand = {command}: {why}"));
}

/// The key file of a command that sets nothing else. Commands with quotes or other characters of
/// the shell are not parsed.
fn key_of(command: &str) -> Option<String> {
    if command.contains(['\'', '"', '\\', '$', '`', ';', '|', '&', '<', '>']) {
        return None;
    }
    let mut words = command.split_whitespace();
    let program = words.next()?;
    if program.rsplit('/').next() != Some("ssh") {
        return None;
    }
    let mut file = None;
    while let Some(word) = words.next() {
        match word {
            "-i" if file.is_none() => file = Some(words.next()?.to_owned()),
            "-o" if is_identities_only(words.next()?) => {}
            _ if file.is_none() && word.len() > 2 && word.starts_with("-i") => {
                file = Some(word[2..].to_owned());
            }
            _ if word.strip_prefix("-o").is_some_and(is_identities_only) => {}
            _ => return None,
        }
    }
    file
}

fn is_identities_only(option: &str) -> bool {
    let option = option.to_ascii_lowercase();
    option == "identitiesonly=yes"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_a_key_alone_is_turned() {
        for (command, expected) in [
            ("ssh -i ~/.ssh/work", Some("~/.ssh/work")),
            ("/usr/bin/ssh -i/k -o IdentitiesOnly=yes", Some("/k")),
            ("ssh -oIdentitiesOnly=yes -i k", Some("k")),
            ("ssh -i k -v", None),
            ("ssh -i k -o ProxyJump=x", None),
            ("ssh -i 'a b'", None),
            ("ssh -i k -i l", None),
            ("ssh -i k; rm x", None),
            ("bitbucket-ssh --account a", None),
            ("ssh", None),
        ] {
            assert_eq!(key_of(command).as_deref(), expected, "{command}");
        }
    }
}
