//! The timeline of a connection, in milliseconds since the start.

use std::sync::OnceLock;
use std::time::Instant;

static BEGUN: OnceLock<Instant> = OnceLock::new();

/// The process begins; later calls change nothing.
pub(super) fn begin() {
    BEGUN.get_or_init(Instant::now);
}

/// A phase is reached: lookup, tcp, banner, kex, auth, channel, first byte, close. Told at `-v`.
pub fn mark(phase: &'static str) {
    let begun = BEGUN.get_or_init(Instant::now);
    tracing::info!(
        "timeline: {:>6.1} ms {phase}",
        begun.elapsed().as_secs_f64() * 1e3
    );
}
