//! How much is told: ssh(1)'s LogLevel.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// ssh_config(5), LogLevel; what stands before in the list is shown with each.
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
    /// As [`Level::Info`]: nothing of ours stands between.
    Verbose = 4,
    /// `-v`.
    Debug1 = 5,
    /// `-vv`.
    Debug2 = 6,
    /// `-vvv`.
    Debug3 = 7,
}

static SHOWN: AtomicU8 = AtomicU8::new(Level::Info as u8);
static SAID: AtomicBool = AtomicBool::new(false);

impl Level {
    /// `-v` and `-q` stand before LogLevel; `-q` alone silences.
    pub fn of(verbosity: u8, quiet: bool, log_level: Option<&str>) -> Option<Self> {
        match (verbosity, quiet) {
            (0, true) => Some(Self::Quiet),
            (0, false) => log_level.and_then(Self::named),
            (1, _) => Some(Self::Debug1),
            (2, _) => Some(Self::Debug2),
            _ => Some(Self::Debug3),
        }
    }

    /// A word of LogLevel, without regard to case. `None`: no such level.
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
}

/// `None`: nothing was said.
pub(super) fn set(level: Option<Level>) {
    if let Some(level) = level {
        SHOWN.store(level as u8, Ordering::Relaxed);
        SAID.store(true, Ordering::Relaxed);
    }
}

pub(super) fn set_from_config(word: &str) {
    if !SAID.load(Ordering::Relaxed)
        && let Some(level) = Level::named(word)
    {
        SHOWN.store(level as u8, Ordering::Relaxed);
    }
}

pub(super) fn shown(level: Level) -> bool {
    level as u8 <= SHOWN.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::Level;

    #[test]
    fn options_decide_as_ssh_decides() {
        for (verbosity, quiet, log_level, expected, why) in [
            (0, false, None, None, "nothing said"),
            (0, true, None, Some(Level::Quiet), "-q"),
            (
                1,
                false,
                Some("ERROR"),
                Some(Level::Debug1),
                "-v stands before LogLevel",
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
