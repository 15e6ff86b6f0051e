//! A session by russh: the walk through the rooms of this folder.
//!
//! An endpoint is reached, keys are exchanged and the host's judged, an identity is let in, the
//! command runs. One thread; the work is done in tasks, since the future that blocks on them is
//! polled too seldom, and answers the questions that only the caller can answer.

use std::path::PathBuf;
use std::slice::Iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ssh_key::{Algorithm, Certificate, HashAlg, PublicKey};
use tokio::sync::mpsc;

use crate::context::Context;
use crate::diagnostics::{self, Waiting, trace2};
use crate::identity::{Identity, agent, key_file};
use crate::prompt::Prompt;
use crate::repository::Service;
use crate::settings::SshConfig;
use crate::transport::authentication::{AuthSession, Login, authenticate};
use crate::transport::channel::{Ended, SessionChannel};
use crate::transport::client::Client;
use crate::transport::endpoint::{self, Route};
use crate::transport::handshake::handshake;
use crate::transport::prompt_bridge::{PromptClient, PromptServer};
use crate::transport::server_key::ServerKey;
use crate::transport::session::SessionState;
use crate::transport::stdio::{Input, Output, Streams};
use crate::transport::{Endpoint, Error, Outcome, Peer, Session};

/// Waited before the whole list of endpoints is tried again, after a connection that ended before
/// authentication began: a burst of connections is dropped like that.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// Runs one session between the process's own standard streams and the server.
///
/// On [`Outcome::AuthenticationFailed`] and [`Outcome::RepositoryDenied`] nothing was read from stdin and nothing
/// written to stdout or (the channel's) stderr, so another session may follow. Asks by
/// `session.prompt`: about an unknown host key, and for a passphrase once the server has accepted
/// the public key. Writes a learned host key to known_hosts.
pub fn run(session: Session<'_>) -> Result<Outcome, Error> {
    let streams = Streams::standard(session.no_stdin)
        .map_err(|error| local("cannot use the standard streams", &error))?;
    run_between(session, streams)
}

/// [`run`] between other streams.
pub fn run_between(session: Session<'_>, streams: Streams) -> Result<Outcome, Error> {
    let _region = trace2::region("session", || session.user.clone());
    to_the_end(conversation(session, streams))
}

/// Runs the work in a runtime of its own, on this thread.
fn to_the_end<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| local("cannot start the runtime", &error))?;
    let result = runtime.block_on(work);
    // A resolver or a read of stdin may be pending; nobody waits for it.
    runtime.shutdown_background();
    result
}

fn local(what: &str, error: &std::io::Error) -> Error {
    Error::Local(format!("{what}: {}", diagnostics::os_error_message(error)))
}

async fn conversation(session: Session<'_>, streams: Streams) -> Result<Outcome, Error> {
    let (mut prompt_bridge, asker) = PromptServer::new(session.prompt, session.passphrase);
    let mut watched = session.service != Service::Other;
    let ends = Ends::new(streams).map_err(|error| local("cannot use the streams", &error))?;
    let (output, errors) = (ends.output.clone(), ends.errors.clone());
    let params = Arc::new(SessionParams::of(session, asker));
    let answered = Arc::clone(&ends.answered);
    let mut run_with_retries = tokio::spawn(params.run_with_retries(ends));
    let outcome = loop {
        tokio::select! {
            done = &mut run_with_retries => {
                break done.unwrap_or_else(|error| Err(Error::Local(error.to_string())));
            }
            () = prompt_bridge.serve() => {}
            // A git that died tells its child nothing, but its end of stdout does. Once git has
            // heard something it may close that end and still want the status.
            () = output.gone(), if watched => {
                if !answered.load(Ordering::Relaxed) {
                    break Err(Error::CallerGone);
                }
                watched = false;
            }
        }
    };
    output.release();
    errors.release();
    outcome
}

/// The three streams, ready for use.
struct Ends {
    input: Input,
    output: Output,
    errors: Output,
    /// A byte of the channel's stdout has come.
    answered: Arc<AtomicBool>,
}

