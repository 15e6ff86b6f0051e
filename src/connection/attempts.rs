//! The only loop of the program: for the next candidate of the plan, connect, log in, run; stop at
//! the first that completes.
//!
//! Decides what an outcome means for the next attempt. The session itself is `transport`'s, the
//! creation of a key `provision`'s.

use std::cell::RefCell;
use std::path::Path;

use super::{Connection, openssh};
use crate::connection::failure::{AttemptLog, DeniedIdentity, Failure};
use crate::connection::managed_keys::NewKey;
use crate::connection::renewal;
use crate::connection::resolve::variables_to_send;
use crate::connection::verify_key::{Wait, until_accepted};
use crate::diagnostics::trace2;
use crate::identity::{AccountId, Candidate, Identity, ManagedKey, Offer, Rank, Reason};
use crate::prompt;
use crate::provision::DeniedRepository;
use crate::settings::{Origin, Provision};
use crate::storage::Lock;
use crate::transport::{
    ExecRequest, ExitStatus, Outcome, Refusal, Session, Streams, run as run_session,
};

/// Works through the plan. Returns the remote command's exit status.
///
/// # Errors
///
/// What ends the call at once (no connection, a host key, a managed key that was refused), or
/// [`Failure::PlanExhausted`].
pub(super) fn run(connection: &Connection<'_>) -> Result<ExitStatus, Failure> {
    let plan = &connection.target.plan;
    if let Some(failure) = Failure::of_plan(plan) {
        return Err(failure);
    }
    let mut log = connection.target.attempt_log();
    let unknown_account = connection.ask_for_account().then(unknown_account);
    for candidate in plan.candidates.iter().chain(&unknown_account) {
        let mut next = connection.first_offer(candidate, &mut log)?;
        while let Some(mut offer) = next {
            next = match connection.open(&mut offer)? {
                Outcome::Completed {
                    status,
                    identity,
                    endpoint,
                } => {
                    let located = &connection.target.located;
                    connection.keys.completed(located, &identity, &endpoint);
                    log.report_fallback(offer.account.as_ref(), located.service.direction());
                    renewal::after(connection, &endpoint, &identity);
                    return Ok(status);
                }
                Outcome::CompletedWithoutKey { status } => return Ok(status),
                Outcome::RepositoryDenied {
                    identity,
                    stderr,
                    stdout,
                    status,
                    endpoint,
                } => {
                    connection.keys.accepted(&identity, &endpoint);
                    let rest = offer.after(&identity);
                    log.repository_denied(DeniedIdentity {
                        account: offer.account,
                        identity,
                        stderr,
                        stdout,
                        status,
                    });
                    rest
                }
                Outcome::AuthenticationFailed(refusal) => {
                    match refusal.for_ssh.clone() {
                        Some(key) if key.accepted => {
                            return openssh::run_with_key(connection, *key, refusal.endpoint);
                        }
                        Some(key) if log.for_ssh.is_none() => {
                            log.for_ssh = Some((key, refusal.endpoint.clone()));
                        }
                        _ => {}
                    }
                    connection.after_refusal(offer, refusal, &mut log)?
                }
            };
        }
    }
    match log.for_ssh.take() {
        Some((key, endpoint)) => openssh::run_with_key(connection, *key, endpoint),
        None => Err(Failure::PlanExhausted(Box::new(log))),
    }
}

/// What one connection offers.
struct NextOffer {
    /// The account of the identities, where it is known.
    account: Option<AccountId>,
    identities: Vec<Identity>,
    freshness: Freshness,
}

/// Whether the site's SSH servers know the key already, and where we know that from.
enum Freshness {
    /// They know it, or never will.
    Known,
    /// The site has just registered it.
    Registered,
    /// A person is adding it to the site.
    Pasted(#[expect(dead_code, reason = "held, not used")] Lock),
    /// It was refused although the account's key list shows it.
    Listed,
}

impl NextOffer {
    fn known(account: Option<&AccountId>, identities: Vec<Identity>) -> Option<Self> {
        (!identities.is_empty()).then(|| Self {
            account: account.cloned(),
            identities,
            freshness: Freshness::Known,
        })
    }

    fn new_key(new: NewKey) -> Self {
        Self {
            account: new.identity.managed.as_ref().map(|key| key.account.clone()),
            identities: vec![new.identity],
            freshness: match new.manual_registration {
                Some(lock) => Freshness::Pasted(lock),
                None => Freshness::Registered,
            },
        }
    }

    /// The identities that were not tried yet when the server accepted this one.
    fn after(&self, accepted: &Identity) -> Option<Self> {
        let fingerprint = accepted.fingerprint()?;
        let is_it = |identity: &Identity| identity.fingerprint().as_ref() == Some(&fingerprint);
        let at = self.identities.iter().position(is_it)?;
        Self::known(self.account.as_ref(), self.identities[at + 1..].to_vec())
    }

    /// The managed key of an account, where it was the only identity.
    fn managed(&self) -> Option<&ManagedKey> {
        match self.identities.as_slice() {
            [identity] => identity
                .managed
                .as_ref()
                .filter(|key| key.repository.is_none()),
            _ => None,
        }
    }
}

impl Connection<'_> {
    /// The identities of a candidate; a key that does not exist yet is created and registered.
    /// `None`: there is nothing to offer.
    fn first_offer(
        &self,
        candidate: &Candidate,
        log: &mut AttemptLog,
    ) -> Result<Option<NextOffer>, Failure> {
        let account = candidate.account.as_ref();
        let next = match (&candidate.offer, account) {
            (Offer::Identities(identities), _) => {
                NextOffer::known(account, log.without_accepted(identities))
            }
            (Offer::NewKey, Some(account)) => {
                if log.is_repository_denied() && !self.may_create_after_denial(account, log)? {
                    return Ok(None);
                }
                Some(NextOffer::new_key(
                    self.keys.create(account, self.beyond_ssh)?,
                ))
            }
            (Offer::NewKey, None) => self.create_for_unknown_account(log)?,
        };
        if let Some(next) = &next {
            trace2::data("account", || match &next.account {
                Some(account) => account.to_string(),
                None => "unknown".to_owned(),
            });
            trace2::data("reason", || candidate.reason.text.clone());
        }
        Ok(next)
    }

