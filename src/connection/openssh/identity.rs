//! The identity that the system's ssh uses: the plan's first, created and verified here, since ssh
//! takes over the process and its login cannot be observed.

use super::super::Connection;
use super::passes_descriptor;
use crate::bitbucket::keyring;
use crate::connection::failure::Failure;
use crate::connection::managed_keys::{NewKey, is_unverified};
use crate::connection::verify_key::{KeyVerifier, Wait};
use crate::identity::{Identity, ManagedKey, Offer, PassphrasePlace, Rank};
use crate::prompt::Silent;
use crate::provision;
use crate::settings::Provision;
use crate::transport::{self, Endpoint};

pub(super) struct ChosenIdentity {
    /// `None`: ssh uses ssh_config's identities and the agent.
    pub(super) identity: Option<Identity>,
    /// The endpoint that accepted it just now. `None`: it was not tried.
    pub(super) accepted_by: Option<Endpoint>,
}

impl ChosenIdentity {
    const SSH_DECIDES: Self = Self {
        identity: None,
        accepted_by: None,
    };

    pub(super) fn of(identity: Identity, accepted_by: Option<Endpoint>) -> Self {
        Self {
            identity: Some(identity),
            accepted_by,
        }
    }
}

impl Connection<'_> {
    /// The plan's first identity.
    pub(super) fn choose_identity(&self) -> Result<ChosenIdentity, Failure> {
        let plan = &self.target.plan;
        let provider = self.config.unsupported.needs_system_ssh.as_deref();
        if matches!(provider, Some("PKCS11Provider" | "SecurityKeyProvider")) {
            return Ok(ChosenIdentity::SSH_DECIDES);
        }
        if let Some(failure) = Failure::of_plan(plan) {
            return Err(failure);
        }
        let new = match (plan.candidates.first(), plan.decided_by) {
            (None, Some(_)) => {
                let log = self.target.attempt_log();
                return Err(Failure::PlanExhausted(Box::new(log)));
            }
            (None, None) => {
                let allowed = self.target.settings.provision.value != Provision::Never;
                if !allowed || !self.beyond_ssh.terminal() {
                    return Ok(ChosenIdentity::SSH_DECIDES);
                }
                self.keys
                    .create_for_unknown_account(self.beyond_ssh, None)?
            }
            (Some(first), _) => match (&first.offer, &first.account) {
                _ if matches!(first.reason.rank, Rank::SshConfigOnly | Rank::Fallback) => None,
                (Offer::Identities(identities), _) => match identities.first() {
                    Some(identity) => return self.check(identity.clone()),
                    None => None,
                },
                (Offer::NewKey, Some(account)) => Some(self.keys.create(account, self.beyond_ssh)?),
                (Offer::NewKey, None) => None,
            },
        };
        match new {
            Some(new) => self.verify_new(new),
            None => Ok(ChosenIdentity::SSH_DECIDES),
        }
    }

    /// An identity that exists. A managed key that has expired or was never accepted is tried
    /// first, and replaced if it is refused; a keyring that is locked is an error of its own.
    fn check(&self, identity: Identity) -> Result<ChosenIdentity, Failure> {
        let Some(key) = identity.managed.as_ref() else {
            return Ok(ChosenIdentity::of(identity, None));
        };
        let now = self.context.clock.now();
        let doubtful = is_unverified(key) || key.expires.is_some_and(|end| end <= now);
        let mut accepted_by = None;
        if doubtful && key.repository.is_none() && self.target.route.user == "git" {
            accepted_by = self.try_key(key, None)?;
            if accepted_by.is_none() {
                match self.keys.replace_refused(key, self.beyond_ssh)? {
                    Some(new) => return self.verify_new(new),
                    None => accepted_by = self.try_key(key, Some(Wait::PROPAGATION))?,
                }
            }
        }
        // ssh would take an askpass program without an answer for a refused key.
        if key.passphrase == PassphrasePlace::Keyring {
            keyring::key_passphrase(self.context, &key.fingerprint)
                .map_err(provision::Error::from)?;
        }
        Ok(ChosenIdentity::of(identity, accepted_by))
    }

    fn verify_new(&self, new: NewKey) -> Result<ChosenIdentity, Failure> {
        let accepted_by = match &new.identity.managed {
            Some(key) if new.manual_registration.is_some() => {
                self.try_key(key, Some(Wait::PASTING))?
            }
            Some(key) => self.try_key(key, Some(Wait::PROPAGATION))?,
            None => None,
        };
        Ok(ChosenIdentity::of(new.identity, accepted_by))
    }

    /// Logs in by the native transport with this key alone: once, or until it is accepted.
    /// `None`: it was refused. If only ssh can reach the server, the key counts as accepted.
    fn try_key(&self, key: &ManagedKey, wait: Option<Wait>) -> Result<Option<Endpoint>, Failure> {
        let untried = || self.target.route.endpoints.first().cloned();
        if passes_descriptor(self.config) {
            return Ok(untried());
        }
        let mut config = self.config.clone();
        // An algorithm that only ssh has matters for its session, not for this login.
        if transport::none_supported(&config).is_some() {
            config.algorithms.ciphers = None;
            config.algorithms.kex_algorithms = None;
            config.algorithms.macs = None;
            config.algorithms.host_key_algorithms = None;
        }
        let can_verify_host = self.config.unsupported.needs_system_ssh.is_none();
        let verifier = KeyVerifier {
            keys: &self.keys,
            config: &config,
            route: &self.target.route,
            prompt: if can_verify_host {
                self.prompt
            } else {
                &Silent
            },
        };
        let accepted_by = match wait {
            Some(wait) => verifier.wait_for(key, wait).map(Some),
            None => verifier.try_login(key),
        };
        match accepted_by {
            // ssh may know the host by KnownHostsCommand.
            Err(Failure::Transport(transport::Error::HostKey { .. })) if !can_verify_host => {
                Ok(untried())
            }
            other => other,
        }
    }
}
