//! How a descriptor is written to without blocking the session.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;

#[cfg(unix)]
use tokio::io::Interest;
#[cfg(unix)]
use tokio::io::unix::AsyncFd;

/// How a descriptor is written to without blocking the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IoMode {
    /// It never blocks for long: a regular file, a terminal, the null device.
    AtOnce,
    /// It can be polled.
    #[cfg(unix)]
    Polled { socket: bool },
    /// It may block, so a thread writes to it.
    Thread,
}

#[derive(Debug)]
pub(super) enum Descriptor {
    Blocking(Arc<File>),
    #[cfg(unix)]
    Polled(Arc<AsyncFd<File>>),
}

/// The mode that suits the descriptor.
#[cfg(unix)]
pub(super) fn kind(file: File) -> io::Result<(IoMode, Descriptor)> {
    use std::os::unix::fs::FileTypeExt as _;
    let file_type = file.metadata()?.file_type();
    let polled = |file: File| {
        register(file, Interest::WRITABLE | Interest::ERROR)
            .map(|file| Descriptor::Polled(Arc::new(file)))
    };
    if file_type.is_socket() {
        return Ok(match polled(file) {
            Ok(file) => (IoMode::Polled { socket: true }, file),
            Err(file) => (IoMode::Thread, Descriptor::Blocking(Arc::new(file))),
        });
    }
    if !file_type.is_fifo() {
        return Ok((IoMode::AtOnce, Descriptor::Blocking(Arc::new(file))));
    }
    if let Some(own) = own_description(&file)
        && let Ok(own) = polled(own)
    {
        return Ok((IoMode::Polled { socket: false }, own));
    }
    Ok((IoMode::Thread, Descriptor::Blocking(Arc::new(file))))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "fails on other systems")]
pub(super) fn kind(file: File) -> io::Result<(IoMode, Descriptor)> {
    Ok((IoMode::Thread, Descriptor::Blocking(Arc::new(file))))
}

/// The same pipe through a separate open file description, which can be non-blocking without an
/// effect on other processes. `None`: not possible (another user's pipe, no /proc).
#[cfg(target_os = "linux")]
fn own_description(file: &File) -> Option<File> {
    use rustix::fs::{Mode, OFlags};
    use std::os::fd::AsRawFd as _;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
        .map(File::from)
        .ok()
}

#[cfg(all(unix, not(target_os = "linux")))]
fn own_description(_file: &File) -> Option<File> {
    None
}

/// Registers a file with the runtime. Its flags are not touched. Gives the file back where the
/// system cannot wait for it (epoll refuses regular files and the null device).
#[cfg(unix)]
#[expect(
    unsafe_code,
    reason = "tokio requires a guarantee that an owned `File` always gives"
)]
pub(super) fn register(file: File, interest: Interest) -> Result<AsyncFd<File>, File> {
    // SAFETY: the descriptor must stay open, and the same, as long as the `AsyncFd` lives. It owns
    // the `File`, which closes its descriptor only when it is dropped and always returns the same
    // one, and which is never taken out or replaced here.
    unsafe { AsyncFd::register_with_interest(file, interest) }.map_err(|error| error.into_parts().0)
}

/// One write that does not wait, because the description is non-blocking or `MSG_DONTWAIT` is set.
#[cfg(unix)]
pub(super) fn write_some(file: &File, bytes: &[u8], socket: bool) -> io::Result<usize> {
    use rustix::net::{SendFlags, send};
    loop {
        let result = if socket {
            send(file, bytes, SendFlags::DONTWAIT)
        } else {
            rustix::io::write(file, bytes)
        };
        match result {
            Err(rustix::io::Errno::INTR) => {}
            result => return result.map_err(Into::into),
        }
    }
}

/// write(2) until everything is written. Waits if another process made the descriptor non-blocking.
pub(super) fn write_all(mut file: &File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_until_writable(file)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(unix)]
fn wait_until_writable(file: &File) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, poll};
    poll(&mut [PollFd::new(file, PollFlags::OUT)], None)?;
    Ok(())
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "fails on other systems")]
fn wait_until_writable(_file: &File) -> io::Result<()> {
    std::thread::yield_now();
    Ok(())
}
