//! Files that are written for one call, for another program to read: what ssh(1) is given in place
//! of ssh_config. A program that takes over the process cannot remove them, so the next call does.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{Directory, Error, Kind, short_name};
use crate::context::Context;

/// The directory's name.
const DIRECTORY: &str = "openssh";

/// What the name of such a file begins with; the machine and the process follow.
const PREFIX: &str = "call-";

/// Files of a machine that cannot be asked about its processes, and files that are kept between
/// calls, are removed when they are older.
const OLD: Duration = Duration::from_secs(24 * 60 * 60);

/// Files of earlier versions, which were named by their content.
const EARLIER: Duration = Duration::from_secs(60);

/// Writes a file (0600) for this call. `kind`: the end of its name. Uses the first directory that
/// nobody else can write to, and that can be written.
pub fn write_for_call(context: &Context, kind: &str, text: &str) -> Result<PathBuf, Error> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    let name = format!("{PREFIX}{}-{process}-{number}.{kind}", machine());
    let mut last = Error::NoHome;
    for directory in directories(context) {
        let path = directory.file(&name);
        let written = directory
            .create()
            .and_then(|()| write(&path, text).map_err(|why| Error::file(&path, why)));
        match written {
            Ok(()) => return Ok(path),
            Err(error) => {
                tracing::debug!("{error}");
                last = error;
            }
        }
    }
    Err(last)
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    // Left by a process that had the same number.
    let _ = fs::remove_file(path);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

/// Removes the files of calls that have ended. Never fails.
pub fn sweep_calls(context: &Context) {
    for directory in directories(context) {
        if directory.path.symlink_metadata().is_err() || !directory.is_trusted() {
            continue;
        }
        let entries = fs::read_dir(&directory.path)
            .into_iter()
            .flatten()
            .flatten();
        for entry in entries {
            let changed = entry.metadata().and_then(|metadata| metadata.modified());
            let age = changed.ok().and_then(|changed| changed.elapsed().ok());
            let name = entry.file_name();
            if has_ended(&name.to_string_lossy(), age.unwrap_or_default()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn has_ended(name: &str, age: Duration) -> bool {
    let Some(call) = name.strip_prefix(PREFIX) else {
        let is_kept = name.ends_with(".host_key");
        return age > if is_kept { OLD } else { EARLIER };
    };
    let mut parts = call.split('-');
    let process = match (parts.next(), parts.next()) {
        (Some(at), Some(process)) if at == machine() => process.parse().ok(),
        _ => None,
    };
    match process {
        Some(process) => process != std::process::id() && !is_running(process),
        None => age > OLD,
    }
}

/// The state directory, or where it cannot be used, the records' and that of the session.
fn directories(context: &Context) -> impl Iterator<Item = Directory<'_>> {
    let session = context.environment.raw("XDG_RUNTIME_DIR").map(Path::new);
    let session = session.filter(|path| path.is_absolute()).map(|path| {
        let path = path.join("bitbucket-ssh");
        Directory {
            context,
            own: path.clone(),
            path,
            kind: Kind::State,
        }
    });
    let usual = [Directory::state(context), Directory::records(context)];
    let all = usual.into_iter().flatten().chain(session);
    all.map(|directory| directory.below(DIRECTORY))
}

/// What tells processes of the same number apart, where several machines or containers share a home.
fn machine() -> String {
    let boot = fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    short_name(&[&boot, space.as_os_str().as_encoded_bytes()].concat())
}

#[cfg(unix)]
fn is_running(process: u32) -> bool {
    use rustix::process::{Pid, test_kill_process};
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// Cannot be asked there; the age decides.
#[cfg(not(unix))]
fn is_running(_process: u32) -> bool {
    true
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn files_are_removed_once_their_call_has_ended() {
        let machine = machine();
        let own = std::process::id();
        let day = OLD + Duration::from_secs(1);
        let now = Duration::ZERO;
        for (name, age, ended, why) in [
            (
                format!("call-{machine}-{own}-0.config"),
                day,
                false,
                "this one",
            ),
            (
                format!("call-{machine}-1-0.config"),
                now,
                false,
                "another one",
            ),
            (
                format!("call-{machine}-4194305-0.config"),
                now,
                true,
                "no such process",
            ),
            (
                "call-else-4194305-0.config".to_owned(),
                now,
                false,
                "of another machine",
            ),
            ("call-else-4194305-0.config".to_owned(), day, true, "old"),
            ("0123.host_key".to_owned(), now, false, "kept"),
            (
                "0123.config".to_owned(),
                now,
                false,
                "of an earlier version, just now",
            ),
            (
                "0123.config".to_owned(),
                EARLIER * 2,
                true,
                "of an earlier version",
            ),
        ] {
            assert_eq!(has_ended(&name, age), ended, "{why}");
        }
    }
}
