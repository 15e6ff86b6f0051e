//! A removal that was interrupted: the record says so, the next making finishes it, and another
//! key of the same name is left alone.

use std::fs;

use super::machine::{Machine, account};
use super::site::Fault;
use crate::bitbucket;
use crate::identity::{ManagedKey, State};
use crate::provision::Records;
use crate::provision::{Error, removal};

fn said(error: bitbucket::Error) -> Result<(), Error> {
    Err(Error::Site {
        account: account(),
        error,
    })
}

fn state(machine: &Machine) -> Option<State> {
    let records = Records::open(&machine.context()).expect("records");
    records.identities().first().map(|record| record.state)
}

fn made(machine: &Machine) -> ManagedKey {
    machine.ensure(Fault::None).expect("a key").record
}

#[test]
fn the_record_says_that_a_removal_was_begun_unless_the_site_refuses_it() {
    let lost = bitbucket::Error::Unreachable {
        host: "api".to_owned(),
        why: "connection reset".to_owned(),
    };
    let failed = bitbucket::Error::Server {
        status: 500,
        message: String::new(),
    };
    let refused = bitbucket::Error::Forbidden {
        message: "no".to_owned(),
    };
    for (error, expected, why) in [
        (lost, State::Removing, "it may have gone"),
        (failed, State::Removing, "so may this one"),
        (refused, State::Registered, "it stays"),
    ] {
        let machine = Machine::new();
        let record = made(&machine);
        let removed = removal::remove_recorded(&machine.context(), &record, || {
            assert_eq!(state(&machine), Some(State::Removing), "before: {why}");
            said(error)
        });
        assert!(removed.is_err(), "{why}");
        assert_eq!(state(&machine), Some(expected), "{why}");
    }
}

#[test]
fn what_has_left_the_list_is_put_aside_before_another_is_made() {
    let machine = Machine::new();
    let old = made(&machine);
    removal::remove_recorded(&machine.context(), &old, || Ok(())).expect("recorded");
    for entry in fs::read_dir(machine.directory.join("account")).expect("the account") {
        fs::remove_file(entry.expect("a key").path()).expect("gone from the site");
    }
    // As if it had ended between the two files.
    let aside = machine.ssh().join("aside");
    fs::rename(&old.file, &aside).expect("moved");
    let new = made(&machine);
    assert_eq!(new.file, old.file, "the name is free again");
    assert_ne!(new.fingerprint, old.fingerprint);
    assert!(
        with(&old, ".pub.revoked").exists(),
        "its public half is aside"
    );
    machine.is_in_order("finished");
}

#[test]
fn another_key_that_has_the_name_by_now_stays() {
    let machine = Machine::new();
    let old = made(&machine);
    removal::remove_here(&machine.context(), &old).expect("aside");
    assert!(with(&old, ".revoked").exists());
    for entry in fs::read_dir(machine.directory.join("account")).expect("the account") {
        fs::remove_file(entry.expect("a key").path()).expect("gone from the site");
    }
    let new = made(&machine);
    assert_eq!(new.file, old.file);
    let moved = removal::remove_here(&machine.context(), &old).expect("nothing to do");
    assert_eq!(moved, None);
    machine.is_in_order("the new one is untouched");
}

fn with(record: &ManagedKey, ending: &str) -> std::path::PathBuf {
    let mut name = record.file.clone().into_os_string();
    name.push(ending);
    name.into()
}
