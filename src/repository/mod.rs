//! Which repository is meant: host, port and path to site, workspace, slug and service.
//!
//! Pure: the sites are given, nothing is read. Knows `ssh_command`'s types only.

/// The two kinds of Bitbucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SiteKind {
    /// bitbucket.org.
    Cloud,
    /// An instance of one's own.
    DataCenter,
}

/// A host and port that speak SSH for a site.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SshHost {
    /// Lower case, without brackets.
    pub host: String,
    /// 22 where nothing was said for Cloud.
    pub port: u16,
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

/// Which way the objects go: learning and read-only access keys depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Everything but a push.
    Fetch,
    /// `git-receive-pack`, and git-lfs's `upload`.
    Push,
}

/// What is asked of the remote side.
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
    /// consumed, so that another account may be tried (interface section 4, "Wrong account").
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
    /// What is asked.
    pub service: Service,
}
