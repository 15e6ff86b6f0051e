//! A minimal REST client: one request for each connection, every byte visible.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpStream;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

pub struct Reply {
    pub status: u16,
    /// Head of the answer, as it came.
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        let parsed = serde_json::from_slice(&self.body);
        parsed.unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// The error's message.
    #[track_caller]
    pub fn message(&self) -> String {
        self.json()["error"]["message"]
            .as_str()
            .expect("errors have a message")
            .to_owned()
    }
}

pub fn request(method: &str, address: &str, login: Option<&str>, body: Option<&Value>) -> Reply {
    let authorization = login.map(|login| format!("Basic {}", STANDARD.encode(login)));
    let body = body.map(Value::to_string);
    let mut head = String::new();
    if let Some(value) = authorization {
        let _ = write!(head, "Authorization: {value}\r\n");
    }
    if let Some(body) = &body {
        let _ = write!(head, "Content-Length: {}\r\n", body.len());
    }
    exchange(method, address, &head, &body.unwrap_or_default()).expect("the sandbox answers")
}

/// With these header lines. `None`: the connection ended without an answer.
pub fn exchange(method: &str, address: &str, headers: &str, body: &str) -> Option<Reply> {
    let rest = address
        .strip_prefix("http://")
        .expect("the sandbox speaks plain http");
    let (host, path) = rest.split_once('/').expect("the address has a path");
    let mut stream = TcpStream::connect(host).unwrap();
    let head = format!("{method} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    write!(stream, "{head}{headers}\r\n{body}").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Reply {
        status,
        head,
        body: answer[end + 4..].to_vec(),
    })
}
