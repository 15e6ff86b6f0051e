//! A file that tells when it is ready: the one place of this program that says `unsafe`.

use std::fs::File;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers a file with the runtime. Its flags are not touched. Gives the file back where the
/// system cannot wait for it (epoll refuses regular files and the null device).
#[expect(
    unsafe_code,
    reason = "tokio asks for a promise that a `File` of our own always keeps"
)]
pub(super) fn register(file: File, interest: Interest) -> Result<AsyncFd<File>, File> {
    // SAFETY: the descriptor must stay open, and the same, as long as the `AsyncFd` lives. It owns
    // the `File`, which closes its descriptor only when it is dropped, always tells the same one,
    // and is never taken out or replaced here.
    unsafe { AsyncFd::register_with_interest(file, interest) }.map_err(|error| error.into_parts().0)
}
