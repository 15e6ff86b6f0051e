//! Why a command of `git bitbucket` failed, in words, with the next step and the exit status.

use std::io;
use std::path::{Path, PathBuf};

use super::{Explanation, connection};
use crate::bitbucket::{self, credential};
use crate::connection::failure::Failure;
use crate::{prompt, provision, settings, storage};

/// A command's failure.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// HOME is not set.
    #[error("HOME is not set, so there is no place for the configuration")]
    NoHome,
    /// HOME belongs to another user (sudo).
    #[error("{} belongs to another user; nothing was written there", .0.display())]
    ForeignHome(PathBuf),
    /// A file or directory could not be read or written.
    #[error("{}: {why}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// The system's message.
        why: io::Error,
    },
    /// A configuration file changed between reading and writing.
    #[error("{} was changed by another program meanwhile; nothing was written", .0.display())]
    ChangedMeanwhile(PathBuf),
    /// A path or value that is not UTF-8.
    #[error("a path or value that is not UTF-8 cannot be written to git's configuration")]
    NotUtf8,
    /// git could not be started.
    #[error("cannot run git: {0}")]
    GitNotRun(io::Error),
    /// git failed.
    #[error("git {verb}: {message}")]
    Git {
        /// Its first argument.
        verb: String,
        /// Its message.
        message: String,
    },
    /// `--local` outside a repository.
    #[error("{} is not in a git repository", .0.display())]
    NoRepository(PathBuf),
    /// git does not report the path of the machine's configuration file.
    #[error("git does not report where the system's configuration file is")]
    NoSystemFile,
    /// `bitbucket-ssh` is not installed beside `git-bitbucket`.
    #[error("{} does not exist", .0.display())]
    NoProgram(PathBuf),
    /// `--shim`, and the directory has another `ssh`.
    #[error("{} already exists and was not created by bitbucket-ssh", .0.display())]
    ShimTaken(PathBuf),
    /// `--store keyring`, and there is no keyring.
    #[error("no keyring is available on this machine")]
    NoKeyring,
    /// A remote or URL that is on no configured Bitbucket site.
    #[error("{0} is not on a configured Bitbucket site")]
    NoBitbucket(String),
    /// A failure that a git command can have as well.
    #[error(transparent)]
    Connection(Box<Failure>),
    /// A token is stored and cannot be read, or cannot be stored.
    #[error(transparent)]
    Credential(#[from] credential::Error),
    /// What one command alone can meet.
    #[error("{what}")]
    Other {
        /// What happened.
        what: String,
        /// Lines to paste.
        hints: Vec<String>,
    },
    /// No `--with-token`, and there is no terminal to ask on.
    #[error("cannot ask for the API token without a terminal")]
    NoToken,
    /// The answer, or the first line of standard input, is empty.
    #[error("no API token was given; nothing was changed")]
    EmptyToken,
    /// A question was not answered.
    #[error("{0}")]
    Unanswered(prompt::Error),
    /// The token lacks scopes.
    #[error("the API token lacks scopes: {}", missing.join(" "))]
    Scopes {
        /// By name.
        missing: Vec<String>,
        /// The page on which tokens are created.
        page: String,
    },
    /// The site refused, or could not be asked.
    #[error("{why}")]
    Site {
        /// Its error.
        why: bitbucket::Error,
        /// The page on which tokens are created.
        page: String,
    },
    /// Wrong usage that clap does not detect.
    #[error("{what}")]
    Usage {
        /// What is wrong.
        what: String,
        /// What to type.
        hint: String,
    },
    /// The command needs an account that is logged in.
    #[error("{0}")]
    NotLoggedIn(String),
}

impl Error {
    /// This file could not be read or written.
    pub(crate) fn file(file: &Path, why: io::Error) -> Self {
        Self::File {
            file: file.to_owned(),
            why,
        }
    }

    /// What one command alone can meet, with lines to paste.
    pub(crate) fn other(what: impl Into<String>, hints: impl IntoIterator<Item = String>) -> Self {
        Self::Other {
            what: what.into(),
            hints: hints.into_iter().collect(),
        }
    }

