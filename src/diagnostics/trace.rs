//! BITBUCKET_SSH_TRACE: everything, with the time in front, without touching the command line.
//!
//! The values are GIT_TRACE's (git(1)): empty, `0`, `false` off; `1`, `2`, `true` stderr; `3` to
//! `9` an open descriptor (Linux); an absolute path is appended to.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use super::sink::Sink;

/// The variable.
pub(super) const VARIABLE: &str = "BITBUCKET_SSH_TRACE";

static TARGET: OnceLock<Target> = OnceLock::new();

enum Target {
    Stderr,
    File(Mutex<File>),
}

/// Opens what the variable names; a value that means nothing is told, as git tells it.
pub(super) fn start(value: Option<&OsStr>) {
    let Some(value) = value else { return };
    let target = match value.to_str() {
        Some("" | "0" | "false" | "FALSE" | "False") => return,
        Some("1" | "2" | "true" | "TRUE" | "True") => Some(Target::Stderr),
        Some(digit @ ("3" | "4" | "5" | "6" | "7" | "8" | "9")) => {
            append(Path::new(&format!("/dev/fd/{digit}")))
        }
        _ if Path::new(value).is_absolute() => append(Path::new(value)),
        _ => None,
    };
    match target {
        Some(target) => {
            let _ = TARGET.set(target);
        }
        None => Sink::current().line(&format!(
            "warning: could not trace to '{}' ({VARIABLE})",
            crate::sanitise::sanitise(&value.to_string_lossy())
        )),
    }
}

fn append(path: &Path) -> Option<Target> {
    let file = OpenOptions::new().append(true).create(true).open(path);
    file.ok().map(|file| Target::File(Mutex::new(file)))
}

pub(super) fn is_on() -> bool {
    TARGET.get().is_some()
}

/// One write for each line.
pub(super) fn write(text: &str) {
    let Some(target) = TARGET.get() else { return };
    let line = format!("{} bitbucket-ssh: {text}\n", crate::clock::time_of_day());
    match target {
        Target::Stderr => Sink::stderr().line(line.trim_end()),
        Target::File(file) => {
            if let Ok(mut file) = file.lock() {
                let _ = file.write_all(line.as_bytes());
            }
        }
    }
}
