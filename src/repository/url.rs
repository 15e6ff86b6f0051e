//! URLs: any that has a scheme and a host, those that git sends to ssh, and the repository that one
//! names. The one reader of all of them.

use std::fmt::Write as _;

use percent_encoding::percent_decode_str;

use super::{Repository, SSH_PORT, Site, SiteKind, path, site};

/// The repository a URL names. `None`: it is on none of the sites, or names no repository.
///
/// `https://[user@]HOST[/CONTEXT]/WORKSPACE/SLUG[.git]`, on Data Center also with `/scm/` behind the
/// context; and what [`SshUrl`] reads. An alias of ssh_config is on no site.
pub fn of_url(sites: &[Site], url: &str) -> Option<Repository> {
    match url.split_once("://") {
        Some((scheme, rest)) if matches_any(scheme, &["http", "https"]) => {
            web(sites, &scheme.to_ascii_lowercase(), rest)
        }
        _ => SshUrl::parse(url)?.repository(sites),
    }
}

fn web(sites: &[Site], scheme: &str, rest: &str) -> Option<Repository> {
    let rest = rest.split(['?', '#']).next()?;
    let (authority, path) = rest.split_once('/')?;
    let (_, host) = split_user(authority);
    let address = format!("{host}/{path}");
    let (site, path) = site::by_web_address(sites, scheme, &address)?;
    let path = match site.kind {
        SiteKind::DataCenter => path.strip_prefix("scm/").unwrap_or(path),
        SiteKind::Cloud => path,
    };
    let path: Vec<u8> = percent_decode_str(path).collect();
    path::repository(site, &path).ok().flatten()
}

/// A URL that git sends to ssh: `ssh://[user@]HOST[:PORT]/PATH` and git's other names for that scheme,
/// or `[user@]HOST:PATH`, the host there also as `[HOST:PORT]`. Read as git reads it (connect.c,
/// `parse_connect_url`): behind a scheme, percent codes are decoded before anything is split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshUrl {
    /// What is in front of the `@`.
    pub user: Option<String>,
    /// As typed, without brackets; perhaps an alias of ssh_config.
    pub host: String,
    /// `None`: the default.
    pub port: Option<u16>,
    /// As the server gets it, with the slash that begins it, if any.
    path: Vec<u8>,
}

impl SshUrl {
    /// `None`: git would not send it to ssh.
    pub fn parse(url: &str) -> Option<Self> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Self::scp(url);
        };
        if !matches_any(scheme, &["ssh", "git+ssh", "ssh+git"]) {
            return None;
        }
        let rest: Vec<u8> = percent_decode_str(rest).collect();
        let (authority, path) = rest.split_at(rest.iter().position(|byte| *byte == b'/')?);
        let (user, place) = split_user(std::str::from_utf8(authority).ok()?);
        let (host, port) = host_and_port(place)?;
        Some(Self::new(user, (host, port), path))
    }

    /// As git: a colon in front of every slash, and the path is not decoded.
    fn scp(url: &str) -> Option<Self> {
        let start = url.find('[').filter(|at| !url[..*at].contains([':', '/']));
        let colon = match start {
            Some(start) => start + url[start..].find("]:")? + 1,
            None => url.find(':')?,
        };
        let (authority, path) = (&url[..colon], &url[colon + 1..]);
        if start.is_none() && authority.contains('/') {
            return None;
        }
        let inner = start.and_then(|start| authority[start + 1..].strip_suffix(']'));
        let (user, place) = split_user(inner.unwrap_or(authority));
        // git takes a user within the brackets, too.
        let outer = start.and_then(|start| authority[..start].strip_suffix('@'));
        let place = if inner.is_some() && place.matches(':').count() == 1 {
            host_and_port(place)?
        } else {
            (place, None)
        };
        Some(Self::new(user.or(outer), place, path.as_bytes()))
    }

    fn new(user: Option<&str>, (host, port): (&str, Option<u16>), path: &[u8]) -> Self {
        // git goes on at a `~` in second place, whatever is in front of it.
        let path = match path {
            [_, rest @ ..] if rest.first() == Some(&b'~') => rest,
            path => path,
        };
        Self {
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
            path: path.to_vec(),
        }
    }

    /// The same path on another host.
    #[must_use]
    pub fn with_host(&self, host: &str, port: Option<u16>) -> Self {
        Self {
            host: host.to_owned(),
            port,
            ..self.clone()
        }
    }

    /// The repository it names, by the SSH hosts of the sites.
    pub fn repository(&self, sites: &[Site]) -> Option<Repository> {
        let site = site::by_ssh_host(sites, &self.host, self.port.unwrap_or(SSH_PORT))?;
        path::repository(&site, &self.path).ok().flatten()
    }

    /// The path as the server gets it.
    pub fn server_path(&self) -> &[u8] {
        &self.path
    }
}

