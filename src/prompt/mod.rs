//! Questions to the user: on the terminal, by SSH_ASKPASS, or not at all.
//!
//! The channels in OpenSSH's order (readpass.c), and
//! OpenSSH's wordings, since askpass programs parse them. Never stdout, never GIT_ASKPASS. Uses
//! `context`, `secret`, `diagnostics` and `text`.

mod askpass;
#[cfg(unix)]
mod terminal;

use std::ffi::{OsStr, OsString};

use crate::context::Context;
use crate::secret::Secret;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// BatchMode, or neither terminal nor askpass.
    #[error("no terminal or askpass program to ask on")]
    Unavailable,
    /// Ctrl-C, Ctrl-D, end of file, or an askpass that failed.
    #[error("the question was not answered")]
    Cancelled,
    /// git ended before the answer.
    #[error("the calling program has ended")]
    CallerGone,
    /// The terminal or the askpass program failed.
    #[error("cannot ask: {0}")]
    Broken(String),
}

/// Asks the user, where that is possible.
pub trait Prompt {
    /// Whether a question can be answered at all.
    fn available(&self) -> bool;

    /// Whether there is a terminal: the user can read several lines and paste something.
    fn terminal(&self) -> bool;

    /// Reads a secret without echo. `text` is the whole prompt (`Enter passphrase for key '…': `).
    fn secret(&self, text: &str) -> Result<Secret, Error>;

    /// Reads a line with echo; without its newline.
    fn line(&self, text: &str) -> Result<String, Error>;

    /// A yes or no question (`SSH_ASKPASS_PROMPT=confirm` for an askpass). The text ends in `[y/N]` or
    /// `[Y/n]`, which says what an empty answer means.
    fn confirm(&self, text: &str) -> Result<bool, Error>;
}

/// Below an askpass program that this program started: no askpass program may be asked, neither by it
/// nor by an ssh that it hands over to.
pub fn is_nested(context: &Context) -> bool {
    context.environment.is_set(askpass::GUARD)
}

/// For questions that ssh(1) does not have: about accounts, tokens and the creation of keys. As [`of`],
/// but GIT_TERMINAL_PROMPT can forbid them.
pub fn beyond_ssh(context: &Context, batch_mode: bool) -> Box<dyn Prompt> {
    if git_forbids(context) {
        return Box::new(Silent);
    }
    of(context, batch_mode)
}

/// For ssh(1)'s questions (passphrases, unknown host keys): the first channel that is there, in
/// OpenSSH's order. `batch_mode`: none.
pub fn of(context: &Context, batch_mode: bool) -> Box<dyn Prompt> {
    let terminal = !batch_mode && terminal_is_there();
    match choose(context, batch_mode, terminal, &askpass::installed) {
        #[cfg(unix)]
        Channel::Terminal => Box::new(terminal::Terminal),
        Channel::Askpass(program) => Box::new(askpass::Askpass::new(context, &program)),
        _ => Box::new(Silent),
    }
}

/// How a person can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Channel {
    /// The controlling terminal.
    Terminal,
    /// An askpass program.
    Askpass(OsString),
    /// No question can be asked.
    None,
}

/// `terminal`: whether there is one that may be read.
/// `installed`: the system's own askpass program, asked for where SSH_ASKPASS is not set.
fn choose(
    context: &Context,
    batch_mode: bool,
    terminal: bool,
    installed: &dyn Fn() -> Option<OsString>,
) -> Channel {
    let environment = &context.environment;
    if batch_mode {
        return Channel::None;
    }
    let require = environment
        .text("SSH_ASKPASS_REQUIRE")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let display =
        environment.text("DISPLAY").is_some() || environment.text("WAYLAND_DISPLAY").is_some();
    let allowed = !is_nested(context) && (require == "force" || (display && require != "never"));
    let wanted = allowed && matches!(require.as_str(), "force" | "prefer");
    if terminal && !wanted {
        return Channel::Terminal;
    }
    if !allowed {
        return Channel::None;
    }
    let program = match environment.raw("SSH_ASKPASS") {
        Some(program) => Some(program.to_owned()),
        None => installed(),
    };
    match program.filter(|program| !program.is_empty()) {
        Some(program) => Channel::Askpass(program),
        None => Channel::None,
    }
}

/// GIT_TERMINAL_PROMPT is false, as git reads a boolean.
fn git_forbids(context: &Context) -> bool {
    let value = context.environment.raw("GIT_TERMINAL_PROMPT");
    let value = value.and_then(OsStr::to_str);
    value.is_some_and(|value| {
        ["", "0", "false", "no", "off"]
            .iter()
            .any(|word| value.eq_ignore_ascii_case(word))
    })
}

#[cfg(unix)]
fn terminal_is_there() -> bool {
    terminal::is_there()
}

#[cfg(not(unix))]
fn terminal_is_there() -> bool {
    false
}

/// Whether the reader of stdout has gone: git has ended, and an answer is of no use. Always `false`
/// where that cannot be seen.
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

