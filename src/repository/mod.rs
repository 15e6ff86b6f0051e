//! Which repository is meant: from host, port and path to site, workspace, slug and service; and the one
//! reader of URLs.
//!
//! Pure: the sites are given, nothing is read. `remote_command` and `url` find the path, `path` checks
//! it, `site` has the hosts.

mod path;
mod remote_command;
mod site;
mod url;

#[cfg(all(test, unix))]
mod hostile;

pub use site::{access_key_page, cloud, key_page, token_page};
pub use url::{SshUrl, Url, host_and_port, of_url};

use crate::text::sanitise;

/// The two kinds of Bitbucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SiteKind {
    /// bitbucket.org.
    Cloud,
    /// An instance of Bitbucket Data Center.
    DataCenter,
}

/// Host and port of a site's SSH server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SshHost {
    /// Lower case, without brackets.
    pub host: String,
    /// [`SSH_PORT`] if none is given.
    pub port: u16,
}

/// The port of SSH (RFC 4253 section 4.1).
pub const SSH_PORT: u16 = 22;

impl std::fmt::Display for SshHost {
    /// `host:port`, with brackets around an IPv6 address.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// One Bitbucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Cloud or Data Center.
    pub kind: SiteKind,
    /// The web address: scheme and host in lower case, context path kept, no `/` at the end.
    /// Two sites are the same when this is the same. Cloud: `https://bitbucket.org`.
    pub url: String,
    /// REST base without `/` at the end. Cloud: `https://api.bitbucket.org/2.0`.
    pub api_url: String,
    /// In the order in which they are tried; never empty.
    pub ssh_hosts: Vec<SshHost>,
}

impl Site {
    /// The web address without its scheme: `git.example.com/context`.
    pub fn address(&self) -> &str {
        self.url
            .split_once("://")
            .map_or(self.url.as_str(), |(_, rest)| rest)
    }
}

/// A repository of a site. Workspace and slug are compared without regard to case.
#[derive(Debug, Clone, Eq)]
pub struct Repository {
    /// [`Site::url`] of its site.
    pub site: String,
    /// Workspace; on Data Center project key or `~user`. As typed.
    pub workspace: String,
    /// Slug without `.git`. As typed.
    pub slug: String,
}

impl Repository {
    /// The web address, without `.git`: what URL settings are matched against.
    pub fn web_url(&self) -> String {
        format!("{}/{}/{}", self.site, self.workspace, self.slug)
    }
}

impl Repository {
    /// Workspace and slug as [`Located::path`].
    pub fn path(&self) -> Vec<String> {
        path::components(self.to_string().as_bytes())
    }
}

impl PartialEq for Repository {
    fn eq(&self, other: &Self) -> bool {
        self.site == other.site
            && self.workspace.eq_ignore_ascii_case(&other.workspace)
            && self.slug.eq_ignore_ascii_case(&other.slug)
    }
}

impl std::fmt::Display for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.workspace, self.slug)
    }
}

/// Which way the objects go: history and read-only access keys depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Everything but a push.
    Fetch,
    /// `git-receive-pack`, and git-lfs's `upload`.
    Push,
}

/// What the remote command asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// `git-upload-pack`.
    UploadPack,
    /// `git-receive-pack`.
    ReceivePack,
    /// `git-upload-archive`: the client speaks first.
    UploadArchive,
    /// `git-lfs-authenticate`: only the server speaks.
    LfsAuthenticate(Direction),
    /// `git-lfs-transfer`: pkt-lines both ways.
    LfsTransfer(Direction),
    /// Anything else, a shell included: passed on as it is.
    Other,
}

impl Service {
    /// Which way the objects go.
    pub fn direction(self) -> Direction {
        match self {
            Self::ReceivePack => Direction::Push,
            Self::LfsAuthenticate(direction) | Self::LfsTransfer(direction) => direction,
            Self::UploadPack | Self::UploadArchive | Self::Other => Direction::Fetch,
        }
    }

    /// Whether the server speaks first and a refusal can be seen before a byte of git's is
    /// consumed, so that another account may be tried.
    pub fn can_be_retried(self) -> bool {
        matches!(
            self,
            Self::UploadPack | Self::ReceivePack | Self::LfsAuthenticate(_)
        )
    }
}

