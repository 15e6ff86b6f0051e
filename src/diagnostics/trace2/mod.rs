//! trace2: this program's events in git's own log, in git's three formats (api-trace2).
//!
//! `GIT_TRACE2`, `GIT_TRACE2_PERF` and `GIT_TRACE2_EVENT`, or git config's `trace2.*`, say where
//! to; our session id stands behind that of the git that called us, so that both tell one timeline.
//! Off, it costs a look at the variables. Regions and data are told where the work is done; no
//! secret is: argv and texts go through `redact`. A target that cannot be written is let go.

mod config;
mod destination;
mod event;
mod format;
mod log;
mod redact;
mod session_id;
mod target;
mod thread;

use std::ffi::OsString;
use std::fmt::{Debug, Write as _};
use std::panic::Location;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use jiff::Timestamp;

use super::timeline;
use crate::clock::{Clock as _, SystemClock};
use crate::context::Context;
pub use config::Param;
pub use thread::{Region, ThreadLog};

use config::Config;
use event::Event;
use log::Log;

static LOG: OnceLock<Log> = OnceLock::new();

/// What is known before git's configuration is: nothing is told until it is read, or will not be.
static PENDING: Mutex<Option<Pending>> = Mutex::new(None);

struct Pending {
    config: Config,
    name: &'static str,
    mode: Option<String>,
    argv: Vec<OsString>,
    begun: Timestamp,
}

/// What git's configuration says, read once by whoever reads it anyway.
pub struct Said<'a> {
    /// The value of `trace2.NAME` (any case) from the machine's and the user's configuration.
    pub setting: &'a dyn Fn(&str) -> Option<String>,
    /// Settings whose key matches one of the patterns of `trace2.configParams`, separated by commas.
    pub params: &'a dyn Fn(&str) -> Vec<Param>,
}

/// The process begins: `name` is how git's log calls it, `arguments` come without the program.
/// Descriptors that the variables name are taken now, before a file of ours could have their number.
pub fn begin(context: &Context, name: &'static str, arguments: &[OsString]) {
    timeline::begin();
    let pending = Pending {
        config: Config::of(&context.environment),
        name,
        mode: None,
        argv: arguments.to_vec(),
        begun: SystemClock.now(),
    };
    *PENDING.lock().unwrap_or_else(PoisonError::into_inner) = Some(pending);
}

/// Nothing is told of this process: a probe, a question of ssh(1).
pub fn leave_out() {
    take();
}

/// git's configuration is known: targets are opened, and what has happened so far is told. Only the
/// first call of a process does something.
pub fn configured(context: &Context, said: &Said<'_>) {
    let Some(mut pending) = take() else { return };
    pending.config.fill(said.setting);
    if !pending.config.is_on() {
        return;
    }
    let Some(log) = Log::open(context, &mut pending.config, pending.begun) else {
        return;
    };
    if LOG.set(log).is_err() {
        return;
    }
    let Some(log) = LOG.get() else { return };
    log.hand_down(context, pending.name);
    let main = log.main();
    let begun = Some(pending.begun);
    main.tell_at(&Event::Version, begun, Location::caller());
    if log.too_many_files() {
        main.tell(&Event::TooManyFiles, Location::caller());
    }
    let argv: Vec<String> = [pending.name.into()]
        .iter()
        .chain(&pending.argv)
        .map(|word: &OsString| log.redacted_word(&word.to_string_lossy()))
        .collect();
    main.tell_at(&Event::Start(&argv), begun, Location::caller());
    let hierarchy = log.hierarchy(context, pending.name);
    let name = Event::Name {
        name: pending.name,
        hierarchy: &hierarchy,
    };
    main.tell(&name, Location::caller());
    if let Some(mode) = &pending.mode {
        main.tell(&Event::Mode(mode), Location::caller());
    }
    for param in pending.config.params(context, said.params) {
        main.tell(&Event::Param(&param), Location::caller());
    }
}

/// git's configuration was not, and will not be read: the variables alone say what is wished.
fn unconfigured(context: &Context) {
    let said = Said {
        setting: &|_| None,
        params: &|_| Vec::new(),
    };
    configured(context, &said);
}

/// What kind of command it is: `key list`.
#[track_caller]
pub fn mode(text: &str) {
    let mut pending = PENDING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pending) = pending.as_mut() {
        pending.mode = Some(text.to_owned());
    } else if is_on() {
        ThreadLog::current().tell(&Event::Mode(text), Location::caller());
    }
}

/// A phase of the call, from here until the region is dropped. `message` says more of it, and is
/// made only where somebody listens.
#[track_caller]
pub fn region(label: &'static str, message: impl FnOnce() -> String) -> Region {
    ThreadLog::current().region(label, message)
}

/// Something that was found out: site, account, endpoint. `value` is made only where somebody
/// listens.
#[track_caller]
pub fn data(key: &'static str, value: impl FnOnce() -> String) {
    ThreadLog::current().data(key, value);
}

/// What ended the call. `kind` is its sort without names, for those who count errors.
#[track_caller]
pub(super) fn error(text: &str, kind: &str) {
    if is_on() {
        ThreadLog::current().tell(&Event::Error { text, kind }, Location::caller());
    }
}

/// A line for the person who runs git.
#[track_caller]
pub(super) fn line(text: &str) {
    if is_on() {
        ThreadLog::current().tell(&Event::Line(text), Location::caller());
    }
}

/// Another program takes over the process; `argv` without the program.
#[track_caller]
pub fn exec(context: &Context, program: &Path, argv: &[OsString]) {
    unconfigured(context);
    let Some(log) = LOG.get() else { return };
    let words: Vec<String> = argv
        .iter()
        .map(|word| log.redacted_word(&word.to_string_lossy()))
        .collect();
    let program = program.to_string_lossy();
    let event = Event::Exec {
        program: &program,
        argv: &words,
    };
    ThreadLog::current().tell(&event, Location::caller());
}

/// It could not: the system's error number.
#[track_caller]
pub fn not_executed(number: i32) {
    if is_on() {
        ThreadLog::current().tell(&Event::NotExecuted(number), Location::caller());
    }
}

/// The process ends with this status.
#[track_caller]
pub fn end(context: &Context, status: u8) {
    unconfigured(context);
    let Some(log) = LOG.get() else { return };
    log.main().tell(&Event::Exit(status), Location::caller());
    log.main().tell(&Event::AtExit(status), Location::caller());
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

fn take() -> Option<Pending> {
    PENDING
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take()
}

/// Whether somebody listens.
pub(super) fn is_on() -> bool {
    LOG.get().is_some()
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
