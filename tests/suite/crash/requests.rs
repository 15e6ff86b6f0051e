//! Before and after every REST request: the site holds it, the program is ended, and what was sent
//! is lost, executed at once, or executed while the next run is already working.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox::{Hold, Moment};

use super::aftermath::{Verdict, holds};
use super::scenario::{FIRST_CONTACT, NEW, RENEWAL, REVOKE, ROTATE, Scenario};
use super::sweep::{drawn, sweep};
use super::tracer::Victim;
use crate::support::{Running, World};

/// What happens to the request whose client has ended.
#[derive(Clone, Copy, Debug)]
enum Delivery {
    /// It never arrives, or its answer is lost.
    Lost,
    /// It is executed after this many further requests.
    CarriedOut(usize),
}

struct Case {
    scenario: Scenario,
    request: usize,
    moment: Moment,
    delivery: Delivery,
    victim: Victim,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            scenario,
            request,
            moment,
            delivery,
            victim,
        } = self;
        let name = scenario.name;
        write!(
            f,
            "{name}, {victim:?} ends at request {request}, {moment:?}, {delivery:?}"
        )
    }
}

impl Case {
    fn holds(&self) -> Verdict {
        let world = (self.scenario.world)();
        let number = world.sandbox.requests().len() + self.request;
        let hold = world.sandbox.faults().hold(number, self.moment);
        let mut command = world.command(self.scenario.command[0]);
        command.args(&self.scenario.command[1..]);
        let running = Running::start(command, Vec::new());
        let reached = hold.reached(Duration::from_secs(60));
        holds(reached, || "the request was not made".to_owned())?;
        match self.victim {
            Victim::Everybody => running.signal(rustix::process::Signal::KILL),
            Victim::Program => end_the_program(running.id())?,
        }
        running.wait();
        match self.delivery {
            Delivery::Lost => hold.lose(),
            Delivery::CarriedOut(0) => hold.go(),
            Delivery::CarriedOut(further) => {
                return thread::scope(|scope| {
                    let late = scope.spawn(|| go_late(&world, hold, number + further));
                    let verdict = (self.scenario.after)(&world);
                    late.join().unwrap();
                    verdict
                });
            }
        }
        (self.scenario.after)(&world)
    }
}

/// Releases it when the request of this number has arrived, or no more arrive.
fn go_late(world: &World, hold: Hold, number: usize) {
    let end = Instant::now() + Duration::from_secs(5);
    while world.sandbox.requests().len() <= number && Instant::now() < end {
        thread::sleep(Duration::from_millis(1));
    }
    hold.go();
}

/// Ends the program under test in this process group, and nothing else.
fn end_the_program(group: u32) -> Verdict {
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(process) = entry.file_name().to_string_lossy().parse::<i32>() else {
            continue;
        };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // Behind the name in brackets: state, parent, group.
        let words = stat.rsplit(") ").next().unwrap_or_default();
        let of_group = words.split(' ').nth(2) == Some(group.to_string().as_str());
        let program = fs::read_link(entry.path().join("exe")).unwrap_or_default();
        let name = program.file_name().unwrap_or_default();
        if of_group && (name == "bitbucket-ssh" || name == "git-bitbucket") {
            kill(Pid::from_raw(process), Signal::SIGKILL).unwrap();
            return Ok(());
        }
    }
    Err("no program runs".to_owned())
}

/// Each request of a scenario, before and after it.
fn kills(scenario: Scenario) -> usize {
    let requests = scenario.requests();
    assert!(requests >= 3, "{requests} requests");
    let mut cases = Vec::new();
    for request in 0..requests {
        for (moment, delivery) in [
            (Moment::BeforeStoring, Delivery::Lost),
            (Moment::BeforeStoring, Delivery::CarriedOut(0)),
            (Moment::BeforeStoring, Delivery::CarriedOut(1)),
            (Moment::BeforeStoring, Delivery::CarriedOut(2)),
            (Moment::BeforeStoring, Delivery::CarriedOut(3)),
            (Moment::AfterStoring, Delivery::Lost),
        ] {
            for victim in [Victim::Program, Victim::Everybody] {
                cases.push(Case {
                    scenario,
                    request,
                    moment,
                    delivery,
                    victim,
                });
            }
        }
    }
    sweep(drawn(cases, 24), Case::holds)
}

#[test]
fn a_kill_at_any_request_of_a_first_contact_loses_nothing() {
    println!(
        "crash safety: {} ends at requests of first contact",
        kills(FIRST_CONTACT)
    );
}

#[test]
fn a_kill_at_any_request_of_a_renewal_loses_nothing() {
    println!(
        "crash safety: {} ends at requests of renewal",
        kills(RENEWAL)
    );
}

#[test]
fn a_kill_at_any_request_of_key_new_loses_nothing() {
    println!("crash safety: {} ends at requests of key new", kills(NEW));
}

#[test]
fn a_kill_at_any_request_of_key_rotate_loses_nothing() {
    println!(
        "crash safety: {} ends at requests of key rotate",
        kills(ROTATE)
    );
}

#[test]
fn a_kill_at_any_request_of_key_revoke_loses_nothing() {
    println!(
        "crash safety: {} ends at requests of key revoke",
        kills(REVOKE)
    );
}
