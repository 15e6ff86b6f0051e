//! git's bytes for the server.
//!
//! Nothing is read in advance: a session that may still be denied leaves git's input untouched. A descriptor that can be polled is read when it is ready; others (regular files, the
//! null device, everything on Windows) by a thread, which a pending read may outlive.

use std::fs::File;
use std::io::{self, Read as _};

use tokio::sync::mpsc;

/// What one read takes.
const CHUNK: usize = 64 << 10;

/// The reading end.
#[derive(Debug)]
pub(in crate::transport) struct Input(InputMode);

#[derive(Debug)]
enum InputMode {
    Nothing,
    #[cfg(unix)]
    Polled(tokio::io::unix::AsyncFd<File>),
    /// Not read yet.
    Later(File),
    Thread(mpsc::Receiver<io::Result<Vec<u8>>>),
}

impl Input {
    /// Takes the descriptor over. Reads nothing. Inside a runtime.
    pub(in crate::transport) fn new(file: Option<File>) -> Self {
        Self(file.map_or(InputMode::Nothing, InputMode::of))
    }

    /// The next bytes; empty at the end of input. Safe to drop midway.
    pub(in crate::transport) async fn read(&mut self) -> io::Result<Vec<u8>> {
        if let InputMode::Later(_) = self.0 {
            let InputMode::Later(file) = std::mem::replace(&mut self.0, InputMode::Nothing) else {
                return Ok(Vec::new());
            };
            self.0 = InputMode::Thread(read_in_a_thread(file)?);
        }
        match &mut self.0 {
            InputMode::Thread(receiver) => receiver.recv().await.unwrap_or(Ok(Vec::new())),
            #[cfg(unix)]
            InputMode::Polled(file) => read_when_ready(file).await,
            InputMode::Nothing | InputMode::Later(_) => Ok(Vec::new()),
        }
    }
}

impl InputMode {
    #[cfg(unix)]
    fn of(file: File) -> Self {
        match super::descriptor::register(file, tokio::io::Interest::READABLE) {
            Ok(file) => Self::Polled(file),
            Err(file) => Self::Later(file),
        }
    }

    #[cfg(not(unix))]
    fn of(file: File) -> Self {
        Self::Later(file)
    }
}

#[cfg(unix)]
async fn read_when_ready(file: &tokio::io::unix::AsyncFd<File>) -> io::Result<Vec<u8>> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::Errno;
    loop {
        let mut guard = file.readable().await?;
        // The descriptor blocks, and others may have emptied it: ask before each read.
        let mut wanted = [PollFd::new(file.get_ref(), PollFlags::IN)];
        if poll(&mut wanted, Some(&Timespec::default()))? == 0 {
            guard.clear_ready();
            continue;
        }
        let mut bytes = Vec::with_capacity(CHUNK);
        match rustix::io::read(file.get_ref(), rustix::buffer::spare_capacity(&mut bytes)) {
            Ok(_) => return Ok(bytes),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => guard.clear_ready(),
            // A pty's end, as ssh takes it.
            Err(Errno::IO) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn read_in_a_thread(mut file: File) -> io::Result<mpsc::Receiver<io::Result<Vec<u8>>>> {
    let (sender, receiver) = mpsc::channel(4);
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || {
            loop {
                let mut bytes = vec![0; CHUNK];
                let read = file.read(&mut bytes).map(|count| {
                    bytes.truncate(count);
                    bytes
                });
                let last = !matches!(&read, Ok(bytes) if !bytes.is_empty());
                if sender.blocking_send(read).is_err() || last {
                    return;
                }
            }
        })?;
    Ok(receiver)
}
