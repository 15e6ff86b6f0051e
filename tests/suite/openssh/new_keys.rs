//! Keys that are created, waited for and replaced before ssh takes over the process.

use std::fs;
use std::time::Duration;

use jiff::{Timestamp, ToSpan as _};

use super::{by_openssh, last};
use crate::choice::{SITE, advertise, ask, count};
use crate::support::{ALICE, World};

/// The only recorded identity, changed.
fn change_record(world: &World, change: impl Fn(&mut serde_json::Value)) {
    let file = world.path("home/.ssh/bitbucket-ssh/records.json");
    let mut records: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    change(&mut records["identities"][0]);
    fs::write(&file, serde_json::to_vec(&records).unwrap()).unwrap();
}

fn state(world: &World) -> String {
    let file = world.path("home/.ssh/bitbucket-ssh/records.json");
    let records: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    records["identities"][0]["state"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_new_key_is_waited_for_until_the_servers_know_it() {
    let world = by_openssh();
    world
        .sandbox
        .faults()
        .propagation_delay(Duration::from_secs(3));
    world
        .git(&["clone", "-q", SITE, "site"])
        .succeeds()
        .says("waiting until the SSH servers know the new key");
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
    assert_eq!(state(&world), "proved");
    assert!(last(&world).client.contains("OpenSSH"));
    // From now on ssh connects directly.
    let before = count(&world);
    world.git(&["-C", "site", "fetch", "-q"]).succeeds();
    assert_eq!(count(&world), before + 1);
}

#[test]
fn a_key_that_was_never_accepted_is_checked_when_refused() {
    let world = by_openssh();
    world.git(&["ls-remote", SITE]).succeeds();
    change_record(&world, |record| record["state"] = "registered".into());
    world.git(&["ls-remote", SITE]).succeeds();
    assert_eq!(state(&world), "proved", "let in, and recorded");
    change_record(&world, |record| record["state"] = "registered".into());
    world.sandbox.remove_keys(ALICE, None);
    ask(&world, &["git@bitbucket.org", &advertise(SITE)])
        .fails_with(255)
        .says(&format!("hint: git bitbucket key new --account {ALICE}"));
    assert!(world.sandbox.keys(ALICE).is_empty(), "none is made unasked");
}

#[test]
fn an_expired_key_is_replaced_before_ssh_starts() {
    let world = by_openssh();
    world.git(&["ls-remote", SITE]).succeeds();
    let old = world.sandbox.keys(ALICE).remove(0);
    let end = Timestamp::now() - 1.hour();
    change_record(&world, |record| record["expires"] = end.to_string().into());
    // The near miss: the site has extended its lifetime, and accepts it.
    world.git(&["ls-remote", SITE]).succeeds();
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
    world.sandbox.set_expiry(ALICE, Some(end));
    world.git(&["ls-remote", SITE]).succeeds();
    let login = last(&world).login.unwrap();
    assert_ne!(login.fingerprint, old.fingerprint);
    assert!(last(&world).client.contains("OpenSSH"));
}
