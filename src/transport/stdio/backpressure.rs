//! How much may wait for a slow reader. Pure; knows nobody.
//!
//! While git sends nothing there is no other direction to keep going: little is queued and memory
//! stays small. As long as git sends, its bytes must go on, so more is.

/// While git sends.
const SENDING: usize = 8 << 20;

/// While git sends nothing.
const IDLE: usize = 512 << 10;

/// So many writes after git's last bytes these are surely with the server: russh's task takes what
/// it is to send and what has come in turns by lot, and never waited for the reader in between.
const WRITES_TO_SEND: u32 = 32;

/// What the bound follows from.
#[derive(Debug)]
pub(super) struct Backpressure {
    /// git's bytes wait for room at the server.
    sending: bool,
    /// Writes since git's last bytes for the server were taken.
    since_input: u32,
}

impl Backpressure {
    /// git has sent nothing yet.
    pub(super) fn new() -> Self {
        Self {
            sending: false,
            since_input: WRITES_TO_SEND,
        }
    }

    /// Something more has come from the server.
    pub(super) fn written(&mut self) {
        self.since_input = self.since_input.saturating_add(1);
    }

    /// git's bytes are being sent, or have been.
    pub(super) fn sending(&mut self, sending: bool) {
        self.sending = sending;
        self.since_input = 0;
    }

    /// What may wait, in bytes.
    pub(super) fn bytes(&self) -> usize {
        if self.sending || self.since_input < WRITES_TO_SEND {
            SENDING
        } else {
            IDLE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_may_wait_while_git_sends_and_shortly_after() {
        let mut bound = Backpressure::new();
        assert_eq!(bound.bytes(), IDLE);
        bound.sending(true);
        for _ in 0..100 {
            bound.written();
        }
        assert_eq!(bound.bytes(), SENDING, "still on the way");
        bound.sending(false);
        assert_eq!(bound.bytes(), SENDING, "just taken");
        for _ in 0..WRITES_TO_SEND {
            bound.written();
        }
        assert_eq!(bound.bytes(), IDLE);
    }
}
