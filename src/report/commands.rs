//! Why a command of `git bitbucket` failed, in words, with the next step and the exit status.

use std::io;
use std::path::{Path, PathBuf};

use super::{Explanation, connection};
use crate::bitbucket::{self, credential};
use crate::connection::failure::Failure;
use crate::text::{Pasted, in_hint};
use crate::{prompt, provision, settings, storage};

/// A command's failure.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written, or there is no home directory for it.
    #[error(transparent)]
    Storage(#[from] storage::Error),
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
    /// No `--with-token`, and there is no terminal to ask on. The account, if it is named.
    #[error("cannot ask for the API token without a terminal")]
    NoToken(Option<String>),
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
        storage::Error::file(file, why).into()
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
        let explanation = Explanation {
            status: match self {
                Self::Usage { .. } => 2,
                Self::NotLoggedIn(_) => 4,
                _ => 1,
            },
            ..Explanation::new(self.to_string())
        };
        match self {
            Self::Storage(error) => explanation.hints(storage_hint(error)),
            Self::NotUtf8
            | Self::GitNotRun(_)
            | Self::Git { .. }
            | Self::NoSystemFile
            | Self::Connection(_)
            | Self::EmptyToken
            | Self::Unanswered(_) => explanation,
            Self::NoRepository(_) => explanation.hint("run it in a repository, or with --global"),
            Self::NoProgram(_) => {
                explanation.hint("install bitbucket-ssh and git-bitbucket in the same directory")
            }
            Self::ShimTaken(_) => {
                explanation.hint("choose another directory: git bitbucket setup --shim DIR")
            }
            Self::NoToken(account) => {
                let account = account.as_deref().map(Pasted::new);
                let account = account.as_ref().map_or("ACCOUNT", Pasted::as_str);
                explanation.hint(format!("git bitbucket login {account} --with-token <FILE"))
            }
            Self::NoKeyring | Self::Credential(_) => {
                explanation.hint("git bitbucket login --store file")
            }
            Self::NoBitbucket(_) => {
                explanation.hint("git config --global bitbucket.https://HOST.type datacenter")
            }
            Self::Other { hints, .. } => explanation.hints(hints.iter().cloned()),
            Self::Scopes { page, .. } => explanation.hint(format!(
                "scopes cannot be added to a token; create a new one with them: {page}"
            )),
            Self::Site { why, page } => explanation.hints(site_hints(why, page)),
            Self::Usage { hint, .. } => explanation.hint(hint.clone()),
            Self::NotLoggedIn(_) => explanation.hint("git bitbucket login"),
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
        } => vec![format!("try again in {seconds} seconds")],
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

fn storage_hint(error: &storage::Error) -> Option<String> {
    match error {
        storage::Error::NoHome | storage::Error::NoSuchHome(_) => {
            Some("export HOME=/home/YOU".to_owned())
        }
        storage::Error::WritableByOthers(path) => {
            Some(format!("chmod go-w {}", Pasted::path(path, None)))
        }
        storage::Error::ForeignOwner(path) => Some(format!(
            "nothing was written; run the command as the owner of {}",
            in_hint(path)
        )),
        storage::Error::Changed(_) => Some("nothing was written; run the command again".to_owned()),
        // Another git is writing the file, or was killed while it did.
        storage::Error::File { path, kind, .. } => {
            let lock = path
                .extension()
                .is_some_and(|extension| extension == "lock");
            (lock && *kind == io::ErrorKind::AlreadyExists).then(|| {
                format!(
                    "another git is writing this file; if none is running: rm {}",
                    Pasted::path(path, None)
                )
            })
        }
        storage::Error::ReadOnly(_) | storage::Error::Locked { .. } => None,
    }
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
