//! The channel: opened, the command sent, git's bytes copied both ways until the server closes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use russh::Disconnect;
use russh::client::{Handle, Msg};
use russh::{ChannelWriteHalf, Error as SshError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use crate::diagnostics::{self, trace2};
use crate::transport::client::Client;
use crate::transport::denial::{End, Held};
use crate::transport::handshake::SshConnection;
use crate::transport::session::{Ending, Event, SessionState};
use crate::transport::stdio::{Input, Outputs};
use crate::transport::{Error, ExitStatus};

/// How a channel ended.
#[derive(Debug)]
pub(super) enum ChannelEnd {
    /// The command ran; its output is written.
    Completed(ExitStatus),
    /// The repository was denied; git has not received a byte.
    RepositoryDenied(ExitStatus, Held),
}

/// The one channel of an authenticated connection.
pub(super) struct SessionChannel {
    pub connection: SshConnection,
    pub outputs: Outputs,
}

/// git may close its end of the pipe when it has all it needs, and still read the status; so the end
/// of the command is waited for, but not for long: a git that died reads no status.
const STATUS_GRACE: Duration = Duration::from_secs(1);

/// ssh(1)'s status for a command without one: killed by a signal, or the connection lost.
const NO_STATUS: u32 = 255;

impl SessionChannel {
    /// Runs the command (the handler sends it) and copies until the end.
    pub(super) async fn run(mut self, input: Input) -> Result<ChannelEnd, Error> {
        let region = trace2::region("channel", String::new);
        let write_half = match self.connection.handle.channel_open_session().await {
            // The reading half is dropped: output comes through the handler.
            Ok(channel) => channel.split().1,
            Err(SshError::ChannelOpenFailure(_)) => return Err(self.not_opened()),
            Err(_) => return Err(self.lost().await),
        };
        diagnostics::mark("channel");
        let (serving, gate) = oneshot::channel();
        let mut serving = Some(serving);
        if self.connection.state.is_serving()
            && let Some(serving) = serving.take()
        {
            let _ = serving.send(());
        }
        let outputs = self.outputs.clone();
        let state = Arc::clone(&self.connection.state);
        let pump = tokio::spawn(pump(gate, input, write_half, outputs, state));
        let ChannelResult {
            status,
            closed,
            refused,
        } = follow(
            &self.connection.handle,
            &mut self.connection.events,
            serving,
        )
        .await;
        pump.abort();
        let result = if refused {
            Err(Error::Channel(
                "exec request failed on channel 0".to_owned(),
            ))
        } else {
            self.end(status, closed).await
        };
        drop(region);
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed).to_string();
        trace2::data("bytes_received", || read(&self.connection.state.received));
        trace2::data("bytes_sent", || read(&self.connection.state.sent_bytes));
        self.disconnect().await;
        result
    }

    /// The verdict, and the last bytes to git.
    async fn end(&mut self, status: Option<u32>, closed: bool) -> Result<ChannelEnd, Error> {
        let number = status.unwrap_or(NO_STATUS);
        // exit(3) keeps eight bits; a status that was received is passed on whatever follows.
        let exit = ExitStatus(u8::try_from(number & 0xff).unwrap_or(u8::MAX));
        match self.connection.state.take_buffer().end() {
            End::Denied(held) => return Ok(ChannelEnd::RepositoryDenied(exit, held)),
            End::Release(held) => {
                let _ = self.outputs.errors.write(&held.stderr).await;
                let _ = self.outputs.output.write(&held.stdout).await;
            }
            End::Completed => {}
        }
        let _ = self.outputs.errors.flush().await;
        let read = self.outputs.output.flush().await;
        if status.is_some() || (closed && read.is_ok()) {
            return Ok(ChannelEnd::Completed(exit));
        }
        if read.is_err() {
            return Err(Error::CallerGone);
        }
        Err(self.lost().await)
    }

    fn not_opened(&mut self) -> Error {
        let mut reason = "refused".to_owned();
        while let Ok(event) = self.connection.events.try_recv() {
            if let Event::NotOpened(text) = event {
                reason = text;
            }
        }
        Error::Channel(format!("channel 0: open failed: {reason}"))
    }

    /// Why the connection is gone.
    async fn lost(&mut self) -> Error {
        // russh's task may have one step left, which records the reason.
        let _ = timeout(Duration::from_secs(2), &mut self.connection.handle).await;
        // The open was refused and the connection closed right after.
        while let Ok(event) = self.connection.events.try_recv() {
            if let Event::NotOpened(text) = event {
                return Error::Channel(format!("channel 0: open failed: {text}"));
            }
        }
        Ending::error(
            self.connection.state.take_ending(),
            &self.connection.endpoint,
            self.connection.peer,
            true,
        )
    }

    /// Sends a disconnect message, if that does not take long: git waits for this process to exit.
    async fn disconnect(&mut self) {
        if self.connection.handle.is_closed() {
            return;
        }
        let sent = self.connection.handle.disconnect(
            Disconnect::ByApplication,
            "disconnected by user",
            "",
        );
        if sent.await.is_ok() {
            let _ = timeout(Duration::from_millis(100), &mut self.connection.handle).await;
        }
    }
}

