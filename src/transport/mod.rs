//! The SSH session: endpoint, handshake, authentication, channel; or the hand-over to the system's
//! ssh.
//!
//! Knows nothing about REST, provisioning or settings files: it is given values. Besides
//! `identity::{agent, key_file, signer}` the only module that imports russh.

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

use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::identity::Identity;
use crate::prompt::Prompt;
use crate::repository::{Service, SshHost};
use crate::secret::Secret;
use crate::settings::SshConfig;

pub use algorithms::none_supported;
pub use error::{Damage, Error, Peer};
pub use native::{Reached, Search, find_endpoint, run};
pub use server_key::known_hosts_files;
pub use stdio::{Streams, replay};

/// One session with a server.
pub struct Session<'a> {
    /// Where to connect to.
    pub route: Route,
    /// The user's ssh_config for the host.
    pub config: &'a SshConfig,
    /// The captured process environment, for paths and children (ProxyCommand).
    pub context: &'a Context,
    /// Offered in this order, on one connection.
    pub identities: Vec<Identity>,
    /// The session behaves as ssh(1) does, because the host belongs to no site: `none`, passwords
    /// and keyboard-interactive are tried as PreferredAuthentications has it, and a connection that
    /// ends early is not tried again.
    pub as_ssh: bool,
    /// What to run.
    pub exec: ExecRequest,
    /// Asks the person at the terminal.
    pub prompt: &'a dyn Prompt,
    /// The stored passphrase of a key file this program created. `None`: a person has to be asked.
    pub passphrase: &'a dyn Fn(&Path) -> Option<Secret>,
}

/// Where to connect to, and as whom.
#[derive(Debug, Clone)]
pub struct Route {
    /// Tried in this order: the next one when one has failed, or has sent no version line for two
    /// seconds. Never empty.
    pub endpoints: Vec<Endpoint>,
    /// The user to log in as.
    pub user: String,
    /// The host as typed, for messages and `%n` of a proxy command.
    pub typed_host: String,
    /// Host keys a site is known by besides known_hosts (`SHA256:…`): Data Center's fingerprint
    /// as read over HTTPS.
    pub site_fingerprints: Vec<String>,
}

/// What to run on the server. By default a shell, of which nothing is expected.
#[derive(Debug, Clone)]
pub struct ExecRequest {
    /// The remote command; `None` asks for a shell.
    pub command: Option<Vec<u8>>,
    /// Which service it is. If it [can be retried](Service::can_be_retried), a denial of the
    /// repository is held back and reported as [`Outcome::RepositoryDenied`]; otherwise everything
    /// is passed on.
    pub service: Service,
    /// Variables to send, name and value, already selected by SendEnv and SetEnv.
    pub environment: Vec<(String, String)>,
}

impl Default for ExecRequest {
    fn default() -> Self {
        Self {
            command: None,
            service: Service::Other,
            environment: Vec::new(),
        }
    }
}

/// A host and port to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Host and port.
    pub address: SshHost,
    /// It is one of Bitbucket Cloud's three names, whose host keys are published.
    pub published: bool,
}

/// The exit status of the remote command, as ssh(1) reports it: 0–255.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitStatus(pub u8);

/// How a session ended.
#[derive(Debug)]
pub enum Outcome {
    /// An identity was accepted and the command ran; its output went to git.
    Completed {
        /// The remote status.
        status: ExitStatus,
        /// The identity that was accepted.
        identity: Identity,
        /// The endpoint that answered.
        endpoint: Endpoint,
    },
    /// Accepted without a key, by a password or by `none`, and the command ran. Only with
    /// [`Session::as_ssh`].
    CompletedWithoutKey {
        /// The remote status.
        status: ExitStatus,
    },
    /// Every identity was refused on a connection that was still open, or there was none that the
    /// server would accept.
    AuthenticationFailed(Refusal),
    /// Authenticated, but without access to the repository; no byte of git's was read or written.
    RepositoryDenied {
        /// The identity that was accepted.
        identity: Identity,
        /// The channel's stderr, byte for byte.
        stderr: Vec<u8>,
        /// A first packet `ERR` on stdout, byte for byte; empty otherwise.
        stdout: Vec<u8>,
        /// The remote status.
        status: ExitStatus,
        /// The endpoint that answered.
        endpoint: Endpoint,
    },
}

/// A refused authentication.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The fingerprints that were offered, with their files.
    pub offered: Vec<(Option<String>, Option<PathBuf>)>,
    /// Methods the server would still accept (`publickey`, `password`, …).
    pub methods: Vec<String>,
    /// Keys that could not be used (wrong passphrase, unreadable, agent refused), each as a sentence.
    pub unusable: Vec<String>,
    /// A key among those that ssh(1) may be able to use. Only where one is installed.
    pub for_ssh: Option<Box<ForSsh>>,
    /// The endpoint that answered.
    pub endpoint: Endpoint,
    /// The user name that was refused.
    pub user: String,
}

/// A key that the native transport cannot use and the system's ssh may: its file has a form that
/// only OpenSSH reads, the agent wants to know the host (`ssh-add -h`), or it is on a security key.
#[derive(Debug, Clone)]
pub struct ForSsh {
    /// The key.
    pub identity: Identity,
    /// Why it cannot be used here.
    pub why: String,
    /// The server accepted its public half; then no other key was offered after it.
    pub accepted: bool,
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
