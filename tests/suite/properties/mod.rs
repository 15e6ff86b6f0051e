//! Properties over generated cases, held against the reference implementation where there is one.
//!
//! A case is made from its number alone. Each property takes a few of them here; `PROPERTIES=600
//! cargo test --test suite properties -- --nocapture` runs each for 600 s and prints how many
//! there were. `PROPERTY=NUMBER` runs one case, as a failure names it.

mod command_lines;
mod configurations;
mod key_files;
mod known_hosts;
mod texts;
mod urls;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Command;
use std::time::{Duration, Instant};

use fastrand::Rng;

/// Runs the property on `few` cases, or on as many as the environment says. `check` gives whether the
/// case was a meaningful one (both sides read it); not all of them may be meaningless.
fn each(property: &str, few: u64, mut check: impl FnMut(&mut Rng) -> bool) {
    let variable = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let seconds = variable("PROPERTIES");
    let (first, alone) = match variable("PROPERTY") {
        Some(number) => (number, true),
        None => (0, false),
    };
    let begun = Instant::now();
    let (mut number, mut telling) = (first, 0u64);
    loop {
        let case = catch_unwind(AssertUnwindSafe(|| check(&mut Rng::with_seed(number))));
        match case {
            Ok(output) => telling += u64::from(output),
            Err(panic) => {
                println!("{property}: case {number} (PROPERTY={number} runs it alone)");
                resume_unwind(panic);
            }
        }
        number += 1;
        let enough = match seconds {
            Some(seconds) => begun.elapsed() >= Duration::from_secs(seconds),
            None => number >= few,
        };
        if enough || alone {
            break;
        }
    }
    println!("{property}: {} cases, {telling} telling", number - first);
    assert!(telling > 0 || alone, "{property}: no case says anything");
}

fn pick<'a>(random: &mut Rng, from: &[&'a str]) -> &'a str {
    from[random.usize(..from.len())]
}

/// Up to `most` of the pieces in a row.
fn joined(random: &mut Rng, from: &[&str], most: usize) -> String {
    let count = random.usize(..=most);
    (0..count).map(|_| pick(random, from)).collect()
}

/// A few bytes changed, removed, inserted or doubled; or the end lost.
fn damaged(random: &mut Rng, text: &[u8]) -> Vec<u8> {
    let mut bytes = text.to_vec();
    for _ in 0..random.usize(1..4) {
        let at = random.usize(..=bytes.len());
        match random.u8(..6) {
            0 => bytes.insert(at, random.u8(..)),
            1 if at < bytes.len() => {
                bytes.remove(at);
            }
            2 if at < bytes.len() => bytes[at] = random.u8(..),
            3 if at < bytes.len() => bytes[at] ^= 1 << random.u8(..8),
            4 => bytes.truncate(at),
            _ => {
                let end = (at + random.usize(..80)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

/// The reference, with nothing of this machine's in its environment: its status and what it prints.
fn asked(program: &str, arguments: &[&str], home: &std::path::Path) -> (bool, String) {
    let output = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home)
        .env("LC_ALL", "C.UTF-8")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .current_dir(home)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), text)
}
