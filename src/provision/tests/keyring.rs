//! The passphrase in the real gnome-keyring-daemon, on a bus of its own.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::machine::{Machine, account, settings};
use super::site::Fault;
use crate::bitbucket::keyring;
use crate::identity::key_file::{self, KeyFileError};
use crate::identity::{ManagedKey, PassphrasePlace, State};
use crate::prompt::Silent;
use crate::provision::Error;
use crate::provision::Records;
use crate::settings::{Origin, PassphraseStore, Settings, Sourced};

/// A child that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(name: &str, machine: &Machine, arguments: &[&str], input: &str) -> Running {
    #[expect(clippy::disallowed_methods, reason = "the real daemons, bare")]
    let mut command = Command::new(name);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", &machine.directory)
        .env("XDG_RUNTIME_DIR", &machine.directory)
        .env("DBUS_SESSION_BUS_ADDRESS", address(&machine.directory))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut running = Running(command.spawn().expect(name));
    let mut stdin = running.0.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).expect("its input");
    running
}

fn until(condition: impl Fn() -> bool) {
    for _ in 0..2000 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it did not come up");
}

fn address(directory: &Path) -> String {
    format!("unix:path={}", directory.join("bus").display())
}

/// A machine with a session bus that starts no service.
fn machine_with_bus() -> (Machine, Running) {
    let mut machine = Machine::new();
    machine.bus = Some(address(&machine.directory));
    let config = machine.directory.join("bus.conf");
    let text = format!(
        "<busconfig><type>session</type><listen>{}</listen><policy context=\"default\">\
         <allow send_destination=\"*\"/><allow own=\"*\"/><allow receive_sender=\"*\"/>\
         </policy></busconfig>",
        address(&machine.directory)
    );
    fs::write(&config, text).expect("a configuration");
    let config = format!("--config-file={}", config.display());
    let bus = start(
        "dbus-daemon",
        &machine,
        &["--nofork", "--nosyslog", &config],
        "",
    );
    until(|| machine.directory.join("bus").exists());
    (machine, bus)
}

fn daemon(machine: &Machine, unlocked: bool) -> Running {
    let arguments = ["--foreground", "--components=secrets", "--unlock"];
    let arguments = &arguments[..if unlocked { 3 } else { 2 }];
    let daemon = start("gnome-keyring-daemon", machine, arguments, "its password");
    until(|| keyring::available(&machine.context()));
    daemon
}

fn wish(store: PassphraseStore) -> Settings {
    Settings {
        passphrase: Sourced::new(store, Origin::Default),
        ..settings()
    }
}

#[test]
fn a_key_s_passphrase_lies_in_the_keyring_and_is_found_again() {
    let (machine, _bus) = machine_with_bus();
    let unlocked = daemon(&machine, true);
    let ensure = || machine.ensure_with(Fault::None, &wish(PassphraseStore::Auto), &Silent);
    let made = ensure().expect("a key").record;
    assert_eq!(made.passphrase, PassphrasePlace::Keyring);
    let locked = key_file::open(&made.file, None);
    assert!(matches!(locked, Err(KeyFileError::Encrypted { .. })));
    let kept = keyring::key_passphrase(&machine.context(), &made.fingerprint);
    let kept = kept.expect("a keyring").expect("in it");
    assert!(key_file::open(&made.file, Some(&kept)).is_ok(), "it opens");
    assert!(kept.reveal().len() >= 22, "128 bits or more");

    let records = machine.records_file();
    fs::remove_file(&records).expect("the records are lost");
    let adopted = ensure().expect("the same key").record;
    assert_eq!(adopted.fingerprint, made.fingerprint);
    assert_eq!(adopted.passphrase, PassphrasePlace::Keyring, "unlocked");

    drop(unlocked);
    let _locked = daemon(&machine, false);
    fs::remove_file(&records).expect("the records are lost");
    let adopted = ensure().expect("the same key").record;
    assert_eq!(adopted.fingerprint, made.fingerprint);
    assert_eq!(adopted.passphrase, PassphrasePlace::Keyring, "locked");
    assert_eq!(machine.on_the_site(), [made.fingerprint]);
}

#[test]
fn a_locked_keyring_is_its_own_error_and_leaves_nothing() {
    let (machine, _bus) = machine_with_bus();
    drop(daemon(&machine, true));
    let locked = daemon(&machine, false);
    for store in [PassphraseStore::Auto, PassphraseStore::Keyring] {
        let error = machine.ensure_with(Fault::None, &wish(store), &Silent);
        let error = error.expect_err("locked");
        assert!(
            matches!(error, Error::Keyring(keyring::Error::Locked)),
            "{store:?}: {error}"
        );
        assert!(machine.on_the_site().is_empty());
        let records = Records::open(&machine.context()).expect("records");
        assert!(records.identities().is_empty(), "nothing pending");
        let key = machine.ssh().join("bitbucket_you@example.com_ed25519");
        assert!(!key.exists(), "no key file");
    }
    drop(locked);
    let _unlocked = daemon(&machine, true);
    let made = machine.ensure_with(Fault::None, &wish(PassphraseStore::Auto), &Silent);
    assert_eq!(
        made.expect("a key").record.passphrase,
        PassphrasePlace::Keyring
    );
}

#[test]
fn without_a_keyring_it_is_an_error_only_where_it_was_demanded() {
    let (machine, _bus) = machine_with_bus();
    let error = machine.ensure_with(Fault::None, &wish(PassphraseStore::Keyring), &Silent);
    let error = error.expect_err("demanded");
    assert!(
        matches!(error, Error::Keyring(keyring::Error::Unavailable)),
        "{error}"
    );
    let made = machine.ensure_with(Fault::None, &wish(PassphraseStore::Auto), &Silent);
    assert_eq!(
        made.expect("a key").record.passphrase,
        PassphrasePlace::None
    );
    machine.is_in_order("without a keyring");
}

#[test]
fn a_key_that_never_came_to_be_leaves_no_passphrase() {
    let (machine, _bus) = machine_with_bus();
    let _daemon = daemon(&machine, true);
    let auto = wish(PassphraseStore::Auto);
    machine
        .ensure_with(Fault::Invalid, &auto, &Silent)
        .expect_err("refused");
    let records = Records::open(&machine.context()).expect("records");
    let begun: ManagedKey = records.identities()[0].clone();
    assert_eq!((begun.state, &begun.account), (State::Pending, &account()));
    let kept = || keyring::key_passphrase(&machine.context(), &begun.fingerprint);
    assert!(kept().expect("a keyring").is_some());
    fs::remove_file(&begun.file).expect("killed before it was placed");
    machine
        .ensure_with(Fault::None, &auto, &Silent)
        .expect("a key");
    assert!(kept().expect("a keyring").is_none(), "it opens nothing");
}
