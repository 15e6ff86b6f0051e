//! From what was directives to typed wishes. Pure but for the tokens' names.

use std::path::PathBuf;
use std::time::Duration;

use super::directives::Directives;
use super::tokens::Tokens;
use super::unsupported;
use crate::context::Context;
use crate::settings::{
    AlgorithmConfig, AuthenticationConfig, EndpointConfig, HostKeyConfig, IdentityConfig,
    SessionConfig, SshConfig, StrictHostKeyChecking, UnsupportedDirectives,
};
use crate::ssh_command::{AddressFamily, Request};

/// Directives that are honoured, or that `ssh -G` prints for every host; all others that were
/// directives are named as ignored.
const HONOURED: [&str; 44] = [
    "addkeystoagent",
    "addressfamily",
    "batchmode",
    "bindaddress",
    "canonicalizehostname",
    "certificatefile",
    "ciphers",
    "compression",
    "connectionattempts",
    "connecttimeout",
    "globalknownhostsfile",
    "hashknownhosts",
    "host",
    "hostkeyalgorithms",
    "hostkeyalias",
    "hostname",
    "identitiesonly",
    "identityagent",
    "identityfile",
    "ignoreunknown",
    "kbdinteractiveauthentication",
    "kexalgorithms",
    "knownhostscommand",
    "loglevel",
    "macs",
    "numberofpasswordprompts",
    "passwordauthentication",
    "pkcs11provider",
    "port",
    "preferredauthentications",
    "proxycommand",
    "proxyjump",
    "proxyusefdpass",
    "pubkeyacceptedalgorithms",
    "pubkeyauthentication",
    "rekeylimit",
    "revokedhostkeys",
    "securitykeyprovider",
    "sendenv",
    "serveralivecountmax",
    "serveraliveinterval",
    "setenv",
    "stricthostkeychecking",
    "user",
];

/// Also honoured; longer names would not fit the table's rhythm.
const ALSO_HONOURED: [&str; 2] = ["updatehostkeys", "userknownhostsfile"];

/// Typed wishes for the host of `request`.
pub fn config(directives: &Directives, request: &Request, context: &Context) -> SshConfig {
    let typed = request.host.as_str();
    let names_host = request.options.iter().any(|(key, _)| key == "hostname");
    let host_name = directives
        .one("hostname")
        .filter(|name| names_host || !name.eq_ignore_ascii_case(typed))
        .map(str::to_owned);
    let port = directives.one("port").and_then(|port| port.parse().ok());
    let alias = directives.some("hostkeyalias").map(str::to_owned);
    let user = directives.one("user").map(str::to_owned);
    let tokens = Tokens {
        context,
        host: host_name
            .clone()
            .unwrap_or_else(|| typed.to_ascii_lowercase()),
        typed: typed.to_owned(),
        port: port.unwrap_or(22),
        user: user.clone(),
        alias: alias.clone(),
        jump: directives.some("proxyjump").unwrap_or_default().to_owned(),
    };
    let flag = |key: &str| {
        directives
            .one(key)
            .map(|value| matches!(value, "yes" | "true"))
    };
    let number = |key: &str| {
        directives
            .one(key)
            .and_then(|value| value.parse::<u32>().ok())
    };
    let seconds = |key: &str| number(key).map(|seconds| Duration::from_secs(seconds.into()));
    let list = |key: &str| {
        let value = directives.some(key)?;
        Some(value.split(',').map(str::to_owned).collect::<Vec<_>>())
    };
    let files = |key: &str| directives.one(key).map(|value| paths(value, &tokens));
    let text = |key: &str| directives.some(key).map(str::to_owned);
    let identity_files = directives
        .all("identityfile")
        .iter()
        .filter(|file| !matches!(file.as_str(), "/dev/null" | "none"))
        .map(|file| tokens.path(file))
        .collect();
    SshConfig {
        endpoint: EndpointConfig {
            is_alias: host_name.is_some() && !names_host,
            host_name,
            port,
            user,
            address_family: match directives.one("addressfamily") {
                Some("inet") => Some(AddressFamily::Inet),
                Some("inet6") => Some(AddressFamily::Inet6),
                _ => None,
            },
            bind_address: text("bindaddress"),
            connect_timeout: seconds("connecttimeout"),
            connection_attempts: number("connectionattempts"),
            proxy_command: text("proxycommand"),
            proxy_jump: text("proxyjump"),
            named_file: named_file(request),
        },
        identities: IdentityConfig {
            identity_files,
            command_line_identity_files: command_line_files(request, &tokens),
            identities_only: flag("identitiesonly"),
            identity_agent: directives
                .one("identityagent")
                .map(|value| agent(value, &tokens)),
            certificate_files: directives
                .all("certificatefile")
                .iter()
                .map(|file| tokens.path(file))
                .collect(),
            add_keys_to_agent: text("addkeystoagent"),
        },
        authentication: AuthenticationConfig {
            pubkey_authentication: directives
                .one("pubkeyauthentication")
                .map(|value| !matches!(value, "false" | "no")),
            password_authentication: flag("passwordauthentication"),
            keyboard_interactive_authentication: flag("kbdinteractiveauthentication"),
            preferred_authentications: list("preferredauthentications"),
            number_of_password_prompts: number("numberofpasswordprompts"),
            batch_mode: flag("batchmode"),
        },
        host_keys: HostKeyConfig {
            host_key_alias: alias,
            user_known_hosts: files("userknownhostsfile"),
            global_known_hosts: files("globalknownhostsfile"),
            revoked_host_keys: directives
                .some("revokedhostkeys")
                .map(|file| tokens.path(file)),
            strict_host_key_checking: directives.one("stricthostkeychecking").and_then(strict),
            hash_known_hosts: flag("hashknownhosts"),
            update_host_keys: text("updatehostkeys"),
        },
        session: SessionConfig {
            server_alive_interval: seconds("serveraliveinterval"),
            server_alive_count_max: number("serveralivecountmax"),
            rekey_limit: directives.one("rekeylimit").and_then(rekey_limit),
            compression: flag("compression"),
            send_env: directives.all("sendenv").to_vec(),
            set_env: set_env(directives),
        },
        algorithms: AlgorithmConfig {
            ciphers: list("ciphers"),
            kex_algorithms: list("kexalgorithms"),
            macs: list("macs"),
            host_key_algorithms: list("hostkeyalgorithms"),
            pubkey_accepted_algorithms: list("pubkeyacceptedalgorithms"),
        },
        unsupported: UnsupportedDirectives {
            needs_system_ssh: unsupported::needs_system_ssh(directives),
            beyond_a_command: unsupported::beyond_a_command(directives, &tokens),
            ignored: directives
                .keys()
                .filter(|key| !HONOURED.contains(key) && !ALSO_HONOURED.contains(key))
                .map(str::to_owned)
                .collect(),
            unread_file: None,
        },
        log_level: directives.one("loglevel").map(log_level),
    }
}

