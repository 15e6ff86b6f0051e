//! What differs between unix and the others: which file is which, and exec.

use std::io;
use std::path::Path;
use std::process::Command;

use crate::transport::ExitStatus;

/// Whether both paths lead to one file. A path that leads nowhere is no file.
#[cfg(unix)]
pub(super) fn same_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let id = |path: &Path| path.metadata().map(|file| (file.dev(), file.ino()));
    matches!((id(one), id(other)), (Ok(one), Ok(other)) if one == other)
}

/// Whether both paths lead to one file. A path that leads nowhere is no file.
#[cfg(not(unix))]
pub(super) fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// exec: returns only a failure. The standard library gives SIGPIPE, which it ignores, its
/// default again, and unblocks every signal.
#[cfg(unix)]
pub(super) fn give_process_to(mut command: Command) -> io::Result<ExitStatus> {
    use std::os::unix::process::CommandExt as _;
    Err(command.exec())
}

/// A child that is waited for; its status, 255 where it has none that fits.
#[cfg(not(unix))]
pub(super) fn give_process_to(mut command: Command) -> io::Result<ExitStatus> {
    let status = command.status()?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitStatus(code.unwrap_or(255)))
}
