//! What the program does when it is struck, and what must hold afterwards.

use super::URL;
use super::aftermath::{Verdict, every_key_is_held, fetches, holds, in_order};
use super::calls::Call;
use super::tracer::{Act, Victim, trace};
use crate::support::{ALICE, World};

/// A command on a machine that was made ready for it.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// Its name in messages.
    pub name: &'static str,
    /// A fresh machine.
    pub world: fn() -> World,
    /// The command and its arguments.
    pub command: &'static [&'static str],
    /// What must hold after the kill; it fetches once itself.
    pub after: fn(&World) -> Verdict,
}

/// The first clone of a machine.
pub const FIRST_CONTACT: Scenario = Scenario {
    name: "first contact",
    world: World::new,
    command: &["git", "clone", "-q", URL, "site"],
    after: in_order,
};

/// A fetch behind which the key is renewed.
pub const RENEWAL: Scenario = Scenario {
    name: "renewal",
    world: near_its_end,
    command: &["git", "ls-remote", "-q", URL],
    after: in_order,
};

/// A further key.
pub const NEW: Scenario = Scenario {
    name: "key new",
    world: World::with_a_key,
    command: &["git", "bitbucket", "key", "new"],
    after: a_further_key,
};

/// A new key in the place of the old one.
pub const ROTATE: Scenario = Scenario {
    name: "key rotate",
    world: World::with_a_key,
    command: &["git", "bitbucket", "key", "rotate", "--yes"],
    after: in_order,
};

/// The only key is removed.
pub const REVOKE: Scenario = Scenario {
    name: "key revoke",
    world: World::with_a_key,
    command: &[
        "sh",
        "-c",
        "exec git bitbucket key revoke \"$(ssh-keygen -l -f ~/.ssh/bitbucket_*.pub | cut -d ' ' -f 2)\"",
    ],
    after: in_order,
};

impl Scenario {
    /// The calls that change a file when nothing fails.
    pub fn calls(&self) -> Vec<Call> {
        let world = (self.world)();
        let traced = trace(&world, self.command, Victim::Program, |_| Act::Pass);
        assert_eq!(traced.status, Some(0), "{}: {}", self.name, traced.stderr);
        assert!(traced.calls.len() > 8, "the tracer sees too few calls");
        traced.calls
    }

    /// How many REST requests it makes when nothing fails.
    pub fn requests(&self) -> usize {
        let world = (self.world)();
        let before = world.sandbox.requests().len();
        let mut command = world.command(self.command[0]);
        command.args(&self.command[1..]);
        crate::support::run(command).succeeds();
        world.sandbox.requests().len() - before
    }
}

/// As if the key had been made 99 days ago, with one day left.
fn near_its_end() -> World {
    let world = World::with_a_key();
    world.configure("bitbucket.keyLifetime", "100d");
    world.age_the_key();
    world
}

/// The fetch works; the same command again ends with two keys at most, both of them here.
fn a_further_key(world: &World) -> Verdict {
    fetches(world)?;
    let before = world.sandbox.keys(ALICE).len();
    let output = world.git_bitbucket(&["key", "new"]);
    holds(output.status == Some(0), || format!("again: {output}"))?;
    fetches(world)?;
    every_key_is_held(world)?;
    let after = world.sandbox.keys(ALICE).len();
    // A pending one is completed, not doubled; a complete one has another beside it.
    holds(after - before <= 1, || {
        format!("{before}, then {after} keys")
    })
}
