//! The remote command: which of git's services it asks for, and the path.
//!
//! Words are read as the server's shell would read what git's `sq_quote` wrote (single quotes,
//! `'\''`, `'\!'`); anything a shell would do more with is refused.

use super::{Direction, Error, Service};

/// A remote command, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RemoteCommand {
    pub service: Service,
    /// As the server gets it, without quotes. `None`: none was given.
    pub path: Option<Vec<u8>>,
}

impl RemoteCommand {
    const OTHER: Self = Self {
        service: Service::Other,
        path: None,
    };
}

/// What a command asks for. `Err`: one of git's services, with a path that is not quoted whole or
/// with more than a path. A command that is none of git's is [`Service::Other`], whatever is in
/// it.
pub(super) fn parse(command: &[u8]) -> Result<RemoteCommand, Error> {
    let mut words = Words { rest: command };
    let Some(Ok(program)) = words.next() else {
        return Ok(RemoteCommand::OTHER);
    };
    let program = program
        .rsplit(|byte| *byte == b'/')
        .next()
        .unwrap_or_default();
    let service = match program {
        b"git" => match words.next() {
            Some(Ok(word)) => git_service(&word),
            _ => None,
        },
        _ => program.strip_prefix(b"git-").and_then(git_service),
    };
    if let Some(service) = service {
        let words = words.collect::<Result<Vec<_>, _>>()?;
        return match <[Vec<u8>; 1]>::try_from(words) {
            Ok([path]) => Ok(RemoteCommand {
                service,
                path: Some(path),
            }),
            Err(words) if words.is_empty() => Ok(RemoteCommand {
                service,
                path: None,
            }),
            Err(words) => Err(Error::Quoting(lossy(&words.join(&b' ')))),
        };
    }
    match program {
        b"git-lfs-authenticate" => lfs(words, Service::LfsAuthenticate),
        b"git-lfs-transfer" => lfs(words, Service::LfsTransfer),
        _ => Ok(RemoteCommand::OTHER),
    }
}

fn git_service(name: &[u8]) -> Option<Service> {
    match name {
        b"upload-pack" => Some(Service::UploadPack),
        b"receive-pack" => Some(Service::ReceivePack),
        b"upload-archive" => Some(Service::UploadArchive),
        _ => None,
    }
}

/// git-lfs: the path is not quoted and may have spaces; the operation follows it.
fn lfs(words: Words<'_>, service: fn(Direction) -> Service) -> Result<RemoteCommand, Error> {
    let mut words = words.collect::<Result<Vec<_>, _>>()?;
    let direction = match words.last().map(Vec::as_slice) {
        Some(b"upload") => Direction::Push,
        Some(b"download") => Direction::Fetch,
        // A verb that is not known here: the server's affair.
        _ => return Ok(RemoteCommand::OTHER),
    };
    words.pop();
    Ok(RemoteCommand {
        service: service(direction),
        path: (!words.is_empty()).then(|| words.join(&b' ')),
    })
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// The words of a command. `Err` where a shell would do more than take quotes off.
struct Words<'a> {
    rest: &'a [u8],
}

impl Words<'_> {
    fn word(&mut self) -> Result<Vec<u8>, Error> {
        let whole = self.rest;
        let refused = || Error::Quoting(lossy(whole));
        let mut word = Vec::new();
        while let [byte, rest @ ..] = self.rest {
            match byte {
                b' ' | b'\t' => break,
                b'\'' => {
                    let end = rest.iter().position(|byte| *byte == b'\'');
                    let (quoted, rest) = rest.split_at(end.ok_or_else(refused)?);
                    word.extend(quoted);
                    self.rest = &rest[1..];
                    continue;
                }
                b'\\' => {
                    // In front of a line feed it would join two lines.
                    let (escaped, rest) = rest.split_first().ok_or_else(refused)?;
                    if escaped.is_ascii_control() {
                        return Err(refused());
                    }
                    word.push(*escaped);
                    self.rest = rest;
                    continue;
                }
                byte if is_special(*byte) => return Err(refused()),
                byte => word.push(*byte),
            }
            self.rest = rest;
        }
        Ok(word)
    }
}

impl Iterator for Words<'_> {
    type Item = Result<Vec<u8>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while let [b' ' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
        if self.rest.is_empty() {
            return None;
        }
        let word = self.word();
        if word.is_err() {
            self.rest = &[];
        }
        Some(word)
    }
}

