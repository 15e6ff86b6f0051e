//! From a server that has sent its version line to an encrypted connection with a verified host.

use std::borrow::Cow;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use russh::client::{self, Handle};
use russh::{AlgorithmKind, Limits, SshId};
use ssh_key::Algorithm;
use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::sync::mpsc;

use crate::settings::SshConfig;
use crate::transport::client::Client;
use crate::transport::endpoint::{Connected, OUR_VERSION};
use crate::transport::server_key::ServerKey;
use crate::transport::session::{
    AttemptError, Ending, Event, HandlerError, SessionParams, SessionState,
};
use crate::transport::stdio::Outputs;
use crate::transport::{Endpoint, Error, Peer, algorithms};

/// A larger window would be of no use: sshd buffers 16 MiB. A smaller one ties throughput to the
/// round trip (russh adjusts the window when half of it is used).
const WINDOW: u32 = 32 << 20;

/// One read takes many packets.
const READ_AHEAD: usize = 256 << 10;

/// Keep-alives are on by default: the connection is idle while a pre-push hook runs, and Data
/// Center and middleboxes close idle connections. ServerAliveInterval overrides this, 0 disables it.
const ALIVE_INTERVAL: Duration = Duration::from_secs(60);
const ALIVE_COUNT: u32 = 3;

/// A server that proved to hold an accepted host key; authentication may begin.
pub(super) struct SshConnection {
    pub handle: Handle<Client>,
    pub state: Arc<SessionState>,
    pub events: mpsc::UnboundedReceiver<Event>,
    pub endpoint: Endpoint,
    pub peer: Peer,
    /// `SSH-2.0-…`.
    pub version: String,
}

/// Exchanges keys and verifies the host key. A connection that the server ends meanwhile may be
/// tried again.
pub(super) async fn handshake(
    params: &Arc<SessionParams>,
    connected: Connected,
    outputs: Outputs,
) -> Result<SshConnection, AttemptError> {
    let server_key = ServerKey::new(params, &connected);
    let (host_keys, certificates) = server_key.algorithms();
    let settings = Arc::new(settings(&params.config, &host_keys, certificates));
    let retriable = params.exec.service.can_be_retried();
    let state = SessionState::new(retriable, Arc::clone(&outputs.answered));
    let (sender, events) = mpsc::unbounded_channel();
    let client = Client::new(params, server_key, &state, sender, outputs);
    let stream = YieldingStream {
        inner: BufReader::with_capacity(READ_AHEAD, connected.stream),
        state: Arc::clone(&state),
        turns: 0,
    };
    let peer = Peer(connected.address);
    let endpoint = connected.endpoint;
    match client::connect_stream(settings, stream, client).await {
        Ok(handle) => Ok(SshConnection {
            handle,
            state,
            events,
            endpoint,
            peer,
            version: connected.version,
        }),
        Err(error) => Err(attempt_error(error, &endpoint, peer, &state)),
    }
}

fn settings(config: &SshConfig, host_keys: &[Algorithm], certificates: bool) -> client::Config {
    let interval = config
        .session
        .server_alive_interval
        .unwrap_or(ALIVE_INTERVAL);
    let count = config.session.server_alive_count_max.unwrap_or(ALIVE_COUNT);
    client::Config {
        client_id: SshId::Standard(Cow::Borrowed(OUR_VERSION)),
        limits: limits(config.session.rekey_limit),
        window_size: WINDOW,
        preferred: algorithms::preferred(config, host_keys, certificates),
        keepalive_interval: (!interval.is_zero()).then_some(interval),
        // 0 means "never give up" to russh, and "give up at once" to ssh(1).
        keepalive_max: count.max(1) as usize,
        nodelay: true,
        ..client::Config::default()
    }
}

fn limits(rekey: Option<(u64, Duration)>) -> Limits {
    let mut limits = Limits::default();
    if let Some((bytes, time)) = rekey {
        if bytes > 0 {
            // Nonces must not run out: russh's own limit is the upper bound.
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            limits.rekey_read_limit = bytes.min(limits.rekey_read_limit);
            limits.rekey_write_limit = bytes.min(limits.rekey_write_limit);
        }
        if !time.is_zero() {
            limits.rekey_time_limit = time;
        }
    }
    limits
}

fn attempt_error(
    error: HandlerError,
    endpoint: &Endpoint,
    peer: Peer,
    state: &SessionState,
) -> AttemptError {
    let (host, port) = (endpoint.address.host.clone(), endpoint.address.port);
    let lost = |ending| Ending::error(ending, endpoint, peer, false);
    let error = match error {
        HandlerError::Refused(error) => return AttemptError::Final(*error),
        HandlerError::Ssh(error) => error,
    };
    match error {
        russh::Error::NoCommonAlgo { kind, theirs, .. } => AttemptError::Final(Error::Negotiate {
            host,
            port,
            why: format!(
                "no matching {} found. Their offer: {}",
                match kind {
                    AlgorithmKind::Kex => "key exchange method",
                    AlgorithmKind::Key => "host key type",
                    AlgorithmKind::Cipher => "cipher",
                    AlgorithmKind::Compression => "compression method",
                    AlgorithmKind::Mac => "MAC",
                },
                crate::text::sanitise(&theirs.join(","))
            ),
        }),
        // The server closed the connection: another attempt may succeed.
        russh::Error::IO(error) => {
            let why = crate::diagnostics::os_error_message(&error);
            AttemptError::BeforeAuthentication(lost(Some(Ending::Lost(why))))
        }
        russh::Error::Disconnect | russh::Error::HUP => {
            AttemptError::BeforeAuthentication(lost(state.take_ending()))
        }
        error => AttemptError::Final(lost(Some(Ending::of(&error)))),
    }
}

/// Lets the other tasks run before the next packet is read, until the command is sent: if a
/// server's "authentication succeeded" and its host keys arrive in one segment, the channel must be
/// requested in between, or the early command is missed. Wraps the read-ahead, so that it acts
/// between packets.
struct YieldingStream<S> {
    inner: BufReader<S>,
    state: Arc<SessionState>,
    turns: u8,
}

impl<S: AsyncRead + Unpin> AsyncRead for YieldingStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.turns < 4 && !self.state.sent.load(Ordering::Relaxed) {
            self.turns += 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.turns = 0;
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for YieldingStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
