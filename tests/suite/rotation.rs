//! `git bitbucket key rotate`: interrupted, side by side, on two machines, with several accounts.

use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use sandbox::{Permission, RestFault, SCOPES_ALL, SCOPES_MINIMUM};

use crate::choice::log_in;
use crate::support::{ALICE, Running, World, run};

const URL: &str = "git@bitbucket.org:acme/site.git";
const ROTATE: [&str; 3] = ["key", "rotate", "--yes"];

/// One key on the site, it works, and nothing else is here but renamed files.
fn is_in_order(world: &World, why: &str) {
    let keys = world.sandbox.keys(ALICE);
    assert_eq!(keys.len(), 1, "{why}: {keys:?}");
    let requests = world.sandbox.requests().len();
    world.git(&["ls-remote", "-q", URL]).succeeds();
    let connections = world.sandbox.connections();
    let login = connections.last().unwrap().login.clone().unwrap();
    assert_eq!(login.fingerprint, keys[0].fingerprint, "{why}: held here");
    assert_eq!(
        world.sandbox.requests().len(),
        requests,
        "{why}: there is nothing left to do"
    );
    let files = world.ssh_files();
    let private = files
        .iter()
        .filter(|name| name.starts_with("bitbucket_"))
        .filter(|name| !name.contains(".pub") && !name.contains(".revoked"));
    assert_eq!(private.count(), 1, "{why}: {files:?}");
    assert!(
        files.iter().all(|name| !name.starts_with('.')),
        "{why}: {files:?}"
    );
}

/// A rotation that is killed. What follows is a plain fetch, or a rotation once more.
fn go_on(world: &World, by_rotation: bool, why: &str) {
    world.sandbox.faults().clear();
    if by_rotation {
        world.git_bitbucket(&ROTATE).succeeds();
    } else {
        let fetch = world.git(&["ls-remote", "-q", URL]);
        assert_eq!(fetch.status, Some(0), "{why}: {fetch}");
    }
    is_in_order(world, why);
}

fn rotate(world: &World) -> Command {
    let mut command = world.command(env!("CARGO_BIN_EXE_git-bitbucket"));
    command.args(ROTATE);
    command
}

#[test]
fn the_next_run_recovers_from_a_kill_at_any_system_call() {
    let calls = ["write", "fsync", "rename", "linkat", "sendto", "flock"];
    let numbers = [1, 2, 3, 4, 6, 9, 13, 19, 28, 40];
    let mut kills = 0;
    for (kind, call) in calls.into_iter().enumerate() {
        for (round, number) in numbers.into_iter().enumerate() {
            let world = World::with_a_key();
            let inject = format!("inject={call}:signal=KILL:when={number}");
            let mut traced = world.command("strace");
            traced
                .args(["-f", "-qq", "-o", "/dev/null"])
                .args(["-e", &format!("trace={call}"), "-e", &inject])
                .arg(env!("CARGO_BIN_EXE_git-bitbucket"))
                .args(ROTATE);
            let status = run(traced).status;
            let why = format!("killed at {call} {number}");
            if status == Some(0) {
                is_in_order(&world, &why);
                break;
            }
            kills += 1;
            go_on(&world, (kind + round) % 2 == 0, &why);
        }
    }
    println!("killed at {kills} system calls of a rotation");
    assert!(
        kills >= 20,
        "only {kills}: strace does not reach the program"
    );
}

#[test]
fn the_next_run_recovers_from_a_kill_at_any_time() {
    let mut random = fastrand::Rng::with_seed(2027);
    for round in 0..40 {
        let world = World::with_a_key();
        let faults = world.sandbox.faults();
        match round % 4 {
            1 => faults.rest("POST", "ssh-keys", RestFault::ErrorAfter, 1),
            2 => faults.rest("POST", "ssh-keys", RestFault::DropAfter, 1),
            3 => faults.rest("DELETE", "ssh-keys", RestFault::DropAfter, 1),
            _ => {}
        }
        let running = Running::start(rotate(&world), Vec::new());
        std::thread::sleep(Duration::from_micros(random.u64(0..250_000)));
        running.signal(Signal::KILL);
        running.wait();
        let why = format!("round {round}");
        // One that was killed before it began, or after it ended, needs nothing.
        go_on(&world, round % 8 > 3, &why);
    }
}

