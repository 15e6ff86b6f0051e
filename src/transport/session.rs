//! What russh's task and the conversation tell each other.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ssh_key::PublicKey;

use crate::diagnostics;
use crate::transport::denial::DenialBuffer;
use crate::transport::update_host_keys::Updater;
use crate::transport::{Damage, Endpoint, Error, Peer};

/// Something the conversation must know.
#[derive(Debug)]
pub(super) enum Event {
    /// The host announced its keys, and they may be learned.
    HostKeys(Box<Updater>, Vec<PublicKey>),
    /// The repository is served: git's input may be read.
    Serving,
    /// The remote command ended.
    Status(u32),
    /// The remote command was killed.
    Signal(String),
    /// The server does not run the command.
    Refused,
    /// The server does not open a channel; its words.
    NotOpened(String),
    /// git no longer reads what the server says.
    ReaderGone,
    /// The channel is closed: all has been said.
    Closed,
}

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// The server said goodbye; its reason's number, and its words, sanitised.
    Goodbye(u32, String),
    /// It was lost; the system's words.
    Lost(String),
    /// A packet was changed on its way.
    Damaged(Damage),
    /// The server no longer answers.
    Silent,
    /// The server takes no further method of authentication.
    NoMethods,
}

impl Ending {
    /// What russh ended it with.
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

    /// What ended the connection to an endpoint; `None`: nobody said. `authenticated`: an identity
    /// had been let in.
    pub(super) fn error(
        ending: Option<Self>,
        endpoint: &Endpoint,
        peer: Peer,
        authenticated: bool,
    ) -> Error {
        let host = endpoint.address.host.clone();
        let (goodbye, why) = match ending {
            Some(Self::Silent) if authenticated => return Error::Timeout { host },
            Some(Self::Damaged(damage)) => return Error::Damaged { damage, peer },
            Some(Self::Goodbye(reason, text)) => (Some(reason), text),
            Some(Self::Lost(text)) => (None, text),
            Some(Self::Silent | Self::NoMethods) | None => (None, String::new()),
        };
        Error::Closed {
            host,
            peer,
            why,
            goodbye,
            authenticated,
        }
    }
}

/// What the handler ends a connection with.
#[derive(Debug)]
pub(super) enum HandlerError {
    /// russh's own.
    Ssh(russh::Error),
    /// The host key was refused, or asking about it failed.
    Refused(Box<Error>),
}

impl From<russh::Error> for HandlerError {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

/// What both the handler and the conversation see.
#[derive(Debug)]
pub(super) struct SessionState {
    /// The command has been sent.
    pub sent: AtomicBool,
    /// The host key is not the known one, and StrictHostKeyChecking let it pass: no password is
    /// sent.
    pub distrusted: AtomicBool,
    /// The host key that was accepted, once it is.
    pub host_key: OnceLock<PublicKey>,
    /// A byte of the channel's stdout has come.
    pub answered: Arc<AtomicBool>,
    /// Bytes of the channel's stdout.
    pub received: AtomicU64,
    /// Bytes of git's that went into the channel.
    pub sent_bytes: AtomicU64,
    hold: Mutex<DenialBuffer>,
    ending: Mutex<Option<Ending>>,
}

impl SessionState {
    /// `retriable`: a refusal of the repository is held back. `answered` is set with the first
    /// byte of stdout.
    pub(super) fn new(retriable: bool, answered: Arc<AtomicBool>) -> Arc<Self> {
        Arc::new(Self {
            sent: AtomicBool::new(false),
            distrusted: AtomicBool::new(false),
            host_key: OnceLock::new(),
            answered,
            received: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            hold: Mutex::new(DenialBuffer::new(retriable)),
            ending: Mutex::new(None),
        })
    }

    /// Acts on the hold.
    pub(super) fn hold<T>(&self, act: impl FnOnce(&mut DenialBuffer) -> T) -> T {
        act(&mut self.hold.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the hold out, for its verdict at the end.
    pub(super) fn take_hold(&self) -> DenialBuffer {
        self.hold(|hold| std::mem::replace(hold, DenialBuffer::new(false)))
    }

    /// Whether git is being served.
    pub(super) fn is_serving(&self) -> bool {
        self.hold(|hold| hold.is_open())
    }

    /// Why the connection ended; `None`: it has not, or nobody said.
    pub(super) fn take_ending(&self) -> Option<Ending> {
        self.ending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// The first reason counts.
    pub(super) fn set_ending(&self, ending: Ending) {
        self.ending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(ending);
    }
}
