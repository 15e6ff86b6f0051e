//! Endpoints behind ProxyCommand or ProxyJump: a child with pipes of its own transports the bytes.

use std::process::Stdio;
use std::time::Duration;

use crate::settings::SshConfig;
use crate::ssh_command::AddressFamily;
use crate::text::sanitise;
use crate::transport::endpoint::{Carrier, Connected, Stream, version, version_timeout};
use crate::transport::session::SessionParams;
use crate::transport::{Endpoint, Error, Peer};

/// What is run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// ProxyCommand, tokens not expanded: through the shell.
    Shell(String),
    /// ProxyJump: the system's ssh with these arguments.
    Jump(Vec<String>),
}

impl Command {
    /// ProxyJump wins if both are set (readconf.c takes the first; `ssh -G` prints only the one in
    /// effect).
    pub(super) fn of(config: &SshConfig) -> Self {
        match (&config.endpoint.proxy_jump, &config.endpoint.proxy_command) {
            (Some(jump), _) => Self::Jump(jump_arguments(jump, config)),
            (None, command) => Self::Shell(command.clone().unwrap_or_default()),
        }
    }

    /// The option, and its program or host without arguments.
    fn name(&self) -> (&'static str, String) {
        match self {
            Self::Shell(command) => {
                let program = command.split_whitespace().next().unwrap_or_default();
                ("ProxyCommand", sanitise(program))
            }
            Self::Jump(arguments) => {
                let jump = arguments.last().map_or("", String::as_str);
                ("ProxyJump", sanitise(jump.trim_start_matches("ssh://")))
            }
        }
    }

    /// Whether another endpoint would be another connection.
    pub(super) fn names_the_host(&self) -> bool {
        match self {
            Self::Shell(command) => command.replace("%%", "").contains("%h"),
            Self::Jump(_) => true,
        }
    }
}

/// `ssh -W` through the last host of the list, the hosts before it as its own jumps (ssh.c).
fn jump_arguments(jump: &str, config: &SshConfig) -> Vec<String> {
    let (before, last) = match jump.rsplit_once(',') {
        Some((before, last)) => (Some(before), last),
        None => (None, jump),
    };
    let mut arguments = Vec::new();
    arguments.extend(config.endpoint.address_family.map(|family| match family {
        AddressFamily::Inet => "-4".to_owned(),
        AddressFamily::Inet6 => "-6".to_owned(),
    }));
    if let Some(file) = &config.endpoint.named_file {
        arguments.extend(["-F".to_owned(), file.clone()]);
    }
    arguments.extend(before.map(|before| format!("-oProxyJump={before}")));
    arguments.extend(["-W".to_owned(), "[%h]:%p".to_owned(), "--".to_owned()]);
    // ssh takes `ssh://[user@]host[:port]` as a destination, so a port needs no option.
    arguments.push(if last.contains("://") {
        last.to_owned()
    } else {
        format!("ssh://{last}")
    });
    arguments
}

/// Starts the child for one endpoint and reads the server's version line through it.
pub(super) async fn connect(
    params: &SessionParams,
    command: &Command,
    endpoint: &Endpoint,
) -> Result<Connected, Error> {
    let failed = |error: std::io::Error| Error::Local(format!("cannot start the proxy: {error}"));
    let mut child = match command {
        Command::Shell(text) => {
            let expanded = expand(text, params, endpoint)?;
            tracing::info!("Executing proxy command: exec {expanded}");
            shell(params, &expanded)
        }
        Command::Jump(arguments) => {
            let ssh = crate::transport::system_ssh::find(&params.context).ok_or_else(|| {
                Error::Local("ProxyJump needs the system's ssh, which is not installed".to_owned())
            })?;
            let mut child = params.context.command(ssh);
            for argument in arguments {
                child.arg(match argument.as_str() {
                    "[%h]:%p" => format!("[{}]:{}", endpoint.address.host, endpoint.address.port),
                    other => other.to_owned(),
                });
            }
            child
        }
    };
    child.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = tokio::process::Command::from(child)
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(Error::Local("the proxy has no pipes".to_owned()));
    };
    let mut stream = Stream::new(Carrier::Proxy {
        child: Box::new(child),
        input,
        output,
    });
    match version::exchange(&mut stream, version_timeout(&params.config)).await {
        Ok(version) => Ok(Connected {
            endpoint: endpoint.clone(),
            stream,
            version,
            address: None,
        }),
        Err(why) => {
            let failed = match failure(stream).await {
                Some(status) if !params.as_ssh => {
                    let (option, program) = command.name();
                    Some(Error::Proxy {
                        option,
                        program,
                        status,
                    })
                }
                _ => None,
            };
            Err(failed.unwrap_or(Error::Identification {
                why,
                peer: Peer(None),
            }))
        }
    }
}

