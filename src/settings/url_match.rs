//! Which `<url>` of a setting speaks for a repository. Pure.
//!
//! git's own matching (git, urlmatch.c; git-config(1), `http.<url>.*`), used as it is for
//! `http.*`, and with the contract's four differences for `bitbucket.*`: workspace and slug have no
//! case, scheme and user add no specificity, `ssh://` patterns speak for the site's SSH hosts, and
//! a `.git` at the end is nothing.

use std::fmt::Write as _;

use crate::repository::{Repository, Site, SiteKind, SshHost};
use crate::settings::git_config::Entry;

/// How closely a pattern speaks: host first, then path. Greater is closer; patterns that are
/// equal here are the same URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Specificity {
    host: usize,
    path: usize,
    user: bool,
}

/// A `<url>` as it was written, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// In lower case.
    pub scheme: String,
    /// What stands before the `@`.
    pub user: Option<String>,
    /// In lower case; labels may be `*`.
    pub host: String,
    /// `None`: the scheme's own.
    pub port: Option<u16>,
    /// The path's components, percent codes normalised.
    pub path: Vec<String>,
}

impl Pattern {
    /// `None`: not a URL with a host, or one with a query.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let begins_well = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
        let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        if !begins_well || !scheme.chars().all(is_scheme) || text.contains(['?', '#']) {
            return None;
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(normalised(user)), host),
            None => (None, authority),
        };
        let (host, port) = host_and_port(host)?;
        if host.is_empty() {
            return None;
        }
        let own_port = match scheme.as_str() {
            "https" => Some(443),
            "http" => Some(80),
            "ssh" => Some(22),
            _ => None,
        };
        Some(Self {
            scheme,
            user,
            host: host.to_ascii_lowercase(),
            port: port.filter(|port| Some(*port) != own_port),
            path: components(path)?,
        })
    }

    /// git's judgement on a URL: `None`, or how closely the pattern speaks for it.
    pub fn speaks_for(&self, url: &Self) -> Option<Specificity> {
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
    web: Pattern,
    /// With the port, always.
    ssh: Vec<SshHost>,
    /// How many components of the web path are the site's own.
    context: usize,
}

impl Subject {
    /// The repository's web URL and the SSH hosts of its site. `None` only for a site whose URL
    /// is none.
    pub fn new(site: &Site, repository: Option<&Repository>) -> Option<Self> {
        let context = Pattern::parse(&site.url)?.path.len();
        let url = repository.map_or_else(|| site.url.clone(), Repository::web_url);
        let mut ssh = site.ssh_hosts.clone();
        if site.kind == SiteKind::Cloud {
            ssh.extend(crate::repository::cloud().ssh_hosts);
        }
        Some(Self {
            web: Pattern::parse(&url)?,
            ssh,
            context,
        })
    }

    /// `None`: the pattern does not speak for it.
    pub fn matched_by(&self, pattern: &Pattern) -> Option<Specificity> {
        let pattern = pattern.without_git_suffix(self.context);
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
    pub fn may_be_meant(site: &Site, pattern: &Pattern) -> bool {
        let web = Pattern::parse(&site.url);
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

    fn matched_by_ssh(&self, pattern: &Pattern) -> Option<Specificity> {
        if pattern.user.as_deref().is_some_and(|user| user != "git") {
            return None;
        }
        let path = self.web.path.get(self.context..).unwrap_or_default();
        let found = self.ssh.iter().find_map(|address| {
            let url = Pattern {
                scheme: "ssh".to_owned(),
                user: None,
                host: address.host.to_ascii_lowercase(),
                port: Some(address.port).filter(|port| *port != 22),
                path: path.to_vec(),
            };
            let found = pattern.matches(&url, 0)?;
            // The site's own SSH host says as much as its web host does.
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

impl Pattern {
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
    let url = Pattern::parse(url)?;
    let mut best: Option<(Option<Specificity>, &Entry)> = None;
    for entry in entries {
        let specificity = match &entry.subsection {
            None => None,
            Some(pattern) => match Pattern::parse(pattern).and_then(|p| p.speaks_for(&url)) {
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

/// A host (brackets taken off) and the port behind it.
pub fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, behind) = rest.split_once(']')?;
        return match behind.strip_prefix(':') {
            Some(port) => Some((host, Some(port.parse().ok()?))),
            None if behind.is_empty() => Some((host, None)),
            None => None,
        };
    }
    match text.rsplit_once(':') {
        Some((host, "")) => Some((host, None)),
        Some((host, _)) if host.contains(':') => None,
        Some((host, port)) => Some((host, Some(port.parse().ok().filter(|port| *port != 0)?))),
        None => Some((text, None)),
    }
}

/// Label by label; `*` stands for any one label.
pub fn host_matches(pattern: &str, host: &str) -> bool {
    let mut labels = host.split('.');
    let all = pattern.split('.').all(|wanted| {
        labels
            .next()
            .is_some_and(|label| wanted == "*" && !label.is_empty() || wanted == label)
    });
    all && labels.next().is_none()
}

/// Components between slashes, `.` and `..` resolved; of two slashes in a row git makes an empty one.
/// `None`: a `..` too many.
fn components(path: &str) -> Option<Vec<String>> {
    let mut components = Vec::new();
    for component in path.split('/') {
        match normalised(component).as_str() {
            "." => {}
            ".." => {
                components.pop()?;
            }
            component => components.push(component.to_owned()),
        }
    }
    if components.last().is_some_and(String::is_empty) {
        components.pop();
    }
    Some(components)
}

/// Percent codes of unreserved characters decoded, the others in upper case (RFC 3986, 6.2.2).
fn normalised(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('%') {
        result.push_str(before);
        let code = behind
            .get(..2)
            .and_then(|code| u8::from_str_radix(code, 16).ok());
        match code {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                result.push(char::from(byte));
            }
            Some(byte) => {
                let _ = write!(result, "%{byte:02X}");
            }
            None => result.push('%'),
        }
        rest = if code.is_some() { &behind[2..] } else { behind };
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests;
