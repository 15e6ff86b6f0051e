//! The Secret Service on the session's bus (`https://specifications.freedesktop.org/secret-service/`).
//!
//! The bus is that of the captured environment. Nothing is launched: only a socket that exists is opened,
//! and only a service that runs already is called. An unlock dialog is shown only where there is a display
//! and the caller did not forbid questions. Every wait has an end, also when the bus or the service hangs.
//! The attributes are those of the `keyring` crate.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use secret_service::EncryptionType;
use secret_service::blocking::{Collection, SecretService};
use zbus::blocking::{Connection, connection, fdo::DBusProxy};

use super::{Entry, Error};
use crate::context::Context;
use crate::secret::Secret;

const SERVICE: &str = "org.freedesktop.secrets";
/// Longer than any answer takes that needs no dialog.
const ANSWER: Duration = Duration::from_secs(5);
/// For the user to answer the unlock dialog.
const DIALOG: Duration = Duration::from_secs(60);

/// Whether the service runs.
pub(super) fn available(context: &Context) -> bool {
    bounded(context, |session| session.connection().map(drop)).is_ok()
}

/// `None`: nothing there.
pub(super) fn load(context: &Context, entry: Entry) -> Result<Option<Secret>, Error> {
    bounded(context, move |session| {
        let service = session.service()?;
        let found = service.search_items(attributes(&entry)).map_err(failure)?;
        let item = match (found.unlocked.first(), found.locked.first()) {
            (Some(item), _) => item,
            (None, Some(item)) => {
                session.unlock(|| item.unlock())?;
                item
            }
            (None, None) => return Ok(None),
        };
        let text = String::from_utf8(item.get_secret().map_err(failure)?);
        let text = text.map_err(|_| Error::Failed("the secret is not text".to_owned()))?;
        Ok(Some(Secret::new(text)))
    })
}

/// Replaces what was there.
pub(super) fn store(context: &Context, entry: Entry, secret: &Secret) -> Result<(), Error> {
    let secret = secret.clone();
    bounded(context, move |session| {
        let service = session.service()?;
        let collection = default_collection(&service)?;
        if collection.is_locked().map_err(failure)? {
            session.unlock(|| collection.unlock())?;
        }
        let text = secret.reveal().as_bytes();
        let item =
            collection.create_item(&entry.label, attributes(&entry), text, true, "text/plain");
        item.map(|_| ()).map_err(failure)
    })
}

/// `false`: nothing was there.
pub(super) fn forget(context: &Context, entry: Entry) -> Result<bool, Error> {
    bounded(context, move |session| {
        let service = session.service()?;
        let found = service.search_items(attributes(&entry)).map_err(failure)?;
        for item in &found.locked {
            session.unlock(|| item.unlock())?;
        }
        for item in found.unlocked.iter().chain(&found.locked) {
            item.delete().map_err(failure)?;
        }
        Ok(!found.unlocked.is_empty() || !found.locked.is_empty())
    })
}

/// The bus, and whether a dialog may be shown.
struct Session {
    address: String,
    may_ask: bool,
    /// A dialog is being shown.
    asking: Arc<AtomicBool>,
}

impl Session {
    /// `None`: no bus whose socket exists.
    fn of(context: &Context) -> Option<Self> {
        let environment = &context.environment;
        let addresses = match environment.text("DBUS_SESSION_BUS_ADDRESS") {
            Some(list) => list.to_owned(),
            None => format!("unix:path={}/bus", environment.text("XDG_RUNTIME_DIR")?),
        };
        let address = addresses.split(';').find(|address| exists(address))?;
        let display = environment
            .text("WAYLAND_DISPLAY")
            .or(environment.text("DISPLAY"));
        let forbidden = environment.text("GIT_TERMINAL_PROMPT") == Some("0");
        Some(Self {
            address: address.to_owned(),
            may_ask: display.is_some() && !forbidden,
            asking: Arc::default(),
        })
    }

    /// Connects where the service has an owner; any other call would start it.
    fn connection(&self) -> Result<Connection, Error> {
        let connected = || -> zbus::Result<Option<Connection>> {
            let connection = connection::Builder::address(self.address.as_str())?.build()?;
            let owned = DBusProxy::new(&connection)?.name_has_owner(SERVICE.try_into()?)?;
            Ok(owned.then_some(connection))
        };
        match connected() {
            Ok(Some(connection)) => Ok(connection),
            Ok(None) => Err(Error::Unavailable),
            Err(error) => {
                tracing::debug!("session bus: {error}");
                Err(Error::Unavailable)
            }
        }
    }

    /// By a dialog of the service, or not at all.
    fn unlock(
        &self,
        dialog: impl FnOnce() -> Result<(), secret_service::Error>,
    ) -> Result<(), Error> {
        if !self.may_ask {
            return Err(Error::Locked);
        }
        tracing::warn!("waiting for the keyring to be unlocked");
        self.asking.store(true, Ordering::SeqCst);
        let unlocked = dialog().map_err(failure);
        self.asking.store(false, Ordering::SeqCst);
        unlocked
    }

    fn service(&self) -> Result<SecretService<'static>, Error> {
        SecretService::connect_with_existing(EncryptionType::Dh, self.connection()?)
            .map_err(failure)
    }
}

/// Only sockets: `autolaunch:` and `unixexec:` would start programs.
fn exists(address: &str) -> bool {
    let Some(options) = address.strip_prefix("unix:") else {
        return false;
    };
    options
        .split(',')
        .any(|option| match option.split_once('=') {
            Some(("path", path)) => path.contains('%') || Path::new(path).exists(),
            Some(("abstract", _)) => true,
            _ => false,
        })
}

/// Runs `work` in another thread, so that a service that hangs does not keep git waiting.
fn bounded<T: Send + 'static>(
    context: &Context,
    work: impl FnOnce(&Session) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let Some(session) = Session::of(context) else {
        return Err(Error::Unavailable);
    };
    let asking = Arc::clone(&session.asking);
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = sender.send(work(&session));
    });
    if let Ok(outcome) = receiver.recv_timeout(ANSWER) {
        return outcome;
    }
    if asking.load(Ordering::SeqCst) {
        return receiver.recv_timeout(DIALOG).unwrap_or(Err(Error::Locked));
    }
    tracing::debug!("the keyring did not answer in {} s", ANSWER.as_secs());
    Err(Error::Unavailable)
}

fn default_collection<'a>(service: &'a SecretService<'static>) -> Result<Collection<'a>, Error> {
    service
        .get_default_collection()
        .map_err(|error| match error {
            secret_service::Error::NoResult => {
                Error::Failed("it has no default collection".to_owned())
            }
            other => failure(other),
        })
}

fn attributes(entry: &Entry) -> HashMap<&str, &str> {
    HashMap::from([
        ("service", entry.service.as_str()),
        ("username", entry.user_name.as_str()),
    ])
}

fn failure(error: secret_service::Error) -> Error {
    match error {
        secret_service::Error::Locked | secret_service::Error::Prompt => Error::Locked,
        secret_service::Error::Unavailable => Error::Unavailable,
        other => Error::Failed(other.to_string()),
    }
}
