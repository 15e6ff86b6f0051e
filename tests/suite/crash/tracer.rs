//! A tracer that sees every system call by which the programs under test change a file, in one
//! count over all their threads and children, and ends them or lets a call fail at any of them.
//!
//! It sees the calls themselves (ptrace), not libc's functions: some crates make them directly.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;

use nix::errno::Errno;
use nix::libc::{self, user_regs_struct};
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::calls::{Call, change};
use crate::support::{DEADLINE, World};

/// What is to happen at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It is made.
    Pass,
    /// The program ends before it is made.
    KillBefore,
    /// The program ends when it has been made.
    KillAfter,
    /// It is not made, and gives this error.
    Fail(Errno),
}

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// The program under test; git continues and sees it end.
    Program,
    /// git and its children, as if the machine crashed.
    Everybody,
}

/// The result of a traced command.
#[derive(Debug)]
pub struct Traced {
    /// The calls that change a file, in the order in which they started.
    pub calls: Vec<Call>,
    /// Whether the programs were ended, or a call of theirs failed, as `decide` said.
    pub struck: bool,
    /// Exit status of the command. `None`: ended by a signal.
    pub status: Option<i32>,
    /// Its standard error.
    pub stderr: String,
}

/// Runs a command of the world's machine; at each call of `bitbucket-ssh` or `git-bitbucket` that
/// changes a file of that machine, `decide` says what is to happen.
pub fn trace(
    world: &World,
    arguments: &[&str],
    victim: Victim,
    decide: impl FnMut(&Call) -> Act + Send,
) -> Traced {
    // Waiting goes by thread: this one has no other children.
    thread::scope(|scope| {
        let run = scope.spawn(|| Tracer::run(world, arguments, victim, decide));
        run.join().unwrap()
    })
}

struct Tracer<'a, D> {
    root: &'a Path,
    first: Pid,
    victim: Victim,
    decide: D,
    /// Threads that were stopped at an entry and have something coming at its exit.
    pending: HashMap<Pid, Act>,
    /// Whether a thread belongs to a program under test.
    ours: HashMap<Pid, bool>,
    traced: Traced,
}

