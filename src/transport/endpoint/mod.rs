//! From a list of endpoints to one that has said its SSH version.
//!
//! The next endpoint starts when one has failed (name, TCP, reset, no version line), or has shown
//! no version line for two seconds; the first that shows one wins. Behind a proxy they are tried
//! one after the other.

mod proxy;
mod tcp;
mod version;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::task::JoinSet;

use crate::context::Context;
use crate::diagnostics::trace2::ThreadLog;
use crate::settings::SshConfig;
use crate::transport::{Endpoint, Error};
pub(super) use version::OURS;

/// How long an endpoint may be silent before the next one is tried beside it.
const STAGGER: Duration = Duration::from_secs(2);

/// How long a version line is waited for where ConnectTimeout says nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where to, and how.
#[derive(Debug)]
pub(super) struct Route {
    /// AttemptLog in order. Never empty.
    pub endpoints: Vec<Endpoint>,
    /// For `%r` of a proxy command.
    pub user: String,
    /// For `%n` of a proxy command.
    pub typed_host: String,
    pub config: Arc<SshConfig>,
    pub context: Context,
}

/// A server that has said its version.
#[derive(Debug)]
pub(super) struct Connected {
    pub endpoint: Endpoint,
    /// The next byte read is the first of the version line.
    pub stream: Stream,
    /// `SSH-2.0-…`, without line end.
    pub version: String,
    /// The peer's address; `None` behind a proxy.
    pub address: Option<std::net::SocketAddr>,
}

/// Why no endpoint was reached.
#[derive(Debug)]
pub(super) struct Unreached {
    /// The words of the last one.
    pub error: Error,
    /// Some endpoint took the connection and ended it: a burst, or a server that starts.
    pub ended_early: bool,
}

/// Tries the whole list once.
pub(super) async fn connect(route: &Arc<Route>) -> Result<Connected, Unreached> {
    if route.config.endpoint.proxy_command.is_some() || route.config.endpoint.proxy_jump.is_some() {
        return through_proxy(route).await;
    }
    let mut attempts = JoinSet::new();
    let mut remaining = route.endpoints.iter().cloned();
    let mut failed: Option<Unreached> = None;
    loop {
        if attempts.is_empty() && start_next(route, &mut remaining, &mut attempts).is_none() {
            return Err(failed.unwrap_or_else(|| Unreached {
                error: Error::Local("no endpoint to connect to".to_owned()),
                ended_early: false,
            }));
        }
        let more = remaining.len() > 0;
        tokio::select! {
            Some(done) = attempts.join_next() => match done {
                Ok(Ok(connected)) => return Ok(connected),
                Ok(Err(error)) => {
                    tracing::info!("{error}");
                    let ended_early = matches!(error, Error::Identification { .. })
                        || failed.is_some_and(|before| before.ended_early);
                    failed = Some(Unreached { error, ended_early });
                    start_next(route, &mut remaining, &mut attempts);
                }
                Err(panicked) => return Err(Unreached {
                    error: Error::Local(panicked.to_string()),
                    ended_early: false,
                }),
            },
            () = tokio::time::sleep(STAGGER), if more => {
                start_next(route, &mut remaining, &mut attempts);
            }
        }
    }
}

fn start_next(
    route: &Arc<Route>,
    remaining: &mut impl Iterator<Item = Endpoint>,
    attempts: &mut JoinSet<Result<Connected, Error>>,
) -> Option<()> {
    let endpoint = remaining.next()?;
    let route = Arc::clone(route);
    attempts.spawn(async move {
        let lane = ThreadLog::new("endpoint");
        tcp::connect(&route, endpoint, &lane).await
    });
    Some(())
}

/// One after the other; a command that does not name the host runs once.
async fn through_proxy(route: &Route) -> Result<Connected, Unreached> {
    let mut failed = Unreached {
        error: Error::Local("no endpoint to connect to".to_owned()),
        ended_early: false,
    };
    let command = proxy::Command::of(&route.config);
    for endpoint in &route.endpoints {
        match proxy::connect(route, &command, endpoint).await {
            Ok(connected) => return Ok(connected),
            Err(error) => {
                tracing::info!("{error}");
                failed.ended_early |= matches!(error, Error::Identification { .. });
                failed.error = error;
            }
        }
        if !command.names_the_host() {
            break;
        }
    }
    Err(failed)
}

/// How long one address may take for TCP, and again for its version line.
fn patience(config: &SshConfig) -> Duration {
    config.endpoint.connect_timeout.unwrap_or(PATIENCE)
}

/// A connection, whatever carries it.
#[derive(Debug)]
pub(in crate::transport) struct Stream {
    /// Read ahead, and not yet given out.
    ahead: Vec<u8>,
    /// Sent ahead, and not yet written by whoever thinks it speaks first.
    said: &'static [u8],
    carrier: Carrier,
}

#[derive(Debug)]
enum Carrier {
    Tcp(TcpStream),
    /// The child ends with the session.
    Proxy {
        _child: Box<Child>,
        input: ChildStdin,
        output: ChildStdout,
    },
}

impl Stream {
    fn new(carrier: Carrier) -> Self {
        Self {
            ahead: Vec::new(),
            said: &[],
            carrier,
        }
    }

    /// Sends bytes that the next writer will begin with: they are taken from it and not sent again.
    async fn say_ahead(&mut self, bytes: &'static [u8]) -> io::Result<()> {
        self.write_all(bytes).await?;
        self.flush().await?;
        self.said = bytes;
        Ok(())
    }

    /// Puts bytes in front of what comes next.
    fn put_back(&mut self, mut bytes: Vec<u8>) {
        bytes.append(&mut self.ahead);
        self.ahead = bytes;
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let count = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead[..count]);
            self.ahead.drain(..count);
            return Poll::Ready(Ok(()));
        }
        match &mut self.carrier {
            Carrier::Tcp(tcp) => Pin::new(tcp).poll_read(context, buffer),
            Carrier::Proxy { output, .. } => Pin::new(output).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.said.is_empty() && !bytes.is_empty() {
            let count = self.said.len().min(bytes.len());
            let (said, rest) = self.said.split_at(count);
            if said != &bytes[..count] {
                return Poll::Ready(Err(io::Error::other("another version than was sent")));
            }
            self.said = rest;
            return Poll::Ready(Ok(count));
        }
        match &mut self.carrier {
            Carrier::Tcp(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Carrier::Proxy { input, .. } => Pin::new(input).poll_write(context, bytes),
        }
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.carrier {
            Carrier::Tcp(tcp) => Pin::new(tcp).poll_flush(context),
            Carrier::Proxy { input, .. } => Pin::new(input).poll_flush(context),
        }
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.carrier {
            Carrier::Tcp(tcp) => Pin::new(tcp).poll_shutdown(context),
            Carrier::Proxy { input, .. } => Pin::new(input).poll_shutdown(context),
        }
    }
}
