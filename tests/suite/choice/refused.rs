//! A managed identity that is refused, and keys that end: what the account's key list says counts.

use jiff::{Timestamp, ToSpan};
use rustix::process::Signal;
use sandbox::{RestFault, SCOPES_ALL, SCOPES_MINIMUM, SshFault};

use super::{SITE, advertise, ask};
use crate::support::{ALICE, Running, World};

/// A machine whose account has its managed key.
fn served() -> World {
    let world = World::new();
    world.configure("bitbucket.passphrase", "none");
    world.git(&["ls-remote", SITE]).succeeds();
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
    world
}

#[test]
fn an_expired_key_is_replaced_within_the_same_command() {
    let world = served();
    let old = world.sandbox.keys(ALICE).remove(0);
    world
        .sandbox
        .set_expiry(ALICE, Some(Timestamp::now() - 1.hour()));
    world.git(&["clone", "-q", SITE, "site"]).succeeds();
    let keys = world.sandbox.keys(ALICE);
    let new: Vec<_> = keys
        .iter()
        .filter(|key| key.fingerprint != old.fingerprint)
        .collect();
    assert_eq!(new.len(), 1);
    let before = world.sandbox.requests().len();
    world.git(&["-C", "site", "fetch", "-q"]).succeeds();
    assert_eq!(world.sandbox.requests().len(), before, "and stays");
}

#[test]
fn an_expired_key_is_not_replaced_where_none_may_be_made() {
    let world = served();
    world
        .sandbox
        .set_expiry(ALICE, Some(Timestamp::now() - 1.hour()));
    world.configure("bitbucket.provision", "never");
    ask(&world, &["git@bitbucket.org", &advertise(SITE)]).fails_with(255);
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
}

#[test]
fn a_removed_key_is_never_made_anew_unasked() {
    let world = served();
    world.sandbox.remove_keys(ALICE, None);
    ask(&world, &["git@bitbucket.org", &advertise(SITE)])
        .fails_with(255)
        .says("Permission denied (publickey)")
        .says(&format!("hint: git bitbucket key new --account {ALICE}"));
    assert!(world.sandbox.keys(ALICE).is_empty());
}

#[test]
fn a_listed_key_that_is_refused_is_an_error_that_says_so() {
    let world = served();
    world.sandbox.faults().ssh(SshFault::RefuseKey, 1);
    ask(&world, &["git@bitbucket.org", &advertise(SITE)])
        .fails_with(255)
        .says("the key is on the account");
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
}

#[test]
fn without_the_key_list_nothing_is_replaced() {
    let mut world = served();
    world.sandbox.remove_keys(ALICE, None);
    world
        .sandbox
        .faults()
        .rest("GET", "", RestFault::DropBefore, 100);
    let hint = format!("hint: git bitbucket login {ALICE}");
    ask(&world, &["git@bitbucket.org", &advertise(SITE)])
        .fails_with(255)
        .says("Permission denied (publickey)")
        .says(&hint);
    world.sandbox.faults().clear();
    world.unset("BITBUCKET_API_TOKEN");
    world.unset("BITBUCKET_EMAIL");
    ask(&world, &["git@bitbucket.org", &advertise(SITE)])
        .fails_with(255)
        .says(&hint);
    assert!(world.sandbox.keys(ALICE).is_empty());
}

#[test]
fn a_lost_connection_never_makes_a_key() {
    let world = served();
    world
        .sandbox
        .set_expiry(ALICE, Some(Timestamp::now() - 1.hour()));
    for fault in [
        SshFault::DisconnectAtAuthentication,
        SshFault::ResetBeforeBanner,
    ] {
        world.sandbox.faults().ssh(fault, 100);
        ask(&world, &["git@bitbucket.org", &advertise(SITE)]).fails_with(255);
        world.sandbox.faults().clear();
        assert_eq!(world.sandbox.keys(ALICE).len(), 1);
    }
}

#[test]
fn a_lifetime_is_given_to_the_site() {
    let world = World::new();
    world.configure("bitbucket.passphrase", "none");
    world.configure("bitbucket.keyLifetime", "12w");
    let begun = Timestamp::now();
    world.git(&["ls-remote", SITE]).succeeds();
    let ended = Timestamp::now();
    let life = (12 * 7 * 24).hours();
    let expires = world.sandbox.keys(ALICE)[0].expires_on.unwrap();
    assert!(
        begun + life - 1.second() <= expires && expires <= ended + life,
        "{expires}"
    );
}

