//! ssh-agent: listing its keys, signing with them, adding and removing single keys.
//!
//! Every exchange has a time limit, except a signature, for which the agent may ask its user. russh
//! speaks the protocol (draft-ietf-sshm-ssh-agent), except for adding a key, which russh does
//! without the comment that `ssh-add -l` shows.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::{AgentClient, AgentStream};
use ssh_key::{Certificate, HashAlg, PrivateKey, PublicKey};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use zeroize::Zeroizing;

use crate::context::Context;
use crate::identity::{Holder, Identity};
use crate::settings::SshConfig;

/// How long an agent may take for an answer for which it does not ask its user.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why the agent could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing listens there.
    #[error("cannot connect to the agent at {}: {why}", socket.display())]
    Unreachable {
        /// Its socket.
        socket: PathBuf,
        /// The system's words.
        why: String,
    },
    /// It accepted the connection and did not answer.
    #[error("the agent at {} does not answer", socket.display())]
    Silent {
        /// Its socket.
        socket: PathBuf,
    },
    /// It does not have the key, is locked, or its user declined.
    #[error("agent refused operation")]
    Refused,
    /// It does not follow the protocol.
    #[error("unexpected answer from the agent: {0}")]
    Protocol(String),
}

/// Where the agent listens: IdentityAgent (a path, `none`, `SSH_AUTH_SOCK`, or `$VARIABLE`), else
/// `SSH_AUTH_SOCK`. `None`: there is none, or none is to be used.
pub fn socket(config: &SshConfig, context: &Context) -> Option<PathBuf> {
    let variable = |name: &str| {
        context
            .environment
            .raw(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    match config.identities.identity_agent.as_deref() {
        None | Some("SSH_AUTH_SOCK") => {
            variable("SSH_AUTH_SOCK").or_else(|| default_pipe().map(PathBuf::from))
        }
        Some("none") => None,
        Some(text) => match text.strip_prefix('$') {
            Some(name) => variable(name.trim_start_matches('{').trim_end_matches('}')),
            None => Some(context.expand_home(text)),
        },
    }
}

/// Where the agent of OpenSSH for Windows listens, without any variable.
fn default_pipe() -> Option<&'static str> {
    cfg!(windows).then_some(r"\\.\pipe\openssh-ssh-agent")
}

/// The keys the agent has, in its order, each with its certificates. Waits 2 s at most.
pub fn identities(socket: &Path) -> Result<Vec<Identity>, Error> {
    run(socket, async {
        let mut agent = connect(socket).await?;
        Ok(grouped(
            agent.request_identities().await.map_err(protocol_error)?,
        ))
    })
}

/// Adds a key to the agent. Waits 2 s at most.
pub fn add(socket: &Path, entry: NewKey<'_>) -> Result<(), Error> {
    run(socket, entry.send(socket))
}

/// [`add`] inside a running session, without a time limit.
pub(crate) async fn add_to(socket: &Path, entry: NewKey<'_>) -> Result<(), Error> {
    entry.send(socket).await
}

/// Removes one key from the agent; one that it does not have is no error. Waits 2 s at most.
pub fn remove(socket: &Path, key: &PublicKey) -> Result<(), Error> {
    run(socket, async {
        let mut agent = connect(socket).await?;
        match agent.remove_identity(key).await.map_err(protocol_error) {
            Ok(()) | Err(Error::Refused) => Ok(()),
            Err(error) => Err(error),
        }
    })
}

/// Whether the agent has this key, inside a running session; `false` also where it cannot be asked.
pub(crate) async fn holds(socket: &Path, key: &PublicKey) -> bool {
    let asked = tokio::time::timeout(PATIENCE, async {
        let mut agent = connect(socket).await.ok()?;
        agent.request_identities().await.ok()
    });
    asked.await.ok().flatten().is_some_and(|held| {
        held.iter()
            .any(|one| one.public_key().key_data() == key.key_data())
    })
}

/// `data` followed by the agent's signature, as an authentication request has it. The agent is asked
/// by the certificate, if there is one, and then by the key. `hash` is for RSA. There is no time
/// limit, because the agent may ask its user.
pub(crate) async fn sign(
    socket: &Path,
    key: &PublicKey,
    certificate: Option<&Certificate>,
    hash: Option<HashAlg>,
    data: Vec<u8>,
) -> Result<Vec<u8>, Error> {
    let mut agent = connect(socket).await?;
    if let Some(certificate) = certificate {
        let named = AgentIdentity::from(certificate.clone());
        match agent
            .sign_request(&named, hash, data.clone())
            .await
            .map_err(protocol_error)
        {
            Err(Error::Refused) => {}
            signed => return signed,
        }
    }
    let bare = AgentIdentity::from(key.clone());
    agent
        .sign_request(&bare, hash, data)
        .await
        .map_err(protocol_error)
}

/// Runs one exchange outside of a session, with a time limit.
fn run<T>(socket: &Path, exchange: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Protocol(error.to_string()))?;
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .unwrap_or_else(|_| {
                Err(Error::Silent {
                    socket: socket.to_owned(),
                })
            })
    })
}