fn set_env(directives: &Directives) -> Vec<(String, String)> {
    let pairs = directives.all("setenv").iter();
    pairs
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn named_file(request: &Request) -> Option<String> {
    let file = request.config_file.as_ref()?;
    Some(file.to_string_lossy().into_owned())
}

fn command_line_files(request: &Request, tokens: &Tokens<'_>) -> Vec<PathBuf> {
    let files = request.identity_files.iter();
    files.map(|file| tokens.path(file)).collect()
}

/// Several paths in one line, which `ssh -G` prints without quotes: one ends where another begins.
fn paths(value: &str, tokens: &Tokens<'_>) -> Vec<PathBuf> {
    if value.eq_ignore_ascii_case("none") {
        return Vec::new();
    }
    let mut paths: Vec<String> = Vec::new();
    for word in value.split(' ') {
        match paths.last_mut() {
            Some(last) if !word.starts_with(['/', '~', '$', '%', '.']) => {
                last.push(' ');
                last.push_str(word);
            }
            _ => paths.push(word.to_owned()),
        }
    }
    paths.iter().map(|path| tokens.path(path)).collect()
}

/// `none`, `SSH_AUTH_SOCK`, `$VARIABLE`, or a path.
fn agent(value: &str, tokens: &Tokens<'_>) -> String {
    let is_variable = value.starts_with('$') && !value.starts_with("${");
    if is_variable || matches!(value, "none" | "SSH_AUTH_SOCK") {
        return value.to_owned();
    }
    tokens.path(value).to_string_lossy().into_owned()
}

/// `ssh -G` prints old names for two levels.
fn log_level(value: &str) -> String {
    match value {
        "SILENT" => "QUIET",
        "DEBUG1" => "DEBUG",
        value => value,
    }
    .to_owned()
}

fn strict(value: &str) -> Option<StrictHostKeyChecking> {
    Some(match value {
        "true" | "yes" => StrictHostKeyChecking::Yes,
        "false" | "no" | "off" => StrictHostKeyChecking::Off,
        "accept-new" => StrictHostKeyChecking::AcceptNew,
        "ask" => StrictHostKeyChecking::Ask,
        _ => return None,
    })
}

fn rekey_limit(value: &str) -> Option<(u64, Duration)> {
    let (bytes, seconds) = value.split_once(' ')?;
    Some((
        bytes.parse().ok()?,
        Duration::from_secs(seconds.parse().ok()?),
    ))
}