impl<D: FnMut(&Call) -> Act> Tracer<'_, D> {
    #[expect(
        clippy::zombie_processes,
        reason = "`watch` waits for it and for its children"
    )]
    fn run(world: &World, arguments: &[&str], victim: Victim, decide: D) -> Traced {
        let errors = tempfile::tempfile().unwrap();
        // Stops itself, so that it is traced before the command begins.
        let child = world
            .command("sh")
            .args(["-c", "kill -STOP $$; exec \"$0\" \"$@\""])
            .args(arguments)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors.try_clone().unwrap())
            .spawn()
            .unwrap();
        let first = Pid::from_raw(i32::try_from(child.id()).unwrap());
        waitpid(first, Some(WaitPidFlag::WUNTRACED)).unwrap();
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_EXITKILL;
        ptrace::seize(first, options).unwrap();
        kill(first, Signal::SIGCONT).unwrap();

        let mut watcher = Tracer {
            root: &fs::canonicalize(world.path("")).unwrap(),
            first,
            victim,
            decide,
            pending: HashMap::new(),
            ours: HashMap::new(),
            traced: Traced {
                calls: Vec::new(),
                struck: false,
                status: None,
                stderr: String::new(),
            },
        };
        let (ended, end) = channel::<()>();
        let hung = thread::spawn(move || {
            let hung = end.recv_timeout(DEADLINE) == Err(RecvTimeoutError::Timeout);
            if hung {
                let _ = killpg(first, Signal::SIGKILL);
            }
            hung
        });
        watcher.watch();
        drop(ended);
        let mut traced = watcher.traced;
        traced.stderr = text_of(errors);
        let hung = hung.join().unwrap();
        assert!(!hung, "{arguments:?} hangs: {}", traced.stderr);
        traced
    }

    /// Until nothing that is traced is left.
    fn watch(&mut self) {
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        loop {
            match waitpid(None, Some(flags)) {
                Err(Errno::EINTR) => {}
                Err(_) => return,
                Ok(WaitStatus::Exited(thread, status)) => {
                    if thread == self.first {
                        self.traced.status = Some(status);
                    }
                    self.forget(thread);
                }
                Ok(WaitStatus::Signaled(thread, ..)) => self.forget(thread),
                Ok(WaitStatus::PtraceSyscall(thread)) => {
                    self.at_a_call(thread);
                    self.resume(thread, None);
                }
                Ok(WaitStatus::PtraceEvent(thread, _, event)) => {
                    if event == ptrace::Event::PTRACE_EVENT_EXEC as i32 {
                        self.forget(thread);
                    }
                    self.resume(thread, None);
                }
                Ok(WaitStatus::Stopped(thread, signal)) => self.resume(thread, Some(signal)),
                Ok(_) => {}
            }
        }
    }

    fn forget(&mut self, thread: Pid) {
        self.ours.remove(&thread);
        self.pending.remove(&thread);
    }

    /// Other programs are not stopped at their calls. A thread that has just been killed is gone.
    fn resume(&mut self, thread: Pid, signal: Option<Signal>) {
        let ours = *self.ours.entry(thread).or_insert_with(|| is_ours(thread));
        let _ = if ours {
            ptrace::syscall(thread, signal)
        } else {
            ptrace::cont(thread, signal)
        };
    }

    fn at_a_call(&mut self, thread: Pid) {
        let (Ok(info), Ok(mut registers)) = (ptrace::syscall_info(thread), ptrace::getregs(thread))
        else {
            return;
        };
        if info.op == libc::PTRACE_SYSCALL_INFO_ENTRY {
            if let Some((name, place)) = change(thread, &registers, self.root) {
                self.begin(thread, &mut registers, name, place);
            }
            return;
        }
        match self.pending.remove(&thread) {
            Some(Act::KillAfter) => self.strike(thread),
            Some(Act::Fail(errno)) => {
                registers.rax = u64::MAX - u64::from(errno as u32) + 1;
                let _ = ptrace::setregs(thread, registers);
            }
            _ => {}
        }
    }

    fn begin(
        &mut self,
        thread: Pid,
        registers: &mut user_regs_struct,
        name: &'static str,
        place: String,
    ) {
        let call = Call {
            number: self.traced.calls.len() + 1,
            name,
            place,
        };
        let act = (self.decide)(&call);
        self.traced.calls.push(call);
        match act {
            Act::Pass => {}
            Act::KillBefore => self.strike(thread),
            Act::KillAfter => {
                self.pending.insert(thread, act);
            }
            Act::Fail(_) => {
                // No system call has this number: none is made.
                registers.orig_rax = u64::MAX;
                if ptrace::setregs(thread, *registers).is_ok() {
                    self.traced.struck = true;
                    self.pending.insert(thread, act);
                }
            }
        }
    }

    fn strike(&mut self, thread: Pid) {
        self.traced.struck = true;
        let _ = match self.victim {
            Victim::Program => kill(process_of(thread), Signal::SIGKILL),
            Victim::Everybody => killpg(self.first, Signal::SIGKILL),
        };
    }
}

/// By the file that its process runs.
fn is_ours(thread: Pid) -> bool {
    let program = fs::read_link(format!("/proc/{thread}/exe")).unwrap_or_default();
    let name = program.file_name().unwrap_or_default();
    name == "bitbucket-ssh" || name == "git-bitbucket"
}

fn process_of(thread: Pid) -> Pid {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
    line.and_then(|text| text.trim().parse().ok())
        .map_or(thread, Pid::from_raw)
}

fn text_of(mut file: File) -> String {
    use std::io::{Read as _, Seek as _};
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}
