//! From options as text to typed values. Pure but for the names of user and machine.

use std::path::PathBuf;
use std::time::Duration;

use super::ssh_g::Directives;
use super::tokens::Tokens;
use super::{
    AlgorithmConfig, AuthenticationConfig, EndpointConfig, HostKeyConfig, IdentityConfig,
    SessionConfig, SshConfig, StrictHostKeyChecking, UnsupportedDirectives, unsupported,
};
use crate::context::Context;
use crate::repository::SSH_PORT;
use crate::ssh_command::options::{self, Carrier};
use crate::ssh_command::{AddressFamily, Request};

/// HostName, where the command line or a file sets another one than the typed name.
fn host_name(directives: &Directives, request: &Request) -> Option<String> {
    let names_host = request.options.iter().any(|(key, _)| key == "hostname");
    let host_name = directives.one("hostname")?;
    let counts = names_host || !host_name.eq_ignore_ascii_case(&request.host);
    counts.then(|| host_name.to_owned())
}

fn port(directives: &Directives) -> Option<u16> {
    directives.one("port").and_then(|port| port.parse().ok())
}

/// What tokens mean for the host of `request`.
pub fn tokens<'a>(directives: &Directives, request: &Request, context: &'a Context) -> Tokens<'a> {
    let host = host_name(directives, request);
    Tokens {
        context,
        host: host.unwrap_or_else(|| request.host.to_ascii_lowercase()),
        typed: request.host.clone(),
        port: port(directives).unwrap_or(SSH_PORT),
        user: directives.one("user").map(str::to_owned),
        alias: directives.some("hostkeyalias").map(str::to_owned),
        jump: directives.some("proxyjump").unwrap_or_default().to_owned(),
    }
}

/// Typed values for the host of `request`.
pub fn config(directives: &Directives, request: &Request, context: &Context) -> SshConfig {
    let names_host = request.options.iter().any(|(key, _)| key == "hostname");
    let host_name = host_name(directives, request);
    let values = Values {
        directives,
        tokens: tokens(directives, request, context),
    };
    SshConfig {
        endpoint: EndpointConfig {
            is_alias: host_name.is_some() && !names_host,
            host_name,
            port: port(directives),
            named_file: request
                .config_file
                .as_ref()
                .map(|file| file.to_string_lossy().into_owned()),
            ..values.endpoint()
        },
        identities: IdentityConfig {
            command_line_identity_files: values.paths(&request.identity_files),
            files_of_i: values.paths(&request.files_of_i),
            ..values.identities()
        },
        authentication: values.authentication(),
        host_keys: values.host_keys(),
        session: values.session(),
        algorithms: values.algorithms(),
        unsupported: values.unsupported(),
        log_level: directives.one("loglevel").map(log_level),
    }
}

/// Options, and what their tokens mean.
struct Values<'a> {
    directives: &'a Directives,
    tokens: Tokens<'a>,
}

