//! The channel: opened, the command sent, git's bytes pumped both ways until the server closes it.

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
use crate::transport::session::{Ending, Event, SessionState};
use crate::transport::stdio::{Input, Output};
use crate::transport::{Endpoint, Error, ExitStatus, Peer};

/// How a channel ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// git was served; its bytes are written.
    Completed(ExitStatus),
    /// The repository was refused; git has seen nothing.
    RepositoryDenied(ExitStatus, Held),
}

/// One authenticated connection.
pub(super) struct SessionChannel<'a> {
    pub handle: Handle<Client>,
    pub shared: Arc<SessionState>,
    pub events: mpsc::UnboundedReceiver<Event>,
    pub endpoint: &'a Endpoint,
    pub peer: Peer,
    pub output: Output,
    pub errors: Output,
}

/// git may close its end when it has all it wants, and still look at the status; so the end is
/// waited for, but not for long: a git that died reads no status.
const STATUS_GRACE: Duration = Duration::from_secs(1);

/// ssh(1)'s status for whatever has none: a signal, a lost connection.
const NO_STATUS: u32 = 255;

impl SessionChannel<'_> {
    /// Runs the command (the handler sends it) and copies until the end.
    pub(super) async fn run(mut self, input: Input) -> Result<Ended, Error> {
        let region = trace2::region("channel", String::new);
        let write_half = match self.handle.channel_open_session().await {
            // The reading half is dropped: output comes through the handler.
            Ok(channel) => channel.split().1,
            Err(SshError::ChannelOpenFailure(_)) => return Err(self.not_opened()),
            Err(_) => return Err(self.lost().await),
        };
        diagnostics::mark("channel");
        let (serving, gate) = oneshot::channel();
        let mut serving = Some(serving);
        if self.shared.is_serving()
            && let Some(serving) = serving.take()
        {
            let _ = serving.send(());
        }
        let waiting = [self.output.clone(), self.errors.clone()];
        let sent = Arc::clone(&self.shared);
        let pump = tokio::spawn(pump(gate, input, write_half, waiting, sent));
        let Followed {
            status,
            closed,
            refused,
        } = follow(&self.handle, &mut self.events, serving).await;
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
        trace2::data("bytes_received", || read(&self.shared.received));
        trace2::data("bytes_sent", || read(&self.shared.sent_bytes));
        self.say_goodbye().await;
        result
    }

    /// The verdict, and the last bytes to git.
    async fn end(&mut self, status: Option<u32>, closed: bool) -> Result<Ended, Error> {
        let number = status.unwrap_or(NO_STATUS);
        // exit(3) keeps eight bits; a status that was given is passed on whatever follows.
        let exit = ExitStatus(u8::try_from(number & 0xff).unwrap_or(u8::MAX));
        match self.shared.take_hold().end() {
            End::Refused(held) => return Ok(Ended::RepositoryDenied(exit, held)),
            End::Release(held) => {
                let _ = self.errors.write(&held.stderr).await;
                let _ = self.output.write(&held.stdout).await;
            }
            End::Completed => {}
        }
        let _ = self.errors.flush().await;
        let read = self.output.flush().await;
        if status.is_some() || (closed && read.is_ok()) {
            return Ok(Ended::Completed(exit));
        }
        if read.is_err() {
            return Err(Error::CallerGone);
        }
        Err(self.lost().await)
    }

    fn not_opened(&mut self) -> Error {
        let mut words = "refused".to_owned();
        while let Ok(event) = self.events.try_recv() {
            if let Event::NotOpened(text) = event {
                words = text;
            }
        }
        Error::Channel(format!("channel 0: open failed: {words}"))
    }

    /// Why the connection is gone.
    async fn lost(&mut self) -> Error {
        // russh's task may have one step left in which it says why.
        let _ = timeout(Duration::from_secs(2), &mut self.handle).await;
        // A refused open whose words came first.
        while let Ok(event) = self.events.try_recv() {
            if let Event::NotOpened(text) = event {
                return Error::Channel(format!("channel 0: open failed: {text}"));
            }
        }
        Ending::error(self.shared.take_ending(), self.endpoint, self.peer, true)
    }

    /// A word of parting, if it can be written at once: git waits for our exit.
    async fn say_goodbye(&mut self) {
        if self.handle.is_closed() {
            return;
        }
        let goodbye = self
            .handle
            .disconnect(Disconnect::ByApplication, "disconnected by user", "");
        if goodbye.await.is_ok() {
            let _ = timeout(Duration::from_millis(100), &mut self.handle).await;
        }
    }
}

/// git's bytes to the server, once the repository is served. In a task of its own: a write that is
/// dropped midway would lose window. `outputs` may hold the server back; not while git sends.
async fn pump(
    gate: oneshot::Receiver<()>,
    mut input: Input,
    channel: ChannelWriteHalf<Msg>,
    outputs: [Output; 2],
    shared: Arc<SessionState>,
) {
    if gate.await.is_err() {
        return;
    }
    loop {
        match input.read().await {
            Ok(bytes) if bytes.is_empty() => break,
            Ok(bytes) => {
                let count = bytes.len() as u64;
                shared.sent_bytes.fetch_add(count, Ordering::Relaxed);
                tell(&outputs, true);
                let sent = channel.data_bytes(bytes).await;
                tell(&outputs, false);
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
    tell(&outputs, false);
    tracing::debug!("channel 0: send eof");
    let _ = channel.eof().await;
}

/// What the events of a channel came to.
#[derive(Debug, Default)]
struct Followed {
    status: Option<u32>,
    closed: bool,
    refused: bool,
}

/// Until the channel is closed, or can no longer be waited for.
async fn follow(
    server: &Handle<Client>,
    events: &mut mpsc::UnboundedReceiver<Event>,
    mut serving: Option<oneshot::Sender<()>>,
) -> Followed {
    let mut followed = Followed::default();
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
            Some(Event::Status(number)) => followed.status = Some(number),
            Some(Event::Signal(text)) => {
                tracing::info!("the remote command was killed: {text}");
                followed.status = Some(NO_STATUS);
            }
            Some(Event::NotOpened(_)) => {}
            Some(Event::ReaderGone) => deadline = Some(Instant::now() + STATUS_GRACE),
            Some(Event::Refused) => {
                followed.refused = true;
                break;
            }
            Some(Event::Closed) => {
                followed.closed = true;
                break;
            }
            None => break,
        }
    }
    if let Some(running) = update {
        // The answer was on its way before the end of the command.
        let _ = timeout(STATUS_GRACE, running).await;
    }
    followed
}

fn tell(outputs: &[Output], sending: bool) {
    for output in outputs {
        output.sending(sending);
    }
}
