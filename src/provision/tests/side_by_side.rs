//! Processes beside each other.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use super::child::child;
use super::machine::{Machine, settings, site};
use super::site::Fault;
use crate::prompt::Silent;
use crate::provision::ProvisionContext;
use crate::provision::provisioner::lock;
use crate::storage::Lock;

#[test]
fn eight_processes_make_one_key() {
    let machine = Machine::new();
    let children: Vec<_> = (0..8)
        .map(|_| child(&machine, &[], 0).spawn().expect("a child"))
        .collect();
    for mut child in children {
        assert!(child.wait().expect("its end").success());
    }
    machine.is_in_order("eight processes");
}

/// Held by this process.
fn held(machine: &Machine) -> Lock {
    let at = ProvisionContext {
        context: &machine.context(),
        site: &site(),
        settings: &settings(),
        prompt: &Silent,
        keys_here: &[],
    };
    lock(&at).expect("nobody else")
}

#[test]
fn who_waits_says_once_for_whom_and_then_goes_on() {
    let machine = Machine::new();
    let lock = held(&machine);
    let mut waiting = child(&machine, &[], 0)
        .stderr(Stdio::piped())
        .spawn()
        .expect("a child");
    let mut told = BufReader::new(waiting.stderr.take().expect("piped"));
    let mut line = String::new();
    told.read_line(&mut line).expect("a line");
    let expected = format!(
        "bitbucket-ssh: waiting for process {}\n",
        std::process::id()
    );
    assert_eq!(line, expected);
    drop(lock);
    let mut rest = String::new();
    told.read_to_string(&mut rest).expect("the rest");
    assert!(waiting.wait().expect("its end").success(), "{rest}");
    assert!(!rest.contains("waiting"), "{rest}");
    machine.is_in_order("after waiting");
}

#[test]
fn who_waits_ends_when_git_has_gone() {
    let machine = Machine::new();
    let _lock = held(&machine);
    let mut waiting = child(&machine, &[], 0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a child");
    let mut told = BufReader::new(waiting.stderr.take().expect("piped"));
    let mut line = String::new();
    told.read_line(&mut line).expect("a line");
    assert!(line.contains("waiting for process"), "{line}");
    drop(waiting.stdout.take());
    let mut rest = String::new();
    told.read_to_string(&mut rest).expect("the rest");
    assert!(!waiting.wait().expect("its end").success());
    assert!(rest.contains("the calling program has ended"), "{rest}");
    assert!(machine.on_the_site().is_empty());
}

#[test]
fn a_killed_holder_blocks_nobody() {
    let machine = Machine::new();
    drop(held(&machine));
    // What a killed holder leaves: the file with its number, and no lock.
    let directory = machine.context().records_directory().expect("a home");
    let locks = std::fs::read_dir(directory).expect("a folder").flatten();
    for lock in locks.filter(|file| file.file_name().to_string_lossy().ends_with(".lock")) {
        std::fs::write(lock.path(), "1").expect("a file");
    }
    machine.ensure(Fault::None).expect("a key");
    machine.is_in_order("a lock file was left");
}
