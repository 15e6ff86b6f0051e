//! The only loop of the program: for the next candidate of the plan, open, log in, run; stop at
//! the first that is served.
//!
//! Decides what an outcome means for the next step; the session itself is `transport`'s, the
//! making of a key `provision`'s.

use std::cell::RefCell;

use crate::connection::collect::ConnectionTarget;
use crate::connection::failure::{AttemptLog, Failure};
use crate::connection::managed_keys::{ManagedKeys, NewKey};
use crate::connection::renewal;
use crate::context::Context;
use crate::diagnostics::trace2;
use crate::identity::{
    AccountId, Candidate, Identity, ManagedKey, Offer, Plan, Rank, Reason, State,
};
use crate::prompt::{self, Prompt};
use crate::provision::ensure::{ManualLock, Refused};
use crate::settings::{Origin, Provision};
use crate::ssh_command::Request;
use crate::transport::{Endpoint, ExitStatus, Outcome};

/// One git command on its way.
pub struct Attempts<'a> {
    /// The captured process surroundings.
    pub context: &'a Context,
    /// Whom the connection is for.
    pub target: ConnectionTarget<'a>,
    /// What git asked.
    pub request: &'a Request,
    /// Where to connect to, in order.
    pub endpoints: Vec<Endpoint>,
    /// Host keys that the site told at login (`SHA256:…`).
    pub site_fingerprints: Vec<String>,
    /// Variables to send.
    pub environment: Vec<(String, String)>,
    /// Who can be asked.
    pub prompt: &'a dyn Prompt,
    /// The new key of a rotation that was interrupted.
    pub rotation_begun: Option<ManagedKey>,
    /// ManagedKeys that are made, judged and recorded.
    pub keys: ManagedKeys<'a>,
}