/// Copies git's bytes to the server, once the repository is served. In a task of its own: a write
/// that is dropped midway would lose window. `outputs` may slow the server down, but not while git
/// sends.
async fn pump(
    gate: oneshot::Receiver<()>,
    mut input: Input,
    channel: ChannelWriteHalf<Msg>,
    outputs: Outputs,
    state: Arc<SessionState>,
) {
    if gate.await.is_err() {
        return;
    }
    loop {
        match input.read().await {
            Ok(bytes) if bytes.is_empty() => break,
            Ok(bytes) => {
                let count = bytes.len() as u64;
                state.sent_bytes.fetch_add(count, Ordering::Relaxed);
                outputs.sending(true);
                let sent = channel.data_bytes(bytes).await;
                outputs.sending(false);
                if sent.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::info!("read from stdin: {error}");
                break;
            }
        }
    }
    outputs.sending(false);
    tracing::debug!("channel 0: send eof");
    let _ = channel.eof().await;
}

/// What the events of a channel amount to.
#[derive(Debug, Default)]
struct ChannelResult {
    status: Option<u32>,
    closed: bool,
    refused: bool,
}

/// Until the channel is closed, or can no longer be waited for.
async fn follow(
    server: &Handle<Client>,
    events: &mut mpsc::UnboundedReceiver<Event>,
    mut serving: Option<oneshot::Sender<()>>,
) -> ChannelResult {
    let mut result = ChannelResult::default();
    let mut deadline = None;
    let mut update = None;
    loop {
        let next = async {
            match deadline {
                None => events.recv().await,
                Some(deadline) => timeout_at(deadline, events.recv()).await.ok().flatten(),
            }
        };
        let event = match &mut update {
            None => next.await,
            Some(running) => tokio::select! {
                biased;
                () = running => {
                    update = None;
                    continue;
                }
                event = next => event,
            },
        };
        match event {
            Some(Event::Serving) => {
                if let Some(serving) = serving.take() {
                    let _ = serving.send(());
                }
            }
            Some(Event::HostKeys(updater, keys)) => {
                update = Some(Box::pin(updater.update(keys, server)));
            }
            Some(Event::Status(number)) => result.status = Some(number),
            Some(Event::Signal(text)) => {
                tracing::info!("the remote command was killed: {text}");
                result.status = Some(NO_STATUS);
            }
            Some(Event::NotOpened(_)) => {}
            Some(Event::ReaderGone) => deadline = Some(Instant::now() + STATUS_GRACE),
            Some(Event::Refused) => {
                result.refused = true;
                break;
            }
            Some(Event::Closed) => {
                result.closed = true;
                break;
            }
            None => break,
        }
    }
    if let Some(running) = update {
        // The answer was sent before the command ended.
        let _ = timeout(STATUS_GRACE, running).await;
    }
    result
}
