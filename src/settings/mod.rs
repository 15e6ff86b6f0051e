//! Settings from git config and ssh_config, each value with its origin.
//!
//! Reads configuration and asks no one. Writes only where git's system file is, as git itself says,
//! into the state directory. Uses `repository`, `ssh_command` and the base modules.

mod error;
pub mod git_config;
pub mod keys;
mod repository_policy;
mod resolve;
mod sites;
pub mod ssh_config;
mod url_match;
mod values;

pub use url_match::is_exactly;
pub use values::{age, check_account, key_type, lifetime};

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;

use crate::text::sanitise;

pub use error::Error;
pub use git_config::{GitConfig, HttpSettings};
pub use ssh_config::{
    AlgorithmConfig, AuthenticationConfig, EndpointConfig, HostKeyConfig, IdentityConfig,
    SessionConfig, SshConfig, StrictHostKeyChecking, UnsupportedDirectives,
};

/// The file a value of git config may come from, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The machine's file.
    System,
    /// The user's files.
    Global,
    /// The repository's file.
    Local,
    /// The worktree's file.
    Worktree,
}

impl Scope {
    /// git's name for it (config.c, `config_scope_name`).
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Global => "global",
            Self::Local => "local",
            Self::Worktree => "worktree",
        }
    }
}

/// Where a value is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An option of this call, as typed.
    CommandLine(String),
    /// A variable, by name.
    Environment(&'static str),
    /// git config.
    GitConfig {
        /// Its scope.
        scope: Scope,
        /// Its file; `None` where git config has none.
        file: Option<PathBuf>,
        /// The line in the file, counted from 1; `None` where no one value is meant.
        line: Option<NonZeroU32>,
        /// The whole key as written: `bitbucket.https://bitbucket.org/acme.account`.
        key: String,
    },
    /// ssh_config: the line, where it was found. (`ssh -G` prints neither file nor line.)
    SshConfig(Option<FileLine>),
    /// Not set.
    Default,
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLine {
    /// The file.
    pub file: PathBuf,
    /// Counted from 1.
    pub line: NonZeroU32,
}

/// A value and where it is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it is set.
    pub origin: Origin,
}

impl<T> Sourced<T> {
    /// A value with its origin.
    pub fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }
}

/// What one level of configuration sets for the identity. Empty: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdentitySettings {
    /// `identityFile`, `~` resolved, in file order.
    pub identity_files: Vec<Sourced<PathBuf>>,
    /// `account`, in file order.
    pub accounts: Vec<Sourced<String>>,
}

impl IdentitySettings {
    /// Whether it sets nothing.
    pub fn is_empty(&self) -> bool {
        self.identity_files.is_empty() && self.accounts.is_empty()
    }
}

/// `bitbucket.provision`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provision {
    /// A missing key is created.
    Auto,
    /// A missing key is created after a question.
    Ask,
    /// No key is created.
    Never,
}

/// `bitbucket.keyType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// The default.
    Ed25519,
    /// NIST P-256.
    Ecdsa,
    /// RSA of that many bits.
    Rsa(u32),
}

/// `bitbucket.passphrase`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassphraseStore {
    /// Keyring where there is one, else ask on a terminal, else none with a notice.
    Auto,
    /// Random, kept in the system's keyring.
    Keyring,
    /// Asked for.
    Ask,
    /// No passphrase.
    None,
}

/// `bitbucket.transport`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportKind {
    /// russh.
    Native,
    /// The system's ssh.
    OpenSsh,
}

/// `bitbucket.otherHosts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherHosts {
    /// The system's ssh.
    System,
    /// The native transport.
    Native,
}

/// `bitbucket.hooks.author`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorCheck {
    /// A warning on stderr.
    Warn,
    /// The push is refused.
    Refuse,
    /// No check.
    Off,
}

/// A setting that does not count, and why: shown by `status` and `-v`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// Where it is set.
    pub origin: Origin,
    /// Its value as written.
    pub value: String,
    /// One clause without a full stop.
    pub why: String,
}

impl std::fmt::Display for Ignored {
    /// In git's words, with file and line.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = sanitise(&self.value);
        let (file, line, key) = match &self.origin {
            Origin::GitConfig {
                file, line, key, ..
            } => (file, line, key),
            Origin::CommandLine(option) => {
                return write!(
                    f,
                    "bad value '{value}' for {}: {}",
                    sanitise(option),
                    self.why
                );
            }
            Origin::Environment(variable) => {
                return write!(f, "bad value '{value}' for {variable}: {}", self.why);
            }
            _ => return write!(f, "bad value '{value}': {}", self.why),
        };
        write!(f, "bad config value '{value}'")?;
        write!(f, " for '{}'", sanitise(key))?;
        if let Some(file) = file {
            write!(f, " in file {}", file.display())?;
        }
        match line {
            Some(line) => write!(f, " at line {line}"),
            None => Ok(()),
        }
    }
}

/// The settings of git config for one repository (or for a site, where no repository is meant).
#[derive(Debug, Clone)]
pub struct Settings {
    /// The requested repository's own configuration.
    pub repository: IdentitySettings,
    /// The most specific URL with a value.
    pub by_url: IdentitySettings,
    /// Without a URL, from the user's files, else the machine's.
    pub plain: IdentitySettings,
    /// `bitbucket.provision`, after the rules for `CI` and for the kind of site.
    pub provision: Sourced<Provision>,
    /// `bitbucket.keyType`.
    pub key_type: Sourced<KeyType>,
    /// `bitbucket.keyLifetime`, in days. `None`: keys do not expire.
    pub key_lifetime: Option<Sourced<u32>>,
    /// `bitbucket.passphrase`.
    pub passphrase: Sourced<PassphraseStore>,
    /// `bitbucket.transport`.
    pub transport: Sourced<TransportKind>,
    /// `bitbucket.hooks.author`.
    pub author_check: Sourced<AuthorCheck>,
    /// What was found and does not count.
    pub ignored: Vec<Ignored>,
    /// Values of the user's files that their setting cannot have, by its name: an error wherever
    /// the setting is needed, as for git. They are in `ignored` as well.
    pub invalid: BTreeMap<&'static str, Ignored>,
}

/// Settings that every call to a site needs: which identity, and which transport.
const NEEDED_BY_CALLS: [&str; 3] = ["account", "identityFile", "transport"];

impl Settings {
    /// The invalid value because of which every call for the repository fails. `None`: all settings
    /// that a call needs are valid.
    pub fn invalid_for_call(&self) -> Option<&Ignored> {
        NEEDED_BY_CALLS
            .iter()
            .find_map(|name| self.invalid.get(name))
    }

    /// The invalid setting because of which no key is created. `None`: keys are created as
    /// configured.
    pub fn provision_blocker(&self) -> Option<&Ignored> {
        if self.provision.value != Provision::Never {
            return None;
        }
        self.ignored
            .iter()
            .find(|ignored| ignored.origin == self.provision.origin)
    }
}