impl Attempts<'_> {
    /// Goes through the plan. The status is the remote command's.
    ///
    /// # Errors
    ///
    /// Whatever ends the call at once (no connection, a host key, a managed identity that was
    /// refused), or [`Failure::NotServed`] when the plan is at its end.
    pub fn run(&self, plan: Plan) -> Result<ExitStatus, Failure> {
        if let Some(missing) = plan.missing.first() {
            return Err(Failure::IdentityFileMissing(missing.clone()));
        }
        let mut tried = AttemptLog::default();
        for candidate in &plan.candidates {
            if let Some(status) = self.try_candidate(candidate, &mut tried)? {
                return Ok(status);
            }
        }
        if let Some(status) = self.try_newcomer(&plan, &mut tried)? {
            return Ok(status);
        }
        tried.nobody_known = nobody_known(&plan);
        tried.skipped = plan.skipped;
        tried.decided_by = plan.decided_by;
        tried.provision_blocker = self.target.settings.provision_blocker().cloned();
        Err(Failure::NotServed(Box::new(tried)))
    }

    /// `None`: the next candidate, please.
    fn try_candidate(
        &self,
        candidate: &Candidate,
        tried: &mut AttemptLog,
    ) -> Result<Option<ExitStatus>, Failure> {
        let next = match (&candidate.offer, &candidate.account) {
            (Offer::Identities(identities), _) => NextOffer::of(tried.without_let_in(identities)),
            (Offer::NewKey, Some(account)) => {
                if tried.repository_was_refused() && !self.may_make_after_refusal(account, tried)? {
                    return Ok(None);
                }
                NextOffer::new(self.keys.make(account, self.prompt)?)
            }
            (Offer::NewKey, None) => return Ok(None),
        };
        self.go(candidate, next, tried)
    }

    /// No account is known here and nobody was served: a person on a terminal is told how to log
    /// in, and goes on.
    fn try_newcomer(
        &self,
        plan: &Plan,
        tried: &mut AttemptLog,
    ) -> Result<Option<ExitStatus>, Failure> {
        let wanted = self.prompt.terminal()
            && nobody_known(plan)
            && self.keys.settings.provision.value != Provision::Never;
        if !wanted {
            return Ok(None);
        }
        let told = tried.told(self.target);
        let tried = RefCell::new(tried);
        let may_help =
            |account: &AccountId| self.may_make_after_refusal(account, &mut tried.borrow_mut());
        let refused = told.as_deref().map(|told| Refused {
            told,
            may_help: &may_help,
        });
        let Some(new) = self.keys.make_for_newcomer(self.prompt, refused)? else {
            return Ok(None);
        };
        let tried = tried.into_inner();
        let candidate = Candidate {
            account: new.identity.managed.as_ref().map(|m| m.account.clone()),
            offer: Offer::NewKey,
            reason: Reason {
                rank: Rank::Fallback,
                origin: Origin::Default,
                text: "no account was known".to_owned(),
            },
        };
        self.go(&candidate, NextOffer::new(new), tried)
    }

    /// Opens connections until one is served or there is nothing left to offer.
    fn go(
        &self,
        candidate: &Candidate,
        mut next: NextOffer,
        tried: &mut AttemptLog,
    ) -> Result<Option<ExitStatus>, Failure> {
        trace2::data("account", || {
            let account = candidate.account.as_ref();
            account.map_or_else(|| "unknown".to_owned(), ToString::to_string)
        });
        trace2::data("reason", || candidate.reason.text.clone());
        while !next.identities.is_empty() {
            let outcome = match (next.manual_registration.take(), next.age) {
                (Some(held), _) => self.open_by_hand(&next.identities, held)?,
                (None, Age::Known) => self.open(&next.identities)?,
                (None, Age::MadeNow | Age::Listed) => self.open_new(&next.identities)?,
            };
            match outcome {
                Outcome::Completed {
                    status,
                    identity,
                    endpoint,
                } => {
                    self.keys.served(self.target, &identity, &endpoint);
                    tried.report_fallback(candidate, self.target);
                    let endpoints = std::slice::from_ref(&endpoint);
                    renewal::after(
                        self.context,
                        self.target,
                        endpoints,
                        &self.keys,
                        &identity,
                        self.rotation_begun.as_ref(),
                    );
                    return Ok(Some(status));
                }
                Outcome::ServedWithoutKey { status } => return Ok(Some(status)),
                Outcome::RepositoryDenied {
                    identity,
                    stderr,
                    stdout,
                    status,
                    endpoint,
                } => {
                    self.keys.let_in(&identity, &endpoint);
                    next.identities = after(&next.identities, &identity);
                    tried.refused_repository(candidate, identity, stderr, stdout, status);
                }
                Outcome::AuthenticationFailed(refusal) => {
                    self.keys.keyring_gave()?;
                    if let Some(record) = self.judged(&next.identities) {
                        if !refusal.unusable.is_empty() {
                            // The server had nothing against it.
                            let why = refusal.unusable;
                            return Err(Failure::Unusable(Box::new(record.clone()), why));
                        }
                        match self.judge(record, next.age)? {
                            Some(new) => next = NextOffer::new(new),
                            None => next.age = Age::Listed,
                        }
                    } else {
                        tried.not_let_in(candidate, &refusal);
                        return Ok(None);
                    }
                }
            }
        }
        Ok(None)
    }

    /// A managed identity that alone was offered under `git`: only there a refusal is judged.
    fn judged<'i>(&self, identities: &'i [Identity]) -> Option<&'i ManagedKey> {
        match identities {
            [identity] if self.target.user == "git" => identity
                .managed
                .as_ref()
                .filter(|record| record.repository.is_none()),
            _ => None,
        }
    }

    /// What the account's key list says about a refused key: a replacement, or the end. `None`:
    /// it is listed and was never proved, so that waiting may help.
    fn judge(&self, record: &ManagedKey, age: Age) -> Result<Option<NewKey>, Failure> {
        match age {
            Age::Known => self.keys.judge(record, self.prompt),
            Age::MadeNow => Err(Failure::NewKeyNotAccepted(Box::new(record.clone()))),
            Age::Listed => Err(Failure::ListedButRefused(Box::new(record.clone()))),
        }
    }

    /// Somebody was let in and may not see the repository: a key for another account is made only
    /// where that account's token sees it, or a person says so.
    fn may_make_after_refusal(
        &self,
        account: &AccountId,
        tried: &mut AttemptLog,
    ) -> Result<bool, prompt::Error> {
        let Some(repository) = self.target.repository else {
            return Ok(false);
        };
        let direction = self.target.service.direction();
        match self.keys.sees(account, repository, direction) {
            Ok(true) => return Ok(true),
            Ok(false) => tried.not_made(account, "its token does not see the repository"),
            Err(error) if self.prompt.available() => {
                tracing::info!("{account}: {error}");
                let question = format!(
                    "Make a key for {account}, whose access to {repository} is not known? [y/N] "
                );
                match self.prompt.confirm(&question) {
                    Ok(true) => return Ok(true),
                    Ok(false) => tried.not_made(account, "no key was wanted"),
                    Err(error) => return Err(error),
                }
            }
            Err(error) => tried.not_made(account, &error.to_string()),
        }
        Ok(false)
    }
}

/// Nobody named an account, and none is recorded.
fn nobody_known(plan: &Plan) -> bool {
    plan.decided_by.is_none() && plan.candidates.iter().all(|one| one.account.is_none())
}

/// What the next connection offers.
struct NextOffer {
    identities: Vec<Identity>,
    age: Age,
    manual_registration: Option<ManualLock>,
}

impl NextOffer {
    fn of(identities: Vec<Identity>) -> Self {
        Self {
            identities,
            age: Age::Known,
            manual_registration: None,
        }
    }

    fn new(new: NewKey) -> Self {
        Self {
            identities: vec![new.identity],
            age: Age::MadeNow,
            manual_registration: new.manual_registration,
        }
    }
}

/// Whether the site's SSH servers may still have to learn of a key, and how we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    /// They know it, or never will.
    Known,
    /// The site has taken it just now.
    MadeNow,
    /// It was refused, and the account lists it.
    Listed,
}

/// The identities that were not offered yet when this one was let in.
fn after(identities: &[Identity], let_in: &Identity) -> Vec<Identity> {
    let fingerprint = let_in.fingerprint();
    let position = identities
        .iter()
        .position(|identity| identity.fingerprint() == fingerprint && fingerprint.is_some());
    position.map_or_else(Vec::new, |at| identities[at + 1..].to_vec())
}

/// Whether the record was never let in.
pub(super) fn unproved(record: &ManagedKey) -> bool {
    matches!(record.state, State::Registered | State::Pending)
}
