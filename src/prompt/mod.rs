//! Asking a person: the terminal, SSH_ASKPASS, or nobody.
//!
//! OpenSSH's order of channels (readpass.c; `GIT_TERMINAL_PROMPT=0` counts as "no terminal"),
//! and OpenSSH's wordings, since askpass programs parse them. Never stdout, never GIT_ASKPASS.
//! Ground floor: knows `context`, `secret` and `diagnostics`.

mod askpass;
mod channel;
#[cfg(unix)]
mod terminal;

use crate::context::Context;
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

/// Who can be asked here, by OpenSSH's order of channels. `batch_mode`: nobody.
pub fn of(context: &Context, batch_mode: bool) -> Box<dyn Prompt> {
    let terminal = !batch_mode && terminal_is_there();
    match channel::choose(context, batch_mode, terminal, &askpass::installed) {
        #[cfg(unix)]
        channel::Channel::Terminal => Box::new(terminal::Terminal),
        channel::Channel::Askpass(program) => Box::new(askpass::Askpass::new(context, &program)),
        _ => Box::new(Silent),
    }
}

#[cfg(unix)]
fn terminal_is_there() -> bool {
    terminal::is_there()
}

#[cfg(not(unix))]
fn terminal_is_there() -> bool {
    false
}

/// Whether the reader of our stdout has gone: git is dead, and nobody waits for an answer. Always
/// `false` where that cannot be seen.
pub fn caller_gone() -> bool {
    #[cfg(unix)]
    {
        use rustix::event::{PollFd, PollFlags, Timespec};
        let stdout = rustix::stdio::stdout();
        let mut watched = [PollFd::from_borrowed_fd(stdout, PollFlags::empty())];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        rustix::event::poll(&mut watched, Some(&at_once)).is_ok()
            && reader_gone(watched[0].revents())
    }
    #[cfg(not(unix))]
    false
}

/// What poll(2) says about the writing end of a pipe without reader: an error on Linux, a hang-up
/// elsewhere and for sockets.
#[cfg(unix)]
fn reader_gone(happened: rustix::event::PollFlags) -> bool {
    use rustix::event::PollFlags;
    happened.intersects(PollFlags::ERR | PollFlags::HUP)
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
