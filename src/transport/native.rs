//! A session over russh, from connecting to the remote command's exit status.
//!
//! One thread. The work runs in spawned tasks, because the future that `block_on` polls is polled
//! too seldom; that one answers the questions only the caller can answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ssh_key::PublicKey;

use crate::context::Context;
use crate::diagnostics::{self, Waiting, trace2};
use crate::identity::Identity;
use crate::prompt::Prompt;
use crate::repository::Service;
use crate::settings::SshConfig;
use crate::transport::authentication::{AuthSession, Login, authenticate};
use crate::transport::channel::{ChannelEnd, SessionChannel};
use crate::transport::endpoint::{self, Connected};
use crate::transport::handshake::{SshConnection, handshake};
use crate::transport::session::{AttemptError, SessionParams};
use crate::transport::stdio::{Input, Outputs, Streams};
use crate::transport::{Endpoint, Error, ExecRequest, Outcome, Route, Session};

/// Waited before the whole list of endpoints is tried again, after a connection that ended before
/// authentication began: a burst of connections is dropped like that.
const RETRY_PAUSES: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// Runs one session between these streams and the server.
///
/// On [`Outcome::AuthenticationFailed`] and [`Outcome::RepositoryDenied`] nothing was read from
/// the input and nothing written to the outputs, so another session may follow with the process's
/// standard streams. Asks by `session.prompt`: about an unknown host key, and for a passphrase once
/// the server has accepted the public key. Writes a new host key to known_hosts.
///
/// # Errors
///
/// Every [`Error`].
pub fn run(session: Session<'_>, streams: Streams) -> Result<Outcome, Error> {
    let _region = trace2::region("session", || crate::text::shown_user(&session.route.user));
    block_on(run_session(session, streams))
}

/// Where to look for an endpoint that answers.
pub struct Search<'a> {
    /// Which endpoints.
    pub route: Route,
    /// The user's ssh_config for the host.
    pub config: &'a SshConfig,
    /// Whether keys are exchanged as well, so that the host key is verified.
    pub host_key: bool,
    /// Asked about an unknown host key.
    pub prompt: &'a dyn Prompt,
    /// The captured process environment.
    pub context: &'a Context,
}

/// An endpoint that answered.
#[derive(Debug)]
pub struct Reached {
    /// Which one.
    pub endpoint: Endpoint,
    /// The host key that it proved to hold and that was accepted. `None`: keys were not exchanged.
    pub host_key: Option<PublicKey>,
}

/// The first endpoint that sends its version line, tried in the same way as by [`run`]. For a
/// session that the system's ssh runs: no login takes place. With [`Search::host_key`] the host
/// key is verified as for a session: it may be asked about, and written to known_hosts.
///
/// # Errors
///
/// Those of a session that precede authentication.
pub fn find_endpoint(search: Search<'_>) -> Result<Reached, Error> {
    block_on(async move {
        let host_key = search.host_key;
        let (params, mut prompts) = SessionParams::new(Session {
            route: search.route,
            config: search.config,
            context: search.context,
            identities: Vec::new(),
            as_ssh: false,
            exec: ExecRequest::default(),
            prompt: search.prompt,
            passphrase: &|_| None,
        });
        tokio::select! {
            reached = retrying(&RETRY_PAUSES, || reach(&params, host_key)) => reached,
            () = prompts.serve() => Err(Error::CallerGone),
        }
    })
}

async fn reach(params: &Arc<SessionParams>, host_key: bool) -> Result<Reached, AttemptError> {
    let connected = endpoint::connect(params).await?;
    diagnostics::mark("banner");
    if !host_key {
        return Ok(Reached {
            endpoint: connected.endpoint,
            host_key: None,
        });
    }
    // No channel is opened: nothing is written.
    let streams = Streams::discarding(&params.context)?;
    let outputs = Outputs::new(streams.output, streams.errors, false).map_err(streams_error)?;
    let connection = handshake(params, connected, outputs.clone()).await;
    outputs.release();
    let connection = connection?;
    diagnostics::mark("kex");
    let handle = connection.handle;
    let disconnected = handle.disconnect(russh::Disconnect::ByApplication, "", "");
    if let Err(error) = disconnected.await {
        tracing::debug!("{error}");
    }
    Ok(Reached {
        endpoint: connection.endpoint,
        host_key: connection.state.host_key.get().cloned(),
    })
}

/// Runs the work in a runtime of its own, on this thread.
fn block_on<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::local("cannot start the runtime", &error))?;
    let result = runtime.block_on(work);
    // A resolver or a read of stdin may be pending; it is not waited for.
    runtime.shutdown_background();
    result
}

