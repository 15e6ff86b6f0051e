//! Why there was no session, in the words that ssh(1) uses (packet.c, kex.c, clientloop.c).

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::diagnostics;
use crate::host_key::Verdict;

/// Why there was no session. Words, hints and status: `report`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name that does not resolve.
    #[error("ssh: Could not resolve hostname {host}: {why}")]
    Resolve {
        /// The name.
        host: String,
        /// The resolver's words.
        why: String,
    },
    /// No endpoint could be reached; the last attempt's words.
    #[error("ssh: connect to host {host} port {port}: {why}")]
    Connect {
        /// The last host.
        host: String,
        /// Its port.
        port: u16,
        /// The system's words (`Connection refused`, `Connection timed out`).
        why: String,
    },
    /// The connection ended before or during the key exchange.
    #[error("{}", identification(why, peer))]
    Identification {
        /// What happened.
        why: String,
        /// With whom.
        peer: Peer,
    },
    /// No algorithm in common.
    #[error("Unable to negotiate with {host} port {port}: {why}")]
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
        /// The judgement.
        verdict: Box<Verdict>,
        /// Where new keys would be written.
        user_file: Option<PathBuf>,
        /// StrictHostKeyChecking is `yes`: an unknown key is refused without a question.
        strict: bool,
    },
    /// The server said reason_code, or the connection was lost.
    #[error("{}", closed(host, peer, why, *reason_code, *authenticated))]
    Closed {
        /// The host.
        host: String,
        /// Its address.
        peer: Peer,
        /// The server's reason, or the system's words, sanitised; empty where nobody said why.
        why: String,
        /// The number of the server's reason (RFC 4253 section 11.1), where it said reason_code.
        reason_code: Option<u32>,
        /// Whether an identity had been let in.
        authenticated: bool,
    },
    /// A packet that was not the one that was sent.
    #[error("{}", damaged(*damage, peer))]
    Damaged {
        /// What is wrong with it.
        damage: Damage,
        /// With whom.
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
    /// Something of our own: a local read or write, the runtime, the proxy command.
    #[error("{0}")]
    Local(String),
    /// git has gone; there is nobody to tell.
    #[error("the calling program has ended")]
    CallerGone,
}

impl Error {
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
    /// It is not the one that was sent.
    Changed,
    /// It says it has so many bytes.
    Length(usize),
}

/// A packet that cannot be taken ended the connection.
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

/// The connection ended behind it.
fn closed(
    host: &str,
    peer: &Peer,
    why: &str,
    reason_code: Option<u32>,
    authenticated: bool,
) -> String {
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
    fn the_words_are_openssh_s() {
        let peer = Peer(Some("127.0.0.1:22".parse().unwrap()));
        for (said, expected, why) in [
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
            assert_eq!(said, expected, "{why}");
        }
    }
}
