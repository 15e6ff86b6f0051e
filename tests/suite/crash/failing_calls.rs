//! Calls that fail instead of an end: a full disk, a disk that can be read only, a broken one; and
//! ends crossed with what the site and the disk do wrong meanwhile.

use nix::errno::Errno;
use sandbox::RestFault;

use super::aftermath::{Verdict, holds};
use super::calls::Call;
use super::scenario::{FIRST_CONTACT, NEW, RENEWAL, Scenario};
use super::sweep::{drawn, sweep};
use super::tracer::{Act, Victim, trace};
use crate::support::World;

/// What a disk says from one call on.
#[derive(Clone, Copy, Debug)]
enum Disk {
    /// Nothing that needs room: `ENOSPC`.
    Full,
    /// Nothing at all: `EROFS`.
    ReadOnly,
    /// It cannot be written: `EIO`.
    Broken,
}

impl Disk {
    /// `None`: such a disk makes this call.
    fn refuses(self, call: &Call) -> Option<Errno> {
        let needs_room = ["open", "write", "mkdir", "rename", "link", "sync"];
        match self {
            // A lock is no matter of the disk.
            _ if call.name == "flock" => None,
            Self::Full if needs_room.iter().any(|part| call.name.contains(part)) => {
                Some(Errno::ENOSPC)
            }
            Self::Full => None,
            Self::ReadOnly if call.name == "fsync" => None,
            Self::ReadOnly => Some(Errno::EROFS),
            Self::Broken => Some(Errno::EIO),
        }
    }
}

#[derive(Clone)]
struct Case {
    scenario: Scenario,
    from: Call,
    disk: Disk,
    for_good: bool,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            scenario,
            from,
            disk,
            for_good,
        } = self;
        let how_long = if *for_good { "from" } else { "at" };
        write!(f, "{}, {disk:?} {how_long} {from}", scenario.name)
    }
}

impl Case {
    fn holds(&self) -> Verdict {
        let world = (self.scenario.world)();
        let traced = trace(&world, self.scenario.command, Victim::Program, |call| {
            let now = call.number == self.from.number
                || (self.for_good && call.number > self.from.number);
            let errno = self.disk.refuses(call).filter(|_| now);
            errno.map_or(Act::Pass, Act::Fail)
        });
        holds(traced.struck, || "it was not reached".to_owned())?;
        told(traced.status, &traced.stderr)?;
        (self.scenario.after)(&world)
    }
}

/// A failure ends with a message, never with a panic or a signal.
fn told(status: Option<i32>, stderr: &str) -> Verdict {
    let panicked = stderr.contains("panicked") || status.is_none();
    holds(!panicked, || format!("status {status:?}: {stderr}"))?;
    let words = [
        "hint: ",
        "No space left on device",
        "Read-only file system",
        "Input/output error",
    ];
    let output = status == Some(0) || words.iter().any(|words| stderr.contains(words));
    holds(output, || format!("status {status:?}, untold: {stderr}"))
}

#[test]
fn a_disk_that_fails_at_any_system_call_loses_nothing() {
    let mut cases = Vec::new();
    for scenario in [FIRST_CONTACT, NEW, RENEWAL] {
        for from in scenario.calls() {
            for disk in [Disk::Full, Disk::ReadOnly, Disk::Broken] {
                for for_good in [false, true] {
                    let from = from.clone();
                    cases.push(Case {
                        scenario,
                        from,
                        disk,
                        for_good,
                    });
                }
            }
        }
    }
    cases.retain(|case| case.disk.refuses(&case.from).is_some());
    let number = sweep(drawn(cases, 50), Case::holds);
    println!("crash safety: a call failed {number} times");
}

/// What fails besides the program's end.
#[derive(Clone, Copy, Debug)]
enum Beside {
    /// The key is stored and answered with 500.
    ErrorAfterStoring,
    /// The key is stored, the answer lost.
    LostAnswer,
    /// The key is not stored, the connection lost.
    LostRequest,
    /// The lists cannot be read at first.
    LostList,
    /// 429.
    TooMany,
    /// The state directory is read-only.
    StateReadOnly,
}

const BESIDE: [Beside; 6] = [
    Beside::ErrorAfterStoring,
    Beside::LostAnswer,
    Beside::LostRequest,
    Beside::LostList,
    Beside::TooMany,
    Beside::StateReadOnly,
];

impl Beside {
    fn at_the_site(self, world: &World) {
        let faults = world.sandbox.faults();
        match self {
            Self::ErrorAfterStoring => faults.rest("POST", "ssh-keys", RestFault::ErrorAfter, 1),
            Self::LostAnswer => faults.rest("POST", "ssh-keys", RestFault::DropAfter, 1),
            Self::LostRequest => faults.rest("POST", "ssh-keys", RestFault::DropBefore, 1),
            Self::LostList => faults.rest("GET", "ssh-keys", RestFault::DropBefore, 2),
            Self::TooMany => {
                let retry_after = Some(1);
                faults.rest("", "", RestFault::TooManyRequests { retry_after }, 1);
            }
            Self::StateReadOnly => {}
        }
    }
}

struct Crossed {
    scenario: Scenario,
    beside: Beside,
    call: Call,
    act: Act,
}

impl std::fmt::Debug for Crossed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            scenario,
            beside,
            call,
            act,
        } = self;
        write!(f, "{}, {beside:?}, {act:?} at {call}", scenario.name)
    }
}

impl Crossed {
    fn holds(&self) -> Verdict {
        let world = (self.scenario.world)();
        self.beside.at_the_site(&world);
        trace(&world, self.scenario.command, Victim::Program, |call| {
            let of_state = call.place.starts_with("home/.local/state");
            match self.beside {
                _ if call.number == self.call.number => self.act,
                Beside::StateReadOnly if of_state => {
                    let errno = Disk::ReadOnly.refuses(call);
                    errno.map_or(Act::Pass, Act::Fail)
                }
                _ => Act::Pass,
            }
        });
        world.sandbox.faults().clear();
        (self.scenario.after)(&world)
    }
}

#[test]
fn a_kill_beside_a_fault_loses_nothing() {
    let mut cases = Vec::new();
    for scenario in [FIRST_CONTACT, NEW, RENEWAL] {
        for call in scenario.calls() {
            for (number, beside) in BESIDE.into_iter().enumerate() {
                let acts = [Act::KillBefore, Act::KillAfter];
                let act = acts[(call.number + number) % acts.len()];
                let call = call.clone();
                cases.push(Crossed {
                    scenario,
                    beside,
                    call,
                    act,
                });
            }
        }
    }
    let number = sweep(drawn(cases, 40), Crossed::holds);
    println!("crash safety: ended {number} times beside a fault");
}