#[test]
fn ci_makes_no_key_and_an_explicit_auto_one_for_a_day() {
    let mut world = World::new();
    world.configure("bitbucket.passphrase", "none");
    world.set("CI", "true");
    ask(&world, &["git@bitbucket.org", &advertise(SITE)]).fails_with(255);
    assert!(world.sandbox.keys(ALICE).is_empty());
    world.configure("bitbucket.provision", "auto");
    world.configure("bitbucket.keyLifetime", "90d");
    ask(&world, &["git@bitbucket.org", &advertise(SITE)]).succeeds();
    let expires = world.sandbox.keys(ALICE)[0].expires_on.unwrap();
    assert!(expires <= Timestamp::now() + 24.hours(), "{expires}");
}

#[test]
fn a_key_can_expire_again_and_again() {
    let world = served();
    for generation in 2..=4 {
        world
            .sandbox
            .set_expiry(ALICE, Some(Timestamp::now() - 1.hour()));
        world.git(&["ls-remote", SITE]).succeeds();
        assert_eq!(world.sandbox.keys(ALICE).len(), generation);
    }
}

#[test]
fn a_key_that_expires_soon_is_renewed_and_the_old_one_removed_if_the_token_allows() {
    for (scopes, left) in [(SCOPES_ALL, 1), (SCOPES_MINIMUM, 2)] {
        let mut world = World::new();
        world.configure("bitbucket.passphrase", "none");
        world.configure("bitbucket.keyLifetime", "100d");
        let token = world.sandbox.add_token(ALICE, scopes);
        world.set("BITBUCKET_API_TOKEN", &token);
        world.git(&["ls-remote", SITE]).succeeds();
        let before = world.sandbox.requests().len();
        world.git(&["ls-remote", SITE]).succeeds();
        assert_eq!(world.sandbox.requests().len(), before, "not due");
        let old = world.sandbox.keys(ALICE).remove(0);
        world.age_the_key();
        world.git(&["ls-remote", SITE]).succeeds();
        let keys = world.sandbox.keys(ALICE);
        assert_eq!(keys.len(), left);
        assert_ne!(keys[left - 1].fingerprint, old.fingerprint);
        let before = world.sandbox.requests().len();
        world.git(&["ls-remote", SITE]).succeeds();
        let login = world.sandbox.connections().pop().unwrap().login.unwrap();
        assert_eq!(login.fingerprint, keys[left - 1].fingerprint);
        assert_eq!(world.sandbox.requests().len(), before, "done");
    }
}

#[test]
fn a_renewal_that_is_killed_is_finished_by_the_next_fetch() {
    let mut random = fastrand::Rng::with_seed(11);
    for round in 0..20 {
        let mut world = World::new();
        world.configure("bitbucket.passphrase", "none");
        world.configure("bitbucket.keyLifetime", "100d");
        let token = world.sandbox.add_token(ALICE, SCOPES_ALL);
        world.set("BITBUCKET_API_TOKEN", &token);
        world.git(&["ls-remote", SITE]).succeeds();
        world.age_the_key();
        let mut session = world.command(env!("CARGO_BIN_EXE_bitbucket-ssh"));
        session.args(["git@bitbucket.org", &advertise(SITE)]);
        let running = Running::start(session, b"0000".to_vec());
        std::thread::sleep(std::time::Duration::from_micros(random.u64(0..150_000)));
        running.signal(Signal::KILL);
        running.wait();
        world.git(&["ls-remote", SITE]).succeeds();
        let keys = world.sandbox.keys(ALICE);
        assert_eq!(keys.len(), 1, "round {round}: {keys:?}");
        world.git(&["ls-remote", SITE]).succeeds();
        let login = world.sandbox.connections().pop().unwrap().login.unwrap();
        assert_eq!(login.fingerprint, keys[0].fingerprint, "round {round}");
    }
}

#[test]
fn a_renewal_that_fails_fails_no_fetch_and_is_not_tried_again_that_day() {
    let world = served();
    world.age_the_key();
    let fault = RestFault::DropBefore;
    world.sandbox.faults().rest("", "", fault, 100);
    let output = world.git(&["ls-remote", SITE]).succeeds();
    assert_eq!(output.stderr(), "");
    world.sandbox.faults().clear();
    let before = world.sandbox.requests().len();
    world.git(&["ls-remote", SITE]).succeeds();
    assert_eq!(world.sandbox.requests().len(), before);
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
}
