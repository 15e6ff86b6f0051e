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

/// `terminal`: whether there is one that may be read. `GIT_TERMINAL_PROMPT=0` counts as none.
pub(super) fn choose(context: &Context, batch_mode: bool, terminal: bool) -> Channel {
    let environment = &context.environment;
    let askpass = || match environment
        .raw("SSH_ASKPASS")
        .filter(|program| !program.is_empty())
    {
        Some(program) => Channel::Askpass(program.to_owned()),
        None => Channel::None,
    };
    let display =
        environment.text("DISPLAY").is_some() || environment.text("WAYLAND_DISPLAY").is_some();
    let terminal = terminal && environment.text("GIT_TERMINAL_PROMPT") != Some("0");
    if batch_mode {
        return Channel::None;
    }
    match environment.text("SSH_ASKPASS_REQUIRE") {
        Some("force") => askpass(),
        Some("prefer") if display && askpass() != Channel::None => askpass(),
        Some("never") if !terminal => Channel::None,
        _ if terminal => Channel::Terminal,
        // Without a display an askpass is asked only where it was demanded.
        Some("never") | None if !display => Channel::None,
        _ if display => askpass(),
        _ => Channel::None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Channel, choose};
    use crate::clock::SystemClock;
    use crate::context::{Context, Environment};

    #[test]
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
            assert_eq!(choose(&context, batch, terminal), expected, "{why}");
        }
    }
}