/// What a shell acts upon outside of quotes (POSIX.1 XCU 2.2), and control characters. `~`, `{`
/// and `}` stay: Bitbucket has names with them, git-lfs writes them without quotes.
fn is_special(byte: u8) -> bool {
    byte.is_ascii_control() || b"|&;<>()$`\"*?[#".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn services_and_paths() {
        use Direction::{Fetch, Push};
        for (command, service, path, why) in [
            (
                "git-upload-pack 'team/repo.git'",
                Service::UploadPack,
                Some("team/repo.git"),
                "git",
            ),
            (
                "git-receive-pack '/team/repo.git'",
                Service::ReceivePack,
                Some("/team/repo.git"),
                "git push",
            ),
            (
                "git-upload-archive 't/r'",
                Service::UploadArchive,
                Some("t/r"),
                "git archive",
            ),
            (
                "git-upload-pack '~user/it'\\''s'\\!'.git'",
                Service::UploadPack,
                Some("~user/it's!.git"),
                "sq_quote",
            ),
            (
                "git upload-pack 't/r'",
                Service::UploadPack,
                Some("t/r"),
                "--upload-pack='git upload-pack'",
            ),
            (
                "/opt/x/git-receive-pack 't/r'",
                Service::ReceivePack,
                Some("t/r"),
                "--receive-pack",
            ),
            (
                "/opt/git receive-pack 't/r'",
                Service::ReceivePack,
                Some("t/r"),
                "both",
            ),
            (
                "'/opt/my git/git-upload-pack' 't/r'",
                Service::UploadPack,
                Some("t/r"),
                "a quoted program",
            ),
            (
                "git-upload-pack t/r",
                Service::UploadPack,
                Some("t/r"),
                "no quotes needed",
            ),
            (
                "git-upload-pack  't/r' ",
                Service::UploadPack,
                Some("t/r"),
                "blanks",
            ),
            (
                "git-upload-pack ''",
                Service::UploadPack,
                Some(""),
                "an empty path",
            ),
            ("git-upload-pack", Service::UploadPack, None, "no path"),
            (
                "git-lfs-authenticate t/r.git download",
                Service::LfsAuthenticate(Fetch),
                Some("t/r.git"),
                "git-lfs",
            ),
            (
                "git-lfs-authenticate t/a b.git upload",
                Service::LfsAuthenticate(Push),
                Some("t/a b.git"),
                "unquoted",
            ),
            (
                "git-lfs-transfer 't/r.git' upload",
                Service::LfsTransfer(Push),
                Some("t/r.git"),
                "quoted",
            ),
            (
                "git-lfs-transfer /~u/r.git download",
                Service::LfsTransfer(Fetch),
                Some("/~u/r.git"),
                "Data Center",
            ),
            (
                "git-lfs-authenticate t/r verify",
                Service::Other,
                None,
                "an unknown operation",
            ),
            ("git-lfs-authenticate", Service::Other, None, "no operation"),
            ("", Service::Other, None, "nothing"),
            ("ls -l", Service::Other, None, "not git"),
            (
                "git -c x=y upload-pack 't/r'",
                Service::Other,
                None,
                "not understood",
            ),
            ("git status", Service::Other, None, "not a service"),
            (
                "git-lfs-authenticatex t/r upload",
                Service::Other,
                None,
                "another program",
            ),
            (
                "x && git-upload-pack 't/r'",
                Service::Other,
                None,
                "a shell's command",
            ),
            (
                "git-upload-pack$IFS't/r'",
                Service::Other,
                None,
                "no service's name",
            ),
        ] {
            let path = path.map(|path| path.as_bytes().to_vec());
            let expected = RemoteCommand { service, path };
            assert_eq!(parse(command.as_bytes()), Ok(expected), "{why}: {command}");
        }
        for (command, why) in [
            ("git-upload-pack 't/r'; rm -rf /", "another command"),
            ("git-upload-pack 't/r", "an open quote"),
            ("git-upload-pack 't/r\\", "an open quote"),
            ("git-upload-pack t/r\\", "an escape of nothing"),
            ("git-upload-pack $(x)", "a substitution"),
            ("git-upload-pack \"$x\"", "double quotes expand"),
            ("git-upload-pack 't/r' 'x/y'", "two paths"),
            ("git-upload-pack --strict 't/r'", "an option"),
            ("git-upload-pack 't/r'>x", "a redirection"),
            ("git-upload-pack 't/r'\nx", "another line"),
            ("git-lfs-authenticate t/r; x upload", "another command"),
        ] {
            assert!(parse(command.as_bytes()).is_err(), "{why}: {command}");
        }
    }
}