/// Repeats the attempt, after each of the pauses, as long as the connection ends before
/// authentication.
async fn retrying<T, F>(pauses: &[Duration], mut attempt: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, AttemptError>>,
{
    let mut pauses = pauses.iter();
    loop {
        let error = match attempt().await {
            Ok(done) => return Ok(done),
            Err(AttemptError::Final(error)) => return Err(error),
            Err(AttemptError::BeforeAuthentication(error)) => error,
        };
        let Some(pause) = pauses.next() else {
            return Err(error);
        };
        tracing::info!("{error}; trying again in {} ms", pause.as_millis());
        tokio::time::sleep(*pause).await;
    }
}

async fn run_session(session: Session<'_>, streams: Streams) -> Result<Outcome, Error> {
    let mut watching = session.exec.service != Service::Other;
    let input = Input::new(streams.input);
    let outputs =
        Outputs::new(streams.output, streams.errors, streams.standard).map_err(streams_error)?;
    let (params, mut prompts) = SessionParams::new(session);
    let mut task = tokio::spawn(connect_and_run(params, input, outputs.clone()));
    let outcome = loop {
        tokio::select! {
            done = &mut task => {
                break done.unwrap_or_else(|error| Err(Error::Local(error.to_string())));
            }
            () = prompts.serve() => {}
            // A git that died does not tell its child, but the pipe of its stdout does. Once git
            // has received something it may close that end and still want the status.
            () = outputs.output.gone(), if watching => {
                if !outputs.answered.load(Ordering::Relaxed) {
                    break Err(Error::CallerGone);
                }
                watching = false;
            }
        }
    };
    outputs.release();
    outcome
}

async fn connect_and_run(
    params: Arc<SessionParams>,
    input: Input,
    outputs: Outputs,
) -> Result<Outcome, Error> {
    let pauses = if params.as_ssh {
        &[][..]
    } else {
        &RETRY_PAUSES
    };
    let mut connection = retrying(pauses, || connect(&params, &outputs)).await?;
    let region = trace2::region("auth", String::new);
    let identity = match authenticate(AuthSession::new(&params, &mut connection)).await? {
        Login::Accepted(identity) => Some(*identity),
        Login::WithoutKey => None,
        Login::Refused(refusal) => return Ok(Outcome::AuthenticationFailed(refusal)),
    };
    drop(region);
    diagnostics::mark("auth");
    trace2::data("identity", || {
        let fingerprint = identity.as_ref().and_then(Identity::fingerprint);
        fingerprint.unwrap_or_else(|| "none".to_owned())
    });
    let endpoint = connection.endpoint.clone();
    let channel = SessionChannel {
        connection,
        outputs,
    };
    Ok(match (channel.run(input).await?, identity) {
        (ChannelEnd::Completed(status) | ChannelEnd::RepositoryDenied(status, _), None) => {
            Outcome::CompletedWithoutKey { status }
        }
        (ChannelEnd::Completed(status), Some(identity)) => Outcome::Completed {
            status,
            identity,
            endpoint,
        },
        (ChannelEnd::RepositoryDenied(status, held), Some(identity)) => Outcome::RepositoryDenied {
            identity,
            stderr: held.stderr,
            stdout: held.stdout,
            status,
            endpoint,
        },
    })
}

/// Connects and exchanges keys, once.
async fn connect(
    params: &Arc<SessionParams>,
    outputs: &Outputs,
) -> Result<SshConnection, AttemptError> {
    let progress = progress(params);
    let connected = endpoint::connect(params).await?;
    drop(progress);
    diagnostics::mark("banner");
    trace2::data("endpoint", || connected.endpoint.address.to_string());
    let Connected { version, .. } = &connected;
    tracing::info!(
        "Remote protocol version: {}",
        crate::text::sanitise(version)
    );
    let region = trace2::region("kex", String::new);
    let connection = handshake(params, connected, outputs.clone()).await?;
    drop(region);
    diagnostics::mark("kex");
    Ok(connection)
}

/// Shown if connecting takes long; not behind a proxy, which may ask something on the terminal.
fn progress(params: &SessionParams) -> Waiting {
    let text = || match params.route.endpoints.first() {
        Some(endpoint) => format!("connecting to {}", endpoint.address.host),
        None => "connecting".to_owned(),
    };
    let config = &params.config.endpoint;
    if config.proxy_command.is_some() || config.proxy_jump.is_some() {
        diagnostics::trace_only("connect", text)
    } else {
        diagnostics::waiting("connect", text)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn streams_error(error: std::io::Error) -> Error {
    Error::local("cannot use the streams", &error)
}
