//! One connection of the loop: with identities that are known, with a key that the site has just
//! taken, with one that a person is pasting.

use std::time::{Duration, Instant};

use crate::connection::attempts::Attempts;
use crate::connection::failure::Failure;
use crate::diagnostics;
use crate::identity::Identity;
use crate::provision::ensure::ManualLock;
use crate::transport::{Outcome, Session, native};

/// How long a key that the site has taken may be unknown to its SSH servers (interface section 5).
pub(super) const PROPAGATION: Duration = Duration::from_secs(30);

/// How often it is looked whether a person has pasted a key.
pub(super) const PASTING: Duration = Duration::from_secs(2);

impl Attempts<'_> {
    /// Opens a connection with a key that the site has just taken, waiting until its SSH servers
    /// know it.
    pub(super) fn open_new(&self, identities: &[Identity]) -> Result<Outcome, Failure> {
        let begun = Instant::now();
        let mut pause = Duration::from_millis(500);
        loop {
            let outcome = self.open(identities)?;
            let left = PROPAGATION.saturating_sub(begun.elapsed());
            if !matches!(outcome, Outcome::AuthenticationFailed(_)) || left.is_zero() {
                return Ok(outcome);
            }
            if pause == Duration::from_millis(500) {
                diagnostics::notice("waiting until the SSH servers know the new key");
            }
            if crate::prompt::caller_gone() {
                return Err(Failure::Transport(crate::transport::Error::CallerGone));
            }
            let _waiting = diagnostics::waiting_as_told("propagation", begun, || {
                "waiting until the SSH servers know the new key".to_owned()
            });
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(Duration::from_secs(4));
        }
    }

    /// Opens connections until a person has pasted the key; nobody else of this machine makes one
    /// for the site meanwhile.
    pub(super) fn open_by_hand(
        &self,
        identities: &[Identity],
        _held: ManualLock,
    ) -> Result<Outcome, Failure> {
        let begun = Instant::now();
        loop {
            let outcome = self.open(identities)?;
            if !matches!(outcome, Outcome::AuthenticationFailed(_)) {
                return Ok(outcome);
            }
            let _waiting = diagnostics::waiting_as_told("pasting", begun, || {
                "waiting until the site accepts the key".to_owned()
            });
            for _ in 0..10 {
                if crate::prompt::caller_gone() {
                    return Err(Failure::Transport(crate::transport::Error::CallerGone));
                }
                std::thread::sleep(PASTING / 10);
            }
        }
    }

    pub(super) fn open(&self, identities: &[Identity]) -> Result<Outcome, Failure> {
        let passphrase = |file: &std::path::Path| self.keys.passphrase(file);
        let session = Session {
            endpoints: self.endpoints.clone(),
            user: self.target.user.to_owned(),
            typed_host: self.request.host.clone(),
            config: self.target.config,
            identities: identities.to_vec(),
            command: self.request.command.clone(),
            service: self.target.service,
            environment: self.environment.clone(),
            no_stdin: self.request.no_stdin,
            prompt: self.prompt,
            passphrase: &passphrase,
            site_fingerprints: self.site_fingerprints.clone(),
            as_ssh: false,
            context: self.context,
        };
        native::run(session).map_err(Failure::Transport)
    }
}
