//! What is sent, where to, and how often; against a server that answers as written down.

use serde_json::json;

use super::{Authorization, Client};
use crate::bitbucket::Error;
use crate::bitbucket::testing::{Reply, Server, context, json as answer, raw, short_limits, with};
use crate::secret::Secret;
use crate::settings::HttpSettings;

fn bearer() -> Authorization {
    Authorization::bearer(&Secret::new("secret-token".to_owned()))
}

fn ok() -> Reply {
    answer(200, &json!({"ok": true}))
}

fn moved(to: &str) -> Reply {
    with(302, &format!("Location: {to}\r\n"), "")
}

fn busy(headers: &str) -> Reply {
    with(429, headers, "")
}

#[test]
fn a_request_says_who_asks_for_whom_and_how_much() {
    let server = Server::start([ok(), ok(), with(204, "", "")]);
    let client = server.client("/2.0");
    client.get("/user").unwrap();
    client.post("/keys", &json!({"label": "ü"})).unwrap();
    client.delete("/keys/%7B1%7D").unwrap();
    assert_eq!(
        server.asked(),
        [
            "GET /2.0/user",
            "POST /2.0/keys",
            "DELETE /2.0/keys/%7B1%7D"
        ]
    );
    let seen = server.seen();
    for request in &seen {
        let agent = concat!("bitbucket-ssh/", env!("CARGO_PKG_VERSION"));
        assert_eq!(request.header("user-agent"), Some(agent));
        let basic = "Basic YWxpY2VAZXhhbXBsZS5jb206c2VjcmV0LXRva2Vu";
        assert_eq!(request.header("authorization"), Some(basic));
        assert_eq!(request.header("accept"), Some("application/json"));
    }
    assert_eq!(seen[1].body, "{\"label\":\"ü\"}");
    assert_eq!(seen[1].header("content-type"), Some("application/json"));
    assert_eq!(seen[1].header("content-length"), Some("14"));
    assert_eq!(
        seen[2].header("content-length"),
        Some("0"),
        "some front ends answer 411 without"
    );
}

#[test]
fn a_redirect_is_followed_within_the_origin_only() {
    let server = Server::start([moved("/2.0/me"), ok()]);
    assert_eq!(server.client("/2.0").get("/user").unwrap().status, 200);
    assert_eq!(server.asked(), ["GET /2.0/user", "GET /2.0/me"]);

    let other = Server::start([ok()]);
    for location in [
        format!("{}/2.0/user", other.url()),
        "https://evil.example/x".to_owned(),
        "//evil.example/".to_owned(),
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let server = Server::start([moved(&location)]);
            let client = server.client("/2.0");
            let outcome = match method {
                "GET" => client.get("/user"),
                "POST" => client.post("/user", &json!({})),
                _ => client.delete("/user"),
            };
            let error = outcome.unwrap_err();
            assert!(
                matches!(error, Error::ElsewhereRefused { .. }),
                "{method} {location}: {error}"
            );
            assert_eq!(server.seen().len(), 1);
        }
    }
    assert_eq!(
        other.asked(),
        Vec::<String>::new(),
        "the other server saw nothing"
    );
}

#[test]
fn a_redirected_change_is_not_repeated() {
    let server = Server::start([moved("/2.0/keys2")]);
    let error = server.client("/2.0").post("/keys", &json!({})).unwrap_err();
    assert!(matches!(error, Error::Unexpected { .. }), "{error}");
    assert_eq!(server.asked(), ["POST /2.0/keys"]);
}

#[test]
fn redirects_have_an_end() {
    let server = Server::start((0..20).map(|_| moved("/2.0/user")));
    let error = server.client("/2.0").get("/user").unwrap_err();
    assert!(matches!(error, Error::Unexpected { .. }), "{error}");
    assert!(server.seen().len() < 10);
}