    /// Whether a person may be asked for an account when nothing else is left to try.
    fn ask_for_account(&self) -> bool {
        self.beyond_ssh.terminal()
            && self.target.no_account_known()
            && self.target.settings.provision.value != Provision::Never
    }

    /// No account is known: a person on a terminal names one, and may log in.
    fn create_for_unknown_account(
        &self,
        log: &mut AttemptLog,
    ) -> Result<Option<NextOffer>, Failure> {
        let summary = log.summary();
        let log = RefCell::new(log);
        let may_help =
            |account: &AccountId| self.may_create_after_denial(account, &mut log.borrow_mut());
        let denied = summary.as_deref().map(|summary| DeniedRepository {
            summary,
            may_help: &may_help,
        });
        let new = self
            .keys
            .create_for_unknown_account(self.beyond_ssh, denied)?;
        Ok(new.map(NextOffer::new_key))
    }

    /// An identity was accepted and denied the repository: a key for another account is created
    /// only if that account's token sees the repository, or a person agrees.
    fn may_create_after_denial(
        &self,
        account: &AccountId,
        log: &mut AttemptLog,
    ) -> Result<bool, prompt::Error> {
        let Some(repository) = &self.target.located.repository else {
            return Ok(false);
        };
        let direction = self.target.located.service.direction();
        match self.keys.sees(account, repository, direction) {
            Ok(true) => return Ok(true),
            Ok(false) => log.not_created(account, "its token has no access to the repository"),
            Err(error) if self.beyond_ssh.available() => {
                tracing::info!("{account}: {error}");
                let question = format!(
                    "Cannot check whether {account} has access to {repository}. Create a key for it? [y/N] "
                );
                if self.beyond_ssh.confirm(&question)? {
                    return Ok(true);
                }
                log.not_created(account, "declined");
            }
            Err(error) => log.not_created(account, &error.to_string()),
        }
        Ok(false)
    }

    /// The next attempt after a login was refused. For a managed key the account's key list
    /// decides, but only under `git`: another user name may be the reason.
    fn after_refusal(
        &self,
        offer: NextOffer,
        refusal: Refusal,
        log: &mut AttemptLog,
    ) -> Result<Option<NextOffer>, Failure> {
        self.keys.check_keyring()?;
        let Some(key) = offer.managed().filter(|_| self.target.route.user == "git") else {
            log.refused_logins.push((offer.account, refusal));
            return Ok(None);
        };
        if !refusal.unusable.is_empty() {
            // The server accepted the public key.
            return Err(Failure::Unusable(Box::new(key.clone()), refusal.unusable));
        }
        match offer.freshness {
            Freshness::Known => match self.keys.replace_refused(key, self.beyond_ssh)? {
                Some(new) => Ok(Some(NextOffer::new_key(new))),
                None => Ok(Some(NextOffer {
                    freshness: Freshness::Listed,
                    ..offer
                })),
            },
            Freshness::Listed => Err(Failure::ListedButRefused(Box::new(key.clone()))),
            Freshness::Registered | Freshness::Pasted(_) => {
                Err(Failure::NewKeyNotAccepted(Box::new(key.clone())))
            }
        }
    }

    /// Opens a connection with these identities, more than once while the site's SSH servers do
    /// not know a new key yet.
    fn open(&self, offer: &mut NextOffer) -> Result<Outcome, Failure> {
        let wait = match offer.freshness {
            Freshness::Known => return self.open_once(&offer.identities),
            Freshness::Registered | Freshness::Listed => Wait::PROPAGATION,
            Freshness::Pasted(_) => Wait::PASTING,
        };
        let outcome = until_accepted(
            wait,
            |outcome| !matches!(outcome, Outcome::AuthenticationFailed(_)),
            || self.open_once(&offer.identities),
        );
        if matches!(offer.freshness, Freshness::Pasted(_)) {
            // Others may create keys for the site again.
            offer.freshness = Freshness::Registered;
        }
        outcome
    }

    fn open_once(&self, identities: &[Identity]) -> Result<Outcome, Failure> {
        let passphrase = |file: &Path| self.keys.passphrase(identities, file);
        let session = Session {
            route: self.target.route.clone(),
            config: self.config,
            context: self.context,
            identities: identities.to_vec(),
            as_ssh: false,
            exec: ExecRequest {
                command: self.request.command.clone(),
                service: self.target.located.service,
                environment: variables_to_send(self.config, &self.context.environment),
            },
            prompt: self.prompt,
            passphrase: &passphrase,
        };
        let streams = Streams::standard(self.request.no_stdin)?;
        Ok(run_session(session, streams)?)
    }
}

/// The last candidate where no account is known: a new key for an account that a person names.
fn unknown_account() -> Candidate {
    Candidate {
        account: None,
        offer: Offer::NewKey,
        reason: Reason {
            rank: Rank::Fallback,
            origin: Origin::Default,
            text: "no account was known".to_owned(),
        },
    }
}