/// How long a proxy that has closed its pipes may take to end.
const TO_END: Duration = Duration::from_secs(1);

/// How the proxy ended. `None`: without a failure, or not at all.
async fn failure(stream: Stream) -> Option<String> {
    let Carrier::Proxy {
        mut child,
        input,
        output,
    } = stream.carrier
    else {
        return None;
    };
    drop((input, output));
    let ended = tokio::time::timeout(TO_END, child.wait()).await;
    let status = ended.ok()?.ok()?;
    // A signal is ours, or of closed pipes.
    match status.code()? {
        0 => None,
        127 => Some("exit status 127 (command not found)".to_owned()),
        code => Some(format!("exit status {code}")),
    }
}

/// The user's shell, as ssh(1) runs it.
#[cfg(unix)]
fn shell(params: &SessionParams, command: &str) -> std::process::Command {
    let shell = params
        .context
        .environment
        .text("SHELL")
        .unwrap_or("/bin/sh");
    let mut child = params.context.command(shell);
    child.arg("-c").arg(format!("exec {command}"));
    child
}

#[cfg(windows)]
fn shell(params: &SessionParams, command: &str) -> std::process::Command {
    use std::os::windows::process::CommandExt as _;
    let shell = params
        .context
        .environment
        .text("COMSPEC")
        .unwrap_or("cmd.exe");
    let mut child = params.context.command(shell);
    child.raw_arg("/c ").raw_arg(command);
    child
}

/// ssh_config(5) TOKENS of ProxyCommand: `%%`, `%h`, `%n`, `%p`, `%r`. Names have passed
/// OpenSSH's check for the command line, so a shell cannot misread them.
fn expand(command: &str, params: &SessionParams, endpoint: &Endpoint) -> Result<String, Error> {
    let mut expanded = String::with_capacity(command.len() + 32);
    let mut rest = command.chars();
    while let Some(character) = rest.next() {
        if character != '%' {
            expanded.push(character);
            continue;
        }
        match rest.next() {
            Some('%') => expanded.push('%'),
            Some('h') => expanded.push_str(&endpoint.address.host),
            Some('n') => expanded.push_str(&params.route.typed_host),
            Some('p') => expanded.push_str(&endpoint.address.port.to_string()),
            Some('r') => expanded.push_str(&params.route.user),
            other => {
                let token = other.map(String::from).unwrap_or_default();
                return Err(Error::Local(format!(
                    "ProxyCommand: the token %{token} is not supported"
                )));
            }
        }
    }
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_ssh_with_w_through_the_last_host() {
        for (jump, expected, why) in [
            (
                "jump",
                &["-W", "[%h]:%p", "--", "ssh://jump"][..],
                "one host",
            ),
            (
                "me@jump:2200",
                &["-W", "[%h]:%p", "--", "ssh://me@jump:2200"],
                "user and port stay with it",
            ),
            (
                "a,b,ssh://c:1",
                &["-oProxyJump=a,b", "-W", "[%h]:%p", "--", "ssh://c:1"],
                "hosts before the last are its own jumps",
            ),
        ] {
            assert_eq!(
                jump_arguments(jump, &SshConfig::default()),
                expected,
                "{why}"
            );
        }
    }

    #[test]
    fn only_a_command_that_names_the_host_is_tried_for_each_endpoint() {
        for (command, expected, why) in [
            ("nc %h %p", true, "names it"),
            ("cat socket", false, "always the same"),
            ("echo %%h", false, "a literal per cent sign"),
        ] {
            assert_eq!(
                Command::Shell(command.to_owned()).names_the_host(),
                expected,
                "{why}"
            );
        }
    }
}
