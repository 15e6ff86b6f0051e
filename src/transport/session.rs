//! One session: what it was started with, and what its tasks exchange.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ssh_key::PublicKey;

use crate::context::Context;
use crate::diagnostics;
use crate::identity::{Identity, agent};
use crate::settings::SshConfig;
use crate::transport::denial::DenialBuffer;
use crate::transport::prompt_bridge::{PromptClient, PromptServer};
use crate::transport::update_host_keys::Updater;
use crate::transport::{Damage, Endpoint, Error, ExecRequest, Peer, Route, Session};

/// A [`Session`] that tasks can own. Made once, and shared.
#[derive(Debug)]
pub(super) struct SessionParams {
    pub route: Route,
    pub config: SshConfig,
    pub context: Context,
    pub identities: Vec<Identity>,
    /// The agent's socket, if there is one.
    pub agent: Option<PathBuf>,
    /// [`Session::as_ssh`].
    pub as_ssh: bool,
    pub exec: ExecRequest,
    pub prompt: PromptClient,
}

impl SessionParams {
    /// The parameters, and the end that answers the tasks' questions.
    pub(super) fn new(session: Session<'_>) -> (Arc<Self>, PromptServer<'_>) {
        let (server, prompt) = PromptServer::new(session.prompt, session.passphrase);
        let params = Self {
            agent: agent::socket(session.config, session.context),
            route: session.route,
            config: session.config.clone(),
            context: session.context.clone(),
            identities: session.identities,
            as_ssh: session.as_ssh,
            exec: session.exec,
            prompt,
        };
        (Arc::new(params), server)
    }
}

/// Why an attempt to connect failed, and whether another one makes sense.
#[derive(Debug)]
pub(super) enum AttemptError {
    /// The connection ended before authentication began: the server drops a burst of connections
    /// like that.
    BeforeAuthentication(Error),
    /// Another attempt would fail the same way.
    Final(Error),
}

impl From<Error> for AttemptError {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

/// What russh's task reports to the session.
#[derive(Debug)]
pub(super) enum Event {
    /// The host announced its keys, and known_hosts may be updated.
    HostKeys(Box<Updater>, Vec<PublicKey>),
    /// The server grants access to the repository: git's input may be read.
    Serving,
    /// The remote command ended.
    Status(u32),
    /// The remote command was killed.
    Signal(String),
    /// The server refused to run the command.
    Refused,
    /// The server refused to open a channel, for this reason.
    NotOpened(String),
    /// git closed its stdout pipe.
    ReaderGone,
    /// The channel is closed.
    Closed,
}

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// The server sent a disconnect message; its reason code and its text, sanitised.
    Disconnected(u32, String),
    /// It was lost; the system's error message.
    Lost(String),
    /// A packet did not arrive as it was sent.
    Damaged(Damage),
    /// The server no longer answers.
    Silent,
    /// The server takes no further method of authentication.
    NoMethods,
}

impl Ending {
    /// What a russh error stands for.
    pub(super) fn of(error: &russh::Error) -> Self {
        match error {
            russh::Error::KeepaliveTimeout => Self::Silent,
            russh::Error::NoAuthMethod => Self::NoMethods,
            russh::Error::IO(error) => Self::Lost(diagnostics::os_error_message(error)),
            russh::Error::PacketAuth | russh::Error::DecryptionError => {
                Self::Damaged(Damage::Changed)
            }
            russh::Error::PacketSize(bytes) => Self::Damaged(Damage::Length(*bytes)),
            error => Self::Lost(error.to_string()),
        }
    }

    /// The error for a connection to `endpoint` that ended; `None`: for an unknown reason.
    /// `authenticated`: authentication had succeeded.
    pub(super) fn error(
        ending: Option<Self>,
        endpoint: &Endpoint,
        peer: Peer,
        authenticated: bool,
    ) -> Error {
        let host = endpoint.address.host.clone();
        let (reason_code, why) = match ending {
            Some(Self::Silent) if authenticated => return Error::Timeout { host },
            Some(Self::Damaged(damage)) => return Error::Damaged { damage, peer },
            Some(Self::Disconnected(reason, text)) => (Some(reason), text),
            Some(Self::Lost(text)) => (None, text),
            Some(Self::Silent | Self::NoMethods) | None => (None, String::new()),
        };
        Error::Closed {
            host,
            peer,
            why,
            reason_code,
            authenticated,
        }
    }
}

/// What the handler ends a connection with.
#[derive(Debug)]
pub(super) enum HandlerError {
    /// An error of russh's.
    Ssh(russh::Error),
    /// The host key was rejected, or asking about it failed.
    Refused(Box<Error>),
}

impl From<russh::Error> for HandlerError {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

/// What the handler, which runs in russh's task, and the session share.
#[derive(Debug)]
pub(super) struct SessionState {
    /// The command has been sent.
    pub sent: AtomicBool,
    /// The host key has changed and StrictHostKeyChecking is off: no password is sent.
    pub distrusted: AtomicBool,
    /// The accepted host key, once there is one.
    pub host_key: OnceLock<PublicKey>,
    /// The channel's stdout has sent a byte.
    pub answered: Arc<AtomicBool>,
    /// Bytes received on the channel's stdout.
    pub received: AtomicU64,
    /// Bytes of git's sent to the channel.
    pub sent_bytes: AtomicU64,
    buffer: Mutex<DenialBuffer>,
    ending: Mutex<Option<Ending>>,
}

impl SessionState {
    /// `retriable`: a denial of the repository is held back. `answered` is set with the first byte
    /// of stdout.
    pub(super) fn new(retriable: bool, answered: Arc<AtomicBool>) -> Arc<Self> {
        Arc::new(Self {
            sent: AtomicBool::new(false),
            distrusted: AtomicBool::new(false),
            host_key: OnceLock::new(),
            answered,
            received: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            buffer: Mutex::new(DenialBuffer::new(retriable)),
            ending: Mutex::new(None),
        })
    }

    /// Calls `act` with the denial buffer.
    pub(super) fn with_buffer<T>(&self, act: impl FnOnce(&mut DenialBuffer) -> T) -> T {
        act(&mut self.buffer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the denial buffer out, for its verdict at the end.
    pub(super) fn take_buffer(&self) -> DenialBuffer {
        self.with_buffer(|buffer| std::mem::replace(buffer, DenialBuffer::new(false)))
    }

    /// Whether output is passed on to git, and git's input read.
    pub(super) fn is_serving(&self) -> bool {
        self.with_buffer(|buffer| buffer.is_open())
    }

    /// Why the connection ended; `None`: it has not, or the reason is unknown.
    pub(super) fn take_ending(&self) -> Option<Ending> {
        self.ending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Records why the connection ended; the first reason counts.
    pub(super) fn set_ending(&self, ending: Ending) {
        self.ending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(ending);
    }
}
