//! Asking a person: the terminal, SSH_ASKPASS, or nobody.
//!
//! OpenSSH's order of channels (readpass.c; `GIT_TERMINAL_PROMPT=0` counts as "no terminal"),
//! and OpenSSH's wordings, since askpass programs parse them. Never stdout, never GIT_ASKPASS.
//! Ground floor: knows `context` and `secret`.

use crate::secret::Secret;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// BatchMode, or neither terminal nor askpass.
    #[error("nobody can be asked here")]
    Nobody,
    /// Ctrl-C, Ctrl-D, end of file, or an askpass that failed.
    #[error("the question was not answered")]
    Cancelled,
    /// git ended while the question stood.
    #[error("the calling program has ended")]
    CallerGone,
    /// The terminal or the askpass program failed.
    #[error("cannot ask: {0}")]
    Broken(String),
}

/// A person, or the lack of one.
pub trait Prompt {
    /// Whether a question can be answered at all.
    fn available(&self) -> bool;

    /// Whether there is a terminal: a person who can read several lines and paste something.
    fn terminal(&self) -> bool;

    /// Reads a secret without echo. `text` is the whole prompt (`Enter passphrase for key '…': `).
    fn secret(&self, text: &str) -> Result<Secret, Error>;

    /// Reads a line with echo; without its newline.
    fn line(&self, text: &str) -> Result<String, Error>;

    /// A yes or no question (`SSH_ASKPASS_PROMPT=confirm` for an askpass). The caller writes
    /// `[y/N]` into the text itself where interface 2.2 wants it.
    fn confirm(&self, text: &str) -> Result<bool, Error>;
}

/// Nobody: every question is [`Error::Nobody`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Prompt for Silent {
    fn available(&self) -> bool {
        false
    }

    fn terminal(&self) -> bool {
        false
    }

    fn secret(&self, _text: &str) -> Result<Secret, Error> {
        Err(Error::Nobody)
    }

    fn line(&self, _text: &str) -> Result<String, Error> {
        Err(Error::Nobody)
    }

    fn confirm(&self, _text: &str) -> Result<bool, Error> {
        Err(Error::Nobody)
    }
}
