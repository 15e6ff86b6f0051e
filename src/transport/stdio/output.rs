//! The channel's bytes for git: stdout, or stderr.
//!
//! A write that would block is queued; when more than the limit is queued the writer waits, and with
//! it the server. So memory is bounded, and the other direction continues until the limit is reached.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::backpressure::Backpressure;
#[cfg(unix)]
use super::descriptor::write_some;
use super::descriptor::{Descriptor, IoMode, kind, write_all};

/// The reader has closed its end (EPIPE), or the descriptor cannot be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::transport) struct Gone;

/// The writing end. Clones write to the same descriptor.
#[derive(Debug, Clone)]
pub(in crate::transport) struct Output(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    mode: IoMode,
    state: Mutex<State>,
    /// Something is queued, or the end was asked for: for the thread.
    filled: Condvar,
    /// The same, for the task.
    filled_async: Notify,
    /// Something was written, the reader has gone, or the limit has changed.
    drained: Notify,
    /// This is the process's own fd 1.
    standard: bool,
}

#[derive(Debug)]
struct State {
    queue: VecDeque<Vec<u8>>,
    /// Bytes in `queue` and those being written.
    waiting: usize,
    /// How much may be queued.
    limit: Backpressure,
    /// Nothing more follows.
    ending: bool,
    /// The process's own fd 1 stays open: another session may follow.
    keeps_standard: bool,
    gone: bool,
    /// `None`: closed.
    file: Option<Descriptor>,
}

impl Output {
    /// Takes the descriptor over. `standard`: it is a duplicate of the process's own fd 1, which is
    /// closed with it. Inside a runtime.
    pub(in crate::transport) fn new(file: File, standard: bool) -> io::Result<Self> {
        let (mode, descriptor) = kind(file)?;
        let output = Self(Arc::new(Shared {
            mode,
            state: Mutex::new(State {
                queue: VecDeque::new(),
                waiting: 0,
                limit: Backpressure::new(),
                ending: false,
                keeps_standard: false,
                gone: false,
                file: Some(descriptor),
            }),
            filled: Condvar::new(),
            filled_async: Notify::new(),
            drained: Notify::new(),
            standard,
        }));
        match mode {
            IoMode::AtOnce => {}
            IoMode::Thread => {
                let shared = Arc::clone(&output.0);
                std::thread::Builder::new()
                    .name("stdout".to_owned())
                    .spawn(move || shared.drain_blocking())?;
            }
            #[cfg(unix)]
            IoMode::Polled { .. } => {
                let shared = Arc::clone(&output.0);
                tokio::spawn(async move { shared.drain_polled().await });
            }
        }
        Ok(output)
    }

    /// Writes, or queues what cannot be written now. Returns when no more than the limit is queued.
    pub(in crate::transport) async fn write(&self, bytes: &[u8]) -> Result<(), Gone> {
        self.0.write_or_queue(bytes)?;
        self.0
            .until(|state| state.waiting <= state.limit.bytes())
            .await
    }

    /// git's bytes for the server are being sent, or have been. A slow reader must not delay them.
    pub(in crate::transport) fn sending(&self, sending: bool) {
        self.0.lock().limit.sending(sending);
        self.0.drained.notify_waiters();
    }

    /// Waits until everything is written.
    pub(in crate::transport) async fn flush(&self) -> Result<(), Gone> {
        self.0.until(|state| state.waiting == 0).await
    }

    /// Nothing more follows: closes the descriptor once everything is written. A socket is shut down
    /// for writing, since stdin may be the same one.
    pub(in crate::transport) fn end(&self) {
        let mut state = self.0.lock();
        state.ending = true;
        if state.waiting == 0 {
            self.0.close(&mut state);
        }
        drop(state);
        self.0.wake_drain();
    }

    /// This session is over: closes the duplicate once everything is written, while the process keeps
    /// its own descriptor.
    pub(in crate::transport) fn release(&self) {
        self.0.lock().keeps_standard = true;
        self.end();
    }

