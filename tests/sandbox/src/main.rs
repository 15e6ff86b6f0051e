//! `sandbox demo`: the main job of `bitbucket-ssh` on a fresh machine, against the sandbox.
//! `sandbox serve`: the sandbox for trying things by hand.
//!
//! Only an entry point: arguments, signals, exit status.
#![expect(
    clippy::disallowed_methods,
    reason = "a program of its own: environment, processes, exit"
)]

mod demo;
mod interrupt;
mod machine;
mod programs;
mod serve;

use std::fmt;
use std::process::ExitCode;

use interrupt::Interrupt;

/// Why a run ended early.
#[derive(Debug)]
enum Stopped {
    /// By a signal; the shell's status for it.
    Interrupted,
    /// For this reason.
    Failed(String),
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => f.write_str("interrupted"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let outcome = match (arguments.next().as_deref(), arguments.next()) {
        (Some("demo"), None) => demo::run(&Interrupt::listen()),
        (Some("serve"), None) => serve::run(&Interrupt::listen()),
        _ => {
            say("usage: sandbox demo | sandbox serve");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(stopped) => {
            say(&format!("sandbox: {stopped}"));
            ExitCode::from(match stopped {
                Stopped::Interrupted => 130,
                Stopped::Failed(_) => 1,
            })
        }
    }
}

/// A line on standard output, which may be closed.
fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}
