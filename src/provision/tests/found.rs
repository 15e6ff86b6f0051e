//! What a run finds: a key that was begun, files that are there, records that are broken.

use std::fs;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use super::machine::{Machine, account, settings};
use super::person::Answers;
use super::site::Fault;
use crate::bitbucket::NewKey;
use crate::identity::key_file::{self, KeyFileError};
use crate::identity::{ManagedKey, PassphrasePlace, State};
use crate::prompt::Silent;
use crate::provision::Error;
use crate::provision::Records;
use crate::settings::{Origin, PassphraseStore, Sourced};

#[test]
fn what_is_there_is_adopted_or_left_alone() {
    let machine = Machine::new();
    let first = machine.ensure(Fault::None).expect("a key").record;
    let records = machine.records_file();
    fs::remove_file(&records).expect("the records are lost");
    let adopted = machine.ensure(Fault::None).expect("the same key").record;
    assert_eq!(
        adopted.fingerprint, first.fingerprint,
        "the account lists it"
    );
    machine.is_in_order("adopted");

    let machine = Machine::new();
    fs::create_dir(machine.ssh()).expect("a folder");
    let name = machine.ssh().join("bitbucket_you@example.com_ed25519");
    fs::write(&name, "somebody's own file").expect("a file");
    let made = machine.ensure(Fault::None).expect("a key").record;
    assert_eq!(made.file, PathBuf::from(format!("{}-2", name.display())));
    assert_eq!(
        fs::read_to_string(&name).expect("there"),
        "somebody's own file"
    );
}

#[test]
fn a_pending_record_without_its_file_is_dropped() {
    let machine = Machine::new();
    let ghost = ManagedKey {
        account: account(),
        file: machine.ssh().join("bitbucket_you@example.com_ed25519"),
        public_key: String::new(),
        fingerprint: "SHA256:ghost".to_owned(),
        key_id: None,
        label: String::new(),
        created: jiff::Timestamp::UNIX_EPOCH,
        expires: None,
        state: State::Pending,
        passphrase: PassphrasePlace::None,
        repository: None,
        read_only: false,
        replaces: Vec::new(),
    };
    Records::update(&machine.context(), |records| records.set_identity(ghost)).expect("recorded");
    machine.ensure(Fault::None).expect("a key");
    machine.is_in_order("the ghost has gone");
}

#[test]
fn broken_records_are_an_error_and_stay() {
    let machine = Machine::new();
    machine.ensure(Fault::None).expect("a key");
    let file = machine.records_file();
    for text in ["{", "{\"version\": 99}"] {
        fs::write(&file, text).expect("broken");
        let error = machine.ensure(Fault::None).expect_err("an error");
        assert!(error.to_string().contains("records.json"), "{error}");
        assert_eq!(
            fs::read_to_string(&file).expect("there"),
            text,
            "nothing is lost"
        );
    }
    assert_eq!(machine.on_the_site().len(), 1);
}

/// A pending record and its files, as a run leaves them that the site refused.
fn begun(machine: &Machine) -> ManagedKey {
    machine.ensure(Fault::Invalid).expect_err("refused");
    let records = Records::open(&machine.context()).expect("records");
    records.identities()[0].clone()
}

fn stored(machine: &Machine, record: &ManagedKey) {
    machine.account(Fault::None).store(&NewKey {
        public_key: record.public_key.clone(),
        label: record.label.clone(),
        expires: None,
    });
}

#[test]
fn a_begun_key_that_cannot_be_read_is_not_given_up() {
    use std::os::unix::fs::PermissionsExt as _;
    let machine = Machine::new();
    let record = begun(&machine);
    stored(&machine, &record);
    let mode = |mode| {
        fs::set_permissions(&record.file, fs::Permissions::from_mode(mode)).expect("a mode");
    };
    mode(0o644);
    let error = machine.ensure(Fault::None).expect_err("others may read it");
    assert!(
        matches!(error, Error::KeyFile(KeyFileError::Unprotected { .. })),
        "{error}"
    );
    assert_eq!(machine.on_the_site().len(), 1, "no second key");
    mode(0o600);
    machine.ensure(Fault::None).expect("the same key");
    machine.is_in_order("its file is readable again");
}

