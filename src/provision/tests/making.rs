//! One process, whatever the site answers.

use std::cell::Cell;
use std::fs;
use std::path::Path;

use super::machine::{Machine, settings, site};
use super::person::Answers;
use super::site::{Fault, Folder};
use crate::bitbucket::KeyRegistry;
use crate::identity::{AccountId, ManagedKey, PassphrasePlace, State, key_file};
use crate::prompt::{Error as PromptError, Silent};
use crate::provision::Error;
use crate::provision::Records;
use crate::provision::{KeyRequest, ProvisionContext, Wanted, ensure, verified};
use crate::repository::{Site, SiteKind};
use crate::secret::Secret;
use crate::settings::{KeyType, Origin, PassphraseStore, Provision, Sourced};
use crate::storage;

#[test]
fn a_bare_machine_gets_one_key() {
    use std::os::unix::fs::PermissionsExt as _;
    let machine = Machine::new();
    let made = machine.ensure(Fault::None).expect("a key").record;
    machine.is_in_order("the first key");
    assert_eq!(
        made.file,
        machine.ssh().join("bitbucket_you@example.com_ed25519")
    );
    assert_eq!(made.state, State::Registered);
    let bits = |path: &Path| {
        let metadata = fs::metadata(path).expect("there");
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(bits(&made.file), 0o600);
    assert_eq!(bits(&machine.ssh()), 0o700);
    assert_eq!(bits(&machine.ssh().join("bitbucket-ssh")), 0o700);
    assert_eq!(bits(&machine.records_file()), 0o600);
    let label = &made.label;
    assert!(
        label.starts_with("bitbucket-ssh ") && label.len() < 100,
        "{label}"
    );

    let again = machine.ensure(Fault::None).expect("the same key").record;
    assert_eq!(
        again.fingerprint, made.fingerprint,
        "the second call makes nothing"
    );
    verified(&machine.context(), &again).expect("recorded");
    let records = Records::open(&machine.context()).expect("records");
    assert_eq!(records.identities()[0].state, State::Verified);
}

#[test]
fn every_fault_of_the_site_ends_with_one_key() {
    for (fault, why) in [
        (Fault::LostAfterStoring, "stored, and the answer was lost"),
        (Fault::LostBeforeStoring, "lost on the way"),
        (Fault::FailedAfterStoring, "stored, and 500"),
        (Fault::AlreadyOurs, "already there"),
        (
            Fault::TakenElsewhere,
            "another account has it: another pair",
        ),
        (Fault::StoredUnseen, "already there, and the list lags"),
        (Fault::AnotherKey, "an answer that speaks of another key"),
    ] {
        let machine = Machine::new();
        machine.ensure(fault).expect(why);
        machine.is_in_order(why);
    }
    let machine = Machine::new();
    let error = machine.ensure(Fault::Invalid).expect_err("refused");
    assert!(
        error.to_string().contains("That SSH key is invalid."),
        "{error}"
    );
    let refused = Records::open(&machine.context())
        .expect("records")
        .identities()[0]
        .clone();
    machine.ensure(Fault::None).expect("the next run");
    machine.is_in_order("the next run goes on");
    assert_eq!(
        machine.on_the_site(),
        [refused.fingerprint],
        "with the same pair"
    );
}

#[test]
fn nothing_is_made_without_leave() {
    let machine = Machine::new();
    let mut never = settings();
    never.provision = Sourced::new(Provision::Never, Origin::Default);
    let error = machine
        .ensure_with(Fault::None, &never, &Silent)
        .expect_err("never");
    assert!(matches!(error, Error::NotAllowed { .. }), "{error}");
    let mut ask = settings();
    ask.provision = Sourced::new(Provision::Ask, Origin::Default);
    let error = machine
        .ensure_with(Fault::None, &ask, &Silent)
        .expect_err("nobody");
    assert!(
        matches!(error, Error::Prompt(PromptError::Unavailable)),
        "{error}"
    );
    let error = machine
        .ensure_with(Fault::None, &ask, &Answers::new(&[]))
        .expect_err("no");
    assert!(matches!(error, Error::Declined { .. }), "{error}");
    assert!(machine.on_the_site().is_empty());
    let made = machine.ensure_with(Fault::None, &ask, &Answers::new(&["yes"]));
    made.expect("yes");
    machine.is_in_order("after a yes");
}

#[test]
fn a_chosen_passphrase_locks_the_file() {
    let machine = Machine::new();
    let mut wish = settings();
    wish.passphrase = Sourced::new(PassphraseStore::Ask, Origin::Default);
    let answers = Answers::new(&["one", "two", "open sesame", "open sesame"]);
    let made = machine
        .ensure_with(Fault::None, &wish, &answers)
        .expect("a key");
    assert_eq!(made.record.passphrase, PassphrasePlace::Person);
    assert_eq!(
        made.passphrase.expect("known to this run").reveal(),
        "open sesame"
    );
    let file = &made.record.file;
    assert!(key_file::open(file, None).is_err(), "it is locked");
    let opened = key_file::open(file, Some(&Secret::new("open sesame".to_owned())));
    assert!(opened.is_ok(), "and opens");
}

#[test]
fn only_what_is_still_registered_is_proved() {
    let machine = Machine::new();
    let made = machine.ensure(Fault::None).expect("a key").record;
    let state = |record: &ManagedKey| {
        verified(&machine.context(), record).expect("recorded");
        let records = Records::open(&machine.context()).expect("records");
        records.identities().first().map(|known| known.state)
    };
    let put = |state| {
        let record = ManagedKey {
            state,
            ..made.clone()
        };
        Records::update(&machine.context(), |records| records.set_identity(record))
            .expect("recorded");
    };
    for (before, after, why) in [
        (State::Registered, State::Verified, "let in"),
        (
            State::Unconfirmed,
            State::Unconfirmed,
            "a login confirms it",
        ),
        (State::Pending, State::Unconfirmed, "a person has pasted it"),
    ] {
        put(before);
        assert_eq!(state(&made), Some(after), "{why}");
    }
    Records::update(&machine.context(), |records| {
        records.forget_identity(&made.fingerprint);
    })
    .expect("revoked");
    assert_eq!(state(&made), None, "what was revoked meanwhile stays so");
}

#[test]
fn an_expired_key_is_replaced_and_its_file_stays() {
    let machine = Machine::new();
    let old = machine.ensure(Fault::None).expect("a key").record;
    let path = machine.directory.join("account");
    let registry = || {
        Ok(Some(Box::new(Folder {
            path: path.clone(),
            fault: Cell::new(Fault::None),
            lag: Cell::new(0),
        }) as Box<dyn KeyRegistry>))
    };
    let new = machine
        .request(&settings(), &Silent, Some(&old), &registry)
        .expect("another key")
        .record;
    assert_ne!(new.fingerprint, old.fingerprint);
    assert!(
        key_file::open(&old.file, None).is_ok(),
        "the old file stays"
    );
    let again = machine
        .request(&settings(), &Silent, Some(&old), &registry)
        .expect("the new key")
        .record;
    assert_eq!(again.fingerprint, new.fingerprint, "replaced once");
}

#[test]
fn without_a_token_nothing_is_made() {
    let machine = Machine::new();
    let error = machine
        .request(&settings(), &Silent, None, &|| Ok(None))
        .expect_err("no token");
    assert!(matches!(error, Error::NoToken { .. }), "{error}");
    assert!(machine.on_the_site().is_empty());
}

#[test]
fn in_somebody_else_s_home_nothing_is_made() {
    use std::os::unix::fs::MetadataExt as _;
    let machine = Machine::new();
    let home = machine.directory.join("home");
    let mut context = machine.context();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&home, Some(1), None).expect("root may");
    } else {
        // Root's, for everybody else.
        context.environment = crate::context::Environment::new([("HOME".into(), "/".into())]);
    }
    let error = Records::update(&context, |_| ()).expect_err("not ours");
    assert!(
        matches!(error, Error::Storage(storage::Error::ForeignOwner(_))),
        "{error}"
    );
    let home = context.home().expect("set");
    assert_ne!(
        fs::metadata(home).expect("there").uid(),
        rustix::process::geteuid().as_raw()
    );
    assert!(!home.join(".ssh/bitbucket-ssh").exists());
}

