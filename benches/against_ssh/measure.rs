//! One command and what it cost.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

/// What one run cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Start to the first byte on stdout, ms. Infinite where none came.
    pub first_byte: f64,
    /// Start to exit, ms.
    pub wall: f64,
    /// User and system time of the client and its children, ms.
    pub cpu: f64,
    /// Peak resident memory of the client as seen while it ran, MiB.
    pub memory: f64,
}

impl Cost {
    /// Reads what [`run`] printed.
    pub fn of(text: &str) -> Self {
        let mut numbers = text
            .split_whitespace()
            .map(|word| word.parse().expect("a number"));
        let mut next = || numbers.next().expect("four numbers");
        Self {
            first_byte: next(),
            wall: next(),
            cpu: next(),
            memory: next(),
        }
    }
}

/// Runs `[bytes of input, program, arguments…]` and prints first byte, wall, CPU and memory.
pub fn run(arguments: &[String]) {
    let input: usize = arguments[0].parse().expect("a number of bytes");
    let begun = Instant::now();
    let mut child = Command::new(&arguments[1])
        .args(&arguments[2..])
        .stdin(if input == 0 {
            Stdio::null()
        } else {
            Stdio::piped()
        })
        .stdout(Stdio::piped())
        .spawn()
        .expect("the client");
    let pipe = child.stdin.take();
    let feeder = thread::spawn(move || {
        let Some(mut pipe) = pipe else { return };
        let block = vec![0u8; 1 << 16];
        for _ in 0..input / block.len() {
            if pipe.write_all(&block).is_err() {
                return;
            }
        }
    });
    let mut output = child.stdout.take().expect("a pipe");
    let mut block = vec![0u8; 1 << 18];
    let mut first = f64::INFINITY;
    let mut memory: f64 = 0.0;
    for reads in 0u64.. {
        let count = output.read(&mut block).unwrap_or(0);
        if count == 0 {
            break;
        }
        if first.is_infinite() {
            first = begun.elapsed().as_secs_f64() * 1e3;
        }
        if reads % 256 == 0 {
            memory = memory.max(peak(&child));
        }
    }
    let status = child.wait().expect("the client's end");
    let wall = begun.elapsed().as_secs_f64() * 1e3;
    feeder.join().expect("the feeder");
    // A forge's command ends with an error: git-upload-pack is not ended properly here.
    assert!(
        status.success() || first.is_finite(),
        "{arguments:?} ended with {status}"
    );
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN)
        .expect("what the child used");
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let cpu = (seconds(usage.user_time()) + seconds(usage.system_time())) * 1e3;
    println!("{first} {wall} {cpu} {memory}");
}

/// The process's high-water mark so far. Not `ru_maxrss`: that one begins with what the starter had.
fn peak(child: &Child) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
    let kib = status.ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse::<f64>().ok()
    });
    kib.unwrap_or_default() / 1024.0
}