type Agent = AgentClient<Box<dyn AgentStream + Send + Unpin>>;

async fn connect(socket: &Path) -> Result<Agent, Error> {
    #[cfg(unix)]
    let agent = AgentClient::connect_uds(socket).await;
    #[cfg(windows)]
    let agent = AgentClient::connect_named_pipe(socket).await;
    agent
        .map(AgentClient::dynamic)
        .map_err(|error| unreachable(socket, &error))
}

fn unreachable(socket: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::Unreachable {
        socket: socket.to_owned(),
        why: why.to_string(),
    }
}

fn protocol_error(error: russh::keys::Error) -> Error {
    match error {
        russh::keys::Error::AgentFailure => Error::Refused,
        error => Error::Protocol(error.to_string()),
    }
}

fn grouped(held: Vec<AgentIdentity>) -> Vec<Identity> {
    let mut found: Vec<Identity> = Vec::with_capacity(held.len());
    for one in held {
        let public_key = one.public_key().into_owned();
        let comment = one.comment().to_owned();
        let certificate = match one {
            AgentIdentity::Certificate { certificate, .. } => Some(certificate),
            AgentIdentity::PublicKey { .. } => None,
        };
        let known = found.iter_mut().find(|identity| {
            identity
                .public_key
                .as_ref()
                .is_some_and(|key| key.key_data() == public_key.key_data())
        });
        if let Some(identity) = known {
            identity.certificates.extend(certificate);
        } else {
            let mut public_key = public_key;
            public_key.set_comment(comment);
            found.push(Identity {
                holder: Holder::Agent,
                public_key: Some(public_key),
                certificates: certificate.into_iter().collect(),
                file: None,
                managed: None,
            });
        }
    }
    found
}

// Message numbers (draft-ietf-sshm-ssh-agent, section 6.1).
const SUCCESS: u8 = 6;
const FAILURE: u8 = 5;
const ADD: u8 = 17;
const ADD_CONSTRAINED: u8 = 25;
// Constraints (section 6.2).
const LIFETIME: u8 = 1;
const CONFIRM: u8 = 2;

/// A key to add, and how the agent is to keep it.
#[derive(Debug, Clone, Copy)]
pub struct NewKey<'a> {
    /// The opened key.
    pub key: &'a PrivateKey,
    /// What `ssh-add -l` shows: any bytes, as in a key file.
    pub comment: &'a [u8],
    /// Seconds until the agent forgets it; `None`: never.
    pub lifetime: Option<u32>,
    /// The agent asks its user at each use.
    pub confirm: bool,
}

impl NewKey<'_> {
    /// The message, preceded by its length.
    fn message(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        use russh::keys::ssh_encoding::Encode as _;
        let broken = |error: &dyn std::fmt::Display| Error::Protocol(error.to_string());
        let key = self.key.key_data();
        let length = key.encoded_len().map_err(|error| broken(&error))?;
        // Large enough for all of it, so that growing leaves no copy of the key behind.
        let mut message = Zeroizing::new(Vec::with_capacity(length + self.comment.len() + 32));
        message.extend([0; 4]);
        let constrained = self.lifetime.is_some() || self.confirm;
        message.push(if constrained { ADD_CONSTRAINED } else { ADD });
        key.encode(&mut *message).map_err(|error| broken(&error))?;
        self.comment
            .encode(&mut *message)
            .map_err(|error| broken(&error))?;
        if let Some(seconds) = self.lifetime {
            message.push(LIFETIME);
            message.extend(seconds.to_be_bytes());
        }
        if self.confirm {
            message.push(CONFIRM);
        }
        let length = u32::try_from(message.len() - 4).map_err(|error| broken(&error))?;
        message[..4].copy_from_slice(&length.to_be_bytes());
        Ok(message)
    }

    /// One message and its answer.
    async fn send(&self, socket: &Path) -> Result<(), Error> {
        let message = self.message()?;
        #[cfg(unix)]
        let stream = tokio::net::UnixStream::connect(socket).await;
        #[cfg(windows)]
        let stream = tokio::net::windows::named_pipe::ClientOptions::new().open(socket);
        let mut stream = stream.map_err(|error| unreachable(socket, &error))?;
        let failed = |error: std::io::Error| Error::Protocol(error.to_string());
        stream.write_all(&message).await.map_err(failed)?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await.map_err(failed)?;
        match answer[4] {
            SUCCESS => Ok(()),
            FAILURE => Err(Error::Refused),
            other => Err(Error::Protocol(format!("message {other}"))),
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
#[expect(
    clippy::disallowed_methods,
    reason = "a real ssh-agent, started in a cleared environment"
)]
mod tests {
    use std::process::{Child, Command, Stdio};
    use std::time::Instant;

