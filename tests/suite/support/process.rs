//! Started processes: their output, and an end to waiting for them.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// No test waits longer for one process.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// A process in a group of its own, with captured standard streams. Dropped, it is killed
/// with everything it started.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
    name: String,
}

/// What a process left.
#[derive(Clone, Debug)]
pub struct Output {
    /// Exit status; `None`: ended by a signal.
    pub status: Option<i32>,
    /// Standard output, byte for byte.
    pub stdout: Vec<u8>,
    /// Standard error, byte for byte.
    pub stderr: Vec<u8>,
    name: String,
}

impl Running {
    /// Starts the command; `input` is its standard input, closed after it.
    pub fn start(mut command: Command, input: Vec<u8>) -> Self {
        let name = format!("{command:?}");
        let mut child = command
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut stdin = child.stdin.take().unwrap();
        thread::spawn(move || stdin.write_all(&input));
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self {
            child,
            stdout: collect(stdout),
            stderr: collect(stderr),
            name,
        }
    }

    /// The process id, which is its group's too.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Sends a signal to the process and everything it started.
    pub fn signal(&self, signal: Signal) {
        let group = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        let _ = kill_process_group(group, signal);
    }

    /// Waits for its end, [`DEADLINE`] at most.
    #[track_caller]
    pub fn wait(mut self) -> Output {
        let end = Instant::now() + DEADLINE;
        let mut hung = false;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if !hung && Instant::now() > end {
                hung = true;
                self.signal(Signal::KILL);
            }
            thread::sleep(Duration::from_millis(5));
        };
        let rest = |from: &Receiver<Vec<u8>>| {
            let left = end.saturating_duration_since(Instant::now());
            from.recv_timeout(left.max(Duration::from_secs(1)))
                .unwrap_or_default()
        };
        let output = Output {
            status: status.code(),
            stdout: rest(&self.stdout),
            stderr: rest(&self.stderr),
            name: self.name.clone(),
        };
        assert!(!hung, "still running after {DEADLINE:?}: {output}");
        output
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The number of a reaped child may have been reused, so it is not signalled any more.
        if let Ok(None) = self.child.try_wait() {
            self.signal(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// Runs it to its end, with an empty standard input.
#[track_caller]
pub fn run(command: Command) -> Output {
    Running::start(command, Vec::new()).wait()
}

fn collect(mut from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver
}

impl Output {
    /// Standard output as text.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Fails the test unless the status is 0; returns itself for more.
    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert_eq!(self.status, Some(0), "{self}");
        self
    }

    /// Fails the test unless the status is this one.
    #[track_caller]
    pub fn fails_with(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "{self}");
        self
    }

    /// Fails the test unless standard error holds this text.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr().contains(text), "{text:?} is not said: {self}");
        self
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}\nstatus {:?}", self.name, self.status)?;
        writeln!(f, "stdout: {}", self.stdout())?;
        write!(f, "stderr: {}", self.stderr())
    }
}
