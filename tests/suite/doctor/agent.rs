//! The agent: reachable, holds the key, not too many keys.

use super::{advice, doctor, finds, is_fixed_by_answers, is_well};
use crate::support::{Agent, World};

const OFFLINE: [&str; 1] = ["--offline"];

/// Started by the advice, it is ended with the shell.
fn with_an_agent_of_the_advice(world: &World, found: (&str, &str, &str)) {
    let next = advice(world, &OFFLINE, found);
    assert_eq!(next, "eval \"$(ssh-agent)\"");
    let ended = format!("{next} >&2; trap 'ssh-agent -k >&2' EXIT");
    let output = super::paste(world, &OFFLINE, &ended).succeeds();
    is_well(&super::after(world, &output), "agent");
}

#[test]
fn an_agent_that_is_gone_is_started() {
    let mut world = World::new();
    world.make_key("id_ed25519", "");
    with_an_agent_of_the_advice(&world, ("agent", "SKIP", "no agent"));
    world.set("SSH_AUTH_SOCK", &world.path("tmp/nobody"));
    with_an_agent_of_the_advice(&world, ("agent", "FAIL", "cannot connect"));
}

#[test]
fn the_agent_gets_the_first_key_of_the_plan() {
    let mut world = World::new();
    let _agent = Agent::start(&mut world);
    world.unset("BITBUCKET_API_TOKEN");
    world.make_key("locked", "secret");
    world.configure("bitbucket.identityFile", "~/.ssh/locked");
    let found = ("agent-key", "WARN", "its passphrase is asked for");
    let next = is_fixed_by_answers(&world, &OFFLINE, found, &[("passphrase", "secret")]);
    assert_eq!(next, "ssh-add ~/.ssh/locked");
}

#[test]
fn among_too_many_keys_an_account_is_chosen() {
    let mut world = World::new();
    let agent = Agent::start(&mut world);
    for number in 1..=6 {
        world.make_key(&format!("key{number}"), "");
        agent.add(&world, &format!("key{number}"));
    }
    let token = world.variable("BITBUCKET_API_TOKEN").unwrap().to_owned();
    world.unset("BITBUCKET_API_TOKEN");
    let (_, list) = doctor(&world, &OFFLINE);
    finds(&list, "agent", "OK", "listening at /");
    finds(&list, "agent-key", "OK", "the first key to be offered");
    let found = ("agent-keys", "WARN", "6 keys");
    assert_eq!(advice(&world, &OFFLINE, found), "git bitbucket login");
    // The account is named; if it is configured, only its keys are offered.
    world.set("BITBUCKET_API_TOKEN", &token);
    let (_, list) = doctor(&world, &OFFLINE);
    finds(
        &list,
        "agent-keys",
        "OK",
        "only those of the selected account",
    );
}