fn split_user(authority: &str) -> (Option<&str>, &str) {
    match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    }
}

fn matches_any(scheme: &str, known: &[&str]) -> bool {
    known.iter().any(|known| known.eq_ignore_ascii_case(scheme))
}

/// A URL with a scheme and a host, normalised as git normalises it (git, urlmatch.c).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// In lower case.
    pub scheme: String,
    /// What is in front of the `@`.
    pub user: Option<String>,
    /// In lower case, without brackets; in a pattern, labels may be `*`.
    pub host: String,
    /// `None`: the scheme's own.
    pub port: Option<u16>,
    /// The components of the path, percent codes normalised.
    pub path: Vec<String>,
}

impl Url {
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
        let (user, host) = split_user(authority);
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
            user: user.map(normalised),
            host: host.to_ascii_lowercase(),
            port: port.filter(|port| Some(*port) != own_port),
            path: components(path)?,
        })
    }
}

impl std::fmt::Display for Url {
    /// Without the user.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://", self.scheme)?;
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        for component in &self.path {
            write!(f, "/{component}")?;
        }
        Ok(())
    }
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
mod tests {
    use super::super::cloud;
    use super::super::tests::data_center;
    use super::*;

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn shapes_of_urls() {
        const CLOUD: &str = "https://bitbucket.org/ws/repo";
        const CENTER: &str = "https://git.example.com/ctx/PROJ/repo";
        const PERSONAL: &str = "https://git.example.com/ctx/~user/repo";
        const OTHER: &str = "http://127.0.0.1:7990/PROJ/repo";
        let sites = [
            cloud(),
            data_center("https://git.example.com/ctx", ("git.example.com", 7999)),
            data_center("http://127.0.0.1:7990", ("::1", 7999)),
        ];
        for (url, web_url, why) in [
            ("git@bitbucket.org:ws/repo.git", Some(CLOUD), "scp"),
            ("git@bitbucket.org:ws/repo", Some(CLOUD), "scp without .git"),
            ("bitbucket.org:ws/repo", Some(CLOUD), "without a user"),
            (
                "git@ssh.bitbucket.org:/ws/repo/",
                Some(CLOUD),
                "with slashes",
            ),
            ("GIT@BitBucket.ORG:ws/repo.git", Some(CLOUD), "any case"),
            (
                "git@[bitbucket.org:22]:ws/repo.git",
                Some(CLOUD),
                "scp with a port",
            ),
            (
                "[git@bitbucket.org:22]:ws/repo",
                Some(CLOUD),
                "all of it within brackets",
            ),
            (
                "git@[altssh.bitbucket.org:443]:ws/repo",
                Some(CLOUD),
                "the other port",
            ),
            ("ssh://git@bitbucket.org/ws/repo.git", Some(CLOUD), "ssh"),
            (
                "ssh://git@bitbucket.org:22/ws/repo",
                Some(CLOUD),
                "with a port",
            ),
            (
                "ssh://git@altssh.bitbucket.org:443/ws/repo.git",
                Some(CLOUD),
                "443 is no workspace",
            ),
            (
                "ssh://git@ssh.bitbucket.org:443/ws/repo.git",
                Some(CLOUD),
                "another port",
            ),
            (
                "git+ssh://git@bitbucket.org/ws/repo",
                Some(CLOUD),
                "git's other name",
            ),
            (
                "ssh://alice%40x@bitbucket.org//ws//repo.git/",
                Some(CLOUD),
                "user and slashes",
            ),
            (
                "alice@bitbucket.org:ws/repo.git",
                Some(CLOUD),
                "a user name",
            ),
            (
                "ssh://git%40bitbucket%2Eorg%2Fws/repo",
                Some(CLOUD),
                "decoded before it is split, as git does",
            ),
            (
                "ssh+git://git@[bitbucket.org]/ws/repo",
                Some(CLOUD),
                "in brackets",
            ),
            (
                "git@[bitbucket.org]:ws/repo",
                Some(CLOUD),
                "scp in brackets",
            ),
            (
                "ssh://git@git.example.com:7999/%7Euser/repo.git",
                Some(PERSONAL),
                "a coded home",
            ),
            ("https://bitbucket.org/ws/repo.git", Some(CLOUD), "https"),
            (
                "https://alice@bitbucket.org/ws/repo",
                Some(CLOUD),
                "with a user",
            ),
            (
                "https://x:p%40w@www.bitbucket.org:443/ws/repo/?a#b",
                Some(CLOUD),
                "with everything",
            ),
            ("HTTP://bitbucket.org/%77s/repo", Some(CLOUD), "decoded"),
            (
                "ssh://git@git.example.com:7999/PROJ/repo.git",
                Some(CENTER),
                "Data Center",
            ),
            (
                "ssh://git@git.example.com:7999/~user/repo.git",
                Some(PERSONAL),
                "personal",
            ),
            (
                "git@[git.example.com:7999]:PROJ/repo",
                Some(CENTER),
                "scp with a port",
            ),
            (
                "https://git.example.com/ctx/scm/PROJ/repo.git",
                Some(CENTER),
                "its https",
            ),
            (
                "https://git.example.com/ctx/scm/~user/repo.git",
                Some(PERSONAL),
                "personal",
            ),
            (
                "https://git.example.com/ctx/PROJ/repo",
                Some(CENTER),
                "as settings have it",
            ),
            (
                "http://127.0.0.1:7990/scm/PROJ/repo",
                Some(OTHER),
                "without a context",
            ),
            ("ssh://git@[::1]:7999/PROJ/repo", Some(OTHER), "an address"),
            (
                "https://git.example.com/ctxt/PROJ/repo",
                None,
                "another context",
            ),
            ("https://git.example.com/PROJ/repo", None, "no context"),
            (
                "https://git.example.com:8443/ctx/PROJ/repo",
                None,
                "another port",
            ),
            (
                "ssh://git@git.example.com/PROJ/repo.git",
                None,
                "its port 22 is another sshd",
            ),
            ("git@git.example.com:PROJ/repo.git", None, "the same"),
            ("https://bitbucket.org/ws", None, "one part"),
            ("https://bitbucket.org/ws/repo/src/main", None, "a page"),
            (
                "https://bitbucket.org.evil.com/ws/repo",
                None,
                "another host",
            ),
            (
                "https://evil.com/@bitbucket.org/ws/repo",
                None,
                "a path, no user",
            ),
            (
                "https://bitbucket.org@evil.com/ws/repo",
                None,
                "a user, no host",
            ),
            ("git@bitbucket-work:ws/repo", None, "an alias"),
            ("./bitbucket.org:ws/repo", None, "a local path"),
            ("/srv/git/repo.git", None, "a local path"),
            ("C:\\src\\repo", None, "a drive"),
            ("file://bitbucket.org/ws/repo", None, "a file"),
            ("ext::ssh bitbucket.org ws/repo", None, "a command"),
            ("git@bitbucket.org:-x/repo", None, "like an option"),
            ("https://bitbucket.org/ws/re%0apo", None, "a line feed"),
            ("https://bitbucket.org/ws/re%2fpo", None, "three parts"),
            ("git@[bitbucket.org", None, "an open bracket"),
            ("ssh://[::1/x/y", None, "an open bracket"),
            ("", None, "nothing"),
        ] {
            let found = of_url(&sites, url).map(|found| found.web_url());
            assert_eq!(found.as_deref(), web_url, "{why}: {url}");
        }
    }
}