#[test]
fn the_wait_that_is_asked_for_is_kept_and_bounded() {
    let server = Server::start([busy("Retry-After: 0\r\n"), busy(""), ok()]);
    assert_eq!(server.client("").get("/x").unwrap().status, 200);
    assert_eq!(server.seen().len(), 3);

    // Refused before it was looked at: a POST may be sent again, too.
    let server = Server::start([busy("Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), ok()]);
    assert_eq!(
        server.client("").post("/x", &json!({})).unwrap().status,
        200
    );

    let server = Server::start([busy(""), busy(""), busy("Retry-After: 7\r\n"), ok()]);
    let error = server.client("").get("/x").unwrap_err();
    assert_eq!(
        error,
        Error::RateLimited {
            retry_after: Some(7)
        }
    );
    assert_eq!(server.seen().len(), 3, "three tries at most");

    let server = Server::start([busy("Retry-After: 3600\r\n"), ok()]);
    let error = server.client("").get("/x").unwrap_err();
    assert_eq!(
        error,
        Error::RateLimited {
            retry_after: Some(3600)
        }
    );
    assert_eq!(server.seen().len(), 1, "nobody waits an hour");
}

#[test]
fn only_reading_is_tried_again_after_a_failure_of_the_site() {
    let failure = || with(503, "", "");
    let server = Server::start([failure(), failure(), ok()]);
    assert_eq!(server.client("").get("/x").unwrap().status, 200);
    let server = Server::start([failure(), ok()]);
    assert_eq!(
        server.client("").post("/x", &json!({})).unwrap().status,
        503
    );
    assert_eq!(server.seen().len(), 1);
    let server = Server::start([failure(), ok()]);
    assert_eq!(server.client("").delete("/x").unwrap().status, 503);
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn what_is_no_whole_answer_in_time_is_none() {
    let long = "x".repeat(5000);
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"half\":";
    let hanging = |text: &str| Reply {
        bytes: text.into(),
        hangs: true,
    };
    for (reply, why) in [
        (raw(""), "closed without a word"),
        (raw("SSH-2.0-conker\r\n"), "no HTTP"),
        (raw(cut), "cut"),
        (with(200, "", &long), "too long"),
        (
            raw(format!(
                "HTTP/1.1 200 OK\r\nX: {}\r\n\r\n",
                "y".repeat(200_000)
            )),
            "endless header",
        ),
        (
            raw(format!("HTTP/1.1 200 OK\r\n\r\n{long}")),
            "too long, without a length",
        ),
        (hanging(""), "silent"),
        (hanging(cut), "slow"),
    ] {
        let server = Server::start([reply]);
        let error = server.client("").get("/x").unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{why}: {error}");
        let host = server.url().trim_start_matches("http://");
        assert!(
            error
                .to_string()
                .starts_with(&format!("cannot reach {host}: ")),
            "{error}"
        );
    }
}

#[test]
fn nobody_there_is_told_as_such() {
    let settings = HttpSettings::default();
    // Port 1 of this machine: nobody listens.
    let client = Client::new(
        &context(&[]),
        "http://127.0.0.1:1",
        bearer(),
        &settings,
        short_limits(),
    )
    .unwrap();
    let error = client.get("/x").unwrap_err();
    assert!(error.to_string().contains("onnection refused"), "{error}");
}

#[test]
fn a_token_needs_a_place_where_it_may_go() {
    let pem = tempfile::NamedTempFile::new().unwrap();
    let ca = |file: &std::path::Path| HttpSettings {
        ssl_ca_info: Some(file.to_owned()),
        ..HttpSettings::default()
    };
    let proxy = HttpSettings {
        proxy: Some("gopher://x".to_owned()),
        ..HttpSettings::default()
    };
    for (url, settings, why) in [
        (
            "http://api.example.com",
            HttpSettings::default(),
            "plain http to another machine",
        ),
        ("ftp://127.0.0.1", HttpSettings::default(), "no http"),
        ("https://user:pw@h", HttpSettings::default(), "a user name"),
        ("https://h", ca(pem.path()), "no certificates in the file"),
        (
            "https://h",
            ca("/nonexistent/ca.pem".as_ref()),
            "no such file",
        ),
        ("https://h", proxy, "no such proxy"),
    ] {
        let error = Client::new(&context(&[]), url, bearer(), &settings, short_limits()).err();
        assert!(matches!(error, Some(Error::Unreachable { .. })), "{why}");
    }
}

#[test]
fn a_proxy_is_asked_for_a_tunnel_and_gets_no_token() {
    let proxy = Server::start([raw(
        "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
    )]);
    let variables = [("HTTPS_PROXY", proxy.url())];
    let client = Client::new(
        &context(&variables),
        "https://api.example.com/2.0",
        bearer(),
        &HttpSettings::default(),
        short_limits(),
    )
    .unwrap();
    let error = client.get("/user").unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(
        error.to_string().contains("(through the proxy 127.0.0.1:"),
        "{error}"
    );
    assert_eq!(proxy.asked(), ["CONNECT api.example.com:443"]);
    assert_eq!(proxy.seen()[0].header("authorization"), None);
}

#[cfg(unix)]
mod tls {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::path::Path;
    use std::process::Command;
    use std::sync::Arc;

    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{ServerConfig, ServerConnection, Stream};

    use super::{bearer, context, short_limits};
    use crate::bitbucket::Error;
    use crate::bitbucket::http::Client;
    use crate::settings::HttpSettings;

    /// A certificate for 127.0.0.1 that signed itself.
    #[expect(
        clippy::disallowed_methods,
        reason = "the real openssl makes the certificate"
    )]
    fn certificate(directory: &Path) {
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
            ])
            .args([
                "-days",
                "2",
                "-subj",
                "/CN=test",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
            ])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-keyout", "key.pem", "-out", "cert.pem"])
            .current_dir(directory)
            .output()
            .expect("openssl is installed");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
    }

    /// Answers one call after another; gives what it read of each.
    fn serve(directory: &Path) -> (u16, std::sync::mpsc::Receiver<Vec<u8>>) {
        let certificates = CertificateDer::pem_file_iter(directory.join("cert.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(directory.join("key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(certificates.map(Result::unwrap).collect(), key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for tcp in listener.incoming() {
                let mut tcp = tcp.unwrap();
                let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = Stream::new(&mut connection, &mut tcp);
                let mut request = vec![0; 4096];
                let length = stream.read(&mut request).unwrap_or(0);
                request.truncate(length);
                let _ = stream.write_all(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
                );
                let _ = stream.flush();
                sender.send(request).unwrap();
            }
        });
        (port, receiver)
    }

    #[test]
    fn nothing_is_sent_over_an_unverified_connection() {
        let directory = tempfile::tempdir().unwrap();
        certificate(directory.path());
        let (port, seen) = serve(directory.path());
        let api = format!("https://127.0.0.1:{port}");
        let cert = directory.path().join("cert.pem");
        let trusting = HttpSettings {
            ssl_ca_info: Some(cert.clone()),
            ..HttpSettings::default()
        };
        let variables = [("SSL_CERT_FILE", cert.to_str().unwrap())];

        let client = Client::new(
            &context(&[]),
            &api,
            bearer(),
            &HttpSettings::default(),
            short_limits(),
        )
        .unwrap();
        let error = client.get("/x").unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
        assert_eq!(seen.recv().unwrap(), b"", "not a byte of HTTP");

        for (variables, settings) in [
            (&[][..], trusting),
            (&variables[..], HttpSettings::default()),
        ] {
            let client = Client::new(
                &context(variables),
                &api,
                bearer(),
                &settings,
                short_limits(),
            )
            .unwrap();
            client.get("/x").unwrap();
            let request = seen.recv().unwrap();
            assert!(request.starts_with(b"GET /x HTTP/1.1\r\n"));
        }

        // The certificate is for the address, not for the name.
        let api = format!("https://localhost:{port}");
        let client = Client::new(
            &context(&variables),
            &api,
            bearer(),
            &HttpSettings::default(),
            short_limits(),
        )
        .unwrap();
        client.get("/x").unwrap_err();
        assert_eq!(seen.recv().unwrap(), b"");
    }
}
