//! Telling: log levels, the timeline, the trace, git's own log (`trace2`).
//!
//! `tracing` events of this crate become lines: `warn!` is shown by default, `info!` at `-v`,
//! `debug!` at `-vv`, `trace!` at `-vvv`. Lines go to stderr or to `-E FILE`, and, where
//! BITBUCKET_SSH_TRACE says so, to the trace with the time in front. stdout is never touched, and a
//! line that cannot be written never fails the operation. Ground floor: knows `context`, `clock`,
//! `secret` and `sanitise`.

mod level;
mod progress;
mod sink;
mod subscriber;
mod timeline;
mod trace;
pub mod trace2;

use std::ffi::OsString;
use std::path::PathBuf;

pub use level::Level;
pub use progress::{Lent, Waiting, lend_line, trace_only, waiting, waiting_as_told};
pub use timeline::{mark, timeline};

use crate::context::Context;
use sink::Sink;
use subscriber::Lines;

/// What a command line says about diagnostics.
#[derive(Debug, Clone, Default)]
pub struct LogOptions {
    /// How often `-v` was given.
    pub verbosity: u8,
    /// `-q`.
    pub quiet: bool,
    /// `-o LogLevel=…` as written. `None`: not given.
    pub log_level: Option<String>,
    /// `-E FILE`. `None`: stderr.
    pub log_file: Option<PathBuf>,
}

/// Why diagnostics cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `-E FILE` cannot be opened; OpenSSH's words.
    #[error("Couldn't open logfile {}: {why}", file.display())]
    LogFile {
        /// The file.
        file: PathBuf,
        /// The system's words.
        why: String,
    },
}

/// The process begins: `name` is how git's log calls it, `arguments` come without the program.
pub fn begin(context: &Context, name: &'static str, arguments: &[OsString]) {
    progress::begin(&context.environment);
    trace2::begin(context, name, arguments);
}

/// Starts telling, once for the process; of a second call only the level counts. Until then
/// [`error`] and [`notice`] go to stderr, and nothing else is told. The only error is a file of
/// `-E` that cannot be opened; a trace that cannot be opened is a warning, as for git.
pub fn start(options: &LogOptions, context: &Context) -> Result<(), Error> {
    timeline::begin();
    // Before any file of ours is open: a descriptor that the variable names must be the caller's.
    let trace = trace::open(context.environment.raw(trace::VARIABLE));
    if let Some(file) = &options.log_file {
        sink::use_file(file).map_err(|error| Error::LogFile {
            file: file.clone(),
            why: os_error_message(&error),
        })?;
    }
    level::set(Level::of(
        options.verbosity,
        options.quiet,
        options.log_level.as_deref(),
    ));
    match trace {
        Ok(Some(target)) => trace::start(target),
        Err(warning) if level::shown(Level::Info) => Sink::current().line(&warning),
        Ok(None) | Err(_) => {}
    }
    // Somebody else's subscriber (a test's) may stand already: then that one listens.
    let _ = tracing::subscriber::set_global_default(Lines);
    Ok(())
}

/// A LogLevel that became known later, from ssh_config: it counts only where the command line
/// said nothing. An unknown word changes nothing.
pub fn log_level(text: &str) {
    level::set_from_config(text);
}

/// What is done, in a line for the person who runs git. Silenced by `-q`.
pub fn notice(text: &str) {
    let line = format!("bitbucket-ssh: {text}");
    trace::write(&line);
    trace2::line(&line);
    if level::shown(Level::Info) {
        Sink::current().line(&line);
    }
}

/// What ends the call, as it is to be read: shown at every level but QUIET (`-q`), as what is
/// fatal to ssh(1). An empty text is nothing. `kind` names its sort in git's log, without names.
pub fn error(text: &str, kind: &str) {
    if text.is_empty() {
        return;
    }
    record_error(text, kind);
    trace::write(text);
    if level::shown(Level::Fatal) {
        Sink::current().line(text);
    }
}

/// As [`error`], for a text of which only `end` is shown at FATAL.
pub fn error_and_end(text: &str, end: &str, kind: &str) {
    record_error(text, kind);
    trace::write(text);
    if level::shown(Level::Error) {
        Sink::current().line(text);
    } else if level::shown(Level::Fatal) {
        Sink::current().line(end);
    }
}

/// As [`error`], for a failure that somebody else shows.
pub fn record_error(text: &str, kind: &str) {
    trace2::error(text, kind);
}

/// A line that was asked for (`-V`): whatever the level.
pub fn say(text: &str) {
    Sink::stderr().line(text);
}

/// What the server says before the login, as it came but fit for a terminal: on stderr whatever
/// `-E` says, silenced where ssh(1) silences it (a LogLevel below INFO).
pub fn banner(text: &str) {
    let text = crate::text::sanitise_lines(text);
    for line in text.lines() {
        trace::write(line);
    }
    if level::shown(Level::Info) {
        Sink::stderr().text(&text);
    }
}

/// The system's words without Rust's number behind them.
pub fn os_error_message(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}
