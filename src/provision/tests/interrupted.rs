//! Killed at any moment, or failed by the system at any call: the next run ends with one key on
//! the site, the same that is here.

#[cfg(target_os = "linux")]
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::child::{FAULTS, child};
use super::machine::Machine;
use super::site::Fault;

#[test]
fn a_kill_at_any_moment_loses_nothing() {
    let mut random = fastrand::Rng::with_seed(42);
    // How long an undisturbed run takes here, so that the kills fall into it.
    let begun = Instant::now();
    let whole = Machine::new();
    let ended = child(&whole, &[], 0).status().expect("a run");
    assert!(ended.success());
    let whole = u64::try_from(begun.elapsed().as_micros()).expect("not that long");
    for round in 0..60 {
        let machine = Machine::new();
        for _ in 0..random.u8(1..4) {
            let mut child = child(&machine, &[], random.usize(..FAULTS.len()))
                .spawn()
                .expect("a child");
            std::thread::sleep(Duration::from_micros(random.u64(..whole)));
            child.kill().expect("killed");
            child.wait().expect("its end");
        }
        machine.ensure(Fault::None).expect("the next run");
        machine.is_in_order(&format!("round {round}"));
    }
}

/// Every call that changes a file or a lock: between two of them nothing on the disk changes.
#[cfg(target_os = "linux")]
const CALLS: [&str; 9] = [
    "?mkdir,mkdirat",
    "flock",
    "write",
    "ftruncate",
    "fchmod",
    "fsync",
    "?rename,?renameat,renameat2",
    "?link,linkat",
    "?unlink,unlinkat",
];

/// Runs children of which each has the next call of its kind disturbed, until one had none left;
/// how many had. `how` is strace's own option for all of them.
#[cfg(target_os = "linux")]
fn at_every(call: &str, disturbance: &str, mark: &str, how: &[&str]) -> usize {
    for number in 1.. {
        let machine = Machine::new();
        let log = machine.directory.join("strace");
        let log_name = log.to_string_lossy();
        let trace = format!("trace={call}");
        let inject = format!("inject={call}:{disturbance}:when={number}");
        let options = ["-f", "-qq", "-o", &log_name, "-e", &trace, "-e", &inject];
        let strace = [&["strace"], how, &options].concat();
        let mut child = child(&machine, &strace, 0);
        let output = child.stderr(Stdio::piped()).output().expect("strace");
        let ended = output.status;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let own = said.replace("panicked at src/provision/tests/", "");
        assert!(!own.contains("panicked"), "an error, never a panic: {said}");
        let told = std::fs::read_to_string(&log).expect("strace's log");
        let why = format!("{inject}: {ended}\n{told}");
        if !told.contains(mark) {
            assert!(ended.success(), "{why}");
            machine.is_in_order(&why);
            return number - 1;
        }
        let next = machine.ensure(Fault::None);
        assert!(next.is_ok(), "{:?} after {why}", next.err());
        machine.is_in_order(&why);
    }
    unreachable!("a run has an end")
}

#[cfg(target_os = "linux")]
#[test]
fn a_kill_before_every_call_loses_nothing() {
    let kill = "signal=SIGKILL";
    let kills: usize = CALLS
        .iter()
        .map(|call| at_every(call, kill, "killed by SIGKILL", &[]))
        .sum();
    assert!(kills > 50, "only {kills} moments");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_or_broken_disk_at_any_call_loses_nothing() {
    // Only for errors: strace 6.1 counts signals wrong with it.
    let fast = ["--seccomp-bpf"];
    let faults: usize = [
        ("write", "ENOSPC"),
        ("fsync", "EIO"),
        ("?rename,?renameat,renameat2", "EROFS"),
        ("?link,linkat", "ENOSPC"),
        ("?mkdir,mkdirat", "EROFS"),
        ("fchmod", "EPERM"),
        ("flock", "ENOLCK"),
        ("openat", "EIO"),
        ("statx", "EIO"),
    ]
    .iter()
    .map(|(call, error)| at_every(call, &format!("error={error}"), "(INJECTED)", &fast))
    .sum();
    assert!(faults > 100, "only {faults} moments");
}
