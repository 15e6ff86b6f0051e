//! ssh_config and the command line's `-o` options: what they set for one host.
//!
//! `ssh -G` is the one correct reader of that language and is asked where a config file exists;
//! without one the command line is read in process. Compiled-in defaults of the installed ssh do not
//! count. Asks no person; starts only the system's ssh.

mod command_line;
mod files;
mod interpret;
mod ssh_g;
mod tokens;
mod unsupported;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::context::Context;
use crate::settings::{Error, FileLine};
use crate::ssh_command::{AddressFamily, Request};

use files::Files;

pub use ssh_g::{Effective, effective};

/// `StrictHostKeyChecking`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StrictHostKeyChecking {
    /// Unknown keys are refused.
    Yes,
    /// Unknown keys are asked about.
    Ask,
    /// Unknown keys are learned, changed ones refused.
    AcceptNew,
    /// Unknown keys are learned, changed ones pass with a warning and without passwords.
    Off,
}

/// What the user's ssh_config and `-o` options set for one host. `None` or empty: not set
/// (compiled-in defaults of the installed ssh do not count).
#[derive(Debug, Clone, Default)]
pub struct SshConfig {
    /// Where to connect, as which user, and how.
    pub endpoint: EndpointConfig,
    /// Which keys and which agent.
    pub identities: IdentityConfig,
    /// Which authentication methods, and whether a person may be asked.
    pub authentication: AuthenticationConfig,
    /// Where known host keys are kept, and what happens with unknown ones.
    pub host_keys: HostKeyConfig,
    /// Keepalives, rekeying, compression and variables of one session.
    pub session: SessionConfig,
    /// Lists of algorithms in order of preference. `None`: the default list.
    pub algorithms: AlgorithmConfig,
    /// Directives that the native transport does not carry.
    pub unsupported: UnsupportedDirectives,
    /// `LogLevel` as written.
    pub log_level: Option<String>,
}

/// Where to connect, as which user, and how.
#[derive(Debug, Clone, Default)]
pub struct EndpointConfig {
    /// `HostName`.
    pub host_name: Option<String>,
    /// The typed host is an alias: ssh_config gives it another HostName.
    pub is_alias: bool,
    /// `Port`, `-p`.
    pub port: Option<u16>,
    /// `User`, `-l`, `user@`.
    pub user: Option<String>,
    /// `AddressFamily`, `-4`, `-6`. `None`: any.
    pub address_family: Option<AddressFamily>,
    /// `BindAddress`, `-b`.
    pub bind_address: Option<String>,
    /// `ConnectTimeout`, for each address.
    pub connect_timeout: Option<Duration>,
    /// `ConnectionAttempts`. `None`: 1.
    pub connection_attempts: Option<u32>,
    /// `ProxyCommand`, tokens not expanded (`%h %p` are the endpoint's).
    pub proxy_command: Option<String>,
    /// `ProxyJump`.
    pub proxy_jump: Option<String>,
    /// `-F`, for the ssh that carries ProxyJump. `None`: not given.
    pub named_file: Option<String>,
}

/// Which keys and which agent.
#[derive(Debug, Clone, Default)]
pub struct IdentityConfig {
    /// `IdentityFile` of ssh_config's files, tokens and `~` expanded, in order. The command line's
    /// are not among them.
    pub identity_files: Vec<PathBuf>,
    /// Where the files name these.
    pub identity_lines: Vec<(PathBuf, FileLine)>,
    /// IdentityFile is set, if only to `none`: ssh(1) does not take the default key files.
    pub names_identity_files: bool,
    /// `-i` and `-o IdentityFile`, expanded, in order. Empty: not given.
    pub command_line_identity_files: Vec<PathBuf>,
    /// Those of `-i`, which ssh(1) takes only if they exist.
    pub files_of_i: Vec<PathBuf>,
    /// `IdentitiesOnly`.
    pub identities_only: Option<bool>,
    /// `IdentityAgent`: a path, `none`, or `$VARIABLE`; expanded. `None`: `SSH_AUTH_SOCK`.
    pub identity_agent: Option<String>,
    /// `CertificateFile`, expanded.
    pub certificate_files: Vec<PathBuf>,
    /// `AddKeysToAgent` as written by `ssh -G` (`false`, `true`, `ask`, `confirm`, a time).
    pub add_keys_to_agent: Option<String>,
}

/// Which authentication methods, and whether a person may be asked.
#[derive(Debug, Clone, Default)]
pub struct AuthenticationConfig {
    /// `PubkeyAuthentication no` is `Some(false)`.
    pub pubkey_authentication: Option<bool>,
    /// `PasswordAuthentication`.
    pub password_authentication: Option<bool>,
    /// `KbdInteractiveAuthentication`.
    pub keyboard_interactive_authentication: Option<bool>,
    /// `PreferredAuthentications`.
    pub preferred_authentications: Option<Vec<String>>,
    /// `NumberOfPasswordPrompts`. `None`: 3.
    pub number_of_password_prompts: Option<u32>,
    /// `BatchMode`.
    pub batch_mode: Option<bool>,
}

