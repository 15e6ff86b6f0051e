//! Locks between processes. The system releases them when the process ends, however it ends, so
//! that a lock file that was left behind blocks nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Error, file};

/// How long a change of one file may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A lock that is held until this is dropped.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held, not used")] File);

/// What came of an attempt to take a lock.
#[derive(Debug)]
pub enum Attempt {
    /// This process has it.
    Held(Lock),
    /// Another process has it.
    Busy {
        /// Its process id, where the lock file names it.
        holder: Option<u32>,
    },
}

impl Lock {
    /// How long to wait between two attempts.
    pub const PAUSE: Duration = Duration::from_millis(20);

    pub(super) fn take(path: &Path) -> io::Result<Result<Self, Error>> {
        let begun = Instant::now();
        loop {
            match Self::attempt(path)? {
                Attempt::Held(lock) => return Ok(Ok(lock)),
                Attempt::Busy { holder } if begun.elapsed() > PATIENCE => {
                    return Ok(Err(Error::Locked { holder }));
                }
                Attempt::Busy { .. } => std::thread::sleep(Self::PAUSE),
            }
        }
    }

    pub(super) fn attempt(path: &Path) -> io::Result<Attempt> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = file::open_with(&mut options, path, false)?;
        file::check_own(&file)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = holder(&mut file);
                return Ok(Attempt::Busy { holder });
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // For those who wait; a process id that cannot be written is shown as `?`.
        let _ = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(std::process::id().to_string().as_bytes()));
        Ok(Attempt::Held(Self(file)))
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(20).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
