//! Ends at random moments of the wall's clock, whatever the site does: between the calls, too.

use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use sandbox::RestFault;

use super::URL;
use super::aftermath::in_order;
use super::sweep::{all, sweep};
use crate::support::{Running, World};

#[test]
fn an_end_at_any_moment_loses_nothing_whatever_the_site_does() {
    let rounds: Vec<u64> = (0..if all() { 300 } else { 30 }).collect();
    let number = sweep(rounds, |&seed| {
        let mut random = fastrand::Rng::with_seed(seed);
        let world = World::new();
        let post = |fault| world.sandbox.faults().rest("POST", "ssh-keys", fault, 1);
        match seed % 3 {
            1 => post(RestFault::ErrorAfter),
            2 => post(RestFault::DropAfter),
            _ => {}
        }
        let mut fetch = world.command("git");
        fetch.args(["ls-remote", "-q", URL]);
        let running = Running::start(fetch, Vec::new());
        thread::sleep(Duration::from_micros(random.u64(0..90_000)));
        running.signal(Signal::KILL);
        running.wait();
        world.sandbox.faults().clear();
        in_order(&world)
    });
    println!("crash safety: ended at {number} random moments");
}
