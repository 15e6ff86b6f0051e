//! Several at once, each of which may end at any moment: clones on one machine, machines at one
//! account.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;
use std::{fs, thread};

use rustix::process::Signal;
use sandbox::SCOPES_ALL;

use super::URL;
use super::aftermath::{Verdict, held, held_in, holds, in_order};
use super::sweep::{all, sweep};
use crate::support::{ALICE, Running, World, run};

/// Seeds of the rounds: few in the suite.
fn rounds(few: u64, many: u64) -> Vec<u64> {
    (0..if all() { many } else { few }).collect()
}

#[test]
fn eight_clones_that_end_at_any_moment_leave_one_key() {
    let number = sweep(rounds(6, 60), |&seed| -> Verdict {
        let mut random = fastrand::Rng::with_seed(seed);
        let world = World::new();
        let mut clones: Vec<_> = (0..8)
            .map(|number| {
                let mut clone = world.command("git");
                clone.args(["clone", "-q", URL, &format!("site-{number}")]);
                Running::start(clone, Vec::new())
            })
            .collect();
        random.shuffle(&mut clones);
        // Half of them end, one after the other; the others are to be served.
        for running in clones.drain(..4) {
            thread::sleep(Duration::from_micros(random.u64(0..60_000)));
            running.signal(Signal::KILL);
            running.wait();
        }
        for running in clones {
            let output = running.wait();
            holds(output.status == Some(0), || {
                format!("one was not served: {output}")
            })?;
        }
        in_order(&world)
    });
    println!("crash safety: eight clones at once, {number} times");
}

/// Another machine: a HOME of its own, beside the first one's, for the same account.
const OTHER: &str = "other";

fn make_other(world: &World) {
    let ssh = world.path(OTHER).join(".ssh");
    fs::create_dir_all(&ssh).unwrap();
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o700)).unwrap();
    for name in [".ssh/known_hosts", ".gitconfig"] {
        fs::copy(world.path("home").join(name), world.path(OTHER).join(name)).unwrap();
    }
}

/// A command on the first machine, or on the other one.
fn command(world: &World, other: bool, arguments: &[&str]) -> std::process::Command {
    let mut command = world.command("git");
    if other {
        command.env("HOME", world.path(OTHER));
    }
    command.args(arguments);
    command
}

#[test]
fn two_machines_that_end_at_any_moment_leave_each_other_s_keys() {
    const FETCH: &[&str] = &["ls-remote", "-q", URL];
    const ROTATE: &[&str] = &["bitbucket", "key", "rotate", "--yes"];
    let number = sweep(rounds(8, 80), |&seed| -> Verdict {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut world = World::new();
        make_other(&world);
        let token = world.sandbox.add_token(ALICE, SCOPES_ALL);
        world.set("BITBUCKET_API_TOKEN", &token);
        let what = if seed % 2 == 0 { FETCH } else { ROTATE };
        if what == ROTATE {
            for other in [false, true] {
                run(command(&world, other, FETCH)).succeeds();
            }
        }
        let mut running: Vec<_> = [false, true]
            .map(|other| Running::start(command(&world, other, what), Vec::new()))
            .into();
        random.shuffle(&mut running);
        for running in running {
            thread::sleep(Duration::from_micros(random.u64(0..80_000)));
            running.signal(Signal::KILL);
            running.wait();
        }
        for other in [false, true] {
            if what == ROTATE {
                let output = run(command(&world, other, ROTATE));
                holds(output.status == Some(0), || format!("again: {output}"))?;
            }
            let output = run(command(&world, other, FETCH));
            holds(output.status == Some(0), || {
                format!("other: {other}: {output}")
            })?;
        }
        let keys = world.sandbox.keys(ALICE);
        let (here, there) = (held(&world)?, held_in(&world.path(OTHER).join(".ssh"))?);
        let each = |held: &[String]| {
            keys.iter()
                .filter(|key| held.contains(&key.fingerprint))
                .count()
        };
        let right = keys.len() == 2 && each(&here) == 1 && each(&there) == 1;
        holds(right, || {
            format!("{} keys, {here:?}, {there:?}", keys.len())
        })
    });
    println!("crash safety: two machines at once, {number} times");
}
