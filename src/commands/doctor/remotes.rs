//! Remotes of the current repository that name the old SSH host.

use super::finding::Finding;
use super::patient::{Patient, word};
use crate::repository::{self, SiteKind};

/// One WARN for each SSH remote on `bitbucket.org`; Cloud's SSH host is `ssh.bitbucket.org`.
pub(super) fn check(patient: &Patient<'_>) -> Vec<Finding> {
    let check = "remotes";
    let Ok(git_config) = &patient.git_config else {
        return vec![Finding::skip(check, "git's configuration cannot be read")];
    };
    if git_config.git_directory().is_none() {
        return vec![Finding::skip(check, "there is no repository here")];
    }
    let sites = patient.sites();
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
            let new = format!("git@ssh.bitbucket.org:{repository}.git");
            findings.push(
                Finding::warn(check, format!("{url} still names bitbucket.org"))
                    .about(name)
                    .next(format!("git remote set-url {} {}", word(name), word(&new))),
            );
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            check,
            format!("{} remotes, none on bitbucket.org", remotes.len()),
        ));
    }
    findings
}

/// An SSH URL whose host is `bitbucket.org` itself.
pub(in crate::commands) fn names_the_old_host(url: &str) -> bool {
    let authority = match url.strip_prefix("ssh://") {
        Some(rest) => rest.split('/').next().unwrap_or_default(),
        None if url.contains("://") => return false,
        None => url.split(':').next().unwrap_or_default(),
    };
    let place = authority.rsplit('@').next().unwrap_or_default();
    let host = place.split(':').next().unwrap_or_default();
    host.eq_ignore_ascii_case("bitbucket.org")
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
