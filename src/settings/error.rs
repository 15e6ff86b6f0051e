//! Why configuration could not be read.

use std::path::PathBuf;

/// Configuration that stops everything: going on without it could choose the wrong identity.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of git config that git would not read either.
    #[error("bad config line {line} in file {}", file.display())]
    BadGitConfig {
        /// The file, also an included one.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// A file of git config that exists and cannot be read.
    #[error("unable to access '{}': {why}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's words.
        why: std::io::Error,
    },
    /// Includes that include each other.
    #[error("exceeded maximum include depth ({depth}) while including {}", file.display())]
    IncludeDepth {
        /// The file that was one too many.
        file: PathBuf,
        /// git's limit.
        depth: usize,
    },
    /// ssh_config is in error: ssh's own text, as it came, without the last line break.
    #[error("{0}")]
    SshConfig(String),
    /// The installed ssh cannot be asked what ssh_config says: it does not start, has no `-G`, is
    /// killed, or has no user to run for. ssh_config need not be in error.
    #[error("{}: {why}", ssh.display())]
    SshNotAsked {
        /// Its path.
        ssh: PathBuf,
        /// Its own words, or the system's.
        why: String,
    },
}
