//! Who goes by the system's ssh: the plan's first identity, made and proved here, since ssh takes
//! the process over and nobody is left to wait or to judge.

use std::time::{Duration, Instant};

use super::HandOver;
use crate::bitbucket::keyring;
use crate::connection::attempts::unproved;
use crate::connection::connections::{PASTING, PROPAGATION};
use crate::connection::failure::{AttemptLog, Failure};
use crate::connection::managed_keys::NewKey;
use crate::connection::verify_key;
use crate::diagnostics;
use crate::identity::{Identity, ManagedKey, Offer, PassphrasePlace, Plan, Rank};
use crate::prompt;
use crate::provision;
use crate::settings::Provision;
use crate::transport::{self, Endpoint};

/// Who goes.
pub(super) struct ChosenIdentity {
    /// `None`: ssh_config's identities and the agent stand as they are.
    pub(super) identity: Option<Identity>,
    /// The endpoint that let it in just now. `None`: nobody has looked.
    pub(super) answered: Option<Endpoint>,
}

impl ChosenIdentity {
    const SSH_ITSELF: Self = Self {
        identity: None,
        answered: None,
    };

    fn with(identity: Identity, answered: Option<Endpoint>) -> Self {
        Self {
            identity: Some(identity),
            answered,
        }
    }
}

impl HandOver<'_> {
    /// The plan's first.
    pub(super) fn going(&self, plan: Plan) -> Result<ChosenIdentity, Failure> {
        let provider = self.config.unsupported.needs_system_ssh.as_deref();
        if matches!(provider, Some("PKCS11Provider" | "SecurityKeyProvider")) {
            return Ok(ChosenIdentity::SSH_ITSELF);
        }
        if let Some(missing) = plan.missing.first() {
            return Err(Failure::IdentityFileMissing(missing.clone()));
        }
        let Some(first) = plan.candidates.first() else {
            return match plan.decided_by {
                None => self.newcomer(),
                Some(_) => Err(Failure::NotServed(Box::new(AttemptLog {
                    skipped: plan.skipped,
                    decided_by: plan.decided_by,
                    provision_blocker: self.keys.settings.provision_blocker().cloned(),
                    ..AttemptLog::default()
                }))),
            };
        };
        if matches!(first.reason.rank, Rank::SshConfigOnly | Rank::Fallback) {
            return Ok(ChosenIdentity::SSH_ITSELF);
        }
        match (&first.offer, &first.account) {
            (Offer::Identities(identities), _) => match identities.first() {
                Some(identity) => self.usable(identity.clone()),
                None => Ok(ChosenIdentity::SSH_ITSELF),
            },
            (Offer::NewKey, Some(account)) => self.proved(self.keys.make(account, self.prompt)?),
            (Offer::NewKey, None) => Ok(ChosenIdentity::SSH_ITSELF),
        }
    }

    /// Nobody is known here and there is no key: a person on a terminal is told how to log in.
    fn newcomer(&self) -> Result<ChosenIdentity, Failure> {
        let may = self.keys.settings.provision.value != Provision::Never;
        if !may || !self.prompt.terminal() {
            return Ok(ChosenIdentity::SSH_ITSELF);
        }
        match self.keys.make_for_newcomer(self.prompt, None)? {
            Some(new) => self.proved(new),
            None => Ok(ChosenIdentity::SSH_ITSELF),
        }
    }

    /// An identity that is here. One that has expired or was never let in is tried first, and
    /// judged where it is refused; a keyring that is locked is an error of its own.
    fn usable(&self, identity: Identity) -> Result<ChosenIdentity, Failure> {
        let Some(record) = identity.managed.as_ref() else {
            return Ok(ChosenIdentity::with(identity, None));
        };
        let now = self.context.clock.now();
        let doubtful = unproved(record) || record.expires.is_some_and(|end| end <= now);
        let mut answered = None;
        if doubtful && record.repository.is_none() && self.user == "git" {
            answered = self.try_login(record)?;
            if answered.is_none() {
                match self.keys.judge(record, self.prompt)? {
                    Some(new) => return self.proved(new),
                    None => answered = Some(self.wait_for(record)?),
                }
            }
        }
        // ssh would take an askpass without an answer for a key that is refused.
        if record.passphrase == PassphrasePlace::Keyring {
            keyring::key_passphrase(self.context, &record.fingerprint)
                .map_err(provision::Error::from)?;
        }
        Ok(ChosenIdentity::with(identity, answered))
    }

    fn proved(&self, new: NewKey) -> Result<ChosenIdentity, Failure> {
        let Some(record) = &new.identity.managed else {
            return Ok(ChosenIdentity::with(new.identity, None));
        };
        let answered = match self.try_login(record)? {
            Some(endpoint) => endpoint,
            None if new.manual_registration.is_some() => self.wait_for_a_person(record)?,
            None => self.wait_for(record)?,
        };
        Ok(ChosenIdentity::with(new.identity, Some(answered)))
    }

    /// Until the site's SSH servers know a key that the site has taken.
    fn wait_for(&self, record: &ManagedKey) -> Result<Endpoint, Failure> {
        diagnostics::notice("waiting until the SSH servers know the new key");
        let begun = Instant::now();
        loop {
            pause(Duration::from_secs(1))?;
            if let Some(endpoint) = self.try_login(record)? {
                return Ok(endpoint);
            }
            if begun.elapsed() >= PROPAGATION {
                return Err(Failure::NewKeyNotAccepted(Box::new(record.clone())));
            }
        }
    }

    /// Until a person has pasted the key.
    fn wait_for_a_person(&self, record: &ManagedKey) -> Result<Endpoint, Failure> {
        loop {
            pause(PASTING)?;
            if let Some(endpoint) = self.try_login(record)? {
                return Ok(endpoint);
            }
        }
    }

    /// Logs in natively with the key alone. `None`: it is refused. Where only ssh can reach the
    /// server, nobody looks, and the key counts as let in.
    fn try_login(&self, record: &ManagedKey) -> Result<Option<Endpoint>, Failure> {
        let first = || self.endpoints.first().cloned();
        if self.proxy_is_ssh_s_own() {
            return Ok(first());
        }
        let mut config = self.config.clone();
        // What the native transport lacks matters to the session, not to the proof.
        if transport::none_supported(&config).is_some() {
            config.algorithms.ciphers = None;
            config.algorithms.kex_algorithms = None;
            config.algorithms.macs = None;
            config.algorithms.host_key_algorithms = None;
        }
        let knows_hosts = self.config.unsupported.needs_system_ssh.is_none();
        let prompt: &dyn prompt::Prompt = if knows_hosts {
            self.prompt
        } else {
            &prompt::Silent
        };
        let let_in = verify_key::try_login(
            self.context,
            &self.keys,
            &config,
            &self.endpoints,
            record,
            prompt,
        );
        match let_in {
            // ssh may know the host by a command of its own.
            Err(Failure::Transport(transport::Error::HostKey { .. })) if !knows_hosts => {
                Ok(first())
            }
            other => other,
        }
    }
}

/// Waits, and notices that git has gone.
fn pause(time: Duration) -> Result<(), Failure> {
    for _ in 0..10 {
        if prompt::caller_gone() {
            return Err(Failure::Transport(transport::Error::CallerGone));
        }
        std::thread::sleep(time / 10);
    }
    Ok(())
}
