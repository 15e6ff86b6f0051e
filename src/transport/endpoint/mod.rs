//! From a list of endpoints to one that has sent its SSH version.
//!
//! The next endpoint is tried when one has failed (name, TCP, reset, no version line), or has sent
//! no version line for two seconds; the first that sends one wins. Behind a proxy they are tried
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

use crate::diagnostics::{self, trace2::ThreadLog};
use crate::settings::SshConfig;
use crate::transport::session::{AttemptError, SessionParams};
use crate::transport::{Endpoint, Error};
pub(super) use version::OUR_VERSION;

/// How long an endpoint may be silent before the next one is tried beside it.
const STAGGER: Duration = Duration::from_secs(2);

/// How long a version line is waited for if ConnectTimeout is not set.
const VERSION_TIMEOUT: Duration = Duration::from_secs(60);

/// A server that has sent its version line.
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

/// Tries the whole list once. [`AttemptError::BeforeAuthentication`]: some endpoint accepted the
/// connection and ended it.
pub(super) async fn connect(params: &Arc<SessionParams>) -> Result<Connected, AttemptError> {
    let config = &params.config.endpoint;
    if config.proxy_command.is_some() || config.proxy_jump.is_some() {
        return through_proxy(params).await;
    }
    let mut attempts = JoinSet::new();
    let mut remaining = params.route.endpoints.iter().cloned();
    let mut failures = Failures::new(params);
    loop {
        if attempts.is_empty() && start_next(params, &mut remaining, &mut attempts).is_none() {
            return Err(failures.into());
        }
        let more = remaining.len() > 0;
        tokio::select! {
            Some(done) = attempts.join_next() => match done {
                Ok(Ok(connected)) => return Ok(connected),
                Ok(Err(error)) => {
                    failures.add(error);
                    start_next(params, &mut remaining, &mut attempts);
                }
                Err(panicked) => return Err(Error::Local(panicked.to_string()).into()),
            },
            () = tokio::time::sleep(STAGGER), if more => {
                start_next(params, &mut remaining, &mut attempts);
            }
        }
    }
}

fn start_next(
    params: &Arc<SessionParams>,
    remaining: &mut impl Iterator<Item = Endpoint>,
    attempts: &mut JoinSet<Result<Connected, Error>>,
) -> Option<()> {
    let endpoint = remaining.next()?;
    let params = Arc::clone(params);
    attempts.spawn(async move {
        let thread = ThreadLog::new("endpoint");
        tcp::connect(&params, endpoint, &thread).await
    });
    Some(())
}

/// One after the other; a command that does not name the host runs once.
async fn through_proxy(params: &SessionParams) -> Result<Connected, AttemptError> {
    let mut failures = Failures::new(params);
    let command = proxy::Command::of(&params.config);
    for endpoint in &params.route.endpoints {
        match proxy::connect(params, &command, endpoint).await {
            Ok(connected) => return Ok(connected),
            Err(error) => failures.add(error),
        }
        if !command.names_the_host() {
            break;
        }
    }
    Err(failures.into())
}

/// The endpoints that could not be reached.
struct Failures<'a> {
    /// The host as typed, and as ssh_config names it.
    typed: [Option<&'a str>; 2],
    /// That host could not be reached.
    of_typed: Option<Error>,
    last: Option<Error>,
    /// Some endpoint accepted the connection and ended it: too many connections at once, or a
    /// server that is starting.
    ended_early: bool,
}

impl<'a> Failures<'a> {
    fn new(params: &'a SessionParams) -> Self {
        let named = params.config.endpoint.host_name.as_deref();
        Self {
            typed: [Some(&params.route.typed_host), named],
            of_typed: None,
            last: None,
            ended_early: false,
        }
    }

    fn add(&mut self, error: Error) {
        tracing::info!("{error}");
        self.ended_early |= matches!(error, Error::Identification { .. });
        let is_typed = error.unreachable().is_some_and(|host| {
            let mut typed = self.typed.iter().flatten();
            typed.any(|typed| typed.eq_ignore_ascii_case(host))
        });
        if is_typed {
            self.of_typed = Some(error);
        } else {
            self.last = Some(error);
        }
    }

    /// Where no server answered, a host that was never typed is not to blame.
    fn error(self) -> Error {
        match (self.last, self.of_typed) {
            (Some(last), Some(of_typed)) if last.unreachable().is_some() => of_typed,
            (Some(error), _) | (None, Some(error)) => error,
            (None, None) => Error::Local("no endpoint to connect to".to_owned()),
        }
    }
}

