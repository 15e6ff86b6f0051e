//! What the program reports: messages by log level, the timeline, its own trace, git's log
//! ([`trace2`]).
//!
//! `tracing` events of this crate become lines: `warn!` is shown by default, `info!` at `-v`, `debug!`
//! at `-vv`, `trace!` at `-vvv`. Lines go to stderr or to `-E FILE`, and to the trace of
//! BITBUCKET_SSH_TRACE with the time in front. stdout is never touched, no control character passes,
//! and a line that cannot be written never fails the operation. Uses `context`, `clock`, `secret` and
//! `text`.

mod destination;
mod level;
mod subscriber;
mod terminal;
mod timeline;
mod trace;
pub mod trace2;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;

pub use level::Level;
pub use terminal::{ReservedLine, Waiting, reserve_line, trace_only, waiting, waiting_since};
pub use timeline::{mark, timeline};

use crate::context::Context;
use crate::text::{Shown, fence, fence_line, sanitise_lines};
use destination::Destination;

/// The file of `-E`.
static LOG_FILE: OnceLock<Destination> = OnceLock::new();

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
    /// `-E FILE` cannot be opened; OpenSSH's message.
    #[error("Couldn't open logfile {}: {why}", Shown::path(file, None))]
    LogFile {
        /// The file.
        file: PathBuf,
        /// The system's message.
        why: String,
    },
}

/// The process starts: `name` is what git's log calls it, `arguments` come without the program.
pub fn begin(context: &Context, name: &'static str, arguments: &[OsString]) {
    terminal::start(&context.environment);
    trace2::begin(name, arguments);
}

/// Starts the log, once for the process; a second call only sets the level. Before, [`error`] and
/// [`notice`] go to stderr, and nothing else is written. The only error is a file of `-E` that cannot
/// be opened; a trace that cannot be opened is a warning, as for git.
pub fn start(options: &LogOptions, context: &Context) -> Result<(), Error> {
    timeline::started();
    // Before any file is opened here: a descriptor that the variable names must be the caller's.
    let trace = trace::open(context.environment.raw(trace::VARIABLE));
    if let Some(file) = &options.log_file {
        let opened = Destination::append_private(file).map_err(|error| Error::LogFile {
            file: file.clone(),
            why: os_error_message(&error),
        })?;
        let _ = LOG_FILE.set(opened);
    }
    level::set(Level::of(
        options.verbosity,
        options.quiet,
        options.log_level.as_deref(),
    ));
    match trace {
        Ok(Some(destination)) => trace::start(destination),
        Err(warning) if level::is_shown(Level::Info) => write_line(&warning),
        Ok(None) | Err(_) => {}
    }
    // A test may have set a subscriber of its own; then that one stays.
    let _ = tracing::subscriber::set_global_default(subscriber::Lines);
    Ok(())
}

/// A LogLevel that ssh_config sets: it counts only where the command line sets none. An unknown word
/// changes nothing.
pub fn log_level(text: &str) {
    level::set_from_config(text);
}

/// What the program is doing, in one line for the user. Silenced by `-q`.
pub fn notice(text: &str) {
    let line = fence_line(&format!("bitbucket-ssh: {text}"), false);
    trace::write(&line);
    trace2::line(&line);
    if level::is_shown(Level::Info) {
        write_line(&line);
    }
}

/// What ends the call, shown at every level but QUIET (`-q`), as ssh(1) shows what is fatal. An empty
/// text is nothing. `kind` is its kind in git's log, without names.
pub fn error(text: &str, kind: &str) {
    if text.is_empty() {
        return;
    }
    record_error(text, kind);
    trace::write(text);
    if level::is_shown(Level::Fatal) {
        write_line(text);
    }
}

/// As [`error`], for a text of which only `end` is shown at FATAL.
pub fn error_and_end(text: &str, end: &str, kind: &str) {
    record_error(text, kind);
    trace::write(text);
    if level::is_shown(Level::Error) {
        write_line(text);
    } else if level::is_shown(Level::Fatal) {
        write_line(end);
    }
}

/// As [`error`], for git's log alone: the caller shows it.
pub fn record_error(text: &str, kind: &str) {
    trace2::error(text, kind);
}

/// A line on stderr, whatever the level and `-E`: an answer (`-V`), or text that belongs to a question.
pub fn say(text: &str) {
    terminal::line(text);
}

/// What the server says before authentication, with its line ends but without control characters: on
/// stderr whatever `-E` says, silenced where ssh(1) silences it (a LogLevel below INFO).
pub fn banner(text: &str) {
    let text = sanitise_lines(text);
    for line in text.lines() {
        trace::write(line);
    }
    if level::is_shown(Level::Info) {
        let _ = terminal::write(text.as_bytes());
    }
}

/// Writes one message to `-E FILE` or stderr.
fn write_line(text: &str) {
    match LOG_FILE.get() {
        Some(file) => {
            let _ = file.write(format!("{}\n", fence(text)).as_bytes());
        }
        None => terminal::line(text),
    }
}

/// The system's message without the number that Rust appends.
pub fn os_error_message(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((message, _)) => message.to_owned(),
        None => text,
    }
}
