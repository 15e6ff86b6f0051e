//! The real gnome-keyring-daemon on a bus of its own.

#![cfg(all(unix, not(target_os = "macos")))]

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{
    Error, available, forget_token, key_passphrase, store_key_passphrase, store_token, token,
};
use crate::bitbucket::testing::context;
use crate::context::Context;
use crate::secret::Secret;

const SITE: &str = "https://bitbucket.org";

/// A child that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A bus without any service it could start, and a home.
struct Session {
    directory: TempDir,
    _bus: Running,
}

impl Session {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("bus");
        let config = directory.path().join("bus.conf");
        std::fs::write(
            &config,
            format!(
                "<busconfig><type>session</type><listen>unix:path={}</listen>\
                 <policy context=\"default\"><allow send_destination=\"*\"/><allow own=\"*\"/>\
                 <allow receive_sender=\"*\"/></policy></busconfig>",
                socket.display()
            ),
        )
        .unwrap();
        let mut command = program("dbus-daemon", directory.path());
        command
            .arg("--nofork")
            .arg("--nosyslog")
            .arg(format!("--config-file={}", config.display()));
        let bus = Running(command.spawn().expect("dbus-daemon is installed"));
        until(|| socket.exists());
        Self {
            directory,
            _bus: bus,
        }
    }

    fn address(&self) -> String {
        format!("unix:path={}", self.directory.path().join("bus").display())
    }

    fn context(&self) -> Context {
        context(&[("DBUS_SESSION_BUS_ADDRESS", &self.address())])
    }

    /// Unlocked with a password, or as it comes up: locked.
    fn daemon(&self, unlocked: bool) -> Running {
        let mut command = program("gnome-keyring-daemon", self.directory.path());
        command
            .env("DBUS_SESSION_BUS_ADDRESS", self.address())
            .args(["--foreground", "--components=secrets"])
            .stdin(Stdio::piped());
        if unlocked {
            command.arg("--unlock");
        }
        let mut daemon = Running(command.spawn().expect("gnome-keyring-daemon is installed"));
        daemon
            .0
            .stdin
            .take()
            .unwrap()
            .write_all(b"password of the keyring")
            .unwrap();
        until(|| available(&self.context()));
        daemon
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the real daemons in a bare environment"
)]
fn program(name: &str, home: &Path) -> Command {
    std::fs::set_permissions(home, std::fs::Permissions::from_mode(0o700)).unwrap();
    let mut command = Command::new(name);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home)
        .env("XDG_RUNTIME_DIR", home)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "it did not come up"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

#[test]
fn a_keyring_keeps_gives_and_forgets_and_a_locked_one_says_so() {
    let session = Session::start();
    let here = session.context();
    assert!(
        !available(&here),
        "a bus alone is no keyring, and none is started"
    );
    assert_eq!(token(&here, SITE, "a@x"), Ok(None));

    let daemon = session.daemon(true);
    assert_eq!(token(&here, SITE, "a@x"), Ok(None));
    assert_eq!(forget_token(&here, SITE, "a@x"), Ok(false));
    store_token(&here, SITE, "Alice@Example.com", &secret("first")).unwrap();
    store_token(&here, SITE, "alice@example.COM", &secret("second")).unwrap();
    store_token(
        &here,
        "https://git.example.com",
        "alice@example.com",
        &secret("other site"),
    )
    .unwrap();
    assert_eq!(
        token(&here, SITE, "ALICE@example.com"),
        Ok(Some(secret("second"))),
        "whatever case"
    );
    assert_eq!(token(&here, SITE, "bob@example.com"), Ok(None));
    store_key_passphrase(&here, "SHA256:abc", &secret("pässphrase")).unwrap();
    assert_eq!(
        key_passphrase(&here, "SHA256:abc"),
        Ok(Some(secret("pässphrase")))
    );
    assert_eq!(key_passphrase(&here, "SHA256:abd"), Ok(None));
    assert_eq!(
        forget_token(&here, "https://git.example.com", "Alice@example.com"),
        Ok(true)
    );
    assert_eq!(
        token(&here, "https://git.example.com", "alice@example.com"),
        Ok(None)
    );
    drop(daemon);
    until(|| !available(&here));

    let _locked = session.daemon(false);
    assert!(available(&here));
    assert_eq!(token(&here, SITE, "alice@example.com"), Err(Error::Locked));
    assert_eq!(key_passphrase(&here, "SHA256:abc"), Err(Error::Locked));
    assert_eq!(
        store_token(&here, SITE, "new@x", &secret("x")),
        Err(Error::Locked)
    );
    assert_eq!(
        forget_token(&here, SITE, "alice@example.com"),
        Err(Error::Locked)
    );
    assert_eq!(
        token(&here, SITE, "nobody@x"),
        Ok(None),
        "nothing of his is locked up"
    );
}

#[test]
fn where_there_is_no_session_there_is_no_keyring() {
    let empty = tempfile::tempdir().unwrap();
    let runtime = empty.path().to_str().unwrap();
    let gone = format!("unix:path={runtime}/gone");
    for (variables, why) in [
        (&[][..], "no session"),
        (&[("XDG_RUNTIME_DIR", runtime)][..], "no socket"),
        (
            &[("DBUS_SESSION_BUS_ADDRESS", gone.as_str())][..],
            "a socket that is gone",
        ),
        (
            &[("DBUS_SESSION_BUS_ADDRESS", "autolaunch:")][..],
            "nothing is launched",
        ),
        (
            &[("DBUS_SESSION_BUS_ADDRESS", "unixexec:path=/bin/false")][..],
            "nothing is run",
        ),
        (
            &[("DBUS_SESSION_BUS_ADDRESS", "nonsense")][..],
            "no address",
        ),
    ] {
        let here = context(variables);
        assert!(!available(&here), "{why}");
        assert_eq!(token(&here, SITE, "a@x"), Ok(None), "{why}");
        assert_eq!(forget_token(&here, SITE, "a@x"), Ok(false), "{why}");
        assert_eq!(
            store_token(&here, SITE, "a@x", &secret("x")),
            Err(Error::Unavailable),
            "{why}"
        );
    }
}

#[test]
fn a_bus_that_hangs_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("bus");
    let _silent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let address = format!("unix:path={}", socket.display());
    assert!(!available(&context(&[(
        "DBUS_SESSION_BUS_ADDRESS",
        &address
    )])));
}
