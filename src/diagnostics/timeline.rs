//! The timeline of a call, in milliseconds since its start.

use std::fmt::Write as _;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

static STARTED: OnceLock<Instant> = OnceLock::new();
static MARKS: Mutex<Vec<(&'static str, Duration)>> = Mutex::new(Vec::new());

/// When the process started: the first call of this.
pub(super) fn started() -> Instant {
    *STARTED.get_or_init(Instant::now)
}

/// A phase is reached: lookup, tcp, banner, kex, auth, channel, first byte, close. Logged at `-v`
/// and kept for [`timeline`]; costs nothing otherwise.
pub fn mark(phase: &'static str) {
    if !tracing::enabled!(tracing::Level::INFO) {
        return;
    }
    let reached = started().elapsed();
    tracing::info!("timeline: {:>6.1} ms {phase}", reached.as_secs_f64() * 1e3);
    if let Ok(mut marks) = MARKS.lock() {
        marks.push((phase, reached));
    }
}

/// Logs all phases in one line at `-v`, and forgets them. Nothing where none was reached.
pub fn timeline() {
    let marks = MARKS
        .lock()
        .map(|mut marks| std::mem::take(&mut *marks))
        .unwrap_or_default();
    if !marks.is_empty() {
        tracing::info!("{}", summary(&marks));
    }
}

fn summary(marks: &[(&'static str, Duration)]) -> String {
    let mut line = "timeline summary:".to_owned();
    for (number, (phase, reached)) in marks.iter().enumerate() {
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(line, "{comma} {phase} {} ms", reached.as_millis());
    }
    line
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::summary;

    #[test]
    fn all_phases_stand_in_one_line() {
        let marks = [
            ("lookup", Duration::from_micros(1900)),
            ("first byte", Duration::from_millis(250)),
        ];
        assert_eq!(
            summary(&marks),
            "timeline summary: lookup 1 ms, first byte 250 ms"
        );
    }
}
