//! Giving a held-back refusal as it came.

use std::io::Write as _;

/// Writes to stdout and stderr, byte for byte. Who has gone is not told.
pub fn replay(stdout: &[u8], stderr: &[u8]) {
    let mut errors = std::io::stderr().lock();
    let _ = errors.write_all(stderr).and_then(|()| errors.flush());
    let mut output = std::io::stdout().lock();
    let _ = output.write_all(stdout).and_then(|()| output.flush());
}