impl Ends {
    fn new(streams: Streams) -> std::io::Result<Self> {
        Ok(Self {
            input: Input::new(streams.input),
            output: Output::new(streams.output, streams.standard)?,
            errors: Output::new(streams.errors, false)?,
            answered: Arc::default(),
        })
    }
}

/// A failure, and whether another try makes sense.
#[derive(Debug)]
pub(super) enum AttemptError {
    /// The connection ended before authentication began.
    BeforeAuthentication(Error),
    /// Another try would end the same way.
    Final(Error),
}

impl AttemptError {
    /// Waits for the next of the pauses, after which another try makes sense.
    ///
    /// # Errors
    ///
    /// Another try makes no sense, or all of them were made.
    pub(super) async fn pause(self, pauses: &mut Iter<'_, Duration>) -> Result<(), Error> {
        let error = match self {
            Self::Final(error) => return Err(error),
            Self::BeforeAuthentication(error) => error,
        };
        let Some(pause) = pauses.next() else {
            return Err(error);
        };
        tracing::info!("{error}; trying again in {} ms", pause.as_millis());
        tokio::time::sleep(*pause).await;
        Ok(())
    }
}

impl From<Error> for AttemptError {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

impl From<endpoint::Unreached> for AttemptError {
    fn from(unreached: endpoint::Unreached) -> Self {
        if unreached.ended_early {
            Self::BeforeAuthentication(unreached.error)
        } else {
            Self::Final(unreached.error)
        }
    }
}

/// A [`Session`] that tasks can own.
#[derive(Debug)]
pub(super) struct SessionParams {
    pub user: String,
    pub config: Arc<SshConfig>,
    pub identities: Vec<Identity>,
    /// The agent's socket, where there is one.
    pub agent: Option<PathBuf>,
    pub asker: PromptClient,
    /// [`Session::as_ssh`].
    pub as_ssh: bool,
    command: Option<Vec<u8>>,
    service: Service,
    environment: Vec<(String, String)>,
    site_fingerprints: Vec<String>,
    route: Arc<Route>,
    context: Context,
}

impl SessionParams {
    fn of(session: Session<'_>, asker: PromptClient) -> Self {
        let config = Arc::new(session.config.clone());
        Self {
            route: Arc::new(Route {
                endpoints: session.endpoints,
                user: session.user.clone(),
                typed_host: session.typed_host,
                config: Arc::clone(&config),
                context: session.context.clone(),
            }),
            agent: agent::socket(&config, session.context),
            user: session.user,
            config,
            identities: session.identities,
            asker,
            as_ssh: session.as_ssh,
            command: session.command,
            service: session.service,
            environment: session.environment,
            site_fingerprints: session.site_fingerprints,
            context: session.context.clone(),
        }
    }

    /// CertificateFile's certificates for a key.
    pub(super) fn certificates_of(&self, key: &PublicKey) -> Vec<Certificate> {
        self.config
            .identities
            .certificate_files
            .iter()
            .filter_map(|file| key_file::certificate(file))
            .filter(|certificate| certificate.public_key() == key.key_data())
            .collect()
    }

    /// Whether PubkeyAcceptedAlgorithms lets a key be offered; where nothing is said, neither DSA nor
    /// RSA by SHA-1 (`hash` is `None`) is.
    pub(super) fn accepts(&self, key: &PublicKey, hash: Option<HashAlg>, certified: bool) -> bool {
        let algorithm = match key.algorithm() {
            Algorithm::Rsa { .. } => Algorithm::Rsa { hash },
            other => other,
        };
        let Some(accepted) = &self.config.algorithms.pubkey_accepted_algorithms else {
            return !matches!(algorithm, Algorithm::Dsa | Algorithm::Rsa { hash: None });
        };
        let name = if certified {
            algorithm.to_certificate_type()
        } else {
            algorithm.as_str().to_owned()
        };
        accepted.contains(&name)
    }

