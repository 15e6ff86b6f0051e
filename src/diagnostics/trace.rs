//! BITBUCKET_SSH_TRACE: everything, with the time in front, without touching the command line.
//!
//! The values are GIT_TRACE's (git(1)): empty, `0`, `false` off; `1`, `2`, `true` stderr; `3` to
//! `9` an open descriptor; an absolute path is appended to; anything else is a warning. A
//! descriptor is opened again by its name below `/dev/fd`, so that it must be a file, a pipe or a
//! terminal.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use super::sink::Sink;
use crate::text::{fence, sanitise};

/// The variable.
pub(super) const VARIABLE: &str = "BITBUCKET_SSH_TRACE";

static TARGET: OnceLock<Target> = OnceLock::new();

/// Where the trace goes.
#[derive(Debug)]
pub(super) enum Target {
    Stderr,
    File(Mutex<File>),
}

/// Opens what the variable names. `None`: no trace is wished. The error is a warning in git's
/// words (trace.c).
pub(super) fn open(value: Option<&OsStr>) -> Result<Option<Target>, String> {
    let Some(value) = value else { return Ok(None) };
    let word = value.to_str().unwrap_or_default();
    if value.is_empty() || word == "0" || word.eq_ignore_ascii_case("false") {
        return Ok(None);
    }
    if matches!(word, "1" | "2") || word.eq_ignore_ascii_case("true") {
        return Ok(Some(Target::Stderr));
    }
    let descriptor = match word.as_bytes() {
        [digit @ b'3'..=b'9'] => Some(format!("/dev/fd/{}", char::from(*digit))),
        _ => None,
    };
    let path = descriptor.as_deref().map_or(Path::new(value), Path::new);
    if !path.is_absolute() {
        return Err(format!(
            "warning: unknown trace value for '{VARIABLE}': {}",
            sanitise(&value.to_string_lossy())
        ));
    }
    match OpenOptions::new().append(true).create(true).open(path) {
        Ok(file) => Ok(Some(Target::File(Mutex::new(file)))),
        Err(error) => Err(format!(
            "warning: could not open '{}' for tracing: {}",
            sanitise(&path.to_string_lossy()),
            super::os_error_message(&error)
        )),
    }
}

/// Traces from now on.
pub(super) fn start(target: Target) {
    let _ = TARGET.set(target);
}

pub(super) fn is_on() -> bool {
    TARGET.get().is_some()
}

/// One write for each line. Who cannot be told is not told.
pub(super) fn write(text: &str) {
    let Some(target) = TARGET.get() else { return };
    let line = format!(
        "{} bitbucket-ssh: {}",
        crate::clock::time_of_day(),
        fence(text)
    );
    match target {
        Target::Stderr => Sink::stderr().line(&line),
        Target::File(file) => {
            if let Ok(mut file) = file.lock() {
                let _ = file.write_all(format!("{line}\n").as_bytes());
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::ffi::OsStr;

    use super::{Target, open};

    #[test]
    fn values_mean_what_they_mean_to_git() {
        let directory = tempfile::tempdir().expect("a folder");
        let file = directory.path().join("trace");
        let missing = directory.path().join("missing/trace");
        for (value, expected, why) in [
            ("", "off", "empty"),
            ("0", "off", "zero"),
            ("False", "off", "any case"),
            ("1", "stderr", "one"),
            ("2", "stderr", "its descriptor"),
            ("TRUE", "stderr", "any case"),
            (file.to_str().expect("a name"), "file", "an absolute path"),
            (
                "trace.txt",
                "warning: unknown trace value for 'BITBUCKET_SSH_TRACE': trace.txt",
                "a path that is not absolute",
            ),
            (
                "10",
                "warning: unknown trace value for 'BITBUCKET_SSH_TRACE': 10",
                "one digit only",
            ),
            (
                missing.to_str().expect("a name"),
                &format!(
                    "warning: could not open '{}' for tracing: No such file or directory",
                    missing.display()
                ),
                "no folder",
            ),
        ] {
            let told = match open(Some(OsStr::new(value))) {
                Ok(None) => "off".to_owned(),
                Ok(Some(Target::Stderr)) => "stderr".to_owned(),
                Ok(Some(Target::File(_))) => "file".to_owned(),
                Err(warning) => warning,
            };
            assert_eq!(told, expected, "{why}");
        }
        assert!(open(None).expect("nothing").is_none(), "not set");
        assert!(file.exists(), "made where it does not exist");
    }

    #[test]
    fn an_open_descriptor_is_written_to() {
        use std::io::Write as _;
        use std::os::fd::AsRawFd as _;
        let file = tempfile::tempfile().expect("a file");
        let digit = file.as_raw_fd();
        if !(3..=9).contains(&digit) {
            return;
        }
        let Ok(Some(Target::File(target))) = open(Some(OsStr::new(&digit.to_string()))) else {
            panic!("descriptor {digit} is open")
        };
        let mut target = target.into_inner().expect("nobody else");
        target.write_all(b"told\n").expect("written");
        assert_eq!(file.metadata().expect("a file").len(), 5);
    }
}
