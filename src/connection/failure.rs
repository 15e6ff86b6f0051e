//! How a git command can end without being served, as values; `report` has the words.

use std::path::PathBuf;

use crate::connection::collect::ConnectionTarget;
use crate::identity::{AccountId, Candidate, Identity, ManagedKey, Rank, Skipped};
use crate::settings::Sourced;
use crate::transport::{ExitStatus, Refusal};
use crate::{prompt, provision, repository, settings, ssh_command, transport};

/// Why git was not served.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line.
    #[error(transparent)]
    Command(#[from] ssh_command::Error),
    /// The path or host must not pass.
    #[error(transparent)]
    Repository(#[from] repository::Error),
    /// A configuration that cannot be read.
    #[error(transparent)]
    Settings(#[from] settings::Error),
    /// A value that a setting cannot have, and that is needed.
    #[error("bad config value '{}'", .0.value)]
    InvalidSetting(settings::Ignored),
    /// The session.
    #[error(transparent)]
    Transport(#[from] transport::Error),
    /// A key could not be made.
    #[error(transparent)]
    Provision(#[from] provision::Error),
    /// A question that had no answer.
    #[error(transparent)]
    Prompt(#[from] prompt::Error),
    /// `-E FILE` cannot be written.
    #[error(transparent)]
    Diagnostics(#[from] crate::diagnostics::Error),
    /// Only the system's ssh could do this, and none is installed.
    #[error("no ssh is installed")]
    NoSystemSsh {
        /// What asked for it: an option, a directive, a host.
        reason: String,
    },
    /// The system's ssh is there and did not start.
    #[error("{}: {why}", ssh.display())]
    HandOver {
        /// The program.
        ssh: PathBuf,
        /// The system's words.
        why: String,
    },
    /// A setting names a key file that does not exist.
    #[error("{}: no such identity file", .0.value.display())]
    IdentityFileMissing(Sourced<PathBuf>),
    /// The account's key list shows the key, and the server refuses it.
    #[error("the key is listed and was refused")]
    ListedButRefused(Box<ManagedKey>),
    /// A key that was registered just now was not let in within the time of propagation.
    #[error("the new key was not accepted")]
    NewKeyNotAccepted(Box<ManagedKey>),
    /// Somebody removed the key from the account.
    #[error("the key is no longer on the account")]
    Removed(Box<ManagedKey>),
    /// The site's end of the key's life has come, and no new key may be made.
    #[error("the key has expired")]
    Expired(Box<ManagedKey>),
    /// A key could not be made with the token of the environment, which goes before every other.
    #[error(transparent)]
    TokenOfTheEnvironment(provision::Error),
    /// A refused managed identity cannot be judged: its account's key list could not be read.
    #[error("the key was refused")]
    NotJudged {
        /// The identity.
        record: Box<ManagedKey>,
        /// Why the list was not read; `None`: there is no token.
        why: Option<provision::Error>,
    },
    /// The server accepted a managed identity's public key, and its private key could not be used:
    /// each reason, or the line that puts it right.
    #[error("the key could not be used")]
    Unusable(Box<ManagedKey>, Vec<String>),
    /// The plan is at its end.
    #[error("nobody was served")]
    NotServed(Box<AttemptLog>),
    /// At a host of no site; said in ssh(1)'s words alone.
    #[error(transparent)]
    Elsewhere(Box<Self>),
}

impl Failure {
    /// The server speaks no algorithm that the native transport speaks; nothing was exchanged but
    /// the names of algorithms.
    pub fn is_no_common_algorithm(&self) -> bool {
        match self {
            Self::Transport(transport::Error::Negotiate { .. }) => true,
            Self::Elsewhere(failure) => failure.is_no_common_algorithm(),
            _ => false,
        }
    }
}

/// A repository that was refused to an identity.
#[derive(Debug)]
pub struct RefusedRepository {
    /// Whose identity it was, where that is known.
    pub account: Option<AccountId>,
    /// Which.
    pub identity: Identity,
    /// The channel's stderr as it came.
    pub stderr: Vec<u8>,
    /// A first packet `ERR` as it came.
    pub stdout: Vec<u8>,
    /// The remote status.
    pub status: ExitStatus,
}

impl RefusedRepository {
    /// The server's words, on whichever stream they came.
    pub fn said(&self) -> String {
        let said = if self.stderr.is_empty() {
            &self.stdout
        } else {
            &self.stderr
        };
        String::from_utf8_lossy(said).trim().to_owned()
    }
}

/// What was tried, and what became of it.
#[derive(Debug, Default)]
pub struct AttemptLog {
    /// Identities that were let in and refused the repository, in order.
    pub refused: Vec<RefusedRepository>,
    /// Logins that were refused, with the account.
    pub not_let_in: Vec<(Option<AccountId>, Refusal)>,
    /// Accounts for which no key was made, and why.
    pub not_made: Vec<(AccountId, String)>,
    /// What the plan left out.
    pub skipped: Vec<Skipped>,
    /// No account was named, and none is known here.
    pub nobody_known: bool,
    /// The rank that closed the plan.
    pub decided_by: Option<Rank>,
    /// The setting that is not understood and keeps keys from being made.
    pub provision_blocker: Option<settings::Ignored>,
}

impl AttemptLog {
    /// Whether an identity was let in and then refused the repository.
    pub fn repository_was_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    /// What a person is told of a repository that was refused, in one sentence. `None`: none was.
    pub(super) fn told(&self, target: ConnectionTarget<'_>) -> Option<String> {
        let first = self.refused.first()?;
        let said = crate::text::sanitise(&first.said());
        let repository = target.repository.map(ToString::to_string);
        Some(format!(
            "No key on this machine may use {} ({said}).",
            crate::text::sanitise(&repository.unwrap_or_default())
        ))
    }

    pub(super) fn without_let_in(&self, identities: &[Identity]) -> Vec<Identity> {
        let let_in: Vec<_> = self
            .refused
            .iter()
            .filter_map(|refused| refused.identity.fingerprint())
            .collect();
        identities
            .iter()
            .filter(|identity| {
                identity
                    .fingerprint()
                    .is_none_or(|print| !let_in.contains(&print))
            })
            .cloned()
            .collect()
    }

    pub(super) fn refused_repository(
        &mut self,
        candidate: &Candidate,
        identity: Identity,
        stderr: Vec<u8>,
        stdout: Vec<u8>,
        status: ExitStatus,
    ) {
        let account = candidate.account.clone();
        tracing::info!(
            "{} was let in, but may not use the repository: {}",
            named(account.as_ref(), &identity),
            crate::text::sanitise(String::from_utf8_lossy(&stderr).trim())
        );
        self.refused.push(RefusedRepository {
            account,
            identity,
            stderr,
            stdout,
            status,
        });
    }

    pub(super) fn not_let_in(&mut self, candidate: &Candidate, refusal: &Refusal) {
        self.not_let_in
            .push((candidate.account.clone(), refusal.clone()));
    }

    pub(super) fn not_made(&mut self, account: &AccountId, why: &str) {
        tracing::info!("no key is made for {account}: {why}");
        self.not_made.push((account.clone(), why.to_owned()));
    }

    /// A push that went on as another account names both, in one line; a fetch at `-v`.
    pub(super) fn report_fallback(&self, served: &Candidate, target: ConnectionTarget<'_>) {
        let (Some(first), Some(repository)) = (self.refused.first(), target.repository) else {
            return;
        };
        let refused = named(first.account.as_ref(), &first.identity);
        let went = served
            .account
            .as_ref()
            .map_or_else(|| "another key".to_owned(), ToString::to_string);
        let line = format!("{repository}: {refused} has no access, went on as {went}");
        if target.service.direction() == repository::Direction::Push {
            crate::diagnostics::notice(&line);
        } else {
            tracing::info!("{line}");
        }
    }
}

/// An identity as people know it: its account, else its file, else its fingerprint.
pub fn named(account: Option<&AccountId>, identity: &Identity) -> String {
    match (account, &identity.file) {
        (Some(account), _) => account.to_string(),
        (None, Some(file)) => file.display().to_string(),
        (None, None) => identity.fingerprint().unwrap_or_else(|| "a key".to_owned()),
    }
}