/// Where known host keys are kept, and what happens with unknown ones.
#[derive(Debug, Clone, Default)]
pub struct HostKeyConfig {
    /// `HostKeyAlias`.
    pub host_key_alias: Option<String>,
    /// `UserKnownHostsFile`, expanded. `None`: `~/.ssh/known_hosts` and `known_hosts2`.
    pub user_known_hosts: Option<Vec<PathBuf>>,
    /// `GlobalKnownHostsFile`. `None`: `/etc/ssh/ssh_known_hosts` and `ssh_known_hosts2`.
    pub global_known_hosts: Option<Vec<PathBuf>>,
    /// `RevokedHostKeys`.
    pub revoked_host_keys: Option<PathBuf>,
    /// `StrictHostKeyChecking`. `None`: ask.
    pub strict_host_key_checking: Option<StrictHostKeyChecking>,
    /// `HashKnownHosts`.
    pub hash_known_hosts: Option<bool>,
    /// `UpdateHostKeys` (`false`, `true`); `ask` is `false`, because git asks for no terminal.
    pub update_host_keys: Option<String>,
}

/// Keepalives, rekeying, compression and variables of one session.
#[derive(Debug, Clone, Default)]
pub struct SessionConfig {
    /// `ServerAliveInterval`; zero: none.
    pub server_alive_interval: Option<Duration>,
    /// `ServerAliveCountMax`.
    pub server_alive_count_max: Option<u32>,
    /// `RekeyLimit`: bytes (0: default) and time (zero: none).
    pub rekey_limit: Option<(u64, Duration)>,
    /// `Compression`, `-C`.
    pub compression: Option<bool>,
    /// `SendEnv` patterns.
    pub send_env: Vec<String>,
    /// `SetEnv` pairs.
    pub set_env: Vec<(String, String)>,
}

/// Lists of algorithms in order of preference. `None`: the default list.
#[derive(Debug, Clone, Default)]
pub struct AlgorithmConfig {
    /// `Ciphers`, `-c`, expanded by `ssh -G`.
    pub ciphers: Option<Vec<String>>,
    /// `KexAlgorithms`.
    pub kex_algorithms: Option<Vec<String>>,
    /// `MACs`, `-m`.
    pub macs: Option<Vec<String>>,
    /// `HostKeyAlgorithms`.
    pub host_key_algorithms: Option<Vec<String>>,
    /// `PubkeyAcceptedAlgorithms`.
    pub pubkey_accepted_algorithms: Option<Vec<String>>,
}

/// Directives that the native transport does not carry.
#[derive(Debug, Clone, Default)]
pub struct UnsupportedDirectives {
    /// The directive that only the system's ssh carries whatever the host, if one is set.
    pub needs_system_ssh: Option<String>,
    /// The directive that asks for more than a command's session (forwardings, LocalCommand …), if
    /// one is set: it leads to the system's ssh for a host that is not Bitbucket.
    pub beyond_a_command: Option<String>,
    /// Directives that are set and ignored, for `-vv`.
    pub ignored: Vec<String>,
    /// A config file that was not read.
    pub unread_file: Option<UnreadFile>,
}

/// A config file that was not read, since there is no ssh that can be asked what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadFile {
    /// The file.
    pub file: PathBuf,
    /// Why the installed ssh cannot be asked. `None`: none is installed.
    pub why: Option<String>,
}

/// What the user's ssh_config, the machine's and the options of this call set for the host as it was
/// typed. `ssh`: the system's ssh, where one is installed; one that cannot be asked counts as none.
///
/// # Errors
///
/// ssh's own text for whatever it does not accept.
pub fn load(request: &Request, context: &Context, ssh: Option<&Path>) -> Result<SshConfig, Error> {
    let files = Files::of(request, context);
    let interpreted = |directives: &ssh_g::Directives| {
        let mut config = interpret::config(directives, request, context);
        let identities = &mut config.identities;
        if !identities.identity_files.is_empty() {
            let tokens = interpret::tokens(directives, request, context);
            identities.identity_lines = files.identity_lines(&tokens);
        }
        config
    };
    let typed = command_line::directives(request);
    if let (Files::None, Ok(directives)) = (&files, &typed) {
        return Ok(interpreted(directives));
    }
    let why = match ssh.map(|ssh| ssh_g::directives(request, context, ssh, &files)) {
        Some(Ok(directives)) => return Ok(interpreted(&directives)),
        Some(Err(error @ Error::SshNotAsked { .. })) => Some(error.to_string()),
        Some(Err(error)) => return Err(error),
        None => None,
    };
    match (typed, files.first()) {
        (Err(error), None) => Err(Error::SshConfig(error)),
        (typed, file) => {
            let mut config = interpret::config(&typed.unwrap_or_default(), request, context);
            let unread = file.map(Path::to_owned);
            config.unsupported.unread_file = unread.map(|file| UnreadFile { file, why });
            Ok(config)
        }
    }
}

#[cfg(test)]
mod tests;