/// A host of a site, and what is wanted of it.
#[derive(Debug, Clone)]
pub struct Located {
    /// The site the host belongs to.
    pub site: Site,
    /// `None`: no path, or none of two parts (`ssh -T git@bitbucket.org`).
    pub repository: Option<Repository>,
    /// Workspace, slug and what follows them, as far as the path has them, also where it names no
    /// repository: what settings for a URL are matched against. Percent codes are decoded, and it
    /// ends in front of a `?` or `#`, so that no such character takes a path out of its workspace.
    pub path: Vec<String>,
    /// What is asked.
    pub service: Service,
}

/// What a connection to `host:port` means: site, repository and service. Host and port are those
/// that ssh_config gives the typed name; `command` is the remote command, `None` a shell.
///
/// `Ok(None)`: a host of no site. `Err`: one of git's services with a path that must not pass; a
/// command that is none of git's passes as [`Service::Other`] without a repository.
pub fn locate(
    sites: &[Site],
    host: &str,
    port: u16,
    command: Option<&[u8]>,
) -> Result<Option<Located>, Error> {
    let Some(site) = site::by_ssh_host(sites, host, port) else {
        return Ok(None);
    };
    let command = remote_command::parse(command.unwrap_or_default())?;
    let (repository, path) = match command.path {
        Some(path) => (path::repository(&site, &path)?, path::components(&path)),
        None => (None, Vec::new()),
    };
    Ok(Some(Located {
        site,
        repository,
        path,
        service: command.service,
    }))
}

/// A path that must not pass: git's words (`connect.c`, `strange pathname '…' blocked`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It begins with `-`.
    #[error("strange pathname '{}' blocked: it begins like an option", sanitise(.0))]
    LeadingDash(String),
    /// It has a NUL, a line feed or another control character.
    #[error("strange pathname '{}' blocked: it has a control character", sanitise(.0))]
    ControlCharacter(String),
    /// It is not quoted as git quotes, or is not alone.
    #[error("strange pathname '{}' blocked: it is not one quoted path", sanitise(.0))]
    Quoting(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn site(kind: SiteKind, url: &str, hosts: &[(&str, u16)]) -> Site {
        let hosts = hosts.iter().map(|(host, port)| SshHost {
            host: (*host).to_owned(),
            port: *port,
        });
        Site {
            kind,
            url: url.to_owned(),
            api_url: url.to_owned(),
            ssh_hosts: hosts.collect(),
        }
    }

    pub(super) fn data_center(url: &str, place: (&str, u16)) -> Site {
        site(SiteKind::DataCenter, url, &[place])
    }

    #[test]
    fn a_call_is_located() {
        let sites = [
            cloud(),
            data_center("https://git.example.com", ("git.example.com", 7999)),
        ];
        for (host, port, command, found, why) in [
            (
                "bitbucket.org",
                22,
                Some("git-upload-pack 'acme/site.git'"),
                Some((Some("https://bitbucket.org/acme/site"), Service::UploadPack)),
                "a fetch",
            ),
            (
                "git.example.com",
                7999,
                Some("git-receive-pack '/~user/repo.git'"),
                Some((
                    Some("https://git.example.com/~user/repo"),
                    Service::ReceivePack,
                )),
                "a push to Data Center",
            ),
            (
                "bitbucket.org",
                22,
                None,
                Some((None, Service::Other)),
                "ssh -T",
            ),
            (
                "bitbucket.org",
                22,
                Some("x; y"),
                Some((None, Service::Other)),
                "not git",
            ),
            (
                "bitbucket.org",
                22,
                Some("git-upload-pack 'one'"),
                Some((None, Service::UploadPack)),
                "no repository's path",
            ),
            (
                "example.com",
                22,
                Some("git-upload-pack '-x'"),
                None,
                "a stranger's path is not ours to judge",
            ),
        ] {
            let located = locate(&sites, host, port, command.map(str::as_bytes)).unwrap();
            let located = located.map(|located| {
                let repository = located.repository.map(|repository| repository.web_url());
                (repository, located.service)
            });
            let found = found.map(|(url, service)| (url.map(str::to_owned), service));
            assert_eq!(located, found, "{why}");
        }
        let hostile = locate(&sites, "bitbucket.org", 22, Some(b"git-upload-pack '-x/y'"));
        assert_eq!(hostile.unwrap_err(), Error::LeadingDash("-x/y".to_owned()));
    }
}
