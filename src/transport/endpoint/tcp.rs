//! One endpoint by TCP: all addresses of its name, the two families raced (RFC 8305).

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::diagnostics::{self, trace2::ThreadLog};
use crate::settings::SshConfig;
use crate::ssh_command::AddressFamily;
use crate::transport::endpoint::{
    Carrier, Connected, Stream, io_message, version, version_timeout,
};
use crate::transport::session::SessionParams;
use crate::transport::{Endpoint, Error, Peer};

/// How long an address may be silent before the next one is tried beside it (RFC 8305 section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// How ssh(1) reports a BindAddress that cannot be used; the line before it gives the reason.
const NOT_BOUND: &str = "failure";

/// Connects to one endpoint and reads its version line. ConnectTimeout counts for each address,
/// ConnectionAttempts for the list of them.
pub(super) async fn connect(
    params: &SessionParams,
    endpoint: Endpoint,
    thread: &ThreadLog,
) -> Result<Connected, Error> {
    let (host, port) = (&endpoint.address.host, endpoint.address.port);
    let region = thread.region("lookup", || host.clone());
    let addresses = resolve(host, port, params.config.endpoint.address_family).await?;
    let local = match &params.config.endpoint.bind_address {
        Some(name) => match resolve(name, 0, params.config.endpoint.address_family).await {
            Ok(addresses) => Some(addresses),
            Err(Error::Resolve { host: name, why }) => {
                tracing::warn!("getaddrinfo: {name}: {why}");
                return Err(Error::Connect {
                    host: host.clone(),
                    port,
                    why: NOT_BOUND.to_owned(),
                });
            }
            Err(error) => return Err(error),
        },
        None => None,
    };
    drop(region);
    diagnostics::mark("lookup");
    tracing::info!("Connecting to {host} port {port}.");
    let mut last = Error::Connect {
        host: host.clone(),
        port,
        why: "no address".to_owned(),
    };
    for attempt in 0..params
        .config
        .endpoint
        .connection_attempts
        .unwrap_or(1)
        .max(1)
    {
        if attempt > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let (addresses, local) = (addresses.clone(), local.as_ref());
        match try_addresses(&params.config, &endpoint, addresses, local, thread).await {
            Ok(connected) => return Ok(connected),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn try_addresses(
    config: &SshConfig,
    endpoint: &Endpoint,
    mut waiting: VecDeque<SocketAddr>,
    local: Option<&VecDeque<SocketAddr>>,
    thread: &ThreadLog,
) -> Result<Connected, Error> {
    let (host, port) = (&endpoint.address.host, endpoint.address.port);
    let mut last = None;
    loop {
        let region = thread.region("tcp", || format!("{host}:{port}"));
        let (stream, address) = match race(config, &mut waiting, local).await {
            Ok(connected) => connected,
            // Accepted and reset at once: the server drops a burst of connections.
            Err(Some(error)) if error.kind() == io::ErrorKind::ConnectionReset => {
                return Err(Error::Identification {
                    why: format!("read: {}", io_message(&error)),
                    peer: Peer(waiting.front().copied()),
                });
            }
            Err(Some(error)) => {
                return Err(Error::Connect {
                    host: host.clone(),
                    port,
                    why: io_message(&error),
                });
            }
            Err(None) => break,
        };
        drop(region);
        diagnostics::mark("tcp");
        thread.data("address", || address.to_string());
        let _region = thread.region("banner", || host.clone());
        tracing::info!("Connection established with {address}.");
        let mut stream = Stream::new(Carrier::Tcp(stream));
        match version::exchange(&mut stream, version_timeout(config)).await {
            Ok(version) => {
                return Ok(Connected {
                    endpoint: endpoint.clone(),
                    stream,
                    version,
                    address: Some(address),
                });
            }
            Err(why) => last = Some((why, address)),
        }
    }
    let (why, address) = last.unzip();
    Err(Error::Identification {
        why: why.unwrap_or_else(|| "no address".to_owned()),
        peer: Peer(address),
    })
}

/// The first address that takes a TCP connection; it leaves `waiting`, as do those that failed.
/// `Err(None)`: none was left to try.
async fn race(
    config: &SshConfig,
    waiting: &mut VecDeque<SocketAddr>,
    local: Option<&VecDeque<SocketAddr>>,
) -> Result<(TcpStream, SocketAddr), Option<io::Error>> {
    let mut attempts = JoinSet::new();
    let mut running: Vec<SocketAddr> = Vec::new();
    let mut failed = None;
    loop {
        match waiting.pop_front() {
            Some(address) => {
                running.push(address);
                let local = local.cloned();
                let limit = config.endpoint.connect_timeout;
                attempts.spawn(async move { (address, dial(address, local, limit).await) });
            }
            None if attempts.is_empty() => return Err(failed),
            None => {}
        }
        tokio::select! {
            Some(done) = attempts.join_next() => {
                let (address, result) = done.map_err(|panicked| Some(io::Error::other(panicked)))?;
                running.retain(|other| *other != address);
                match result {
                    Ok(stream) => {
                        for other in running.into_iter().rev() {
                            waiting.push_front(other);
                        }
                        return Ok((stream, address));
                    }
                    Err(error) => {
                        tracing::info!("connect to address {address}: {}", io_message(&error));
                        failed = Some(error);
                    }
                }
            }
            () = tokio::time::sleep(STAGGER), if !waiting.is_empty() => {}
        }
    }
}

async fn dial(
    address: SocketAddr,
    local: Option<VecDeque<SocketAddr>>,
    limit: Option<Duration>,
) -> io::Result<TcpStream> {
    let socket = if address.is_ipv6() {
        TcpSocket::new_v6()?
    } else {
        TcpSocket::new_v4()?
    };
    // Nagle's algorithm costs several round trips; a peer that vanished is found by keep-alives.
    socket.set_nodelay(true)?;
    socket.set_keepalive(true)?;
    if let Some(local) = local {
        let own = local
            .into_iter()
            .find(|own| own.is_ipv6() == address.is_ipv6())
            .ok_or(io::ErrorKind::AddrNotAvailable)?;
        socket.bind(own).map_err(|error| {
            tracing::warn!("bind {}: {}", own.ip(), io_message(&error));
            io::Error::other(NOT_BOUND)
        })?;
    }
    match limit {
        Some(limit) => timeout(limit, socket.connect(address))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        None => socket.connect(address).await,
    }
}

/// The addresses of a name, the families in turn, the resolver's first one first.
async fn resolve(
    host: &str,
    port: u16,
    family: Option<AddressFamily>,
) -> Result<VecDeque<SocketAddr>, Error> {
    let failed = |why: String| Error::Resolve {
        host: host.to_owned(),
        why,
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found: Vec<SocketAddr> = match bare.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => lookup_host((bare, port))
            .await
            .map_err(|error| failed(io_message(&error)))?
            .collect(),
    };
    let wanted = |address: &SocketAddr| match family {
        Some(AddressFamily::Inet) => address.is_ipv4(),
        Some(AddressFamily::Inet6) => address.is_ipv6(),
        None => true,
    };
    let found = alternating(found.into_iter().filter(wanted).collect());
    if found.is_empty() {
        return Err(failed(
            "Address family for hostname not supported".to_owned(),
        ));
    }
    Ok(found)
}

fn alternating(found: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first_is_six = found.first().is_some_and(SocketAddr::is_ipv6);
    let (one, other): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_six);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut ordered = VecDeque::new();
    loop {
        let pair = (one.next(), other.next());
        ordered.extend(pair.0);
        ordered.extend(pair.1);
        if pair == (None, None) {
            return ordered;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let of = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        for (found, expected, why) in [
            (
                &["[::1]:1", "[::2]:1", "1.1.1.1:1"][..],
                &["[::1]:1", "1.1.1.1:1", "[::2]:1"][..],
                "IPv6 first, as the resolver says",
            ),
            (
                &["1.1.1.1:1", "[::1]:1", "[::2]:1"],
                &["1.1.1.1:1", "[::1]:1", "[::2]:1"],
                "IPv4 first",
            ),
            (
                &["1.1.1.1:1", "2.2.2.2:1"],
                &["1.1.1.1:1", "2.2.2.2:1"],
                "one family",
            ),
            (&[], &[], "none"),
        ] {
            assert_eq!(alternating(of(found)), of(expected), "{why}");
        }
    }
}