    use ssh_key::{Algorithm, PrivateKey};

    use super::*;
    use crate::settings::IdentityConfig;

    struct RealAgent {
        child: Child,
        socket: PathBuf,
        _folder: tempfile::TempDir,
    }

    impl RealAgent {
        fn start() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let socket = folder.path().join("agent");
            let child = Command::new("ssh-agent")
                .env_clear()
                .env("PATH", "/usr/bin:/bin")
                .arg("-D")
                .arg("-a")
                .arg(&socket)
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            let begun = Instant::now();
            while std::os::unix::net::UnixStream::connect(&socket).is_err()
                && begun.elapsed() < Duration::from_secs(10)
            {
                std::thread::sleep(Duration::from_millis(10));
            }
            Self {
                child,
                socket,
                _folder: folder,
            }
        }
    }

    impl Drop for RealAgent {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    fn random() -> PrivateKey {
        PrivateKey::random(
            &mut rand_core::UnwrapErr(getrandom::SysRng),
            Algorithm::Ed25519,
        )
        .unwrap()
    }

    #[test]
    fn a_real_agent_takes_lists_and_gives_up_keys() {
        let agent = RealAgent::start();
        let keys = [random(), random()];
        assert!(identities(&agent.socket).unwrap().is_empty());
        for (key, confirm) in keys.iter().zip([false, true]) {
            let entry = NewKey {
                key,
                comment: b"a name",
                lifetime: Some(60),
                confirm,
            };
            add(&agent.socket, entry).unwrap();
        }
        let held: Vec<_> = identities(&agent.socket)
            .unwrap()
            .into_iter()
            .map(|identity| {
                let key = identity.public_key.unwrap();
                assert_eq!(key.comment().as_bytes(), b"a name");
                key.key_data().clone()
            })
            .collect();
        assert_eq!(
            held,
            keys.each_ref()
                .map(|key| key.public_key().key_data().clone())
        );
        remove(&agent.socket, keys[0].public_key()).unwrap();
        remove(&agent.socket, keys[0].public_key()).unwrap();
        assert_eq!(identities(&agent.socket).unwrap().len(), 1);
    }

    #[test]
    fn an_agent_that_hangs_or_is_gone_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("hangs");
        assert!(matches!(
            identities(&socket),
            Err(Error::Unreachable { .. })
        ));
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(
            identities(&socket).err(),
            Some(Error::Silent {
                socket: socket.clone()
            })
        );
    }

    #[test]
    fn the_socket_is_the_one_ssh_would_take() {
        use crate::clock::SystemClock;
        use crate::context::Environment;
        let context = |variables: &[(&str, &str)]| Context {
            environment: Environment::new(
                variables.iter().map(|(n, v)| ((*n).into(), (*v).into())),
            ),
            directory: "/".into(),
            program: "/p".into(),
            clock: std::sync::Arc::new(SystemClock),
        };
        let both = [
            ("SSH_AUTH_SOCK", "/run/a"),
            ("MINE", "/run/b"),
            ("HOME", "/home/u"),
        ];
        for (setting, variables, expected, why) in [
            (None, &both[..], Some("/run/a"), "the variable"),
            (None, &[][..], None, "nothing set"),
            (None, &[("SSH_AUTH_SOCK", "")][..], None, "set to nothing"),
            (Some("none"), &both[..], None, "none is wanted"),
            (
                Some("SSH_AUTH_SOCK"),
                &both[..],
                Some("/run/a"),
                "the default by name",
            ),
            (Some("$MINE"), &both[..], Some("/run/b"), "another variable"),
            (Some("~/agent"), &both[..], Some("/home/u/agent"), "a path"),
        ] {
            let config = SshConfig {
                identities: IdentityConfig {
                    identity_agent: setting.map(str::to_owned),
                    ..IdentityConfig::default()
                },
                ..SshConfig::default()
            };
            assert_eq!(
                socket(&config, &context(variables)),
                expected.map(PathBuf::from),
                "{why}"
            );
        }
    }
}
