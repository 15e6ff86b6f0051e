//! Why there was no session, worded as ssh(1) does (packet.c, kex.c, clientloop.c).

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::diagnostics;
use crate::host_key::Verdict;
use crate::text::sanitise;

/// Why there was no session. `report` adds the hints and the exit status.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name that does not resolve.
    #[error("ssh: Could not resolve hostname {host}: {}", sanitise(why))]
    Resolve {
        /// The name.
        host: String,
        /// The resolver's message.
        why: String,
    },
    /// No endpoint could be reached; the error of the one that was typed, else of the last attempt.
    #[error("ssh: connect to host {host} port {port}: {}", sanitise(why))]
    Connect {
        /// The last host.
        host: String,
        /// Its port.
        port: u16,
        /// The system's message (`Connection refused`, `Connection timed out`).
        why: String,
    },
    /// ProxyCommand or ProxyJump ended with a failure before the server sent anything.
    #[error(
        "{option} failed: '{}' ended with {status}\nConnection closed by {}",
        sanitise(program),
        Peer(None)
    )]
    Proxy {
        /// `ProxyCommand` or `ProxyJump`.
        option: &'static str,
        /// The program or the jump host, without arguments, which may hold a password.
        program: String,
        /// `exit status 1`.
        status: String,
    },
    /// The connection ended before or during the key exchange.
    #[error("{}", identification(why, peer))]
    Identification {
        /// What happened.
        why: String,
        /// The other end.
        peer: Peer,
    },
    /// No algorithm in common.
    #[error("Unable to negotiate with {host} port {port}: {}", sanitise(why))]
    Negotiate {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// `no matching host key type found. Their offer: …`.
        why: String,
    },
    /// The host key was not accepted.
    #[error("Host key verification failed.")]
    HostKey {
        /// The name that was looked up.
        name: String,
        /// `SHA256:…` and the key's algorithm.
        fingerprint: String,
        /// The algorithm.
        algorithm: String,
        /// The key, for the texts of `host_key::messages`.
        key: Box<ssh_key::PublicKey>,
        /// The verdict on it.
        verdict: Box<Verdict>,
        /// Where new keys would be written.
        user_file: Option<PathBuf>,
        /// StrictHostKeyChecking is `yes`: an unknown key is refused without a question.
        strict: bool,
    },
    /// The server sent a disconnect message, or the connection was lost.
    #[error("{}", closed(host, peer, why, *reason_code, *authenticated))]
    Closed {
        /// The host.
        host: String,
        /// Its address.
        peer: Peer,
        /// The server's text or the system's error message, sanitised; empty if unknown.
        why: String,
        /// The reason code of the disconnect message (RFC 4253 section 11.1), if there was one.
        reason_code: Option<u32>,
        /// Whether authentication had succeeded.
        authenticated: bool,
    },
    /// A packet did not arrive as it was sent.
    #[error("{}", damaged(*damage, peer))]
    Damaged {
        /// What is wrong with it.
        damage: Damage,
        /// The other end.
        peer: Peer,
    },
    /// The server did not open the channel or refused the command.
    #[error("{0}")]
    Channel(String),
    /// The server stopped answering (keep-alives, time-outs).
    #[error("Timeout, server {host} not responding.")]
    Timeout {
        /// The host.
        host: String,
    },
    /// A failure on this machine: a read or write, the runtime, the proxy command.
    #[error("{0}")]
    Local(String),
    /// git has ended, so there is no one to report to.
    #[error("the calling program has ended")]
    CallerGone,
}

impl Error {
    /// The host that could not be reached.
    pub(super) fn unreachable(&self) -> Option<&str> {
        match self {
            Self::Resolve { host, .. } | Self::Connect { host, .. } => Some(host),
            _ => None,
        }
    }

    /// Something on this machine failed: what, and the system's error message.
    pub(super) fn local(what: &str, error: &std::io::Error) -> Self {
        Self::Local(format!("{what}: {}", diagnostics::os_error_message(error)))
    }
}

/// The other end of the connection by its address, as ssh(1) names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub Option<SocketAddr>);

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => write!(f, "{} port {}", address.ip(), address.port()),
            // Behind a proxy.
            None => f.write_str("UNKNOWN port 65535"),
        }
    }
}

/// What is wrong with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// Its content is not what was sent.
    Changed,
    /// Its length field has this value.
    Length(usize),
}

/// A damaged packet ended the connection.
fn damaged(damage: Damage, peer: &Peer) -> String {
    let (what, why) = match damage {
        Damage::Changed => (
            "Corrupted MAC on input.".to_owned(),
            "message authentication code incorrect",
        ),
        Damage::Length(bytes) => (
            format!("Bad packet length {bytes}."),
            "Connection corrupted",
        ),
    };
    format!("{what}\nssh_dispatch_run_fatal: Connection to {peer}: {why}")
}

/// The version exchange failed.
fn identification(why: &str, peer: &Peer) -> String {
    let why = &*sanitise(why);
    if why.starts_with("Protocol major versions differ") {
        return format!(
            "{why}\nbanner exchange: Connection to {peer}: could not read protocol version"
        );
    }
    if why.contains("timed out") {
        return format!("{why}\nConnection to {peer} timed out");
    }
    let verb = verb(why);
    format!("kex_exchange_identification: {why}\nConnection {verb} by {peer}")
}

/// The connection ended after the version exchange.
fn closed(
    host: &str,
    peer: &Peer,
    why: &str,
    reason_code: Option<u32>,
    authenticated: bool,
) -> String {
    let why = &*sanitise(why);
    if let Some(reason) = reason_code {
        return format!(
            "Received disconnect from {peer}:{reason}: {why}\nDisconnected from {peer}"
        );
    }
    if authenticated {
        return format!("Connection to {host} closed by remote host.");
    }
    format!("Connection {} by {peer}", verb(why))
}

fn verb(why: &str) -> &'static str {
    if why.contains("reset") {
        "reset"
    } else {
        "closed"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_worded_as_openssh_s() {
        let peer = Peer(Some("127.0.0.1:22".parse().unwrap()));
        for (message, expected, why) in [
            (
                identification("Connection closed by remote host", &peer),
                "kex_exchange_identification: Connection closed by remote host\n\
                 Connection closed by 127.0.0.1 port 22",
                "a server that turns away",
            ),
            (
                identification("read: Connection reset by peer", &Peer(None)),
                "kex_exchange_identification: read: Connection reset by peer\n\
                 Connection reset by UNKNOWN port 65535",
                "behind a proxy",
            ),
            (
                closed(
                    "h",
                    &peer,
                    "Too many authentication failures",
                    Some(2),
                    false,
                ),
                "Received disconnect from 127.0.0.1 port 22:2: Too many authentication failures\n\
                 Disconnected from 127.0.0.1 port 22",
                "a reason_code",
            ),
            (
                closed("h", &peer, "", None, true),
                "Connection to h closed by remote host.",
                "the session was lost",
            ),
            (
                closed("h", &peer, "", None, false),
                "Connection closed by 127.0.0.1 port 22",
                "before it",
            ),
            (
                damaged(Damage::Changed, &peer),
                "Corrupted MAC on input.\n\
                 ssh_dispatch_run_fatal: Connection to 127.0.0.1 port 22: message authentication code incorrect",
                "a bit that was turned over",
            ),
            (
                damaged(Damage::Length(4_000_000_000), &Peer(None)),
                "Bad packet length 4000000000.\n\
                 ssh_dispatch_run_fatal: Connection to UNKNOWN port 65535: Connection corrupted",
                "one in the length",
            ),
        ] {
            assert_eq!(message, expected, "{why}");
        }
    }
}
