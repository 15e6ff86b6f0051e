//! Leftovers of interrupted provisioning.

use std::fs;

use serde_json::Value;

use super::{is_fixed, is_fixed_by_answers, key_file, served};
use crate::support::{ALICE, World};
use sandbox::SCOPES_MINIMUM;

fn change(world: &World, change: impl Fn(&mut Value)) {
    let file = world.path("home/.ssh/bitbucket-ssh/records.json");
    let mut records: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    for identity in records["identities"].as_array_mut().unwrap() {
        change(identity);
    }
    fs::write(&file, records.to_string()).unwrap();
}

#[test]
fn unfinished_files_are_removed() {
    let world = served();
    fs::write(world.path("home/.ssh/.bitbucket-ssh-abc"), "half").unwrap();
    fs::write(world.path("home/.ssh/.bitbucket-ssh-d e"), "half").unwrap();
    let found = ("leftovers", "WARN", "2 unfinished files");
    let next = is_fixed(&world, &["--offline"], found);
    assert_eq!(
        next,
        "rm ~/.ssh/.bitbucket-ssh-abc ~/'.ssh/.bitbucket-ssh-d e'"
    );
}

#[test]
fn a_pair_that_was_never_placed_is_forgotten() {
    let world = served();
    change(&world, |identity| identity["state"] = "pending".into());
    let key = key_file(&world);
    fs::remove_file(world.path("home").join(&key[2..])).unwrap();
    let found = ("leftovers", "WARN", "started but never written");
    let next = is_fixed(&world, &["--offline"], found);
    assert_eq!(next, "git bitbucket doctor --fix --yes");
}

#[test]
fn a_fetch_completes_an_interrupted_key_pair() {
    for (state, text) in [
        ("pending", "created but not registered"),
        ("registered", "not yet verified by a connection"),
    ] {
        let world = served();
        change(&world, |identity| identity["state"] = state.into());
        if state == "pending" {
            world.sandbox.remove_keys(ALICE, None);
        }
        let key = key_file(&world);
        let next = is_fixed(&world, &["--offline"], ("leftovers", "WARN", text));
        assert_eq!(next, "git fetch");
        assert_eq!(key_file(&world), key, "the same pair");
        assert_eq!(world.sandbox.keys(ALICE).len(), 1);
    }
}

#[test]
fn outside_a_repository_a_login_proves_the_key() {
    let world = served();
    change(&world, |identity| identity["state"] = "registered".into());
    fs::remove_dir_all(world.path("work/site")).unwrap();
    let found = ("leftovers", "WARN", "not yet verified by a connection");
    let next = is_fixed(&world, &["--offline"], found);
    assert!(next.starts_with("bitbucket-ssh -p "), "{next}");
}

#[test]
fn a_login_says_whose_key_it_is() {
    let mut world = served();
    let token = world.sandbox.add_token(ALICE, SCOPES_MINIMUM);
    change(&world, |identity| identity["state"] = "unverified".into());
    world.unset("BITBUCKET_API_TOKEN");
    let found = ("leftovers", "WARN", "no login has confirmed");
    let answers = [("API token for alice@example.com: ", token.as_str())];
    let next = is_fixed_by_answers(&world, &["--offline"], found, &answers);
    assert_eq!(next, "git bitbucket login alice@example.com");
}
