//! BITBUCKET_SSH_TRACE: everything, with the time in front, without a change to the command line. It
//! takes the values of GIT_TRACE (git(1)).

use std::ffi::OsStr;
use std::path::Path;
use std::sync::OnceLock;

use super::destination::{Destination, Target};
use crate::text::{Shown, fence};

/// The variable.
pub(super) const VARIABLE: &str = "BITBUCKET_SSH_TRACE";

static TRACE: OnceLock<Destination> = OnceLock::new();

/// Opens what the variable names. `None`: no trace. The error is a warning in git's words (trace.c).
pub(super) fn open(value: Option<&OsStr>) -> Result<Option<Destination>, String> {
    let value = value.unwrap_or_default();
    let (opened, path) = match Target::of(value) {
        Target::Off => return Ok(None),
        Target::Stderr => return Ok(Some(Destination::Stderr)),
        Target::Descriptor(number) => (
            Destination::descriptor(number),
            Path::new("/dev/fd").join(number.to_string()),
        ),
        Target::Path(path) => (Destination::append(&path), path),
        Target::Unknown => {
            return Err(format!(
                "warning: unknown trace value for '{VARIABLE}': {}",
                Shown::new(value.to_string_lossy())
            ));
        }
    };
    opened.map(Some).map_err(|error| {
        format!(
            "warning: could not open '{}' for tracing: {}",
            Shown::path(&path, None),
            super::os_error_message(&error)
        )
    })
}

/// Traces from now on.
pub(super) fn start(destination: Destination) {
    let _ = TRACE.set(destination);
}

pub(super) fn is_on() -> bool {
    TRACE.get().is_some()
}

/// Writes one message. A failure is ignored.
pub(super) fn write(text: &str) {
    if let Some(destination) = TRACE.get() {
        let time = crate::clock::time_of_day();
        let line = format!("{time} bitbucket-ssh: {}\n", fence(text));
        let _ = destination.write(line.as_bytes());
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_opened_is_a_warning() {
        let directory = tempfile::tempdir().expect("a folder");
        let file = directory.path().join("trace");
        let missing = directory.path().join("missing/trace");
        for (value, expected, why) in [
            ("0", "off", "zero"),
            ("1", "stderr", "one"),
            (file.to_str().expect("a name"), "file", "an absolute path"),
            (
                "trace.txt",
                "warning: unknown trace value for 'BITBUCKET_SSH_TRACE': trace.txt",
                "a path that is not absolute",
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
            let found = match open(Some(OsStr::new(value))) {
                Ok(None) => "off".to_owned(),
                Ok(Some(Destination::Stderr)) => "stderr".to_owned(),
                Ok(Some(Destination::File(_))) => "file".to_owned(),
                Err(warning) => warning,
            };
            assert_eq!(found, expected, "{why}");
        }
        assert!(open(None).expect("nothing").is_none(), "not set");
        assert!(file.exists(), "created where it does not exist");
    }
}
