//! The version exchange (RFC 4253 section 4.2): is this an SSH server?
//!
//! Done before russh takes the stream over, so that "no version line" is a failure of the endpoint
//! and the next one can be tried. Our line does not wait for the server's: a round trip less with
//! every server that sends its algorithms behind the client's version. Lines of text before the
//! server's version are dropped, as the RFC wants.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::timeout;

use crate::text::sanitise;
use crate::transport::endpoint::Stream;

/// Our version line, without its end.
pub(in crate::transport) const OUR_VERSION: &str =
    concat!("SSH-2.0-bitbucket-ssh_", env!("CARGO_PKG_VERSION"));

/// The same as it is sent.
const OUR_LINE: &[u8] =
    concat!("SSH-2.0-bitbucket-ssh_", env!("CARGO_PKG_VERSION"), "\r\n").as_bytes();

/// OpenSSH's bounds (kex.c): a line, and lines before the version.
const LONGEST_LINE: usize = 8192;
const MOST_LINES: usize = 1024;

/// Sends our version line and reads the server's, for at most `limit`. The server's line is put
/// back. The error is a clause in OpenSSH's wording.
pub(super) async fn exchange(stream: &mut Stream, limit: Duration) -> Result<String, String> {
    if let Err(error) = stream.send_ahead(OUR_LINE).await {
        // Reading tells why the server does not listen.
        tracing::debug!("write: {}", super::io_message(&error));
    }
    match timeout(limit, read(stream)).await {
        Ok(Ok((version, bytes))) => {
            stream.put_back(bytes);
            Ok(version)
        }
        Ok(Err(why)) => Err(why),
        Err(_) => Err("Connection timed out during banner exchange".to_owned()),
    }
}

/// Reads up to the end of the version line. Gives the line without its end, and every byte from
/// its beginning on, to be put back. The error is a clause in OpenSSH's wording.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<(String, Vec<u8>), String> {
    let mut bytes: Vec<u8> = Vec::with_capacity(256);
    let mut lines = 0;
    loop {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            if bytes.starts_with(b"SSH-") {
                let line = String::from_utf8_lossy(&bytes[..end]).trim_end().to_owned();
                return supported(&line).map(|()| (line, bytes));
            }
            let line: Vec<u8> = bytes.drain(..=end).collect();
            let text = sanitise(String::from_utf8_lossy(&line).trim_end());
            tracing::debug!("kex_exchange_identification: banner line {lines}: {text}");
            lines += 1;
            if lines > MOST_LINES {
                return Err("No SSH version received in first 1024 lines from server".to_owned());
            }
        }
        if bytes.len() > LONGEST_LINE {
            return Err("banner line contains invalid characters or is too long".to_owned());
        }
        match stream.read_buf(&mut bytes).await {
            Ok(0) => return Err("Connection closed by remote host".to_owned()),
            Ok(_) => {}
            Err(error) => return Err(format!("read: {}", super::io_message(&error))),
        }
    }
}

/// The number in front of the first full stop.
fn major(line: &str) -> &str {
    let version = line.trim_start_matches("SSH-");
    version.split(['.', '-']).next().unwrap_or(version)
}

fn supported(line: &str) -> Result<(), String> {
    if line.starts_with("SSH-2.0-") || line.starts_with("SSH-1.99-") {
        Ok(())
    } else {
        Err(format!(
            "Protocol major versions differ: 2 vs. {}",
            sanitise(major(line))
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[tokio::test]
    async fn the_version_line_is_found_and_nothing_behind_it_is_lost() {
        for (sent, expected, why) in [
            ("SSH-2.0-conker_x\r\nrest", Ok("SSH-2.0-conker_x"), "plain"),
            ("SSH-2.0-x\n", Ok("SSH-2.0-x"), "without carriage return"),
            (
                "hello\r\nSSH-2.0-x\r\nrest",
                Ok("SSH-2.0-x"),
                "text before it",
            ),
            ("SSH-1.99-old\r\n", Ok("SSH-1.99-old"), "speaks 2.0 too"),
            ("SSH-1.5-old\r\n", Err("major versions differ"), "too old"),
            ("", Err("closed by remote host"), "nothing at all"),
            ("SSH-2.0-x", Err("closed by remote host"), "cut"),
            (
                "HTTP/1.1 400 Bad\r\n\r\n",
                Err("closed by remote host"),
                "a web server",
            ),
        ] {
            let result = read(&mut sent.as_bytes()).await;
            match (result, expected) {
                (Ok((line, bytes)), Ok(version)) => {
                    assert_eq!(line, version, "{why}");
                    let from = sent.find("SSH-").unwrap();
                    assert_eq!(bytes, &sent.as_bytes()[from..], "{why}");
                }
                (Err(error), Err(words)) => assert!(error.contains(words), "{why}: {error}"),
                (result, _) => panic!("{why}: {result:?}"),
            }
        }
    }
}
