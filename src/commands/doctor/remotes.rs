//! Remotes of the current repository that name the old SSH host.

use super::checkup::{Checkup, word};
use super::finding::{Finding, counted};
use crate::commands::git;
use crate::repository::{self, SiteKind};

/// One WARN for each SSH remote on `bitbucket.org`; Cloud's SSH host is `ssh.bitbucket.org`.
pub(super) fn check(checkup: &Checkup<'_>) -> Vec<Finding> {
    let check = "remotes";
    let Ok(git_config) = &checkup.git_config else {
        return vec![Finding::skip(check, "git's configuration cannot be read")];
    };
    if git_config.git_directory().is_none() {
        return vec![Finding::skip(check, "there is no repository here")];
    }
    let sites = checkup.sites();
    let remotes = git_config.remotes();
    let mut findings = Vec::new();
    for (name, url) in &remotes {
        let Some(repository) = repository::of_url(&sites, url) else {
            continue;
        };
        let cloud = sites
            .iter()
            .any(|site| site.url == repository.site && site.kind == SiteKind::Cloud);
        if cloud && names_the_old_host(url) {
            let next = moved(checkup, name, url, &repository.to_string());
            findings.push(
                Finding::warn(check, format!("{url} still names bitbucket.org"))
                    .about(name)
                    .next(next),
            );
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            check,
            format!(
                "{}, none on bitbucket.org",
                counted(remotes.len(), "remote")
            ),
        ));
    }
    findings
}

/// The line that gives the remote the other host name; among several URLs, this one alone.
fn moved(checkup: &Checkup<'_>, name: &str, url: &str, repository: &str) -> String {
    let values = |variable: &str| {
        let key = format!("remote.{name}.{variable}");
        let found = git::ask(checkup.context, &["config", "--null", "--get-all", &key]);
        let found = found.ok().flatten().unwrap_or_default();
        let found = String::from_utf8_lossy(&found).into_owned();
        let values = found.split_terminator('\0').map(str::to_owned);
        values.collect::<Vec<_>>()
    };
    let for_push = values("pushurl");
    let (option, beside) = if for_push.iter().any(|value| value == url) {
        ("--push ", for_push)
    } else {
        ("", values("url"))
    };
    let address = url.strip_prefix("ssh://").unwrap_or(url);
    let user = address.split_once('@').map_or("git", |(user, _)| user);
    let new = format!("{user}@ssh.bitbucket.org:{repository}.git");
    let line = format!("git remote set-url {option}{} {}", word(name), word(&new));
    if beside.len() > 1 {
        format!("{line} {}", word(url))
    } else {
        line
    }
}

/// An SSH URL whose host is `bitbucket.org` itself.
pub(in crate::commands) fn names_the_old_host(url: &str) -> bool {
    host_of(url).is_some_and(|host| host.eq_ignore_ascii_case("bitbucket.org"))
}

/// The host of an SSH URL, as it is typed. `None`: a URL of another kind.
pub(super) fn host_of(url: &str) -> Option<&str> {
    let authority = match url.strip_prefix("ssh://") {
        Some(rest) => rest.split('/').next()?,
        None if url.contains("://") => return None,
        None => url.split_once(':')?.0,
    };
    let place = authority.rsplit('@').next()?;
    place.split(':').next()
}

#[cfg(test)]
mod tests {
    use super::names_the_old_host;

    #[test]
    fn only_ssh_urls_of_that_host() {
        for (url, expected) in [
            ("git@bitbucket.org:a/b.git", true),
            ("ssh://git@bitbucket.org/a/b", true),
            ("ssh://git@bitbucket.org:22/a/b", true),
            ("git@ssh.bitbucket.org:a/b.git", false),
            ("https://bitbucket.org/a/b", false),
            ("ssh://git@altssh.bitbucket.org:443/a/b", false),
        ] {
            assert_eq!(names_the_old_host(url), expected, "{url}");
        }
    }
}
