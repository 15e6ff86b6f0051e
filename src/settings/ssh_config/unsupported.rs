//! Which directives ask for something that only the system's ssh carries. Pure, but for a look at
//! the socket that ControlPath names.

use std::path::Path;

use super::ssh_g::Directives;
use super::tokens::Tokens;
use crate::ssh_command::options::{ConfigOption, OPTIONS};

/// The first directive that only the system's ssh carries, whatever the host.
pub fn needs_system_ssh(directives: &Directives) -> Option<String> {
    first(directives, ConfigOption::needs_system_ssh).map(str::to_owned)
}

/// The first directive that asks for more than the native transport does for one command.
pub fn beyond_a_command(directives: &Directives, tokens: &Tokens<'_>) -> Option<String> {
    let local = directives.one("permitlocalcommand") == Some("yes")
        && directives.some("localcommand").is_some();
    first(directives, ConfigOption::exceeds_a_command)
        .or_else(|| local.then_some("LocalCommand"))
        .or_else(|| (directives.one("proxycommand") == Some("-")).then_some("ProxyCommand"))
        .or_else(|| old_algorithms(directives))
        .or_else(|| has_a_master(directives, tokens).then_some("ControlPath"))
        .map(str::to_owned)
}

/// A list that asks for DSA, or for RSA with SHA-1 alone: the native transport has neither, OpenSSH
/// only where a list names them.
fn old_algorithms(directives: &Directives) -> Option<&'static str> {
    let list = |key: &str| directives.one(key).unwrap_or_default().split(',');
    let dsa = |key: &str| list(key).any(|name| name.starts_with("ssh-dss"));
    let rsa = |prefix: &str| list("pubkeyacceptedalgorithms").any(|name| name.starts_with(prefix));
    if dsa("hostkeyalgorithms") {
        return Some("HostKeyAlgorithms");
    }
    let sha1_alone = rsa("ssh-rsa") && !rsa("rsa-sha2-");
    (dsa("pubkeyacceptedalgorithms") || sha1_alone).then_some("PubkeyAcceptedAlgorithms")
}

/// A connection is shared already: ssh(1) would use it.
fn has_a_master(directives: &Directives, tokens: &Tokens<'_>) -> bool {
    directives
        .some("controlpath")
        .is_some_and(|path| is_socket(&tokens.path(path)))
}

#[cfg(unix)]
fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    std::fs::metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

/// OpenSSH shares no connections on Windows.
#[cfg(windows)]
fn is_socket(_path: &Path) -> bool {
    false
}

fn first(directives: &Directives, asks: fn(&ConfigOption, &str) -> bool) -> Option<&'static str> {
    let is_set = |option: &&ConfigOption| {
        let value = directives.one(&option.name.to_ascii_lowercase());
        value.is_some_and(|value| asks(option, value))
    };
    OPTIONS.iter().find(is_set).map(|option| option.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::git_config::fixture::Home;

    #[cfg(unix)]
    #[test]
    fn what_a_session_does_not_do_is_named() {
        let home = Home::new();
        let _master =
            std::os::unix::net::UnixListener::bind(home.path().join("h")).expect("a socket");
        let tokens = Tokens {
            context: &home.context(),
            host: "h.example".to_owned(),
            typed: "h".to_owned(),
            port: 22,
            user: None,
            alias: None,
            jump: String::new(),
        };
        for (printed, expected, why) in [
            ("", None, "nothing directives"),
            ("forwardagent no", None, "taken back"),
            ("forwardagent yes", Some("ForwardAgent"), "-A"),
            (
                "forwardagent /run/agent",
                Some("ForwardAgent"),
                "another agent",
            ),
            ("localforward 1 [h]:2", Some("LocalForward"), "a forwarding"),
            ("permitlocalcommand yes", None, "no command"),
            ("localcommand echo", None, "not permitted"),
            (
                "localcommand echo\npermitlocalcommand yes",
                Some("LocalCommand"),
                "a command of this machine's",
            ),
            ("requesttty auto", None, "ssh's own way"),
            ("requesttty force", Some("RequestTTY"), "-tt"),
            ("gssapiauthentication yes", None, "Debian's default"),
            (
                "controlmaster auto",
                None,
                "another connection serves as well",
            ),
            ("controlpath ~/none", None, "nobody shares one"),
            ("controlpath ~/%n", Some("ControlPath"), "a master's socket"),
            (
                "proxycommand -",
                Some("ProxyCommand"),
                "stdin is the connection",
            ),
            (
                "hostkeyalgorithms rsa-sha2-256,ssh-rsa",
                None,
                "SHA-1 as well",
            ),
            (
                "hostkeyalgorithms ssh-ed25519,ssh-dss",
                Some("HostKeyAlgorithms"),
                "a DSA host",
            ),
            (
                "pubkeyacceptedalgorithms rsa-sha2-512,ssh-rsa",
                None,
                "SHA-1 as well",
            ),
            (
                "pubkeyacceptedalgorithms ssh-rsa,ssh-ed25519",
                Some("PubkeyAcceptedAlgorithms"),
                "SHA-1 alone",
            ),
            (
                "pubkeyacceptedalgorithms ssh-dss",
                Some("PubkeyAcceptedAlgorithms"),
                "a DSA key",
            ),
        ] {
            let directives = Directives::parse(printed);
            let found = beyond_a_command(&directives, &tokens);
            assert_eq!(found.as_deref(), expected, "{why}");
            assert_eq!(needs_system_ssh(&directives), None, "{why}");
        }
    }
}
