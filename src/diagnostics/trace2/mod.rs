//! trace2: this program's events in git's own log, in git's three formats (api-trace2).
//!
//! `GIT_TRACE2`, `GIT_TRACE2_PERF` and `GIT_TRACE2_EVENT`, or git config's `trace2.*`, name the targets;
//! the session id is below that of the git that called, so that both make one timeline. Off, it costs a
//! look at the variables. Regions and data are logged where the work is done, without secrets: argv and
//! texts go through `redact`. A target that cannot be written is given up.

mod config;
mod event;
mod format;
mod log;
mod redact;

use std::ffi::OsString;
use std::fmt::{Debug, Write as _};
use std::panic::Location;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use jiff::Timestamp;

use super::timeline;
use crate::clock::{Clock as _, SystemClock};
use crate::context::Context;
pub use event::Param;
pub use log::{Region, ThreadLog};

use config::Config;
use event::Event;
use log::Log;

static LOG: OnceLock<Log> = OnceLock::new();

/// Events of the start, until git's configuration has been read or is known not to be.
static PENDING: Mutex<Option<Pending>> = Mutex::new(None);

struct Pending {
    name: &'static str,
    mode: Option<String>,
    argv: Vec<OsString>,
    started: Timestamp,
}

/// git's configuration, as far as it concerns the log. Whoever reads it for other reasons passes it on.
pub struct GitSettings<'a> {
    /// The value of `trace2.NAME` (any case) from the system's and the user's configuration.
    pub setting: &'a dyn Fn(&str) -> Option<String>,
    /// Settings whose key matches one of the patterns of `trace2.configParams`, separated by commas.
    pub params: &'a dyn Fn(&str) -> Vec<Param>,
}

/// The process starts: `name` is what git's log calls it, `arguments` come without the program.
pub fn begin(name: &'static str, arguments: &[OsString]) {
    timeline::started();
    let pending = Pending {
        name,
        mode: None,
        argv: arguments.to_vec(),
        started: SystemClock.now(),
    };
    *PENDING.lock().unwrap_or_else(PoisonError::into_inner) = Some(pending);
}

/// Nothing of this process is logged: it is a probe.
pub fn leave_out() {
    take_pending();
}

/// git's configuration is known: the targets are opened, and what has happened so far is logged. Only
/// the first call of a process has an effect.
pub fn configured(context: &Context, git: &GitSettings<'_>) {
    let Some(pending) = take_pending() else {
        return;
    };
    let config = Config {
        environment: &context.environment,
        git,
    };
    if !config.is_on() {
        return;
    }
    let Some(log) = Log::open(context, &config, pending.started) else {
        return;
    };
    if LOG.set(log).is_err() {
        return;
    }
    let Some(log) = LOG.get() else { return };
    log.hand_down(context, pending.name);
    let here = Location::caller();
    let argv = std::iter::once(pending.name.into()).chain(pending.argv);
    let argv = log.redacted_argv::<OsString>(argv);
    let main = log.main();
    main.write_at(&Event::version(), pending.started, here);
    main.write_at(&Event::start(&argv), pending.started, here);
    let hierarchy = log.hierarchy(context, pending.name);
    main.write(|_| Event::command(pending.name, &hierarchy), here);
    if let Some(mode) = &pending.mode {
        main.write(|_| Event::mode(mode), here);
    }
    for mut param in config.params() {
        param.value = log.redacted(&param.value);
        main.write(|_| Event::param(&param), here);
    }
}

/// git's configuration has not been read and will not be: the variables alone decide.
fn unconfigured(context: &Context) {
    let git = GitSettings {
        setting: &|_| None,
        params: &|_| Vec::new(),
    };
    configured(context, &git);
}

/// Which command it is: `key list`.
#[track_caller]
pub fn mode(text: &str) {
    let mut pending = PENDING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pending) = pending.as_mut() {
        pending.mode = Some(text.to_owned());
    } else {
        ThreadLog::current().write(|_| Event::mode(text), Location::caller());
    }
}

/// A phase of the call, from here until the region is dropped. `message` says more of it, and is
/// made only where something is logged.
#[track_caller]
pub fn region(label: &'static str, message: impl FnOnce() -> String) -> Region {
    ThreadLog::current().region(label, message)
}

/// A fact: site, account, endpoint. `value` is made only where something is logged.
#[track_caller]
pub fn data(key: &'static str, value: impl FnOnce() -> String) {
    ThreadLog::current().data(key, value);
}

/// What ended the call. `kind` is its kind without names, for those who count errors.
#[track_caller]
pub(super) fn error(text: &str, kind: &str) {
    let event = |log: &Log| Event::error(&log.redacted(text), kind);
    ThreadLog::current().write(event, Location::caller());
}

/// A line for the user.
#[track_caller]
pub(super) fn line(text: &str) {
    let event = |log: &Log| Event::line(&log.redacted(text));
    ThreadLog::current().write(event, Location::caller());
}

/// Another program takes over the process; `argv` without the program.
#[track_caller]
pub fn exec(context: &Context, program: &Path, argv: &[OsString]) {
    unconfigured(context);
    let event = |log: &Log| Event::exec(&program.to_string_lossy(), &log.redacted_argv(argv));
    ThreadLog::current().write(event, Location::caller());
}

/// The other program could not be started: the system's error number.
#[track_caller]
pub fn not_executed(number: i32) {
    ThreadLog::current().write(|_| Event::exec_result(number), Location::caller());
}

/// The process ends with this status.
#[track_caller]
pub fn end(context: &Context, status: u8) {
    unconfigured(context);
    let Some(log) = LOG.get() else { return };
    for name in ["exit", "atexit"] {
        let elapsed = timeline::started().elapsed().as_micros();
        let event = |_: &Log| Event::exit(name, status, elapsed);
        log.main().write(event, Location::caller());
    }
}

/// The names of an error's variants, without what they hold: `Transport.Resolve`.
pub fn kind_of(error: &impl Debug) -> String {
    /// Takes names as long as nothing else comes.
    struct Names(String);
    impl std::fmt::Write for Names {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            for character in text.chars() {
                match character {
                    '(' => self.0.push('.'),
                    c if c.is_alphanumeric() => self.0.push(c),
                    _ => return Err(std::fmt::Error),
                }
            }
            Ok(())
        }
    }
    let mut names = Names(String::new());
    // It stops itself at the first value.
    let _ = write!(names, "{error:?}");
    names.0.trim_end_matches('.').to_owned()
}

fn take_pending() -> Option<Pending> {
    PENDING
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take()
}

#[cfg(test)]
mod tests {
    use super::kind_of;

    #[test]
    fn an_error_s_kind_holds_no_value() {
        #[derive(Debug)]
        #[expect(dead_code, reason = "printed")]
        enum Inner {
            Named { host: &'static str },
            Plain,
            Text(&'static str),
        }
        #[derive(Debug)]
        #[expect(dead_code, reason = "printed")]
        enum Outer {
            Of(Inner),
            Boxed(Box<Outer>),
        }
        for (error, kind) in [
            (Outer::Of(Inner::Named { host: "secret" }), "Of.Named"),
            (Outer::Of(Inner::Plain), "Of.Plain"),
            (Outer::Of(Inner::Text("secret")), "Of.Text"),
            (
                Outer::Boxed(Box::new(Outer::Of(Inner::Plain))),
                "Boxed.Of.Plain",
            ),
        ] {
            assert_eq!(kind_of(&error), kind);
        }
    }
}
