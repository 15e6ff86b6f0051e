//! Who answers: the verdict on a server's host key.
//!
//! `verify` is pure; `known_hosts` reads and appends lines; `published` holds the pins. Asks
//! nobody: the transport asks when the verdict says so. Knows `settings`' types only.

use std::path::PathBuf;

/// A line of a known_hosts file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The file.
    pub file: PathBuf,
    /// Counted from 1, comments and blank lines included.
    pub number: usize,
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

/// The judgement on one host key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Known(KnownFrom),
    /// No line speaks of the name: StrictHostKeyChecking decides. `same_key` are lines of other
    /// names with the same key (OpenSSH tells them in its question).
    Unknown {
        /// Names (as far as readable) and lines that have this key.
        same_key: Vec<(String, Line)>,
    },
    /// A line for the name has another key of the same type, or only keys of other types.
    Changed {
        /// The offending lines.
        lines: Vec<Line>,
        /// No line has this key's type: OpenSSH's shorter warning.
        other_type_only: bool,
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
    /// A host certificate that does not hold (CA, principal, time, type).
    BadCertificate(String),
}