#[test]
fn what_lies_at_a_begun_key_s_place_is_left_alone() {
    let machine = Machine::new();
    let record = begun(&machine);
    fs::write(&record.file, "somebody's notes").expect("written over");
    let made = machine.ensure(Fault::None).expect("another key").record;
    assert_ne!(made.fingerprint, record.fingerprint);
    let text = fs::read_to_string(&record.file).expect("there");
    assert_eq!(text, "somebody's notes");
    machine.is_in_order("the place was taken");
}

#[test]
fn a_public_key_is_not_adopted() {
    let machine = Machine::new();
    let first = machine.ensure(Fault::None).expect("a key").record;
    fs::remove_file(machine.records_file()).expect("lost records");
    let public = format!("{}.pub", first.file.display());
    fs::copy(&public, &first.file).expect("the private half has gone");
    let second = machine.ensure(Fault::None).expect("another key").record;
    assert_ne!(second.fingerprint, first.fingerprint);
    assert!(key_file::open(&second.file, None).is_ok());
}

#[test]
fn an_adopted_key_gets_its_public_half_and_its_passphrase_s_place() {
    for (words, place, why) in [
        (&[][..], PassphrasePlace::None, "not locked"),
        (&["open", "open"][..], PassphrasePlace::Person, "locked"),
    ] {
        let machine = Machine::new();
        let mut wish = settings();
        if !words.is_empty() {
            wish.passphrase = Sourced::new(PassphraseStore::Ask, Origin::Default);
        }
        let answers = Answers::new(words);
        let first = machine.ensure_with(Fault::None, &wish, &answers);
        let first = first.expect(why).record;
        fs::remove_file(machine.records_file()).expect(why);
        let public = PathBuf::from(format!("{}.pub", first.file.display()));
        fs::remove_file(&public).expect(why);
        let adopted = machine.ensure(Fault::None).expect(why).record;
        assert_eq!(adopted.fingerprint, first.fingerprint, "{why}");
        assert_eq!(adopted.passphrase, place, "{why}");
        assert!(public.exists(), "{why}");
    }
}

#[test]
fn a_link_that_leads_nowhere_has_the_name() {
    let machine = Machine::new();
    fs::create_dir(machine.ssh()).expect("a folder");
    let name = machine.ssh().join("bitbucket_you@example.com_ed25519");
    std::os::unix::fs::symlink("/nowhere", &name).expect("a link");
    let made = machine.ensure(Fault::None).expect("a key").record;
    assert_eq!(made.file, PathBuf::from(format!("{}-2", name.display())));
    machine.is_in_order("beside a link");
}

#[test]
fn a_begun_key_s_time_begins_when_it_is_registered() {
    let machine = Machine::new();
    let mut record = begun(&machine);
    record.expires = Some(Timestamp::UNIX_EPOCH);
    Records::update(&machine.context(), |records| records.set_identity(record)).expect("recorded");
    let mut wish = settings();
    wish.key_lifetime = Some(Sourced::new(1, Origin::Environment("CI")));
    let before = machine.context().clock.now();
    let made = machine.ensure_with(Fault::None, &wish, &Silent);
    let expires = made.expect("the same key").record.expires;
    let day = SignedDuration::from_hours(24);
    assert!(
        expires.is_some_and(|end| end >= before + day),
        "{expires:?}"
    );
}

#[test]
fn what_a_begun_key_left_on_the_site_is_not_removed() {
    let machine = Machine::new();
    let record = begun(&machine);
    stored(&machine, &record);
    fs::remove_file(&record.file).expect("moved away");
    let made = machine.ensure(Fault::None).expect("another key").record;
    assert_ne!(made.fingerprint, record.fingerprint);
    let on_the_site = machine.on_the_site();
    assert!(
        on_the_site.contains(&record.fingerprint),
        "not ours to remove"
    );
    assert_eq!(on_the_site.len(), 2);
}