/// The second process uses the key that the first has created.
#[test]
fn rotations_side_by_side_make_one_key() {
    let world = World::with_a_key();
    let first = world.sandbox.keys(ALICE)[0].fingerprint.clone();
    let all: Vec<_> = (0..4)
        .map(|_| Running::start(rotate(&world), Vec::new()))
        .collect();
    for running in all {
        running.wait().succeeds();
    }
    assert_ne!(world.sandbox.keys(ALICE)[0].fingerprint, first);
    is_in_order(&world, "four at once");
}

/// Two homes, one account: each replaces its own key and leaves the other's.
#[test]
fn two_machines_leave_each_other_s_keys() {
    let mut one = World::with_a_key();
    let home = one.path("home");
    let other = one.path("other");
    std::fs::create_dir_all(other.join(".ssh")).unwrap();
    for file in [".gitconfig", ".ssh/known_hosts"] {
        std::fs::copy(home.join(file), other.join(file)).unwrap();
    }
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(other.join(".ssh"), private).unwrap();
    one.set("HOME", &other);
    one.git(&["ls-remote", "-q", URL]).succeeds();
    let before: Vec<_> = one.sandbox.keys(ALICE);
    assert_eq!(before.len(), 2);
    let there = Running::start(rotate(&one), Vec::new());
    one.set("HOME", &home);
    let here = Running::start(rotate(&one), Vec::new());
    here.wait().succeeds();
    there.wait().succeeds();
    let after = one.sandbox.keys(ALICE);
    assert_eq!(after.len(), 2, "{after:?}");
    for key in &after {
        let old = before.iter().any(|one| one.fingerprint == key.fingerprint);
        assert!(!old, "both were replaced");
    }
    let mut used = Vec::new();
    for place in [&home, &other] {
        one.set("HOME", place);
        let requests = one.sandbox.requests().len();
        one.git(&["ls-remote", "-q", URL]).succeeds();
        assert_eq!(one.sandbox.requests().len(), requests);
        let login = one.sandbox.connections().last().unwrap().login.clone();
        used.push(login.unwrap().fingerprint);
    }
    assert_ne!(used[0], used[1], "each has its own");
}

/// A no for one account, or a site that says no, is no end for the others.
#[test]
fn several_accounts_are_rotated_one_by_one() {
    let mut world = World::with_a_key();
    let bob = "bob@example.com";
    world.sandbox.add_account(bob, "bob");
    world
        .sandbox
        .grant(bob, "acme/site", Some(Permission::Read));
    let token = world.sandbox.add_token(bob, SCOPES_ALL);
    log_in(&world, bob, &token);
    world
        .git_bitbucket(&["key", "new", "--account", bob])
        .succeeds();
    let keys = |world: &World, who: &str| world.sandbox.keys(who)[0].fingerprint.clone();
    let (hers, his) = (keys(&world, ALICE), keys(&world, bob));

    let askpass = world.path("askpass");
    let script = "#!/bin/sh\ncase \"$1\" in *alice*) echo no;; *) echo yes;; esac\n";
    std::fs::write(&askpass, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&askpass, mode).unwrap();
    world.set("SSH_ASKPASS", &askpass);
    world.set("SSH_ASKPASS_REQUIRE", "force");
    world.configure("bitbucket.passphrase", "none");
    world.git_bitbucket(&["key", "rotate"]).succeeds();
    assert_eq!(keys(&world, ALICE), hers, "a no");
    let replaced = keys(&world, bob);
    assert_ne!(replaced, his, "a yes");

    let poor = world.sandbox.add_token(ALICE, &SCOPES_MINIMUM[..1]);
    world.set("BITBUCKET_API_TOKEN", &poor);
    world
        .git_bitbucket(&ROTATE)
        .fails_with(1)
        .says("read:ssh-key:bitbucket")
        .says("failed for alice@example.com");
    assert_eq!(keys(&world, ALICE), hers);
    assert_ne!(keys(&world, bob), replaced, "he is gone on with");
    let listed = world
        .git_bitbucket(&["key", "list", "--json"])
        .fails_with(1);
    let list: serde_json::Value = serde_json::from_str(&listed.stdout()).unwrap();
    assert_eq!(list[0]["account"], bob, "{listed}");
}
