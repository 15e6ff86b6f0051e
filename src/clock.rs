//! The wall clock, as a value that tests can replace. Uses no other module.

use jiff::Timestamp;

/// The wall clock. Durations are measured with `std::time::Instant`, never with this.
pub trait Clock: Send + Sync {
    /// The present moment in UTC.
    fn now(&self) -> Timestamp;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the clock"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The wall clock for a line of a log: `HH:MM:SS.uuuuuu`, UTC.
pub fn time_of_day() -> String {
    SystemClock.now().strftime("%H:%M:%S.%6f").to_string()
}