    /// Returns when the reader has closed its end, if the descriptor reports it (a pipe); otherwise never.
    pub(in crate::transport) async fn gone(&self) {
        #[cfg(unix)]
        {
            let file = match &self.0.lock().file {
                Some(Descriptor::Polled(file)) => Some(Arc::clone(file)),
                _ => None,
            };
            if let Some(file) = file
                && matches!(self.0.mode, IoMode::Polled { socket: false })
                && file.ready(tokio::io::Interest::ERROR).await.is_ok()
            {
                return;
            }
        }
        std::future::pending::<()>().await;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_or_queue(&self, bytes: &[u8]) -> Result<(), Gone> {
        let mut state = self.lock();
        if state.gone {
            return Err(Gone);
        }
        state.limit.written();
        let written = match (&state.file, state.waiting) {
            (Some(file), 0) => match self.try_write(file, bytes) {
                Ok(count) => count,
                Err(error) => {
                    tracing::debug!("write failed: {error}");
                    state.gone = true;
                    return Err(Gone);
                }
            },
            (Some(_), _) => 0,
            (None, _) => return Ok(()),
        };
        if written < bytes.len() {
            state.queue.push_back(bytes[written..].to_vec());
            state.waiting += bytes.len() - written;
            drop(state);
            self.wake_drain();
        }
        Ok(())
    }

    /// How many bytes were written without waiting.
    fn try_write(&self, file: &Descriptor, bytes: &[u8]) -> io::Result<usize> {
        match (self.mode, file) {
            (IoMode::AtOnce, Descriptor::Blocking(file)) => {
                write_all(file, bytes)?;
                Ok(bytes.len())
            }
            #[cfg(unix)]
            (IoMode::Polled { socket }, Descriptor::Polled(file)) => {
                let mut written = 0;
                while written < bytes.len() {
                    match write_some(file.get_ref(), &bytes[written..], socket) {
                        Ok(count) => written += count,
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                        Err(error) => return Err(error),
                    }
                }
                Ok(written)
            }
            _ => Ok(0),
        }
    }

    async fn until(&self, done: impl Fn(&State) -> bool) -> Result<(), Gone> {
        loop {
            let drained = self.drained.notified();
            tokio::pin!(drained);
            drained.as_mut().enable();
            {
                let state = self.lock();
                if state.gone {
                    return Err(Gone);
                }
                if done(&state) {
                    return Ok(());
                }
            }
            drained.await;
        }
    }

    fn wake_drain(&self) {
        self.filled.notify_all();
        self.filled_async.notify_one();
    }

    /// One queued piece has been written, or failed.
    fn settle(&self, length: usize, result: io::Result<()>) {
        let mut state = self.lock();
        state.waiting -= length;
        if let Err(error) = result {
            tracing::debug!("write failed: {error}");
            state.gone = true;
            state.queue.clear();
            state.waiting = 0;
        }
        if state.ending && state.waiting == 0 {
            self.close(&mut state);
        }
        drop(state);
        self.drained.notify_waiters();
    }

    fn close(&self, state: &mut State) {
        let Some(file) = state.file.take() else {
            return;
        };
        #[cfg(unix)]
        {
            if let (IoMode::Polled { socket: true }, Descriptor::Polled(file)) = (self.mode, &file)
            {
                let _ = rustix::net::shutdown(file.get_ref(), rustix::net::Shutdown::Write);
            }
            if self.standard
                && !state.keeps_standard
                && let Ok(null) = File::options().write(true).open("/dev/null")
            {
                let _ = rustix::stdio::dup2_stdout(null);
            }
        }
        drop(file);
    }

    fn drain_blocking(&self) {
        loop {
            let mut state = self.lock();
            let piece = loop {
                if let Some(piece) = state.queue.pop_front() {
                    break piece;
                }
                if state.ending || state.gone {
                    return;
                }
                state = self
                    .filled
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            };
            let Some(Descriptor::Blocking(file)) = &state.file else {
                return;
            };
            let file = Arc::clone(file);
            drop(state);
            self.settle(piece.len(), write_all(&file, &piece));
        }
    }

    #[cfg(unix)]
    async fn drain_polled(&self) {
        loop {
            let next = {
                let mut state = self.lock();
                if (state.ending && state.waiting == 0) || state.gone {
                    return;
                }
                match (&state.file, state.queue.is_empty()) {
                    (Some(Descriptor::Polled(file)), false) => {
                        let file = Arc::clone(file);
                        state.queue.pop_front().map(|piece| (file, piece))
                    }
                    _ => None,
                }
            };
            match next {
                Some((file, piece)) => {
                    let result = self.write_when_ready(&file, &piece).await;
                    drop(file);
                    self.settle(piece.len(), result);
                }
                None => self.filled_async.notified().await,
            }
        }
    }

    #[cfg(unix)]
    async fn write_when_ready(
        &self,
        file: &tokio::io::unix::AsyncFd<File>,
        mut bytes: &[u8],
    ) -> io::Result<()> {
        let socket = matches!(self.mode, IoMode::Polled { socket: true });
        while !bytes.is_empty() {
            let mut guard = file.writable().await?;
            match guard.try_io(|file| write_some(file.get_ref(), bytes, socket)) {
                Ok(count) => bytes = &bytes[count?..],
                Err(_would_block) => {}
            }
        }
        Ok(())
    }
}
