//! Where a target writes: stderr, an open descriptor, a file, a file of its own in a folder, a
//! socket (trace2/tr2_dst.c). One write for each event, nothing is tried twice.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// In a folder with this file nothing new is made (`trace2.maxFiles`).
const FULL: &str = "git-trace2-discard";

/// How many names are tried in a folder.
const TRIES: usize = 10;

/// An open target.
#[derive(Debug)]
pub(super) enum Destination {
    /// Standard error.
    Stderr,
    File(File),
    #[cfg(unix)]
    Stream(std::os::unix::net::UnixStream),
    #[cfg(unix)]
    Datagram(std::os::unix::net::UnixDatagram),
}

/// Why a target is not used, in git's words (behind `warning: trace2: `).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// Warned about only where GIT_TRACE2_DST_DEBUG asks for it.
    Quiet(String),
    /// No value that git knows: always warned about.
    Malformed(String),
}

/// What is needed beside the value.
pub(super) struct Naming<'a> {
    /// The variable, for warnings.
    pub(super) variable: &'a str,
    /// The name of a file in a folder.
    pub(super) file: &'a str,
    /// How many files a folder may hold; 0: any number.
    pub(super) max_files: usize,
}

impl Destination {
    /// `1`, `true` (stderr) and single digits. `None`: another kind of value, or no such
    /// descriptor.
    pub(super) fn descriptor(value: &OsStr) -> Option<Self> {
        let word = value.to_str()?;
        if matches!(word, "1" | "2") || word.eq_ignore_ascii_case("true") {
            return Some(Self::Stderr);
        }
        match word.as_bytes() {
            [digit @ b'3'..=b'9'] => inherited(*digit).map(Self::File),
            _ => None,
        }
    }

    /// Opens what the value names, and says whether it is the last file of a full folder.
    pub(super) fn open(value: &OsStr, naming: &Naming<'_>) -> Result<(Self, bool), Unusable> {
        let path = Path::new(value);
        let text = value.to_string_lossy();
        if path.is_absolute() {
            if path.is_dir() {
                return in_folder(path, naming);
            }
            let file = appending().open(path);
            return match file {
                Ok(file) => Ok((Self::File(file), false)),
                Err(error) => Err(not_opened(path, naming, &error)),
            };
        }
        #[cfg(unix)]
        if let Some(socket) = text.strip_prefix("af_unix:") {
            return Ok((socket::connect(socket, &text, naming)?, false));
        }
        if let [b'3'..=b'9'] = text.as_bytes() {
            return Err(Unusable::Quiet(format!(
                "descriptor {text} of '{}' is not open",
                naming.variable
            )));
        }
        Err(Unusable::Malformed(format!(
            "unknown value for '{}': '{}'",
            naming.variable,
            crate::text::sanitise(&text)
        )))
    }

    /// One write; the line's end is added.
    pub(super) fn write(&mut self, line: &str) -> io::Result<()> {
        let line = format!("{line}\n");
        let bytes = line.as_bytes();
        match self {
            Self::Stderr => return crate::diagnostics::sink::write_stderr(bytes),
            Self::File(file) => file.write(bytes),
            #[cfg(unix)]
            Self::Stream(stream) => stream.write(bytes),
            #[cfg(unix)]
            Self::Datagram(socket) => socket.send(bytes),
        }
        .map(drop)
    }
}

fn appending() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    options
}

fn not_opened(path: &Path, naming: &Naming<'_>, error: &io::Error) -> Unusable {
    Unusable::Quiet(format!(
        "could not open '{}' for '{}' tracing: {}",
        path.display(),
        naming.variable,
        crate::diagnostics::os_error_message(error)
    ))
}

/// A new file named by the session, unless the folder is full.
fn in_folder(folder: &Path, naming: &Naming<'_>) -> Result<(Destination, bool), Unusable> {
    let new = |path: &Path| OpenOptions::new().write(true).create_new(true).open(path);
    let path = folder.join(naming.file);
    if naming.max_files > 0 {
        let full = folder.join(FULL);
        if full.exists() {
            return Err(Unusable::Quiet(format!(
                "not opening {} trace file due to too many files in target directory {}",
                naming.variable,
                folder.display()
            )));
        }
        // git counts `.` and `..`, too.
        let files = std::fs::read_dir(folder).map_or(0, Iterator::count) + 2;
        if files >= naming.max_files {
            return match new(&full) {
                Ok(file) => Ok((Destination::File(file), true)),
                Err(error) => Err(not_opened(&path, naming, &error)),
            };
        }
    }
    let mut failed = None;
    for number in 0..TRIES {
        let name = match number {
            0 => naming.file.to_owned(),
            number => format!("{}.{number}", naming.file),
        };
        match new(&folder.join(name)) {
            Ok(file) => return Ok((Destination::File(file), false)),
            Err(error) => failed = Some(error),
        }
    }
    let failed = failed.unwrap_or_else(|| io::ErrorKind::AlreadyExists.into());
    Err(not_opened(&path, naming, &failed))
}

