//! The bytes under SSH: TCP or a proxy's pipes. What was read ahead is put back in front, what was
//! said ahead is not said twice.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout};

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
pub(super) enum Carrier {
    Tcp(TcpStream),
    /// The child ends with the session.
    Proxy {
        _child: Box<Child>,
        input: ChildStdin,
        output: ChildStdout,
    },
}

impl Stream {
    pub(super) fn new(carrier: Carrier) -> Self {
        Self {
            ahead: Vec::new(),
            said: &[],
            carrier,
        }
    }

    /// Sends bytes that the next writer will begin with: they are taken from it and not sent again.
    pub(super) async fn say_ahead(&mut self, bytes: &'static [u8]) -> io::Result<()> {
        self.write_all(bytes).await?;
        self.flush().await?;
        self.said = bytes;
        Ok(())
    }

    /// Puts bytes in front of what comes next.
    pub(super) fn put_back(&mut self, mut bytes: Vec<u8>) {
        bytes.append(&mut self.ahead);
        self.ahead = bytes;
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
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
        context: &mut Context<'_>,
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

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.carrier {
            Carrier::Tcp(tcp) => Pin::new(tcp).poll_flush(context),
            Carrier::Proxy { input, .. } => Pin::new(input).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.carrier {
            Carrier::Tcp(tcp) => Pin::new(tcp).poll_shutdown(context),
            Carrier::Proxy { input, .. } => Pin::new(input).poll_shutdown(context),
        }
    }
}
