//! Who answers: the verdict on a server's host key.
//!
//! `verify` is pure; `known_hosts` reads and appends lines; `published` holds the pins; `wording`
//! has OpenSSH's texts. Asks nobody: the transport asks when the verdict says so. Knows the ground
//! floor only.

#[cfg(all(test, unix))]
mod against_ssh;
pub mod algorithms;
mod append;
mod certificate;
mod entry;
pub mod known_hosts;
mod krl;
pub mod published;
pub mod revoked;
mod rewrite;
pub mod update;
pub mod verify;
pub mod wording;

pub use rewrite::rewrite;

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

/// Where an accepted key is known from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownFrom {
    /// A line for the name.
    Line(Line),
    /// An `@cert-authority` line for the name signed the host's certificate.
    Authority(Line),
    /// The published keys of Bitbucket Cloud, built in.
    Published,
    /// The fingerprint that `login` read over HTTPS (Data Center).
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

/// A known line with another key than the one that was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offending {
    /// Where it stands.
    pub line: Line,
    /// Its key's type as OpenSSH names it to people: `ED25519`, `RSA`.
    pub key_type: &'static str,
}

/// The judgement on one host key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Known(KnownFrom),
    /// No line speaks of the name: StrictHostKeyChecking decides.
    Unknown {
        /// Lines of other names that have this key, with their names as far as they can be read:
        /// OpenSSH tells them in its question.
        same_key: Vec<(String, Line)>,
    },
    /// Lines for the name have other keys, of whatever type (as OpenSSH judges it).
    Changed {
        /// In the order of the files; never empty.
        offending: Vec<Offending>,
    },
    /// Marked `@revoked`, in RevokedHostKeys, or withdrawn by Bitbucket in 2023.
    Revoked {
        /// The line; `None`: RevokedHostKeys or built in.
        line: Option<Line>,
        /// One clause: which list says so.
        by: String,
    },
    /// One of Cloud's names answered with a key that is not among the published ones.
    NotPublished,
    /// A known authority signed a host certificate that does not hold, and nobody knows its plain
    /// key. One clause: OpenSSH's reason.
    BadCertificate(String),
}
