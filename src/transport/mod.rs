//! The session: endpoint, handshake, authentication, splice; or the hand-over to the system's ssh.
//!
//! Knows nothing of REST, provisioning or settings files: it gets values. Beside
//! `identity::{agent, signer}` the only room that imports russh.

pub mod denial;
pub mod system_ssh;

mod algorithms;
mod authentication;
mod channel;
mod client;
mod endpoint;
mod error;
mod handshake;
mod native;
mod prompt_bridge;
mod server_key;
mod session;
mod stdio;
mod update_host_keys;

use std::path::PathBuf;

use crate::identity::Identity;
use crate::prompt::Prompt;
use crate::repository::{Service, SshHost};
use crate::settings::SshConfig;

pub use algorithms::none_supported;
pub use error::{Damage, Error, Peer};
pub use native::{Reached, Search, find_endpoint, run, run_between};
pub use server_key::known_hosts_files;
pub use stdio::{Streams, replay};

/// Everything one connection needs.
pub struct Session<'a> {
    /// AttemptLog in order, staggered (interface section 3, "Endpoints"). Never empty.
    pub endpoints: Vec<Endpoint>,
    /// The user to log in as.
    pub user: String,
    /// The host as typed, for messages.
    pub typed_host: String,
    /// What the user's ssh_config says for the host.
    pub config: &'a SshConfig,
    /// Offered in this order, one connection.
    pub identities: Vec<Identity>,
    /// The remote command; `None` asks for a shell.
    pub command: Option<Vec<u8>>,
    /// What is asked. Where it [can be retried](Service::can_be_retried), a refusal of the
    /// repository is held back and reported as [`Outcome::RepositoryDenied`]; otherwise everything passes.
    pub service: Service,
    /// Variables to send, name and value, already chosen by SendEnv and SetEnv.
    pub environment: Vec<(String, String)>,
    /// stdin is the null device (`-n`).
    pub no_stdin: bool,
    /// Who can be asked.
    pub prompt: &'a dyn Prompt,
    /// For key files the program made: the passphrase from the keyring. `None` for a file means
    /// that a person has to be asked.
    pub passphrase: &'a dyn Fn(&std::path::Path) -> Option<crate::secret::Secret>,
    /// Host keys a site is known by besides known_hosts (`SHA256:…`): Data Center's fingerprint
    /// as read over HTTPS.
    pub site_fingerprints: Vec<String>,
    /// The call is ssh(1)'s own matter (a host of no site): `none`, passwords and
    /// keyboard-interactive are tried as PreferredAuthentications says, and a connection that ends
    /// early is not tried again.
    pub as_ssh: bool,
    /// The captured process surroundings, for paths and children (ProxyCommand).
    pub context: &'a crate::context::Context,
}

/// One place to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Host and port.
    pub address: SshHost,
    /// The published keys of Bitbucket Cloud speak for it (its three names).
    pub published: bool,
}

/// What the remote command ended with, in ssh's sense: 0–255.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitStatus(pub u8);

/// How a session ended.
#[derive(Debug)]
pub enum Outcome {
    /// An identity was let in and the command ran; git has had its bytes.
    Completed {
        /// The remote status.
        status: ExitStatus,
        /// The identity that was let in.
        identity: Identity,
        /// The endpoint that answered.
        endpoint: Endpoint,
    },
    /// Let in without any key, by a password or by nothing at all, and the command ran. Only
    /// where [`Session::as_ssh`].
    ServedWithoutKey {
        /// The remote status.
        status: ExitStatus,
    },
    /// Every identity was refused on a connection that was still open, or there was none to
    /// offer that the server takes.
    AuthenticationFailed(Refusal),
    /// Let in, then refused the repository, before a byte of git's was touched.
    RepositoryDenied {
        /// The identity that was let in.
        identity: Identity,
        /// The channel's stderr, as it came.
        stderr: Vec<u8>,
        /// A first packet `ERR` on stdout, whole, as it came; empty otherwise.
        stdout: Vec<u8>,
        /// The remote status.
        status: ExitStatus,
        /// The endpoint that answered.
        endpoint: Endpoint,
    },
}

/// A refused login.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The fingerprints that were offered, with their files.
    pub offered: Vec<(Option<String>, Option<PathBuf>)>,
    /// Methods the server would still take (`publickey`, `password`, …).
    pub methods: Vec<String>,
    /// Keys that could not be used (wrong passphrase, unreadable, agent refused), in words.
    pub unusable: Vec<String>,
    /// The endpoint that answered.
    pub endpoint: Endpoint,
    /// The user name that was refused.
    pub user: String,
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