    async fn run_with_retries(self: Arc<Self>, mut ends: Ends) -> Result<Outcome, Error> {
        let pauses = if self.as_ssh { &[][..] } else { &PAUSES };
        let mut pauses = pauses.iter();
        loop {
            match self.try_once(&mut ends).await {
                Ok(outcome) => return Ok(outcome),
                Err(failed) => failed.pause(&mut pauses).await?,
            }
        }
    }

    /// Shown where it lasts; a proxy may ask something on the terminal meanwhile.
    fn connecting(&self) -> Waiting {
        let host = || match self.route.endpoints.first() {
            Some(endpoint) => format!("connecting to {}", endpoint.address.host),
            None => "connecting".to_owned(),
        };
        let config = &self.config;
        if config.endpoint.proxy_command.is_some() || config.endpoint.proxy_jump.is_some() {
            diagnostics::trace_only("connect", host)
        } else {
            diagnostics::waiting("connect", host)
        }
    }

    async fn try_once(self: &Arc<Self>, ends: &mut Ends) -> Result<Outcome, AttemptError> {
        let connecting = self.connecting();
        let connected = endpoint::connect(&self.route).await?;
        drop(connecting);
        diagnostics::mark("banner");
        trace2::data("endpoint", || {
            let address = &connected.endpoint.address;
            format!("{}:{}", address.host, address.port)
        });
        tracing::info!(
            "Remote protocol version: {}",
            crate::text::sanitise(&connected.version)
        );
        let server_key = ServerKey::new(
            &connected,
            &self.config,
            &self.site_fingerprints,
            &self.context,
            self.asker.clone(),
        );
        let peer = Peer(connected.address);
        let endpoint = connected.endpoint;
        let version = connected.version;
        let shared = SessionState::new(self.service.can_be_retried(), Arc::clone(&ends.answered));
        let (events, received) = mpsc::unbounded_channel();
        let client = Client {
            server_key,
            command: self.command.clone(),
            environment: self.environment.clone(),
            shared: Arc::clone(&shared),
            events,
            output: ends.output.clone(),
            errors: ends.errors.clone(),
            reader_gone: false,
            updater: None,
            exchanged: false,
        };
        let region = trace2::region("kex", String::new);
        let mut handle = handshake(connected.stream, &endpoint, peer, client, &self.config).await?;
        drop(region);
        diagnostics::mark("kex");
        let region = trace2::region("auth", String::new);
        let login = authenticate(AuthSession {
            handle: &mut handle,
            shared: &shared,
            endpoint: &endpoint,
            peer,
            version: &version,
            params: self,
        })
        .await?;
        let identity = match login {
            Login::In(identity) => Some(*identity),
            Login::WithoutKey => None,
            Login::Refused(refusal) => return Ok(Outcome::AuthenticationFailed(refusal)),
        };
        drop(region);
        diagnostics::mark("auth");
        trace2::data("identity", || {
            let fingerprint = identity.as_ref().and_then(Identity::fingerprint);
            fingerprint.unwrap_or_else(|| "none".to_owned())
        });
        let channel = SessionChannel {
            handle,
            shared,
            events: received,
            endpoint: &endpoint,
            peer,
            output: ends.output.clone(),
            errors: ends.errors.clone(),
        };
        let input = std::mem::replace(&mut ends.input, Input::new(None));
        Ok(match (channel.run(input).await?, identity) {
            (Ended::Completed(status) | Ended::RepositoryDenied(status, _), None) => {
                Outcome::ServedWithoutKey { status }
            }
            (Ended::Completed(status), Some(identity)) => Outcome::Completed {
                status,
                identity,
                endpoint,
            },
            (Ended::RepositoryDenied(status, held), Some(identity)) => Outcome::RepositoryDenied {
                identity,
                stderr: held.stderr,
                stdout: held.stdout,
                status,
                endpoint,
            },
        })
    }
}

/// What is looked for.
pub struct Search<'a> {
    /// AttemptLog in order, staggered. Never empty.
    pub endpoints: Vec<Endpoint>,
    /// For `%r` of a proxy command.
    pub user: String,
    /// For `%n` of a proxy command.
    pub typed_host: String,
    /// What the user's ssh_config says for the host.
    pub config: &'a SshConfig,
    /// Host keys that the site told over HTTPS (`SHA256:…`).
    pub site_fingerprints: Vec<String>,
    /// Whether keys are exchanged, so that the host key is seen.
    pub host_key: bool,
    /// Who can be asked about an unknown host key.
    pub prompt: &'a dyn Prompt,
    /// The captured process surroundings.
    pub context: &'a Context,
}

