//! Which channel a question takes: OpenSSH's order (readpass.c).

use std::ffi::OsString;

use crate::context::Context;

/// How a person can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Channel {
    /// The controlling terminal.
    Terminal,
    /// An askpass program.
    Askpass(OsString),
    /// Nobody can be asked.
    None,
}

/// `terminal`: whether there is one that may be read; GIT_TERMINAL_PROMPT can take it away.
/// `installed`: the system's own askpass program, asked for where SSH_ASKPASS is not set.
pub(super) fn choose(
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
    let allowed = require == "force" || (display && require != "never");
    let wanted = allowed && matches!(require.as_str(), "force" | "prefer");
    if terminal && !wanted && !git_forbids(context) {
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
    let value = context.environment.text("GIT_TERMINAL_PROMPT");
    value.is_some_and(|value| {
        ["0", "false", "no", "off"]
            .iter()
            .any(|word| value.eq_ignore_ascii_case(word))
    })
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
            (vec![], false, false, Channel::None, "nobody"),
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
                "the terminal stands before the display",
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
                Channel::None,
                "no question on the terminal",
            ),
            (
                vec![
                    ("GIT_TERMINAL_PROMPT", "0"),
                    ("SSH_ASKPASS", "/bin/ask"),
                    ("DISPLAY", ":0"),
                ],
                false,
                true,
                ask(),
                "askpass is still allowed",
            ),
            (
                vec![
                    ("SSH_ASKPASS", "/bin/ask"),
                    ("SSH_ASKPASS_REQUIRE", "FORCE"),
                ],
                false,
                true,
                ask(),
                "its words have no case",
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
                vec![("GIT_TERMINAL_PROMPT", "no")],
                false,
                true,
                Channel::None,
                "git's other words for no",
            ),
            (
                vec![("GIT_TERMINAL_PROMPT", "1")],
                false,
                true,
                Channel::Terminal,
                "and its yes",
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