impl Values<'_> {
    fn endpoint(&self) -> EndpointConfig {
        EndpointConfig {
            user: self.tokens.user.clone(),
            address_family: match self.directives.one("addressfamily") {
                Some("inet") => Some(AddressFamily::Inet),
                Some("inet6") => Some(AddressFamily::Inet6),
                _ => None,
            },
            bind_address: self.text("bindaddress"),
            connect_timeout: self.seconds("connecttimeout"),
            connection_attempts: self.number("connectionattempts"),
            proxy_command: self.text("proxycommand"),
            proxy_jump: self.text("proxyjump"),
            ..EndpointConfig::default()
        }
    }

    fn identities(&self) -> IdentityConfig {
        // "/dev/null" is what `ssh -G` was given in the place of its defaults.
        let set = self.directives.all("identityfile").iter();
        let set = set.filter(|file| *file != "/dev/null");
        let files = set.clone().filter(|file| *file != "none");
        let agent = self.directives.one("identityagent");
        IdentityConfig {
            identity_files: self.paths(files),
            names_identity_files: set.count() > 0,
            identities_only: self.flag("identitiesonly"),
            identity_agent: agent.map(|value| agent_socket(value, &self.tokens)),
            certificate_files: self.paths(self.directives.all("certificatefile")),
            add_keys_to_agent: self.text("addkeystoagent"),
            ..IdentityConfig::default()
        }
    }

    fn authentication(&self) -> AuthenticationConfig {
        let pubkey = self.directives.one("pubkeyauthentication");
        AuthenticationConfig {
            pubkey_authentication: pubkey.map(|value| !matches!(value, "false" | "no")),
            password_authentication: self.flag("passwordauthentication"),
            keyboard_interactive_authentication: self.flag("kbdinteractiveauthentication"),
            preferred_authentications: self.list("preferredauthentications"),
            number_of_password_prompts: self.number("numberofpasswordprompts"),
            batch_mode: self.flag("batchmode"),
        }
    }

    fn host_keys(&self) -> HostKeyConfig {
        let files = |key: &str| {
            let value = self.directives.one(key);
            value.map(|value| paths(value, &self.tokens))
        };
        let revoked = self.directives.some("revokedhostkeys");
        let checking = self.directives.one("stricthostkeychecking");
        HostKeyConfig {
            host_key_alias: self.tokens.alias.clone(),
            user_known_hosts: files("userknownhostsfile"),
            global_known_hosts: files("globalknownhostsfile"),
            revoked_host_keys: revoked.map(|file| self.tokens.path(file)),
            strict_host_key_checking: checking.and_then(strict),
            hash_known_hosts: self.flag("hashknownhosts"),
            update_host_keys: self.text("updatehostkeys"),
        }
    }

    fn session(&self) -> SessionConfig {
        let pairs = self.directives.all("setenv").iter();
        let pairs = pairs.filter_map(|pair| pair.split_once('='));
        SessionConfig {
            server_alive_interval: self.seconds("serveraliveinterval"),
            server_alive_count_max: self.number("serveralivecountmax"),
            rekey_limit: self.directives.one("rekeylimit").and_then(rekey_limit),
            compression: self.flag("compression"),
            send_env: self.directives.all("sendenv").to_vec(),
            set_env: pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    fn algorithms(&self) -> AlgorithmConfig {
        AlgorithmConfig {
            ciphers: self.list("ciphers"),
            kex_algorithms: self.list("kexalgorithms"),
            macs: self.list("macs"),
            host_key_algorithms: self.list("hostkeyalgorithms"),
            pubkey_accepted_algorithms: self.list("pubkeyacceptedalgorithms"),
        }
    }

    fn unsupported(&self) -> UnsupportedDirectives {
        let is_ignored = |key: &&str| {
            let carrier = options::find(key).map(|option| option.carrier);
            *key != "host" && !matches!(carrier, Some(Carrier::Native | Carrier::System(_)))
        };
        let ignored = self.directives.keys().filter(is_ignored);
        UnsupportedDirectives {
            needs_system_ssh: unsupported::needs_system_ssh(self.directives),
            beyond_a_command: unsupported::beyond_a_command(self.directives, &self.tokens),
            ignored: ignored.map(str::to_owned).collect(),
            unread_file: None,
        }
    }

    fn flag(&self, key: &str) -> Option<bool> {
        let value = self.directives.one(key)?;
        Some(matches!(value, "yes" | "true"))
    }

    fn number(&self, key: &str) -> Option<u32> {
        self.directives.one(key)?.parse().ok()
    }

    fn seconds(&self, key: &str) -> Option<Duration> {
        Some(Duration::from_secs(self.number(key)?.into()))
    }

    fn text(&self, key: &str) -> Option<String> {
        self.directives.some(key).map(str::to_owned)
    }

    fn list(&self, key: &str) -> Option<Vec<String>> {
        let value = self.directives.some(key)?;
        Some(value.split(',').map(str::to_owned).collect())
    }

    fn paths<'t>(&self, texts: impl IntoIterator<Item = &'t String>) -> Vec<PathBuf> {
        let texts = texts.into_iter();
        texts.map(|text| self.tokens.path(text)).collect()
    }
}

/// Several paths in one line, which `ssh -G` prints without quotes: one ends where the next begins.
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
fn agent_socket(value: &str, tokens: &Tokens<'_>) -> String {
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
