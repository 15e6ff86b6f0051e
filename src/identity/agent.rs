//! The agent: which keys it holds, signatures by them, and new keys for it.
//!
//! Every exchange is bounded in time where nobody may be asked; a signature is not, since the agent
//! may ask its owner. Never locks, empties or removes anything but what a caller names. Imports
//! russh for the protocol (draft-miller-ssh-agent).

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::{AgentClient, AgentStream};
use ssh_key::{Certificate, HashAlg, PublicKey};

use crate::context::Context;
use crate::identity::{Holder, Identity};
use crate::settings::SshConfig;

mod adding;

pub use adding::Entry;

/// How long an agent may take for an answer that needs no person.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why the agent is of no use.
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
    /// It took the connection and said nothing.
    #[error("the agent at {} does not answer", socket.display())]
    Silent {
        /// Its socket.
        socket: PathBuf,
    },
    /// It does not hold the key, is locked, or its owner said no.
    #[error("agent refused operation")]
    Refused,
    /// It speaks something else.
    #[error("the agent's answer is not understood: {0}")]
    Protocol(String),
}

/// Where the agent listens: IdentityAgent (a path, `none`, `SSH_AUTH_SOCK`, or `$VARIABLE`), else
/// `SSH_AUTH_SOCK`. `None`: there is none, or none is wanted.
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

/// OpenSSH for Windows serves its agent there without any variable.
fn default_pipe() -> Option<&'static str> {
    cfg!(windows).then_some(r"\\.\pipe\openssh-ssh-agent")
}

/// The keys the agent holds, in its order, with [`Holder::Agent`]. A certificate stands with the
/// key it certifies. Waits 2 s at most.
pub fn identities(socket: &Path) -> Result<Vec<Identity>, Error> {
    alone(socket, async {
        let mut agent = connect(socket).await?;
        Ok(grouped(agent.request_identities().await.map_err(words)?))
    })
}

/// Gives an opened key to the agent. Waits 2 s at most.
pub fn add(socket: &Path, entry: Entry<'_>) -> Result<(), Error> {
    alone(socket, entry.give(socket))
}

/// [`add`] inside a running session, without an end to waiting.
pub(crate) async fn add_to(socket: &Path, entry: Entry<'_>) -> Result<(), Error> {
    entry.give(socket).await
}

/// Takes one key out of the agent; one that is not there is no error. Waits 2 s at most.
pub fn remove(socket: &Path, key: &PublicKey) -> Result<(), Error> {
    alone(socket, async {
        let mut agent = connect(socket).await?;
        match agent.remove_identity(key).await.map_err(words) {
            Ok(()) | Err(Error::Refused) => Ok(()),
            Err(error) => Err(error),
        }
    })
}

/// Whether the agent holds this key, inside a running session. An agent that cannot be asked
/// holds nothing.
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

/// `data` with the agent's signature behind it, as an authentication request wants it. A
/// certificate is signed for by its name, else by its key. `hash` counts for RSA. The agent may
/// ask its owner, so this waits.
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
            .map_err(words)
        {
            Err(Error::Refused) => {}
            signed => return signed,
        }
    }
    let bare = AgentIdentity::from(key.clone());
    agent.sign_request(&bare, hash, data).await.map_err(words)
}

/// Runs one bounded exchange outside of a session.
fn alone<T>(socket: &Path, exchange: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
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

fn words(error: russh::keys::Error) -> Error {
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
            let entry = Entry {
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
