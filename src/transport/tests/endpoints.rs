//! Which endpoint is reached.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::support::{Server, endpoint, free_port};
use crate::ssh_command::AddressFamily;
use crate::transport::{Endpoint, Error, Outcome};

/// Ends the first `bad` connections at once, by reset; passes the others on to `port`.
fn flaky(bad: usize, port: u16) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            if counted.fetch_add(1, Ordering::SeqCst) < bad {
                drop(client);
                continue;
            }
            let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            for (mut from, mut to) in [
                (client.try_clone().unwrap(), server.try_clone().unwrap()),
                (server, client),
            ] {
                std::thread::spawn(move || {
                    let mut buffer = [0; 16 << 10];
                    while let Ok(count @ 1..) = from.read(&mut buffer) {
                        if to.write_all(&buffer[..count]).is_err() {
                            break;
                        }
                    }
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
    (own, count)
}

/// Takes connections and says nothing, or some text.
fn talker(text: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let _ = client.write_all(text);
            open.push(client);
        }
    });
    port
}

fn named(host: &str, port: u16) -> Endpoint {
    let mut endpoint = endpoint(port);
    endpoint.address.host = host.to_owned();
    endpoint
}

#[test]
fn a_connection_that_ends_before_authentication_is_tried_again() {
    let server = Server::start();
    let (port, count) = flaky(2, server.port);
    let mut call = server.call("echo in");
    call.endpoints = vec![endpoint(port)];
    call.config.host_keys.host_key_alias = Some(format!("[127.0.0.1]:{}", server.port));
    let ran = call.run(b"");
    assert_eq!(ran.text(), "in\n", "{:?}", ran.outcome);
    assert_eq!(count.load(Ordering::SeqCst), 3);

    let (port, count) = flaky(100, server.port);
    call.endpoints = vec![endpoint(port)];
    let outcome = call.run(b"").outcome;
    assert!(
        matches!(outcome, Err(Error::Identification { .. })),
        "{outcome:?}"
    );
    assert_eq!(count.load(Ordering::SeqCst), 4, "three more tries");
}

#[test]
fn the_next_endpoint_steps_in() {
    let server = Server::start();
    for (first, why) in [
        (endpoint(free_port()), "nothing listens"),
        (endpoint(talker(b"")), "silent for two seconds"),
        (endpoint(talker(b"SSH-1.5-old\r\n")), "too old a version"),
        (
            named("no-such-name.invalid", 22),
            "a name that does not resolve",
        ),
    ] {
        let mut call = server.call("echo in");
        call.endpoints.insert(0, first);
        let ran = call.run(b"");
        assert_eq!(ran.text(), "in\n", "{why}: {:?}", ran.outcome);
        let Ok(Outcome::Completed { endpoint, .. }) = ran.outcome else {
            panic!("{why}");
        };
        assert_eq!(
            endpoint,
            server.endpoint(),
            "{why}: the one that answered is reported"
        );
    }
}

#[test]
fn an_unreachable_endpoint_is_reported_as_ssh_reports_it() {
    let port = free_port();
    for (endpoint, family, expected) in [
        (
            endpoint(port),
            None,
            format!("ssh: connect to host 127.0.0.1 port {port}: Connection refused"),
        ),
        (
            named("no-such-name.invalid", 22),
            None,
            "ssh: Could not resolve hostname no-such-name.invalid: ".to_owned(),
        ),
        (
            endpoint(port),
            Some(AddressFamily::Inet6),
            "ssh: Could not resolve hostname 127.0.0.1: Address family for hostname not supported"
                .to_owned(),
        ),
    ] {
        let server_less = super::support::Call {
            endpoints: vec![endpoint],
            config: crate::settings::SshConfig {
                endpoint: crate::settings::EndpointConfig {
                    address_family: family,
                    ..crate::settings::EndpointConfig::default()
                },
                ..crate::settings::SshConfig::default()
            },
            ..super::support::Call::default()
        };
        let error = server_less.run(b"").outcome.unwrap_err().to_string();
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn a_silent_server_is_given_up_after_connect_timeout() {
    let server = Server::start();
    let mut call = server.call("true");
    call.endpoints = vec![endpoint(talker(b""))];
    call.config.endpoint.connect_timeout = Some(Duration::from_millis(300));
    match call.run(b"").outcome {
        Err(Error::Identification { why, .. }) => {
            assert_eq!(why, "Connection timed out during banner exchange");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_name_with_several_addresses_is_tried_at_each() {
    let server = Server::start();
    let mut call = server.call("echo in");
    // localhost is ::1 first on many machines, where nothing listens.
    call.endpoints = vec![named("localhost", server.port)];
    call.config.host_keys.host_key_alias = Some(format!("[127.0.0.1]:{}", server.port));
    call.config.endpoint.bind_address = Some("localhost".to_owned());
    let ran = call.run(b"");
    assert_eq!(ran.text(), "in\n", "{:?}", ran.outcome);
}

#[test]
fn a_proxy_command_carries_the_session() {
    let server = Server::start();
    let config = server.path("sshd_config");
    let inetd = format!("/usr/sbin/sshd -i -f {} 2>/dev/null", config.display());
    for (command, works, why) in [
        (inetd.as_str(), true, "pipes of its own"),
        ("echo no SSH here", false, "no version line"),
        ("echo %x", false, "an unknown token"),
    ] {
        let mut call = server.call("cat; exit 4");
        call.config.endpoint.proxy_command = Some(command.to_owned());
        let ran = call.run(b"data");
        if works {
            assert_eq!(ran.status(), 4, "{why}");
            assert_eq!(ran.text(), "data", "{why}");
        } else {
            assert!(ran.outcome.is_err(), "{why}");
        }
    }
}
