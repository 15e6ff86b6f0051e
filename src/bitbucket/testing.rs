//! A server on loopback that sends scripted answers and records the requests.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::http::{Authorization, Client, Limits};
use crate::clock::SystemClock;
use crate::context::{Context, Environment};
use crate::secret::Secret;
use crate::settings::HttpSettings;

/// One request as it came.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Seen {
    /// A header's value; names are compared without case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }
}

/// An answer, byte for byte, and whether the connection then stays open and silent.
pub(super) struct Reply {
    pub bytes: Vec<u8>,
    pub hangs: bool,
}

/// A JSON answer.
pub(super) fn json(status: u16, body: &Value) -> Reply {
    with(
        status,
        "Content-Type: application/json\r\n",
        &body.to_string(),
    )
}

/// An answer with further header lines.
pub(super) fn with(status: u16, headers: &str, body: &str) -> Reply {
    let length = body.len();
    raw(format!(
        "HTTP/1.1 {status} Some Reason\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    ))
}

/// Any bytes.
pub(super) fn raw(text: impl Into<Vec<u8>>) -> Reply {
    Reply {
        bytes: text.into(),
        hangs: false,
    }
}

/// The server; it answers one request on each connection, in the order of its script.
pub(super) struct Server {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Runs until the process ends; a request beyond the script gets no answer.
    pub(super) fn start(script: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut script: VecDeque<Reply> = script.into_iter().collect();
        let recorded = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = read(&stream) else {
                    continue;
                };
                recorded.lock().unwrap().push(request);
                let Some(reply) = script.pop_front() else {
                    continue;
                };
                let _ = stream.write_all(&reply.bytes);
                if reply.hangs {
                    std::thread::spawn(move || {
                        std::thread::sleep(Duration::from_secs(60));
                        drop(stream);
                    });
                } else {
                    let _ = stream.shutdown(Shutdown::Write);
                }
            }
        });
        Self { url, seen }
    }

    /// `http://127.0.0.1:PORT`.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// All requests so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Method and target of all requests so far.
    pub(super) fn asked(&self) -> Vec<String> {
        let seen = self.seen();
        seen.iter()
            .map(|seen| format!("{} {}", seen.method, seen.target))
            .collect()
    }

    /// A client for it, as `alice@example.com` with the token `secret-token` and short limits.
    pub(super) fn client(&self, base: &str) -> Client {
        let secret = Secret::new("secret-token".to_owned());
        let authorization = Authorization::basic("alice@example.com", &secret);
        let api = format!("{}{base}", self.url);
        Client::new(
            &context(&[]),
            &api,
            authorization,
            &HttpSettings::default(),
            short_limits(),
        )
        .unwrap()
    }
}

/// Limits that a test can wait for.
pub(super) fn short_limits() -> Limits {
    Limits {
        connect: Duration::from_secs(2),
        call: Duration::from_secs(2),
        body: 4096,
        first_pause: Duration::from_millis(1),
        pauses: Duration::from_secs(2),
        ..Limits::default()
    }
}

/// A context with these variables alone.
pub(super) fn context(variables: &[(&str, &str)]) -> Context {
    Context {
        environment: Environment::new(
            variables
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into())),
        ),
        directory: PathBuf::from("/"),
        program: PathBuf::from("/nonexistent/bitbucket-ssh"),
        clock: Arc::new(SystemClock),
    }
}

fn read(stream: &TcpStream) -> Option<Seen> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut seen = Seen {
        method,
        target,
        headers,
        body: String::new(),
    };
    let length = seen
        .header("content-length")
        .and_then(|length| length.parse().ok());
    reader
        .take(length.unwrap_or(0))
        .read_to_string(&mut seen.body)
        .ok()?;
    Some(seen)
}
