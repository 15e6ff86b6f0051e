//! From a server that has said its version to an encrypted, verified connection.

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

use crate::settings::SshConfig;
use crate::transport::client::Client;
use crate::transport::endpoint::{OURS, Stream};
use crate::transport::native::AttemptError;
use crate::transport::session::{Ending, HandlerError, SessionState};
use crate::transport::{Endpoint, Error, Peer, algorithms};

/// A larger one would be announced in vain: sshd buffers 16 MiB. A smaller one binds throughput to
/// the round trip (russh tells the server of room when half is used).
const WINDOW: u32 = 32 << 20;

/// One read for many packets.
const READ_AHEAD: usize = 256 << 10;

/// Keep-alives are on by default: a pre-push hook leaves the connection idle for its whole time,
/// and Data Center and middle boxes end idle ones. ServerAliveInterval overrides it, 0 turns it off.
const ALIVE_INTERVAL: Duration = Duration::from_secs(60);
const ALIVE_COUNT: u32 = 3;

/// Exchanges keys. A host key that is not accepted is the only failure that no further try can cure.
pub(super) async fn handshake(
    stream: Stream,
    endpoint: &Endpoint,
    peer: Peer,
    client: Client,
    config: &SshConfig,
) -> Result<Handle<Client>, AttemptError> {
    let (host_keys, certificates) = client.server_key.algorithms();
    let settings = Arc::new(settings(config, &host_keys, certificates));
    let shared = Arc::clone(&client.shared);
    let stream = YieldingStream {
        inner: BufReader::with_capacity(READ_AHEAD, stream),
        shared: Arc::clone(&shared),
        turns: 0,
    };
    client::connect_stream(settings, stream, client)
        .await
        .map_err(|fault| failed(fault, endpoint, peer, &shared))
}

fn settings(config: &SshConfig, host_keys: &[Algorithm], certificates: bool) -> client::Config {
    let interval = config
        .session
        .server_alive_interval
        .unwrap_or(ALIVE_INTERVAL);
    let count = config.session.server_alive_count_max.unwrap_or(ALIVE_COUNT);
    client::Config {
        client_id: SshId::Standard(Cow::Borrowed(OURS)),
        limits: limits(config.session.rekey_limit),
        window_size: WINDOW,
        preferred: algorithms::preferred(config, host_keys, certificates),
        keepalive_interval: (!interval.is_zero()).then_some(interval),
        // russh takes 0 for "never give up"; ssh(1) gives up at once then.
        keepalive_max: count.max(1) as usize,
        nodelay: true,
        ..client::Config::default()
    }
}

fn limits(wished: Option<(u64, Duration)>) -> Limits {
    let mut limits = Limits::default();
    if let Some((bytes, time)) = wished {
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

fn failed(
    fault: HandlerError,
    endpoint: &Endpoint,
    peer: Peer,
    shared: &SessionState,
) -> AttemptError {
    let (host, port) = (endpoint.address.host.clone(), endpoint.address.port);
    let lost = |ending| Ending::error(ending, endpoint, peer, false);
    let error = match fault {
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
        // The other side went away: another try may find it.
        russh::Error::IO(error) => {
            let words = crate::diagnostics::os_error_message(&error);
            AttemptError::BeforeAuthentication(lost(Some(Ending::Lost(words))))
        }
        russh::Error::Disconnect | russh::Error::HUP => {
            AttemptError::BeforeAuthentication(lost(shared.take_ending()))
        }
        error => AttemptError::Final(lost(Some(Ending::of(&error)))),
    }
}

/// Lets the other tasks run before the next packet is read, until the command is sent: where a
/// server's "you are in" and its host keys come in one segment, the channel must be asked for in
/// between, or the early command is missed. Around the read-ahead, so that it acts between packets.
struct YieldingStream<S> {
    inner: BufReader<S>,
    shared: Arc<SessionState>,
    turns: u8,
}

impl<S: AsyncRead + Unpin> AsyncRead for YieldingStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.turns < 4 && !self.shared.sent.load(Ordering::Relaxed) {
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
