//! The events, as api-trace2 names them, and what each format shows of them.

use super::config::Param;

/// One event.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event<'a> {
    /// `version`.
    Version,
    /// `start`: argv with the program.
    Start(&'a [String]),
    /// `cmd_name`.
    Name { name: &'a str, hierarchy: &'a str },
    /// `cmd_mode`.
    Mode(&'a str),
    /// `def_param`.
    Param(&'a Param),
    /// `thread_start`.
    ThreadStart,
    /// `thread_exit`: what it took, in microseconds.
    ThreadExit(u128),
    /// `region_enter`.
    Enter { label: &'a str, message: &'a str },
    /// `region_leave`; `took` in microseconds.
    Leave {
        label: &'a str,
        message: &'a str,
        took: u128,
    },
    /// `data`; `since` the region began, in microseconds.
    Data {
        key: &'a str,
        value: &'a str,
        since: u128,
    },
    /// `error`: the text, and its sort without names.
    Error { text: &'a str, kind: &'a str },
    /// `printf`.
    Line(&'a str),
    /// `exec`.
    Exec {
        program: &'a str,
        argv: &'a [String],
    },
    /// `exec_result`: an error number.
    NotExecuted(i32),
    /// `exit`.
    Exit(u8),
    /// `atexit`.
    AtExit(u8),
}

impl Event<'_> {
    /// Its name in git's log.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Start(_) => "start",
            Self::Name { .. } => "cmd_name",
            Self::Mode(_) => "cmd_mode",
            Self::Param(_) => "def_param",
            Self::ThreadStart => "thread_start",
            Self::ThreadExit(_) => "thread_exit",
            Self::Enter { .. } => "region_enter",
            Self::Leave { .. } => "region_leave",
            Self::Data { .. } => "data",
            Self::Error { .. } => "error",
            Self::Line(_) => "printf",
            Self::Exec { .. } => "exec",
            Self::NotExecuted(_) => "exec_result",
            Self::Exit(_) => "exit",
            Self::AtExit(_) => "atexit",
        }
    }

    /// What the event format leaves out below its limit of nesting.
    pub(super) fn is_nested(&self) -> bool {
        matches!(
            self,
            Self::Enter { .. } | Self::Leave { .. } | Self::Data { .. }
        )
    }

    /// Microseconds of its own: of a thread, a region, since a region began.
    pub(super) fn relative(&self) -> Option<u128> {
        match self {
            Self::ThreadExit(took) | Self::Leave { took, .. } => Some(*took),
            Self::Data { since, .. } => Some(*since),
            _ => None,
        }
    }

    /// Whether the event format gives it the time since the process began.
    pub(super) fn is_timed(&self) -> bool {
        matches!(
            self,
            Self::Start(_) | Self::Exit(_) | Self::AtExit(_) | Self::Data { .. } | Self::Line(_)
        )
    }
}

/// Where and when an event happened.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    /// The session.
    pub(super) session: &'a str,
    /// How many sessions are above this one.
    pub(super) depth: usize,
    /// The thread's name in the log.
    pub(super) thread: &'a str,
    /// Open regions of the thread; the thread itself is the first.
    pub(super) nesting: usize,
    /// The wall clock.
    pub(super) time: jiff::Timestamp,
    /// Microseconds since the process began.
    pub(super) absolute: u128,
    /// The line of the source.
    pub(super) place: &'a std::panic::Location<'a>,
}
