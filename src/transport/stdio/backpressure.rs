//! How much may be queued for a slow reader. Pure.
//!
//! While git sends nothing, little is queued and memory use stays small. While git sends, its bytes
//! must not be delayed, so more is queued.

/// While git sends.
const SENDING: usize = 8 << 20;

/// While git sends nothing.
const IDLE: usize = 512 << 10;

/// After this many writes git's last bytes are certain to have been sent: russh's task chooses at
/// random between sending and receiving, and did not wait for the reader in between.
const WRITES_TO_SEND: u32 = 32;

/// What the limit depends on.
#[derive(Debug)]
pub(super) struct Backpressure {
    /// git's bytes wait for window at the server.
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

    /// The server has sent more output.
    pub(super) fn written(&mut self) {
        self.since_input = self.since_input.saturating_add(1);
    }

    /// git's bytes are being sent, or have been.
    pub(super) fn sending(&mut self, sending: bool) {
        self.sending = sending;
        self.since_input = 0;
    }

    /// How much may be queued, in bytes.
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
        let mut limit = Backpressure::new();
        assert_eq!(limit.bytes(), IDLE);
        limit.sending(true);
        for _ in 0..100 {
            limit.written();
        }
        assert_eq!(limit.bytes(), SENDING, "still being sent");
        limit.sending(false);
        assert_eq!(limit.bytes(), SENDING, "just taken");
        for _ in 0..WRITES_TO_SEND {
            limit.written();
        }
        assert_eq!(limit.bytes(), IDLE);
    }
}
