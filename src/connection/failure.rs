//! The ways in which a git command can fail, as values; `report` turns them into messages.

use std::path::{Path, PathBuf};

use crate::identity::{AccountId, Identity, ManagedKey, Plan, Rank, Skipped, UnresolvedAccount};
use crate::repository::{Direction, Repository, Site, SiteKind};
use crate::settings::{Origin, Sourced};
use crate::text::sanitise;
use crate::transport::{Endpoint, ExitStatus, ForSsh, Refusal};
use crate::{prompt, provision, repository, settings, ssh_command, transport};

/// Why a git command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line is wrong.
    #[error(transparent)]
    Command(#[from] ssh_command::Error),
    /// The path or host is not allowed.
    #[error(transparent)]
    Repository(#[from] repository::Error),
    /// A configuration cannot be read.
    #[error(transparent)]
    Settings(#[from] settings::Error),
    /// A setting that is needed has an invalid value.
    #[error("{0}")]
    InvalidSetting(settings::Ignored),
    /// The SSH session failed.
    #[error(transparent)]
    Transport(#[from] transport::Error),
    /// No SSH server of a Data Center could be reached.
    #[error("{error}")]
    DataCenterUnreachable {
        /// What happened.
        error: Box<transport::Error>,
        /// The site's URL.
        site: String,
    },
    /// A key could not be created.
    #[error(transparent)]
    Provision(#[from] provision::Error),
    /// A question was not answered.
    #[error(transparent)]
    Prompt(#[from] prompt::Error),
    /// `-E FILE` cannot be written.
    #[error(transparent)]
    Diagnostics(#[from] crate::diagnostics::Error),
    /// Only the system's ssh supports this, and none is installed.
    #[error("no ssh is installed")]
    NoSystemSsh {
        /// An option, a directive or a host.
        reason: String,
    },
    /// The system's ssh could not be started.
    #[error("{}: {why}", ssh.display())]
    HandOver {
        /// The program.
        ssh: PathBuf,
        /// The system's message.
        why: String,
    },
    /// A setting names a key file that does not exist.
    #[error("{}: no such identity file", .0.value.display())]
    IdentityFileMissing(Sourced<PathBuf>),
    /// A setting names an account that stands for no account, or for several.
    #[error("{}: no such account", .0.account.value)]
    UnresolvedAccount(Box<UnresolvedAccount>),
    /// The account's key list shows the key, and the server refuses it.
    #[error("the key is listed and was refused")]
    ListedButRefused(Box<ManagedKey>),
    /// The server did not accept a key that was registered just now.
    #[error("the new key was not accepted")]
    NewKeyNotAccepted(Box<ManagedKey>),
    /// The key was removed from the account, not by this program.
    #[error("the key is no longer on the account")]
    Removed(Box<ManagedKey>),
    /// The key has expired, and a new one may not be created.
    #[error("the key has expired")]
    Expired(Box<ManagedKey>),
    /// The token of the environment, which precedes every other, does not suffice for a new key.
    #[error(transparent)]
    EnvironmentToken(provision::Error),
    /// A managed key was refused, and its account's key list could not be read.
    #[error("the key was refused")]
    KeyListUnreadable {
        /// The key.
        key: Box<ManagedKey>,
        /// `None`: there is no token.
        why: Option<provision::Error>,
    },
    /// The server accepted a managed key's public half, and its private half could not be used:
    /// each reason, or the command that helps.
    #[error("the key could not be used")]
    Unusable(Box<ManagedKey>, Vec<String>),
    /// No candidate of the plan completed the command.
    #[error("no identity was accepted")]
    PlanExhausted(Box<AttemptLog>),
    /// A failure at a host that is not Bitbucket: reported in ssh(1)'s words alone.
    #[error(transparent)]
    OtherHost(Box<Self>),
}

impl Failure {
    /// What a plan names and this machine does not have. `None`: it has everything.
    pub(super) fn of_plan(plan: &Plan) -> Option<Self> {
        let unresolved = plan.unresolved.clone().map(Box::new);
        let missing = plan.missing.first().cloned();
        unresolved
            .map(Self::UnresolvedAccount)
            .or(missing.map(Self::IdentityFileMissing))
    }

    /// Whether an account or a token that is missing or refused may be the reason.
    pub(super) fn is_about_login(&self) -> bool {
        match self {
            Self::PlanExhausted(log) => log.denied.is_empty(),
            Self::Provision(_) | Self::EnvironmentToken(_) | Self::KeyListUnreadable { .. } => true,
            _ => false,
        }
    }

    /// The system's ssh could not be started.
    pub(super) fn hand_over(ssh: &Path, error: &std::io::Error) -> Self {
        Self::HandOver {
            ssh: ssh.to_owned(),
            why: crate::diagnostics::os_error_message(error),
        }
    }

    /// The key that was left to the system's ssh at a host that is not Bitbucket.
    pub(super) fn key_for_ssh(&self) -> Option<&ForSsh> {
        match self {
            Self::OtherHost(failure) => failure.key_for_ssh(),
            Self::PlanExhausted(log) => {
                let mut refusals = log.refused_logins.iter();
                refusals.find_map(|(_, refusal)| refusal.for_ssh.as_deref())
            }
            _ => None,
        }
    }

    /// The same, knowing which site the command was for.
    pub(super) fn at(self, site: &Site) -> Self {
        match self {
            Self::Transport(
                error @ (transport::Error::Resolve { .. }
                | transport::Error::Connect { .. }
                | transport::Error::Timeout { .. }),
            ) if site.kind == SiteKind::DataCenter => Self::DataCenterUnreachable {
                error: Box::new(error),
                site: site.url.clone(),
            },
            other => other,
        }
    }

    /// The native transport and the server have no algorithm in common; nothing else was
    /// exchanged.
    pub(super) fn is_no_common_algorithm(&self) -> bool {
        match self {
            Self::Transport(transport::Error::Negotiate { .. }) => true,
            Self::OtherHost(failure) => failure.is_no_common_algorithm(),
            _ => false,
        }
    }
}

/// An identity that the server accepted and denied the repository.
#[derive(Debug)]
pub struct DeniedIdentity {
    /// Its account, where that is known.
    pub account: Option<AccountId>,
    /// The key.
    pub identity: Identity,
    /// The channel's stderr as it came.
    pub stderr: Vec<u8>,
    /// A first packet `ERR` as it came.
    pub stdout: Vec<u8>,
    /// The remote command's exit status.
    pub status: ExitStatus,
}

impl DeniedIdentity {
    /// The server's message, on whichever stream it came.
    pub fn message(&self) -> String {
        let bytes = if self.stderr.is_empty() {
            &self.stdout
        } else {
            &self.stderr
        };
        String::from_utf8_lossy(bytes).trim().to_owned()
    }
}

/// What was tried, and with what result.
#[derive(Debug, Default)]
pub struct AttemptLog {
    /// Identities that were accepted and denied the repository, in order.
    pub denied: Vec<DeniedIdentity>,
    /// Logins that were refused, with the account.
    pub refused_logins: Vec<(Option<AccountId>, Refusal)>,
    /// Accounts for which no key was created, and why.
    pub not_created: Vec<(AccountId, String)>,
    /// The repository of the command, where it names one.
    pub repository: Option<Repository>,
    /// What the plan left out.
    pub skipped: Vec<Skipped>,
    /// No setting names an account, and none is recorded.
    pub no_account_known: bool,
    /// The rank that closed the plan.
    pub decided_by: Option<Rank>,
    /// Where the first identity of that rank is configured.
    pub configured_at: Option<Origin>,
    /// A key that was left to the system's ssh, without knowing whether the server accepts it.
    pub for_ssh: Option<(Box<ForSsh>, Endpoint)>,
    /// The invalid setting that prevents keys from being created.
    pub provision_blocker: Option<settings::Ignored>,
}

impl AttemptLog {
    pub(super) fn is_repository_denied(&self) -> bool {
        !self.denied.is_empty()
    }

    /// One sentence about the repository that was denied. `None`: none was.
    pub(super) fn summary(&self) -> Option<String> {
        let first = self.denied.first()?;
        let message = sanitise(&first.message());
        let repository = self.repository.as_ref().map(ToString::to_string);
        Some(format!(
            "No key on this machine has access to {} ({message}).",
            sanitise(&repository.unwrap_or_default())
        ))
    }

    /// The identities that were not accepted on an earlier connection.
    pub(super) fn without_accepted(&self, identities: &[Identity]) -> Vec<Identity> {
        let accepted: Vec<_> = self
            .denied
            .iter()
            .filter_map(|denied| denied.identity.fingerprint())
            .collect();
        let is_new = |identity: &&Identity| {
            let fingerprint = identity.fingerprint();
            fingerprint.is_none_or(|fingerprint| !accepted.contains(&fingerprint))
        };
        identities.iter().filter(is_new).cloned().collect()
    }

    pub(super) fn repository_denied(&mut self, denied: DeniedIdentity) {
        tracing::info!(
            "{} was accepted, but has no access to the repository: {}",
            named(denied.account.as_ref(), &denied.identity),
            sanitise(String::from_utf8_lossy(&denied.stderr).trim())
        );
        self.denied.push(denied);
    }

    pub(super) fn not_created(&mut self, account: &AccountId, why: &str) {
        tracing::info!("no key is created for {account}: {why}");
        self.not_created.push((account.clone(), why.to_owned()));
    }

    /// Says that another account than the first was used: for a push in one line, else at `-v`.
    pub(super) fn report_fallback(&self, used: Option<&AccountId>, direction: Direction) {
        let (Some(first), Some(repository)) = (self.denied.first(), &self.repository) else {
            return;
        };
        let denied = named(first.account.as_ref(), &first.identity);
        let used = used.map_or_else(|| "another key".to_owned(), ToString::to_string);
        let line = format!("{repository}: {denied} has no access, used {used} instead");
        if direction == Direction::Push {
            crate::diagnostics::notice(&line);
        } else {
            tracing::info!("{line}");
        }
    }
}

/// The name of an identity in messages: its account, else its file, else its fingerprint.
pub fn named(account: Option<&AccountId>, identity: &Identity) -> String {
    match (account, &identity.file) {
        (Some(account), _) => account.to_string(),
        (None, Some(file)) => file.display().to_string(),
        (None, None) => identity.fingerprint().unwrap_or_else(|| "a key".to_owned()),
    }
}
