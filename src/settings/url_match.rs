//! Which `<url>` of a setting applies to a repository. Pure.
//!
//! git's own matching (git, urlmatch.c; git-config(1), `http.<url>.*`), used as it is for
//! `http.*`, and with the contract's four differences for `bitbucket.*`: workspace and slug have no
//! case, scheme and user add no specificity, `ssh://` patterns match the site's SSH hosts, and a
//! `.git` at the end is ignored.

use percent_encoding::percent_decode_str;

use crate::repository::{SSH_PORT, Site, SiteKind, SshHost, Url};
use crate::settings::git_config::Entry;

/// How closely a pattern matches: host first, then path. Greater is closer; patterns that are
/// equal here are the same URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Specificity {
    host: usize,
    path: usize,
    user: bool,
}

impl Url {
    /// How closely the pattern matches a URL by git's rules. `None`: not at all.
    pub fn specificity_for(&self, url: &Self) -> Option<Specificity> {
        let user = self.user.is_some();
        if self.scheme != url.scheme || user && self.user != url.user {
            return None;
        }
        self.matches(url, usize::MAX)
            .map(|found| Specificity { user, ..found })
    }

    /// Host, port and path; components of the path from `foldable` on have no case.
    fn matches(&self, url: &Self, foldable: usize) -> Option<Specificity> {
        let fits = self.path.len() <= url.path.len()
            && self
                .path
                .iter()
                .zip(&url.path)
                .enumerate()
                .all(|(at, (mine, its))| {
                    mine == its || at >= foldable && mine.eq_ignore_ascii_case(its)
                });
        (fits && self.port == url.port && host_matches(&self.host, &url.host)).then(|| {
            Specificity {
                host: self.host.len(),
                path: self.path.iter().map(|component| component.len() + 1).sum(),
                user: false,
            }
        })
    }
}

/// What the settings of one repository (or of its site) are matched against.
pub struct Subject {
    web: Url,
    /// With the port, always.
    ssh: Vec<SshHost>,
    /// How many components of the web path are the site's own.
    context: usize,
}

impl Subject {
    /// The web URL of a path below the site ([`crate::repository::Located::path`]; empty: the site
    /// itself), and the SSH hosts of the site. `None` only for a site whose URL is none.
    pub fn new(site: &Site, path: &[String]) -> Option<Self> {
        let mut web = Url::parse(&site.url)?.decoded();
        let context = web.path.len();
        web.path.extend_from_slice(path);
        let mut ssh = site.ssh_hosts.clone();
        if site.kind == SiteKind::Cloud {
            ssh.extend(crate::repository::cloud().ssh_hosts);
        }
        Some(Self { web, ssh, context })
    }

    /// `None`: the pattern does not match it.
    pub fn matched_by(&self, pattern: &Url) -> Option<Specificity> {
        let pattern = pattern.decoded().without_git_suffix(self.context);
        if pattern.scheme == "ssh" {
            self.matched_by_ssh(&pattern)
        } else if pattern.scheme == self.web.scheme && pattern.user.is_none() {
            pattern.matches(&self.web, self.context)
        } else {
            None
        }
    }

    /// Whether the pattern's host could be one of the site's: if it is of no site, somebody has
    /// misspelt it.
    pub fn may_be_meant(site: &Site, pattern: &Url) -> bool {
        let web = Url::parse(&site.url);
        let mut hosts: Vec<String> = web.map(|url| url.host).into_iter().collect();
        hosts.extend(
            site.ssh_hosts
                .iter()
                .map(|address| address.host.to_ascii_lowercase()),
        );
        if site.kind == SiteKind::Cloud {
            let built_in = crate::repository::cloud().ssh_hosts;
            hosts.extend(built_in.into_iter().map(|address| address.host));
        }
        hosts.iter().any(|host| host_matches(&pattern.host, host))
    }

    fn matched_by_ssh(&self, pattern: &Url) -> Option<Specificity> {
        if pattern.user.as_deref().is_some_and(|user| user != "git") {
            return None;
        }
        let path = self.web.path.get(self.context..).unwrap_or_default();
        let found = self.ssh.iter().find_map(|address| {
            let url = Url {
                scheme: "ssh".to_owned(),
                user: None,
                host: address.host.to_ascii_lowercase(),
                port: Some(address.port).filter(|port| *port != SSH_PORT),
                path: path.to_vec(),
            };
            let found = pattern.matches(&url, 0)?;
            // The site's own SSH host counts as much as its web host.
            let host = if pattern.host == url.host {
                self.web.host.len()
            } else {
                found.host
            };
            Some(Specificity { host, ..found })
        })?;
        let context = self.web.path.iter().take(self.context);
        Some(Specificity {
            path: found.path + context.map(|component| component.len() + 1).sum::<usize>(),
            ..found
        })
    }
}

/// Whether the `<url>` of a setting means exactly this path of the site, however it is spelled:
/// case of the path, `ssh://`, a `/` at the end.
pub fn is_exactly(url: &str, site: &Site, path: &[String]) -> bool {
    let Some(subject) = Subject::new(site, path) else {
        return false;
    };
    let own = subject.matched_by(&subject.web);
    Url::parse(url).is_some_and(|pattern| own.is_some() && subject.matched_by(&pattern) == own)
}

impl Url {
    /// With the percent codes of its path decoded, component by component.
    fn decoded(&self) -> Self {
        let decode = |part: &String| percent_decode_str(part).decode_utf8_lossy().into_owned();
        Self {
            path: self.path.iter().map(decode).collect(),
            ..self.clone()
        }
    }

    fn without_git_suffix(&self, context: usize) -> Self {
        let mut pattern = self.clone();
        let slug_at = if self.scheme == "ssh" { 1 } else { context + 1 };
        if let Some(slug) = pattern.path.get_mut(slug_at)
            && let Some(bare) = slug.strip_suffix(".git").filter(|bare| !bare.is_empty())
        {
            *slug = bare.to_owned();
        }
        pattern
    }
}

/// The entry that git would take for `url`: without a `<url>`, or with the closest one; the last
/// of equals.
pub fn most_specific<'e>(entries: impl Iterator<Item = &'e Entry>, url: &str) -> Option<&'e Entry> {
    let url = Url::parse(url)?;
    let mut best: Option<(Option<Specificity>, &Entry)> = None;
    for entry in entries {
        let specificity = match &entry.subsection {
            None => None,
            Some(pattern) => match Url::parse(pattern).and_then(|p| p.specificity_for(&url)) {
                Some(specificity) => Some(specificity),
                None => continue,
            },
        };
        if best.is_none_or(|(before, _)| before <= specificity) {
            best = Some((specificity, entry));
        }
    }
    best.map(|(_, entry)| entry)
}

/// Label by label; `*` matches any one label.
pub fn host_matches(pattern: &str, host: &str) -> bool {
    let mut labels = host.split('.');
    let all = pattern.split('.').all(|wanted| {
        labels
            .next()
            .is_some_and(|label| wanted == "*" && !label.is_empty() || wanted == label)
    });
    all && labels.next().is_none()
}

#[cfg(test)]
mod tests;
