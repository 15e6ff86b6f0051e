//! Locks between processes. The system takes them away with the process, however it ends, so that
//! no lock is ever left that blocks.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use super::Error;
use crate::diagnostics;
use crate::prompt::{self, Prompt};

/// How long somebody waits where nobody can answer (interface section 5).
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a change of the records may take.
const SHORT_PATIENCE: Duration = Duration::from_secs(20);

/// A lock that is held until this is dropped, or the process ends.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held, not used")] File);

impl Lock {
    /// For a change of a file: waits without a word.
    pub(super) fn short(path: &Path) -> Result<Self, Error> {
        Self::wait(path, |waited, holder| {
            if waited > SHORT_PATIENCE {
                return Err(Error::Locked { holder });
            }
            Ok(())
        })
    }

    /// For the making of a key. Who waits says for whom, notices that git has gone, and gives up
    /// where nobody can answer the holder's question.
    pub(super) fn of_site(path: &Path, prompt: &dyn Prompt) -> Result<Self, Error> {
        let mut waiting = None;
        let begun = Instant::now();
        Self::wait(path, |waited, holder| {
            if waiting.is_none() && waited > Duration::from_millis(50) {
                let pid = holder.map_or("?".to_owned(), |pid| pid.to_string());
                let text = format!("waiting for process {pid}");
                diagnostics::notice(&text);
                let shown = || text.clone();
                waiting = Some(diagnostics::waiting_as_told("lock", begun, shown));
            }
            if prompt::caller_gone() {
                return Err(Error::Prompt(prompt::Error::CallerGone));
            }
            if waited > PATIENCE && !prompt.available() {
                return Err(Error::Locked { holder });
            }
            Ok(())
        })
    }

    fn wait(
        path: &Path,
        mut patience: impl FnMut(Duration, Option<u32>) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let failed = |error: &std::io::Error| Error::unwritable(path, error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(|error| failed(&error))?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {
                    patience(begun.elapsed(), holder(&mut file))?;
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(TryLockError::Error(error)) => return Err(failed(&error)),
            }
        }
        // Who waits wants to know for whom; a number that cannot be written is a `?`.
        let _ = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(std::process::id().to_string().as_bytes()));
        Ok(Self(file))
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(20).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
