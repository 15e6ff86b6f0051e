//! A clock that jumps in the middle of a run, with and without an end behind it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::aftermath::{Verdict, holds};
use super::calls::Call;
use super::scenario::{FIRST_CONTACT, NEW, RENEWAL, Scenario};
use super::sweep::{drawn, sweep};
use super::tracer::{Act, Victim, trace};
use crate::support::{World, run};

/// Hours by which it jumps.
const JUMPS: [i64; 6] = [-9600, -48, -1, 1, 48, 9600];

struct Case {
    scenario: Scenario,
    by: i64,
    at: Call,
    /// The program ends this many calls later. `None`: it does not.
    ends: Option<usize>,
    /// The clock is right again afterwards.
    put_right: bool,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            scenario,
            by,
            at,
            ends,
            put_right,
        } = self;
        let name = scenario.name;
        write!(
            f,
            "{name}, {by} h at {at}, ends {ends:?}, put right: {put_right}"
        )
    }
}

impl Case {
    fn holds(&self) -> Verdict {
        let mut world = (self.scenario.world)();
        world.configure("bitbucket.keyLifetime", "100d");
        let clock = world.path("clock");
        fs::write(&clock, "0").unwrap();
        move_the_clock(&mut world, &clock);
        let end = self.ends.map(|further| self.at.number + further);
        let traced = trace(&world, self.scenario.command, Victim::Everybody, |call| {
            if call.number == self.at.number {
                fs::write(&clock, (self.by * 3600).to_string()).unwrap();
            }
            if Some(call.number) == end {
                Act::KillBefore
            } else {
                Act::Pass
            }
        });
        let reached = traced.calls.len() >= self.at.number;
        holds(reached, || format!("it was not reached: {}", traced.stderr))?;
        holds(!traced.stderr.contains("panicked"), || {
            traced.stderr.clone()
        })?;
        if self.put_right {
            fs::write(&clock, "0").unwrap();
        }
        (self.scenario.after)(&world)
    }
}

/// Makes the library of `clock.c`, once.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let library = folder.join(format!("clock-{}.so", std::process::id()));
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]);
        compiler.arg(&library);
        compiler.arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/suite/crash/clock.c"
        ));
        run(compiler).succeeds();
        library
    })
}

/// The clock is wrong by the seconds in the file `clock`, which is read each time.
fn move_the_clock(world: &mut World, file: &Path) {
    world.set("LD_PRELOAD", library());
    world.set("CLOCK_MOVED", file);
}

#[test]
fn a_clock_that_jumps_loses_nothing() {
    let ways = [
        (None, true),
        (None, false),
        (Some(5), true),
        (Some(20), false),
    ];
    let mut cases = Vec::new();
    for scenario in [FIRST_CONTACT, NEW, RENEWAL] {
        for at in scenario.calls() {
            for (number, by) in JUMPS.into_iter().enumerate() {
                let (ends, put_right) = ways[(at.number + number) % ways.len()];
                // The site accepts no expiry in the past.
                let put_right = put_right || by == JUMPS[0];
                let at = at.clone();
                cases.push(Case {
                    scenario,
                    by,
                    at,
                    ends,
                    put_right,
                });
            }
        }
    }
    let number = sweep(drawn(cases, 30), Case::holds);
    println!("crash safety: the clock jumped {number} times");
}