impl From<Failures<'_>> for AttemptError {
    fn from(failures: Failures<'_>) -> Self {
        let ended_early = failures.ended_early;
        let error = failures.error();
        if ended_early {
            Self::BeforeAuthentication(error)
        } else {
            Self::Final(error)
        }
    }
}

/// How long one address may take for TCP, and again for its version line.
fn version_timeout(config: &SshConfig) -> Duration {
    config.endpoint.connect_timeout.unwrap_or(VERSION_TIMEOUT)
}

/// The system's error message as ssh(1) prints it.
fn io_message(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::TimedOut {
        return "Connection timed out".to_owned();
    }
    let text = diagnostics::os_error_message(error);
    match text.strip_prefix("failed to lookup address information: ") {
        Some(message) => message.to_owned(),
        None => text,
    }
}

/// The bytes under SSH: TCP or a proxy's pipes. What was read ahead is read again; what was sent
/// ahead is not sent twice.
#[derive(Debug)]
pub(in crate::transport) struct Stream {
    /// Read ahead, and not yet given out.
    ahead: Vec<u8>,
    /// Sent ahead, and not yet written by russh, which assumes that it writes first.
    sent_ahead: &'static [u8],
    carrier: Carrier,
}

#[derive(Debug)]
enum Carrier {
    Tcp(TcpStream),
    /// The child ends with the session.
    Proxy {
        child: Box<Child>,
        input: ChildStdin,
        output: ChildStdout,
    },
}

impl Stream {
    fn new(carrier: Carrier) -> Self {
        Self {
            ahead: Vec::new(),
            sent_ahead: &[],
            carrier,
        }
    }

    /// Sends bytes that the next writer will begin with; they are not sent again.
    async fn send_ahead(&mut self, bytes: &'static [u8]) -> io::Result<()> {
        self.write_all(bytes).await?;
        self.flush().await?;
        self.sent_ahead = bytes;
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
        if !self.sent_ahead.is_empty() && !bytes.is_empty() {
            let count = self.sent_ahead.len().min(bytes.len());
            let (sent, rest) = self.sent_ahead.split_at(count);
            if sent != &bytes[..count] {
                return Poll::Ready(Err(io::Error::other(
                    "the version line differs from the one that was sent",
                )));
            }
            self.sent_ahead = rest;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_as_ssh_writes_them() {
        for (error, expected) in [
            (io::Error::from_raw_os_error(111), "Connection refused"),
            (
                io::Error::from_raw_os_error(104),
                "Connection reset by peer",
            ),
            (io::Error::from_raw_os_error(110), "Connection timed out"),
            (io::ErrorKind::TimedOut.into(), "Connection timed out"),
            (
                io::Error::other("failed to lookup address information: Name or service not known"),
                "Name or service not known",
            ),
        ] {
            assert_eq!(io_message(&error), expected);
        }
    }

    #[test]
    fn a_host_that_was_never_typed_is_not_blamed() {
        let resolve = |host: &str| Error::Resolve {
            host: host.to_owned(),
            why: "Name or service not known".to_owned(),
        };
        let refused = |host: &str| Error::Connect {
            host: host.to_owned(),
            port: 22,
            why: "Connection refused".to_owned(),
        };
        let closed = || Error::Identification {
            why: "Connection closed by remote host".to_owned(),
            peer: crate::transport::Peer(None),
        };
        for (typed, errors, blamed, why) in [
            (
                [Some("Bitbucket.org"), None],
                vec![
                    resolve("ssh.bitbucket.org"),
                    resolve("bitbucket.org"),
                    resolve("altssh.bitbucket.org"),
                ],
                "ssh: Could not resolve hostname bitbucket.org: Name or service not known",
                "offline",
            ),
            (
                [Some("work"), Some("bitbucket.org")],
                vec![refused("bitbucket.org"), refused("altssh.bitbucket.org")],
                "ssh: connect to host bitbucket.org port 22: Connection refused",
                "an alias",
            ),
            (
                [Some("bitbucket.org"), None],
                vec![refused("127.0.0.1"), refused("127.0.0.2")],
                "ssh: connect to host 127.0.0.2 port 22: Connection refused",
                "a list without it",
            ),
            (
                [Some("bitbucket.org"), None],
                vec![refused("bitbucket.org"), closed()],
                "kex_exchange_identification: Connection closed by remote host\n\
                 Connection closed by UNKNOWN port 65535",
                "another one answered",
            ),
        ] {
            let mut failures = Failures {
                typed,
                of_typed: None,
                last: None,
                ended_early: false,
            };
            for error in errors {
                failures.add(error);
            }
            assert_eq!(failures.error().to_string(), blamed, "{why}");
        }
    }
}
