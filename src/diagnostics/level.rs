//! How much is shown, as ssh(1)'s LogLevel counts it, and the subscriber that turns `tracing` events
//! into lines.
//!
//! Events of other crates are left out: they have not been checked for secrets.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::trace;

/// A level of ssh_config(5), LogLevel; each shows what those before it show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing at all, `-q`.
    Quiet = 0,
    /// Fatal errors.
    Fatal = 1,
    /// Errors.
    Error = 2,
    /// The default: warnings and notices.
    Info = 3,
    /// As [`Level::Info`]: this program has nothing in between.
    Verbose = 4,
    /// `-v`.
    Debug1 = 5,
    /// `-vv`.
    Debug2 = 6,
    /// `-vvv`.
    Debug3 = 7,
}

static THRESHOLD: AtomicU8 = AtomicU8::new(Level::Info as u8);
/// The command line has set it.
static EXPLICIT: AtomicBool = AtomicBool::new(false);

impl Level {
    /// The level that a command line sets: `-v` and `-q` win over LogLevel, `-v` over `-q`.
    pub fn of(verbosity: u8, quiet: bool, log_level: Option<&str>) -> Option<Self> {
        match (verbosity, quiet) {
            (0, true) => Some(Self::Quiet),
            (0, false) => log_level.and_then(Self::named),
            (1, _) => Some(Self::Debug1),
            (2, _) => Some(Self::Debug2),
            _ => Some(Self::Debug3),
        }
    }

    /// A word of LogLevel, in any case. `None`: no such level.
    pub fn named(word: &str) -> Option<Self> {
        let level = match word.to_ascii_uppercase().as_str() {
            "QUIET" => Self::Quiet,
            "FATAL" => Self::Fatal,
            "ERROR" => Self::Error,
            "INFO" => Self::Info,
            "VERBOSE" => Self::Verbose,
            "DEBUG" | "DEBUG1" => Self::Debug1,
            "DEBUG2" => Self::Debug2,
            "DEBUG3" => Self::Debug3,
            _ => return None,
        };
        Some(level)
    }

    fn of_event(level: tracing::Level) -> Self {
        match level {
            tracing::Level::ERROR => Self::Error,
            tracing::Level::WARN => Self::Info,
            tracing::Level::INFO => Self::Debug1,
            tracing::Level::DEBUG => Self::Debug2,
            tracing::Level::TRACE => Self::Debug3,
        }
    }
}

/// The command line's level. `None`: it sets none.
pub(super) fn set(level: Option<Level>) {
    if let Some(level) = level {
        THRESHOLD.store(level as u8, Ordering::Relaxed);
        EXPLICIT.store(true, Ordering::Relaxed);
    }
}

pub(super) fn set_from_config(word: &str) {
    if !EXPLICIT.load(Ordering::Relaxed)
        && let Some(level) = Level::named(word)
    {
        THRESHOLD.store(level as u8, Ordering::Relaxed);
    }
}

pub(super) fn is_shown(level: Level) -> bool {
    level as u8 <= THRESHOLD.load(Ordering::Relaxed)
}

/// The subscriber. It has no spans: nothing here opens one.
pub(super) struct Lines;

fn is_own(metadata: &Metadata<'_>) -> bool {
    // `enabled!` asks with a hint, which is no event.
    !metadata.is_span() && metadata.target().starts_with("bitbucket_ssh")
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_own(metadata) && (trace::is_on() || is_shown(Level::of_event(*metadata.level())))
    }

    fn register_callsite(
        &self,
        metadata: &'static Metadata<'static>,
    ) -> tracing::subscriber::Interest {
        if is_own(metadata) {
            // The level may rise when ssh_config has been read: nothing is decided for good.
            tracing::subscriber::Interest::sometimes()
        } else {
            tracing::subscriber::Interest::never()
        }
    }

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        let level = Level::of_event(*event.metadata().level());
        let prefix = match level {
            Level::Debug1 => "debug1: ",
            Level::Debug2 => "debug2: ",
            Level::Debug3 => "debug3: ",
            _ => "",
        };
        let line = format!("{prefix}{}", message.0);
        trace::write(&line);
        if is_shown(level) {
            super::write_line(&line);
        }
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Level, is_own};

    #[test]
    fn options_decide_as_ssh_decides() {
        for (verbosity, quiet, log_level, expected, why) in [
            (0, false, None, None, "nothing is given"),
            (0, true, None, Some(Level::Quiet), "-q"),
            (
                1,
                false,
                Some("ERROR"),
                Some(Level::Debug1),
                "-v wins over LogLevel",
            ),
            (
                2,
                true,
                None,
                Some(Level::Debug2),
                "-q does not take -v back",
            ),
            (9, false, None, Some(Level::Debug3), "no more than three"),
            (
                0,
                false,
                Some("debug"),
                Some(Level::Debug1),
                "DEBUG is DEBUG1, any case",
            ),
            (0, false, Some("LOUD"), None, "no such level"),
        ] {
            assert_eq!(Level::of(verbosity, quiet, log_level), expected, "{why}");
        }
    }

    #[test]
    fn only_this_crate_speaks() {
        struct Heard(std::sync::Mutex<Vec<String>>);
        impl tracing::Subscriber for &'static Heard {
            fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
                is_own(metadata)
            }
            fn event(&self, event: &tracing::Event<'_>) {
                let target = event.metadata().target().to_owned();
                self.0.lock().expect("one thread").push(target);
            }
            fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::Id {
                tracing::Id::from_u64(1)
            }
            fn record(&self, _: &tracing::Id, _: &tracing::span::Record<'_>) {}
            fn record_follows_from(&self, _: &tracing::Id, _: &tracing::Id) {}
            fn enter(&self, _: &tracing::Id) {}
            fn exit(&self, _: &tracing::Id) {}
        }
        static HEARD: Heard = Heard(std::sync::Mutex::new(Vec::new()));
        tracing::subscriber::with_default(&HEARD, || {
            tracing::warn!("own");
            tracing::warn!(target: "russh::client", "not checked for secrets");
        });
        let heard = HEARD.0.lock().expect("one thread").clone();
        assert_eq!(heard, ["bitbucket_ssh::diagnostics::level::tests"]);
    }
}
