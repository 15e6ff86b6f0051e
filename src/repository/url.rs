//! The shapes of URL that name a repository: web addresses, `ssh://`, scp's.

use percent_encoding::percent_decode_str;

use super::{Repository, Site, SiteKind, path, site};

/// The repository a URL names. `None`: of no site, or no repository's.
///
/// `https://[user@]HOST[/CONTEXT]/WORKSPACE/SLUG[.git]` and, on Data Center, with `/scm/` behind
/// the context; `ssh://[user@]HOST[:PORT]/WORKSPACE/SLUG[.git]` and git's other names of it;
/// `[user@]HOST:WORKSPACE/SLUG[.git]`, the host also as `[HOST:PORT]`. An alias of ssh_config is
/// nobody's host here.
pub fn of_url(sites: &[Site], url: &str) -> Option<Repository> {
    match url.split_once("://") {
        Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
            scheme @ ("http" | "https") => web(sites, scheme, rest),
            "ssh" | "git+ssh" | "ssh+git" => ssh(sites, rest),
            _ => None,
        },
        None => scp(sites, url),
    }
}

fn web(sites: &[Site], scheme: &str, rest: &str) -> Option<Repository> {
    let rest = rest.split(['?', '#']).next()?;
    let (authority, path) = rest.split_once('/')?;
    let host = without_user(authority);
    let address = format!("{host}/{path}");
    let (site, path) = site::by_web_address(sites, scheme, &address)?;
    let path = match site.kind {
        SiteKind::DataCenter => path.strip_prefix("scm/").unwrap_or(path),
        SiteKind::Cloud => path,
    };
    decoded(site, path)
}

fn ssh(sites: &[Site], rest: &str) -> Option<Repository> {
    let (authority, path) = rest.split_once('/')?;
    let (host, port) = host_and_port(without_user(authority))?;
    decoded(&site::by_ssh_host(sites, host, port)?, path)
}

/// As git: a colon in front of every slash, and the path is not decoded.
fn scp(sites: &[Site], url: &str) -> Option<Repository> {
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
    // git takes a user within the brackets, too.
    let (host, port) = match inner.map(without_user) {
        Some(inner) if inner.matches(':').count() == 1 => host_and_port(inner)?,
        Some(inner) => (inner, 22),
        None => (without_user(authority), 22),
    };
    // git goes on at a `~` in second place, whatever stands in front of it (connect.c).
    let home = path.as_bytes().get(1) == Some(&b'~');
    let path = if home { &path[1..] } else { path };
    let site = site::by_ssh_host(sites, host, port)?;
    path::repository(&site, path.as_bytes()).ok().flatten()
}

fn decoded(site: &Site, path: &str) -> Option<Repository> {
    let path: Vec<u8> = percent_decode_str(path).collect();
    path::repository(site, &path).ok().flatten()
}

fn without_user(authority: &str) -> &str {
    authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host)
}

/// `HOST`, `HOST:PORT`, `[ADDRESS]`, `[ADDRESS]:PORT`; 22 where no port is named.
fn host_and_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']')?;
            (host, rest.strip_prefix(':').unwrap_or(rest))
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    match port {
        "" => Some((host, 22)),
        digits => Some((host, digits.parse().ok()?)),
    }
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