    /// The message, its hints and the exit status (1, 2 or 4).
    pub fn explanation(&self) -> Explanation {
        if let Self::Connection(failure) = self {
            let mut explanation = connection::explain(failure);
            if let Some(what) = explanation.what.strip_prefix("bitbucket-ssh: ") {
                explanation.what = what.to_owned();
            }
            explanation.status = 1;
            return explanation;
        }
        let (hints, status) = match self {
            Self::NoHome => (vec!["export HOME=/home/YOU".to_owned()], 1),
            Self::ForeignHome(home) => (
                vec![format!(
                    "run the command as the owner of {}",
                    home.display()
                )],
                1,
            ),
            Self::File { file, why } => (lock_hint(file, why).into_iter().collect(), 1),
            Self::ChangedMeanwhile(_) => (vec!["run the command again".to_owned()], 1),
            Self::NotUtf8 | Self::GitNotRun(_) | Self::Git { .. } | Self::NoSystemFile => {
                (Vec::new(), 1)
            }
            Self::NoRepository(_) => (
                vec!["run it in a repository, or with --global".to_owned()],
                1,
            ),
            Self::NoProgram(_) => (
                vec!["install bitbucket-ssh and git-bitbucket in the same directory".to_owned()],
                1,
            ),
            Self::ShimTaken(_) => (
                vec!["choose another directory: git bitbucket setup --shim DIR".to_owned()],
                1,
            ),
            Self::NoToken => (
                vec!["git bitbucket login ACCOUNT --with-token <FILE".to_owned()],
                1,
            ),
            Self::NoKeyring => (vec!["git bitbucket login --store file".to_owned()], 1),
            Self::NoBitbucket(_) => (
                vec!["git config --global bitbucket.https://HOST.type datacenter".to_owned()],
                1,
            ),
            Self::Other { hints, .. } => (hints.clone(), 1),
            Self::Credential(_) => (vec!["git bitbucket login --store file".to_owned()], 1),
            Self::Connection(_) | Self::EmptyToken | Self::Unanswered(_) => (Vec::new(), 1),
            Self::Scopes { page, .. } => (
                vec![format!(
                    "scopes cannot be added to a token; create a new one with them: {page}"
                )],
                1,
            ),
            Self::Site { why, page } => (site_hints(why, page), 1),
            Self::Usage { hint, .. } => (vec![hint.clone()], 2),
            Self::NotLoggedIn(_) => (vec!["git bitbucket login".to_owned()], 4),
        };
        Explanation {
            what: self.to_string(),
            hints,
            status,
        }
    }
}

/// What helps where the site refused.
fn site_hints(why: &bitbucket::Error, page: &str) -> Vec<String> {
    match why {
        bitbucket::Error::TokenRefused { .. } => vec![
            "on Cloud, the account is your Atlassian e-mail address, and the token needs scopes for Bitbucket".to_owned(),
            format!("create a token: {page}"),
        ],
        bitbucket::Error::RateLimited {
            retry_after: Some(seconds),
        } => vec![format!("try again in {seconds} s")],
        bitbucket::Error::Unreachable { .. } => {
            vec!["to see the proxy and certificate settings: git config --get-regexp '^http\\.'".to_owned()]
        }
        bitbucket::Error::Refused { message, .. } if message.contains("already") => vec![
            "a key can be on one account only: remove it from the other account, or create another one for this account:".to_owned(),
            "git bitbucket key new".to_owned(),
        ],
        bitbucket::Error::Credential(_)
        | bitbucket::Error::ScopeMissing { .. }
        | bitbucket::Error::Forbidden { .. }
        | bitbucket::Error::NotFound { .. }
        | bitbucket::Error::Refused { .. }
        | bitbucket::Error::RateLimited { retry_after: None }
        | bitbucket::Error::Server { .. }
        | bitbucket::Error::Unexpected { .. }
        | bitbucket::Error::ElsewhereRefused { .. } => Vec::new(),
    }
}

/// Another git at work, or one that died.
fn lock_hint(file: &Path, why: &io::Error) -> Option<String> {
    let lock = file
        .extension()
        .is_some_and(|extension| extension == "lock");
    (lock && why.kind() == io::ErrorKind::AlreadyExists).then(|| {
        format!(
            "another git is writing this file; if none is running: rm {}",
            file.display()
        )
    })
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Connection(Box::new(failure))
    }
}

impl From<provision::Error> for Error {
    fn from(error: provision::Error) -> Self {
        Failure::from(error).into()
    }
}

impl From<settings::Error> for Error {
    fn from(error: settings::Error) -> Self {
        Failure::from(error).into()
    }
}

impl From<storage::Error> for Error {
    fn from(error: storage::Error) -> Self {
        match error {
            storage::Error::NoHome => Self::NoHome,
            storage::Error::ForeignOwner(path) => Self::ForeignHome(path),
            storage::Error::File { path, kind, why } => Self::File {
                file: path,
                why: io::Error::new(kind, why),
            },
            storage::Error::Changed(path) => Self::ChangedMeanwhile(path),
            storage::Error::Locked { .. } => Self::other(error.to_string(), []),
        }
    }
}
