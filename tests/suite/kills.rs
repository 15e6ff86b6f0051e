//! kill -9 while a key is made: whenever it comes, the next run ends clean.

use std::time::Duration;

use rustix::process::Signal;
use sandbox::RestFault;

use crate::support::{ALICE, Running, World, run};

const SESSION: [&str; 2] = ["git@bitbucket.org", "git-upload-pack 'acme/site.git'"];

/// System calls that change a file or send something, and how often a first run makes each.
const CALLS: [&str; 9] = [
    "mkdir", "openat", "write", "fsync", "rename", "linkat", "unlink", "sendto", "flock",
];

/// One more plain fetch, and there is one key on the site, held by this machine, and no litter.
fn is_in_order(world: &World, why: &str) {
    world.sandbox.faults().clear();
    let output = world.git(&["ls-remote", "-q", "git@bitbucket.org:acme/site.git"]);
    assert_eq!(output.status, Some(0), "{why}: {output}");
    let keys = world.sandbox.keys(ALICE);
    assert_eq!(keys.len(), 1, "{why}: one key on the site");
    let connections = world.sandbox.connections();
    let login = connections.last().unwrap().login.clone();
    assert_eq!(
        login.unwrap().fingerprint,
        keys[0].fingerprint,
        "{why}: it is held here"
    );
    for folder in ["home/.ssh", "home/.ssh/bitbucket-ssh"] {
        for entry in std::fs::read_dir(world.path(folder)).unwrap() {
            let name = entry.unwrap().file_name();
            assert!(
                !name.to_string_lossy().starts_with('.'),
                "{why}: {} is left",
                name.display()
            );
        }
    }
    let private = world
        .ssh_files()
        .into_iter()
        .filter(|name| name.starts_with("bitbucket_") && !name.contains(".pub"))
        .count();
    assert_eq!(private, 1, "{why}: one private key");
}

/// A session whose thread or child strace kills at its `number`th call of this name; its status.
/// 0: it got through. None: it was killed. Else a child of it was, and it failed.
fn killed_at(world: &World, call: &str, number: usize) -> Option<i32> {
    let mut traced = world.command("strace");
    let trace = format!("trace={call}");
    let inject = format!("inject={call}:signal=KILL:when={number}");
    traced
        .args(["-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject])
        .arg(env!("CARGO_BIN_EXE_bitbucket-ssh"))
        .args(SESSION);
    // Strace ends itself by the signal that ended the program. A flush packet ends a session that
    // gets through with 0.
    Running::start(traced, b"0000".to_vec()).wait().status
}

/// The numbers at which a call is killed: each of the first, then wider steps; all of them where
/// `KILLS=all` is in the environment.
fn numbers() -> Box<dyn Iterator<Item = usize>> {
    if std::env::var("KILLS").is_ok_and(|value| value == "all") {
        Box::new(1..400)
    } else {
        Box::new([1, 2, 3, 5, 8, 12, 17, 23, 30, 40, 55, 75].into_iter())
    }
}

#[test]
fn a_kill_at_any_system_call_loses_nothing() {
    let (mut kills, mut of_children) = (0, 0);
    for call in CALLS {
        for number in numbers() {
            let world = World::new();
            match killed_at(&world, call, number) {
                Some(0) => break,
                None => kills += 1,
                Some(_) => of_children += 1,
            }
            is_in_order(&world, &format!("killed at {call} {number}"));
        }
    }
    println!("killed at {kills} system calls, and at {of_children} of children");
    assert!(
        kills >= 20,
        "only {kills}: strace does not reach the program"
    );
}

#[test]
fn a_kill_at_any_moment_loses_nothing_whatever_the_site_does() {
    let mut random = fastrand::Rng::with_seed(2026);
    for round in 0..60 {
        let world = World::new();
        match round % 3 {
            1 => world
                .sandbox
                .faults()
                .rest("POST", "ssh-keys", RestFault::ErrorAfter, 1),
            2 => world
                .sandbox
                .faults()
                .rest("POST", "ssh-keys", RestFault::DropAfter, 1),
            _ => {}
        }
        let mut session = world.command(env!("CARGO_BIN_EXE_bitbucket-ssh"));
        session.args(SESSION);
        let running = Running::start(session, b"0000".to_vec());
        std::thread::sleep(Duration::from_micros(random.u64(0..60_000)));
        running.signal(Signal::KILL);
        running.wait();
        is_in_order(&world, &format!("round {round}"));
    }
}

#[test]
fn a_signal_ends_a_session_at_once() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let world = World::new();
        let mut clone = world.command("git");
        clone.args(["ls-remote", "-q", "git@bitbucket.org:acme/site.git"]);
        run(clone).succeeds();
        // The server waits for our words, which never come.
        let mut session = world.command("sh");
        session.args([
            "-c",
            "sleep 600 | exec bitbucket-ssh git@bitbucket.org \"git-receive-pack 'acme/site.git'\"",
        ]);
        let running = Running::start(session, Vec::new());
        while world
            .sandbox
            .commands()
            .iter()
            .all(|line| !line.contains("receive"))
        {
            std::thread::sleep(Duration::from_millis(10));
        }
        running.signal(signal);
        let output = running.wait();
        assert_eq!(output.status, None, "{signal:?} ends it: {output}");
    }
}
