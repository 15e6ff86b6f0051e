//! Processes that make the key: this test binary, once more.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::machine::Machine;
use super::site::Fault;
use crate::provision::verified;

/// The child's machine.
const DIRECTORY: &str = "PROVISION_TEST_MACHINE";

/// What goes wrong at the child's site: a place in [`FAULTS`].
const FAULT: &str = "PROVISION_TEST_FAULT";

/// Those after which a run still makes its key, without long pauses.
pub(super) const FAULTS: [Fault; 4] = [
    Fault::None,
    Fault::LostAfterStoring,
    Fault::FailedAfterStoring,
    Fault::AlreadyOurs,
];

/// The program and arguments of a child.
pub(super) fn command_line() -> Vec<String> {
    #[expect(clippy::disallowed_methods, reason = "this test, once more")]
    let program = std::env::current_exe().expect("this program");
    let test = "provision::tests::child::child_process";
    [&program.to_string_lossy(), "--exact", test, "--nocapture"]
        .map(str::to_owned)
        .to_vec()
}

/// A child for the machine, not yet started; `prefix`: what runs it. Its output goes nowhere.
pub(super) fn child(machine: &Machine, prefix: &[&str], fault: usize) -> Command {
    let line = command_line();
    let mut words = prefix
        .iter()
        .copied()
        .chain(line.iter().map(String::as_str));
    #[expect(clippy::disallowed_methods, reason = "this test, once more")]
    let mut command = Command::new(words.next().expect("a program"));
    command
        .args(words)
        .env(DIRECTORY, &machine.directory)
        .env(FAULT, fault.to_string())
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Does something in a child only.
#[test]
#[expect(clippy::disallowed_methods, reason = "set by the parent")]
fn child_process() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let fault = std::env::var(FAULT).expect("set").parse::<usize>();
    let machine = Machine::of_parent(PathBuf::from(directory));
    match machine.ensure(FAULTS[fault.expect("a number")]) {
        Ok(made) => verified(&machine.context(), &made.record).expect("recorded"),
        Err(error) => panic!("ended: {error}"),
    }
}
