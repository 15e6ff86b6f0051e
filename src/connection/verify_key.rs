//! Trying a key without running a command, and waiting until the site's SSH servers accept it.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::connection::collect::identity_of;
use crate::connection::failure::Failure;
use crate::connection::managed_keys::ManagedKeys;
use crate::diagnostics;
use crate::identity::ManagedKey;
use crate::prompt::{self, Prompt};
use crate::settings::SshConfig;
use crate::transport::{Endpoint, Error, ExecRequest, Outcome, Route, Session, Streams, run};

/// Logs in with one key at a time, asks for no command and closes the connection.
pub struct KeyVerifier<'a> {
    /// Where an accepted key is recorded.
    pub keys: &'a ManagedKeys<'a>,
    /// What the user's ssh_config says.
    pub config: &'a SshConfig,
    /// Where to connect to. The user is always `git`.
    pub route: &'a Route,
    /// Who can be asked for a passphrase or about a host key.
    pub prompt: &'a dyn Prompt,
}

impl KeyVerifier<'_> {
    /// Logs in until the SSH servers know a key that was just registered, and records that they
    /// accepted it.
    ///
    /// # Errors
    ///
    /// [`Failure::NewKeyNotAccepted`] after 30 seconds; whatever ends a session.
    pub fn verify(&self, key: &ManagedKey) -> Result<(), Failure> {
        self.wait_for(key, Wait::IN_BACKGROUND).map(drop)
    }

    /// As [`Self::verify`]; returns the endpoint that accepted the key.
    pub(super) fn wait_for(&self, key: &ManagedKey, wait: Wait) -> Result<Endpoint, Failure> {
        until_accepted(wait, Option::is_some, || self.try_login(key))?
            .ok_or_else(|| Failure::NewKeyNotAccepted(Box::new(key.clone())))
    }

    /// Logs in once. An accepted key and the endpoint are recorded. `None`: the key was refused.
    pub fn try_login(&self, key: &ManagedKey) -> Result<Option<Endpoint>, Failure> {
        let identities = vec![identity_of(key)];
        let passphrase = |file: &Path| self.keys.passphrase(&identities, file);
        let session = Session {
            route: Route {
                user: "git".to_owned(),
                ..self.route.clone()
            },
            config: self.config,
            context: self.keys.context,
            identities: identities.clone(),
            as_ssh: false,
            exec: ExecRequest::default(),
            prompt: self.prompt,
            passphrase: &passphrase,
        };
        match run(session, Streams::discarding(self.keys.context)?)? {
            Outcome::Completed {
                identity, endpoint, ..
            }
            | Outcome::RepositoryDenied {
                identity, endpoint, ..
            } => {
                self.keys.accepted(&identity, &endpoint);
                Ok(Some(endpoint))
            }
            // Cannot happen: only `as_ssh` allows a login without a key.
            Outcome::CompletedWithoutKey { .. } => Ok(self.route.endpoints.first().cloned()),
            Outcome::AuthenticationFailed(_) => Ok(None),
        }
    }
}

/// What a new key is waiting for, and how that is shown.
#[derive(Clone, Copy)]
pub(super) struct Wait {
    label: &'static str,
    text: &'static str,
    /// `None`: until git has ended.
    limit: Option<Duration>,
    /// Each pause is twice as long as the one before, up to the second value.
    pauses: (Duration, Duration),
    /// A line says that git is waiting, and the wait ends when git has ended.
    for_git: bool,
}

impl Wait {
    /// Until the SSH servers know a key that the site has registered; git is waiting.
    pub(super) const PROPAGATION: Self = Self {
        label: "propagation",
        text: "waiting until the SSH servers know the new key",
        limit: Some(Duration::from_secs(30)),
        pauses: (Duration::from_millis(500), Duration::from_secs(4)),
        for_git: true,
    };

    /// As [`Self::PROPAGATION`], when git is not waiting or has been served.
    const IN_BACKGROUND: Self = Self {
        for_git: false,
        ..Self::PROPAGATION
    };

    /// Until a person has added the key to the site (see `provision::interactive`).
    pub(super) const PASTING: Self = Self {
        label: "pasting",
        text: "waiting until the site accepts the key",
        limit: None,
        pauses: (Duration::from_secs(2), Duration::from_secs(2)),
        for_git: true,
    };

    /// Sleeps, and notices that git has ended.
    fn pause(&self, time: Duration) -> Result<(), Failure> {
        for _ in 0..10 {
            if self.for_git && prompt::caller_gone() {
                return Err(Failure::Transport(Error::CallerGone));
            }
            std::thread::sleep(time / 10);
        }
        Ok(())
    }
}

/// Repeats a login until its result is accepted. At the limit the last result is returned.
pub(super) fn until_accepted<T>(
    wait: Wait,
    accepted: impl Fn(&T) -> bool,
    login: impl Fn() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let text = || wait.text.to_owned();
    let started = Instant::now();
    let (mut pause, longest) = wait.pauses;
    let mut announced = false;
    let mut background = None;
    loop {
        let result = login()?;
        let left = wait
            .limit
            .map(|limit| limit.saturating_sub(started.elapsed()));
        if accepted(&result) || left.is_some_and(|left| left.is_zero()) {
            return Ok(result);
        }
        // The session of a git command writes to the terminal itself, so the indicator is shown
        // between sessions only.
        let mut _between = None;
        if wait.for_git {
            // Without a limit, a person is adding the key, and has just read that this waits for it.
            if !std::mem::replace(&mut announced, true) && wait.limit.is_some() {
                diagnostics::notice(wait.text);
            }
            _between = Some(diagnostics::waiting_since(wait.label, started, text));
        } else if background.is_none() {
            background = Some(diagnostics::waiting(wait.label, text));
        }
        wait.pause(left.map_or(pause, |left| pause.min(left)))?;
        pause = (pause * 2).min(longest);
    }
}
