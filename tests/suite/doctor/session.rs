//! A real authenticated session.

use sandbox::Visibility;

use super::{URL, advice, doctor, finds, is_fixed, is_well, served};
use crate::support::{ALICE, World};

#[test]
fn without_a_key_the_next_fetch_makes_one() {
    let world = World::new();
    let found = ("session", "WARN", "the next fetch creates one");
    let next = is_fixed(&world, &[URL], found);
    assert_eq!(next, format!("git ls-remote {URL}"));
    let (_, list) = doctor(&world, &[URL]);
    finds(
        &list,
        "session",
        "OK",
        "alice@example.com has access to acme/site with",
    );
}

#[test]
fn a_machine_without_an_account_logs_in() {
    let mut world = World::new();
    world.unset("BITBUCKET_EMAIL");
    world.unset("BITBUCKET_API_TOKEN");
    let next = advice(&world, &[URL], ("session", "FAIL", "no key to log in with"));
    assert_eq!(next, "git bitbucket login");
}

#[test]
fn a_refused_key_is_replaced() {
    let world = served();
    world.sandbox.remove_keys(ALICE, None);
    let found = ("session", "FAIL", "failed (user git): Permission denied");
    let next = is_fixed(&world, &[], found);
    assert_eq!(next, "git bitbucket key new --account alice@example.com");
}

#[test]
fn a_repository_without_access_is_reported() {
    let world = served();
    world
        .sandbox
        .add_repository("umbrella/tools", Visibility::Private);
    let url = "git@bitbucket.org:umbrella/tools.git";
    let next = advice(
        &world,
        &[url],
        ("session", "FAIL", "which has no access to umbrella/tools"),
    );
    assert_eq!(next, format!("git bitbucket status {url}"));
    super::paste(&world, &[], &next).succeeds();
}

#[test]
fn a_changed_host_key_is_reported_with_ssh_s_advice() {
    let world = served();
    let file = world.path("home/.ssh/known_hosts");
    let known = std::fs::read_to_string(&file).unwrap();
    let names: Vec<_> = known
        .lines()
        .filter_map(|line| line.split_once(' '))
        .collect();
    let other = world.make_key("stranger", "");
    std::fs::write(&file, format!("{} {other}", names[0].0)).unwrap();
    let next = advice(
        &world,
        &[],
        ("session", "FAIL", "Host key verification failed"),
    );
    assert!(next.contains("ssh-keygen"), "{next}");
    super::paste(&world, &[], &next);
    // The line is gone; the next connection asks about the host key.
    let list = super::after(&world, &next);
    finds(&list, "host-keys", "WARN", "not in known_hosts");
    std::fs::write(&file, known).unwrap();
    let (_, list) = doctor(&world, &[]);
    is_well(&list, "session");
}