/// An endpoint that answers.
#[derive(Debug)]
pub struct Reached {
    /// Which.
    pub endpoint: Endpoint,
    /// The key that it has proved to hold, and that was accepted. `None`: it was not looked for.
    pub host_key: Option<PublicKey>,
}

/// The first endpoint that answers, in the manner of [`run`]: staggered, and again
/// over the whole list where a connection ended early. With [`Search::host_key`] the host key is
/// judged as for a session: it may be asked about, and learned.
///
/// # Errors
///
/// As a session's, as far as one comes without a login.
pub fn find_endpoint(search: Search<'_>) -> Result<Reached, Error> {
    to_the_end(search.run())
}

impl Search<'_> {
    async fn run(self) -> Result<Reached, Error> {
        let route = Arc::new(Route {
            endpoints: self.endpoints.clone(),
            user: self.user.clone(),
            typed_host: self.typed_host.clone(),
            config: Arc::new(self.config.clone()),
            context: self.context.clone(),
        });
        let (mut prompt_bridge, asker) = PromptServer::new(self.prompt, &|_| None);
        tokio::select! {
            reached = self.patiently(&route, &asker) => reached,
            () = prompt_bridge.serve() => Err(Error::CallerGone),
        }
    }

    async fn patiently(&self, route: &Arc<Route>, asker: &PromptClient) -> Result<Reached, Error> {
        let mut pauses = PAUSES.iter();
        loop {
            match self.try_once(route, asker.clone()).await {
                Ok(reached) => return Ok(reached),
                Err(failed) => failed.pause(&mut pauses).await?,
            }
        }
    }

    async fn try_once(
        &self,
        route: &Arc<Route>,
        asker: PromptClient,
    ) -> Result<Reached, AttemptError> {
        let connected = endpoint::connect(route).await?;
        diagnostics::mark("banner");
        let endpoint = connected.endpoint.clone();
        if !self.host_key {
            return Ok(Reached {
                endpoint,
                host_key: None,
            });
        }
        let peer = Peer(connected.address);
        let server_key = ServerKey::new(
            &connected,
            self.config,
            &self.site_fingerprints,
            self.context,
            asker,
        );
        let shared = SessionState::new(false, Arc::new(AtomicBool::new(false)));
        let (output, errors) = (self.nowhere()?, self.nowhere()?);
        let client = Client {
            server_key,
            command: None,
            environment: Vec::new(),
            shared: Arc::clone(&shared),
            events: mpsc::unbounded_channel().0,
            output: output.clone(),
            errors: errors.clone(),
            reader_gone: false,
            exchanged: false,
            updater: None,
        };
        let shaken = handshake(connected.stream, &endpoint, peer, client, self.config).await;
        output.release();
        errors.release();
        let handle = shaken?;
        diagnostics::mark("kex");
        let said = handle
            .disconnect(russh::Disconnect::ByApplication, "", "")
            .await;
        if let Err(error) = said {
            tracing::debug!("{error}");
        }
        Ok(Reached {
            endpoint,
            host_key: shared.host_key.get().cloned(),
        })
    }

    /// No channel is opened: nothing is written to it.
    fn nowhere(&self) -> Result<Output, Error> {
        let words = |error: std::io::Error| local("cannot use a temporary file", &error);
        let file = tempfile::tempfile_in(self.context.temporary_directory()).map_err(words)?;
        Output::new(file, false).map_err(words)
    }
}
