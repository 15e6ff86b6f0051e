//! How much is shown, as ssh(1)'s LogLevel counts it.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

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

    pub(super) fn of_event(level: tracing::Level) -> Self {
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

#[cfg(test)]
mod tests {
    use super::Level;

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
}