/// A descriptor that we were started with: the very one, so that its offset stays the callers';
/// where the system does not give it, opened again by its name.
#[cfg(unix)]
fn inherited(digit: u8) -> Option<File> {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
        let number = i32::from(digit - b'0');
        let taken = pidfd_open(getpid(), PidfdFlags::empty())
            .and_then(|process| pidfd_getfd(process, number, PidfdGetfdFlags::empty()));
        if let Ok(descriptor) = taken {
            return Some(descriptor.into());
        }
    }
    let name = format!("/dev/fd/{}", char::from(digit));
    OpenOptions::new().append(true).open(name).ok()
}

#[cfg(not(unix))]
fn inherited(_digit: u8) -> Option<File> {
    None
}

#[cfg(unix)]
mod socket {
    use std::os::unix::net::{UnixDatagram, UnixStream};
    use std::path::Path;

    use super::{Destination, Naming, Unusable};

    /// EPROTOTYPE: a socket of the other kind.
    fn is_of_other_kind(error: &std::io::Error) -> bool {
        error.raw_os_error() == Some(rustix::io::Errno::PROTOTYPE.raw_os_error())
    }

    /// `[stream:|dgram:]PATH`.
    pub(super) fn connect(
        socket: &str,
        value: &str,
        naming: &Naming<'_>,
    ) -> Result<Destination, Unusable> {
        let (path, stream, datagram) = match socket.split_once(':') {
            Some(("stream", path)) => (path, true, false),
            Some(("dgram", path)) => (path, false, true),
            _ => (socket, true, true),
        };
        let variable = naming.variable;
        if path.is_empty() {
            return Err(Unusable::Quiet(format!(
                "invalid AF_UNIX value '{value}' for '{variable}' tracing"
            )));
        }
        if !Path::new(path).is_absolute() {
            return Err(Unusable::Quiet(format!(
                "invalid AF_UNIX path '{path}' for '{variable}' tracing"
            )));
        }
        let failed = |error: &std::io::Error| {
            Unusable::Quiet(format!(
                "could not connect to socket '{path}' for '{variable}' tracing: {}",
                crate::diagnostics::os_error_message(error)
            ))
        };
        if stream {
            match UnixStream::connect(path) {
                Ok(stream) => return Ok(Destination::Stream(stream)),
                Err(error) if datagram && is_of_other_kind(&error) => {}
                Err(error) => return Err(failed(&error)),
            }
        }
        let socket = UnixDatagram::unbound().map_err(|error| failed(&error))?;
        socket.connect(path).map_err(|error| failed(&error))?;
        Ok(Destination::Datagram(socket))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::net::{UnixDatagram, UnixListener};

    use super::*;

    fn naming(max_files: usize) -> Naming<'static> {
        Naming {
            variable: "GIT_TRACE2_EVENT",
            file: "OWN",
            max_files,
        }
    }

    fn open(value: &str, max_files: usize) -> Result<(Destination, bool), Unusable> {
        Destination::open(OsStr::new(value), &naming(max_files))
    }

    #[test]
    fn a_folder_gets_a_file_for_each_process_until_it_is_full() {
        let folder = tempfile::tempdir().expect("a folder");
        let name = folder.path().to_str().expect("a name");
        for (max_files, file, last) in [
            (0, "OWN", false),
            (0, "OWN.1", false),
            (9, "OWN.2", false),
            (5, FULL, true),
        ] {
            let (mut place, is_last) = open(name, max_files).expect("room");
            assert_eq!(is_last, last, "{file}");
            place.write("{}").expect("written");
            let text = std::fs::read_to_string(folder.path().join(file)).expect("a file");
            assert_eq!(text, "{}\n", "{file}");
        }
        let told = open(name, 5).expect_err("full");
        let Unusable::Quiet(words) = told else {
            panic!("{told:?}")
        };
        assert!(words.contains("too many files"), "{words}");
    }

    #[test]
    fn sockets_of_both_kinds_are_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let _listener = UnixListener::bind(path("stream")).expect("a socket");
        let receiver = UnixDatagram::bind(path("dgram")).expect("a socket");
        for (value, expected) in [
            (format!("af_unix:{}", path("stream")), true),
            (format!("af_unix:stream:{}", path("stream")), true),
            (format!("af_unix:{}", path("dgram")), false),
            (format!("af_unix:dgram:{}", path("dgram")), false),
        ] {
            let (mut place, _) = open(&value, 0).expect(&value);
            assert_eq!(matches!(place, Destination::Stream(_)), expected, "{value}");
            place.write("{}").expect("sent");
        }
        let mut buffer = [0; 8];
        let length = receiver.recv(&mut buffer).expect("a datagram");
        assert_eq!(&buffer[..length], b"{}\n");
        for value in [
            "af_unix:".to_owned(),
            "af_unix:relative".to_owned(),
            format!("af_unix:{}", path("missing")),
            path("missing/file"),
        ] {
            let told = open(&value, 0).expect_err(&value);
            assert!(matches!(told, Unusable::Quiet(_)), "{value}: {told:?}");
        }
        for value in ["file", "10", "yes"] {
            let told = open(value, 0).expect_err(value);
            assert!(matches!(told, Unusable::Malformed(_)), "{value}: {told:?}");
        }
    }
}
