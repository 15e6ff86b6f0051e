//! The verdict on a server's host key.
//!
//! [`verify`] judges without reading or asking anything; [`known_hosts`] reads and adds lines;
//! [`published`] has Bitbucket Cloud's keys; [`messages`] has OpenSSH's texts. Where the verdict is
//! to ask the user, the transport does.

#[cfg(all(test, unix))]
mod against_ssh;
mod certificate;
pub mod known_hosts;
pub mod messages;
pub mod published;
pub mod revocation;
pub mod update;
pub mod verify;

use std::path::PathBuf;

/// A line of a known_hosts file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The file.
    pub file: PathBuf,
    /// Counted from 1, comments and blank lines included.
    pub number: usize,
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.number)
    }
}

/// The source that an accepted key is known from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownFrom {
    /// A known_hosts line.
    Line(Line),
    /// The key of an `@cert-authority` line for the name signed the host's certificate.
    Authority(Line),
    /// The published keys of Bitbucket Cloud, built in.
    Published,
    /// The fingerprint in a Data Center's settings, which `login` read over HTTPS.
    Site,
}

impl std::fmt::Display for KnownFrom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Line(line) => line.fmt(f),
            Self::Authority(line) => write!(f, "the authority of {line}"),
            Self::Published => f.write_str("Bitbucket's published keys"),
            Self::Site => f.write_str("the site's SSH settings"),
        }
    }
}

/// A line for the name with another key than the server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offending {
    /// The line.
    pub line: Line,
    /// Its key's type as OpenSSH names it to people: `ED25519`, `RSA`.
    pub key_type: &'static str,
}

/// The verdict on one host key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The key is the host's.
    Known(KnownFrom),
    /// Nothing is known about the name: StrictHostKeyChecking decides.
    Unknown {
        /// Lines for other names with this key, with the names to show: OpenSSH lists them in its
        /// question.
        same_key: Vec<(String, Line)>,
    },
    /// Lines for the name have other keys, of any type, as in OpenSSH.
    Changed {
        /// In the order of the files; never empty.
        offending: Vec<Offending>,
    },
    /// Marked `@revoked`, in RevokedHostKeys, or withdrawn by Bitbucket in 2023.
    Revoked {
        /// The line; `None`: RevokedHostKeys or built in.
        line: Option<Line>,
        /// The source, as one clause.
        by: String,
    },
    /// The key of a Bitbucket Cloud endpoint is not among the published ones.
    NotPublished,
    /// A known authority signed the host's certificate, which is not valid, and its plain key is
    /// unknown. OpenSSH's reason, as one clause.
    BadCertificate(String),
}
