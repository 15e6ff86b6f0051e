//! At every system call that changes a file: ended before it, ended after it, or the call fails.

use super::aftermath::holds;
use super::calls::Call;
use super::scenario::{FIRST_CONTACT, NEW, RENEWAL, REVOKE, ROTATE, Scenario};
use super::sweep::{drawn, sweep};
use super::tracer::{Act, Victim, trace};

/// Each call of each scenario, before and after it, by both kinds of end.
fn kills(scenarios: &[Scenario], most: usize) -> usize {
    let mut cases = Vec::new();
    for scenario in scenarios {
        for call in scenario.calls() {
            for act in [Act::KillBefore, Act::KillAfter] {
                for victim in [Victim::Program, Victim::Everybody] {
                    cases.push(Case {
                        scenario: *scenario,
                        call: call.clone(),
                        act,
                        victim,
                    });
                }
            }
        }
    }
    sweep(drawn(cases, most), |case| {
        let world = (case.scenario.world)();
        let traced = trace(&world, case.scenario.command, case.victim, |call| {
            if call.number == case.call.number {
                case.act
            } else {
                Act::Pass
            }
        });
        holds(traced.struck, || "it was not reached".to_owned())?;
        (case.scenario.after)(&world)
    })
}

struct Case {
    scenario: Scenario,
    call: Call,
    act: Act,
    victim: Victim,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            scenario,
            call,
            act,
            victim,
        } = self;
        write!(f, "{}, {act:?} of {victim:?} at {call}", scenario.name)
    }
}

#[test]
fn a_kill_at_any_system_call_of_a_first_contact_loses_nothing() {
    let number = kills(&[FIRST_CONTACT], 60);
    println!("crash safety: {number} ends at system calls of first contact");
}

#[test]
fn a_kill_at_any_system_call_of_a_renewal_loses_nothing() {
    let number = kills(&[RENEWAL], 30);
    println!("crash safety: {number} ends at system calls of renewal");
}

#[test]
fn a_kill_at_any_system_call_of_key_new_loses_nothing() {
    let number = kills(&[NEW], 30);
    println!("crash safety: {number} ends at system calls of key new");
}

#[test]
fn a_kill_at_any_system_call_of_key_rotate_loses_nothing() {
    let number = kills(&[ROTATE], 30);
    println!("crash safety: {number} ends at system calls of key rotate");
}

#[test]
fn a_kill_at_any_system_call_of_key_revoke_loses_nothing() {
    let number = kills(&[REVOKE], 30);
    println!("crash safety: {number} ends at system calls of key revoke");
}