#[test]
fn every_type_is_one_that_ssh_keygen_reads() {
    for (key_type, file, bits) in [
        (KeyType::Ed25519, "ed25519", "256"),
        (KeyType::Ecdsa, "ecdsa", "256"),
        (KeyType::Rsa(2048), "rsa", "2048"),
    ] {
        let machine = Machine::new();
        let mut wish = settings();
        wish.key_type = Sourced::new(key_type, Origin::Default);
        let made = machine.ensure_with(Fault::None, &wish, &Silent);
        let made = made.expect(file).record;
        assert!(
            made.file
                .ends_with(format!("bitbucket_you@example.com_{file}"))
        );
        #[expect(clippy::disallowed_methods, reason = "the reference")]
        let told = std::process::Command::new("ssh-keygen")
            .arg("-lf")
            .arg(&made.file)
            .output()
            .expect("ssh-keygen");
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        let expected = format!("{bits} {} {} (", made.fingerprint, made.label);
        assert!(told.starts_with(&expected), "{told} for {expected}");
    }
}

#[test]
fn on_data_center_a_token_of_somebody_else_makes_nothing() {
    let machine = Machine::new();
    let site = Site {
        kind: SiteKind::DataCenter,
        url: "https://git.example.com".to_owned(),
        ..site()
    };
    for (name, expected, why) in [("bob", false, "somebody else"), ("YOU", true, "no case")] {
        let made = ensure(&KeyRequest {
            at: ProvisionContext {
                context: &machine.context(),
                site: &site,
                settings: &settings(),
                prompt: &Silent,
                keys_here: &[],
            },
            account: &AccountId {
                site: site.url.clone(),
                name: name.to_owned(),
            },
            wanted: Wanted::Any,
            replaces: &[],
            registry: &|| Ok(Some(Box::new(machine.account(Fault::None)))),
        });
        assert_eq!(made.is_ok(), expected, "{why}");
        assert_eq!(machine.on_the_site().len(), usize::from(expected), "{why}");
    }
}
