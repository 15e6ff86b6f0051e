//! Closing a connection from outside the task that serves it.

use std::net::Shutdown;
use std::sync::Arc;

use tokio::net::TcpStream;

/// Ends the connection from outside of the session's own task.
#[derive(Clone)]
pub(super) struct Cut(Arc<std::net::TcpStream>);

impl Cut {
    pub(super) fn now(&self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// The stream with the means to end it.
pub(super) fn severable(stream: TcpStream) -> std::io::Result<(TcpStream, Cut)> {
    let stream = stream.into_std()?;
    let cut = Cut(Arc::new(stream.try_clone()?));
    Ok((TcpStream::from_std(stream)?, cut))
}
