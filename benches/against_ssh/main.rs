//! What the program costs, beside ssh(1), in turn, in the same run, against the same servers on
//! loopback. `cargo bench` prints a table of medians and ratios; it asserts nothing.
//!
//! `stage`: the servers and the two clients. `measure`: one command in a process of its own (this
//! program again), so that CPU time and peak memory are that command's alone. `distance`: a proxy
//! that holds every byte back.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::cast_precision_loss,
    reason = "a program of its own: it starts processes and prints a table of milliseconds"
)]

mod distance;
mod measure;
mod stage;

use std::time::Duration;

use measure::Cost;
use stage::{Call, Stage};

/// Half of the round trip of "50 ms away".
const ONE_WAY: Duration = Duration::from_millis(25);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|word| word == "measure") {
        measure::run(&arguments[2..]);
        return;
    }
    let stage = Stage::new();
    let far = distance::proxy(stage.port, ONE_WAY);
    let forge = distance::proxy(stage.sandbox.ssh_port(), ONE_WAY);
    println!("| figure | ssh(1) | bitbucket-ssh | ratio |");
    println!("| --- | --- | --- | --- |");
    let first_byte = |cost: &Cost| cost.first_byte;
    let near = |command: &str| Call::of(stage.port, command);
    stage.compare(
        "start to first byte, loopback, ms",
        31,
        &near("echo x"),
        first_byte,
    );
    stage.compare(
        "start to first byte, 50 ms away, ms",
        15,
        &Call::of(far, "echo x"),
        first_byte,
    );
    stage.compare(
        "the same, a server without hostkeys-00, ms",
        15,
        &Call::of(forge, "git-upload-pack 'acme/site.git'").with_git_user(),
        first_byte,
    );
    stage.compare(
        "client CPU, connect and `true`, ms",
        31,
        &near("true"),
        |cost| cost.cpu,
    );
    let mib = |count: usize| format!("head -c {} /dev/zero", count << 20);
    stage.compare("client CPU, 1 GiB down, ms", 5, &near(&mib(1024)), |cost| {
        cost.cpu
    });
    let up = near("cat >/dev/null").with_input(1 << 30);
    stage.compare("client CPU, 1 GiB up, ms", 5, &up, |cost| cost.cpu);
    stage.compare(
        "256 MiB down, 50 ms away, ms",
        3,
        &Call::of(far, &mib(256)),
        |cost| cost.wall,
    );
    stage.compare_clones();
    stage.compare(
        "peak memory, 1 GiB down, MiB",
        3,
        &near(&mib(1024)),
        |cost| cost.memory,
    );
    stage.compare_probes();
    stage.weigh_a_crowd();
}