/// Asks nothing: every question is [`Error::Unavailable`].
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
        Err(Error::Unavailable)
    }

    fn line(&self, _text: &str) -> Result<String, Error> {
        Err(Error::Unavailable)
    }

    fn confirm(&self, _text: &str) -> Result<bool, Error> {
        Err(Error::Unavailable)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Channel, choose};
    use crate::clock::SystemClock;
    use crate::context::{Context, Environment};

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn the_order_of_channels_is_openssh_s() {
        let ask = || Channel::Askpass("/bin/ask".into());
        for (variables, batch, terminal, expected, why) in [
            (vec![], false, true, Channel::Terminal, "a person is there"),
            (vec![], true, true, Channel::None, "BatchMode"),
            (vec![], false, false, Channel::None, "neither"),
            (
                vec![("SSH_ASKPASS", "/bin/ask")],
                false,
                false,
                Channel::None,
                "no display",
            ),
            (
                vec![("SSH_ASKPASS", "/bin/ask"), ("DISPLAY", ":0")],
                false,
                false,
                ask(),
                "no terminal, but a display",
            ),
            (
                vec![("SSH_ASKPASS", "/bin/ask"), ("DISPLAY", ":0")],
                false,
                true,
                Channel::Terminal,
                "the terminal comes before the display",
            ),
            (
                vec![
                    ("SSH_ASKPASS", "/bin/ask"),
                    ("SSH_ASKPASS_REQUIRE", "force"),
                ],
                false,
                true,
                ask(),
                "force needs no display",
            ),
            (
                vec![
                    ("SSH_ASKPASS", "/bin/ask"),
                    ("SSH_ASKPASS_REQUIRE", "force"),
                    ("BITBUCKET_SSH_ASKING", "1"),
                ],
                false,
                false,
                Channel::None,
                "below an askpass program",
            ),
            (
                vec![
                    ("SSH_ASKPASS", "/bin/ask"),
                    ("SSH_ASKPASS_REQUIRE", "prefer"),
                    ("WAYLAND_DISPLAY", "w"),
                ],
                false,
                true,
                ask(),
                "prefer with a display",
            ),
            (
                vec![
                    ("SSH_ASKPASS", "/bin/ask"),
                    ("SSH_ASKPASS_REQUIRE", "never"),
                    ("DISPLAY", ":0"),
                ],
                false,
                false,
                Channel::None,
                "never",
            ),
            (
                vec![("GIT_TERMINAL_PROMPT", "0")],
                false,
                true,
                Channel::Terminal,
                "ssh(1) does not know it",
            ),
            (
                vec![
                    ("SSH_ASKPASS", "/bin/ask"),
                    ("SSH_ASKPASS_REQUIRE", "FORCE"),
                ],
                false,
                true,
                ask(),
                "in any case",
            ),
            (
                vec![
                    ("SSH_ASKPASS", "/bin/ask"),
                    ("SSH_ASKPASS_REQUIRE", "prefer"),
                ],
                false,
                true,
                Channel::Terminal,
                "prefer without a display",
            ),
            (
                vec![("SSH_ASKPASS", ""), ("DISPLAY", ":0")],
                false,
                false,
                Channel::None,
                "an empty program",
            ),
            (
                vec![("SSH_ASKPASS_REQUIRE", "force")],
                false,
                true,
                Channel::None,
                "force without a program",
            ),
        ] {
            let variables = variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()));
            let context = Context {
                environment: Environment::new(variables),
                directory: "/".into(),
                program: "/".into(),
                clock: Arc::new(SystemClock),
            };
            let chosen = choose(&context, batch, terminal, &|| None);
            assert_eq!(chosen, expected, "{why}");
        }
    }

    #[test]
    fn git_forbids_what_ssh_does_not_ask() {
        for (value, expected) in [
            (Some("0"), false),
            (Some("no"), false),
            (Some("False"), false),
            (Some(""), false),
            (Some("1"), true),
            (Some("true"), true),
            (None, true),
        ] {
            let mut variables = vec![
                ("SSH_ASKPASS".into(), "/bin/ask".into()),
                ("SSH_ASKPASS_REQUIRE".into(), "force".into()),
            ];
            variables.extend(value.map(|value| ("GIT_TERMINAL_PROMPT".into(), value.into())));
            let context = Context {
                environment: Environment::new(variables),
                directory: "/".into(),
                program: "/".into(),
                clock: Arc::new(SystemClock),
            };
            let own = super::beyond_ssh(&context, false).available();
            assert_eq!(own, expected, "{value:?}");
            assert!(super::of(&context, false).available(), "{value:?}");
        }
    }

    #[test]
    fn the_system_s_askpass_stands_in_for_a_missing_variable() {
        let variables = [("DISPLAY".into(), ":0".into())];
        let context = Context {
            environment: Environment::new(variables),
            directory: "/".into(),
            program: "/".into(),
            clock: Arc::new(SystemClock),
        };
        let chosen = choose(&context, false, false, &|| {
            Some("/usr/bin/ssh-askpass".into())
        });
        assert_eq!(chosen, Channel::Askpass("/usr/bin/ssh-askpass".into()));
    }
}
