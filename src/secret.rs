//! Tokens and passphrases: text that must never be shown.
//!
//! Zeroed when dropped, redacted in `Debug`, without `Display`: only [`Secret::reveal`] gives the text.
//! Also the names of the places that hold tokens. Uses no other module.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A token, password or passphrase. `Debug` prints `[redacted]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over; the caller keeps no copy.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, for the one place that must send or store it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether it is empty, as an answer to a question may be.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Keeps this process's memory, which holds tokens and keys for a while, out of core dumps and away from
/// the user's other processes (`/proc/PID/mem`, `environ`). Children and programs that replace this
/// process are not affected. Linux only: elsewhere the switches for this are inherited by children.
pub fn keep_out_of_dumps() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // A kernel without it dumps as before.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

/// Where a token is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenPlace {
    /// `BITBUCKET_API_TOKEN`.
    Environment,
    /// The system's keyring.
    Keyring,
    /// `tokens.json`, 0600, in the records' directory.
    File,
    /// One of git's credential helpers.
    GitCredential,
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn debug_shows_nothing_of_the_text() {
        let secret = Secret::new("ATATT-very-secret".to_owned());
        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert_eq!(secret.reveal(), "ATATT-very-secret");
    }
}
