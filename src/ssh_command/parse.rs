//! One command line, read as OpenSSH's getopt and `ssh.c` read it: clusters, attached values, options
//! behind the host; and the line with which the system's ssh carries the same session.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::options::{self, Field, Meaning, OptionRow};
use super::{AddressFamily, Error, Invocation, Request, destination};

/// Reads the arguments, without the program itself, as ssh(1) would read them, `--account A` or
/// `--account=A` in front taken off.
///
/// Errors are those of ssh(1), in its words, in the order in which it would meet them; user and
/// host are held to its rule for names of a command line. What it would refuse because of the value of an
/// option (`-o BatchMode=perhaps`) is left to `ssh -G`.
pub fn parse(arguments: Vec<OsString>) -> Result<Invocation, Error> {
    let (account, argv) = account(arguments)?;
    let mut line = Line::default();
    for argument in Arguments::new(&argv) {
        match argument? {
            Argument::Option(row, value) => {
                if let Some(last) = line.option(row, value.as_deref())? {
                    return Ok(last.invocation(Request {
                        account,
                        argv,
                        ..line.request
                    }));
                }
            }
            Argument::Destination(text) => line.destination(&text)?,
            Argument::Command(words) => line.request.command = Some(joined(&words)),
        }
    }
    if !line.has_host {
        return Err(Error::Usage);
    }
    if let Some(user) = line.user_in_force() {
        destination::check_user(user)?;
    }
    destination::check_host(&line.request.host)?;
    if line.syslog && line.request.log_file.is_some() {
        return Err(Error::TwoLogs);
    }
    let request = Request {
        account,
        argv,
        ..line.request
    };
    Ok(match line.reason {
        _ if line.probe => Invocation::Probe(request),
        Some(reason) => Invocation::System { request, reason },
        None => Invocation::Native(request),
    })
}

/// `--account A` in front, and what follows it.
fn account(mut arguments: Vec<OsString>) -> Result<(Option<String>, Vec<OsString>), Error> {
    let Some(first) = arguments.first().and_then(|first| first.to_str()) else {
        return Ok((None, arguments));
    };
    let (account, used) = match first.strip_prefix("--account") {
        Some("") => (arguments.get(1).and_then(|second| second.to_str()), 2),
        Some(attached) if attached.starts_with('=') => (Some(&attached[1..]), 1),
        _ => return Ok((None, arguments)),
    };
    let account = account
        .filter(|account| !account.is_empty())
        .ok_or(Error::NoAccount)?
        .to_owned();
    arguments.drain(..used);
    Ok((Some(account), arguments))
}

/// The words of the command with single spaces between them, as ssh sends them.
fn joined(words: &[OsString]) -> Vec<u8> {
    words.join(OsStr::new(" ")).into_encoded_bytes()
}

/// An option behind which nothing is read.
enum Final {
    Version,
    Query(String),
}

impl Final {
    fn invocation(self, request: Request) -> Invocation {
        match self {
            Self::Version => Invocation::Version,
            Self::Query(reason) => Invocation::System { request, reason },
        }
    }
}

/// What has been read so far.
#[derive(Default)]
struct Line {
    request: Request,
    has_host: bool,
    probe: bool,
    syslog: bool,
    /// The first option that only the system's ssh carries.
    reason: Option<String>,
}

impl Line {
    fn option(&mut self, row: &OptionRow, value: Option<&OsStr>) -> Result<Option<Final>, Error> {
        let typed = format!("-{}", char::from(row.letter));
        match row.meaning {
            Meaning::ProtocolOne => return Err(Error::ProtocolOne),
            Meaning::Query => return Ok(Some(Final::Query(typed))),
            Meaning::Field(Field::Version) => return Ok(Some(Final::Version)),
            Meaning::Nothing => {}
            Meaning::System => self.needs_system(typed),
            Meaning::Setting(key, fixed) => match value.map(OsStr::to_str) {
                None => self.set_anew(key, fixed),
                Some(Some(text)) if key == "proxyjump" => self.jump(text)?,
                Some(Some(text)) => self.set_anew(key, text),
                Some(None) => self.needs_system(typed),
            },
            Meaning::Field(field) => self.field(field, typed, value.unwrap_or_default())?,
        }
        if !options::is_left_out_of_query(row.letter) {
            let dashed = OsString::from(format!("-{}", char::from(row.letter)));
            self.request.option_argv.push(dashed);
            self.request.option_argv.extend(value.map(OsStr::to_owned));
        }
        Ok(None)
    }

    fn needs_system(&mut self, reason: String) {
        self.reason.get_or_insert(reason);
    }

    /// A letter overrides what was set before it, and only another letter overrides it.
    fn set_anew(&mut self, key: &str, value: &str) {
        self.request.options.retain(|(other, _)| other != key);
        self.request
            .options
            .push((key.to_owned(), value.to_owned()));
    }

    fn is_set(&self, key: &str) -> bool {
        self.request.options.iter().any(|(other, _)| other == key)
    }

    fn jump(&mut self, text: &str) -> Result<(), Error> {
        if self.is_set("proxyjump") {
            return Err(Error::SecondJump);
        }
        if self.is_set("proxycommand") {
            return Err(Error::JumpWithProxyCommand);
        }
        if !destination::is_jump_list(text) {
            return Err(Error::Jump);
        }
        self.set_anew("proxyjump", text);
        Ok(())
    }

    fn field(&mut self, field: Field, typed: String, value: &OsStr) -> Result<(), Error> {
        let request = &mut self.request;
        match field {
            Field::Inet => request.family = Some(AddressFamily::Inet),
            Field::Inet6 => request.family = Some(AddressFamily::Inet6),
            Field::ConfigFile => request.config_file = Some(value.to_owned()),
            Field::LogFile => request.log_file = Some(value.to_owned()),
            Field::NoStdin => request.no_stdin = true,
            Field::NoTerminal => request.no_terminal = true,
            Field::Probe => self.probe = true,
            Field::Syslog => self.syslog = true,
            Field::Quiet => {
                request.quiet = true;
                request.verbosity = 0;
                request.options.retain(|(key, _)| key != "loglevel");
            }
            Field::Verbose => {
                request.quiet = false;
                request.verbosity = request.verbosity.saturating_add(1);
                request.options.retain(|(key, _)| key != "loglevel");
            }
            Field::Port => self.port(value)?,
            Field::User => match value.to_str() {
                Some(user) => self.user(user),
                None => return Err(Error::UserName),
            },
            Field::IdentityFile => match value.to_str() {
                Some(file) => {
                    request.identity_files.push(file.to_owned());
                    request.files_of_i.push(file.to_owned());
                }
                None => self.needs_system(typed),
            },
            Field::Set => match value.to_str() {
                Some(line) => self.set(line)?,
                None => self.needs_system(typed),
            },
            // Handled by the caller.
            Field::Version => {}
        }
        Ok(())
    }

    /// The first port counts; a later one is not even parsed.
    fn port(&mut self, value: &OsStr) -> Result<(), Error> {
        if self.request.port.is_none() && !self.is_set("port") {
            let port = value.to_str().and_then(destination::port);
            let bad = || Error::BadPort(value.to_string_lossy().into_owned());
            self.request.port = Some(port.ok_or_else(bad)?);
        }
        Ok(())
    }

    /// The first user counts.
    fn user(&mut self, user: &str) {
        if self.request.user.is_none() && !self.is_set("user") {
            self.request.user = Some(user.to_owned());
        }
    }

    fn user_in_force(&self) -> Option<&str> {
        let mut options = self.request.options.iter();
        let set = options.find(|(key, _)| key == "user");
        self.request
            .user
            .as_deref()
            .or(set.map(|(_, value)| value.as_str()))
    }

    fn set(&mut self, line: &str) -> Result<(), Error> {
        let Some(setting) = options::parse_line(line)? else {
            return Ok(());
        };
        let option = options::find(&setting.key);
        if option.is_none_or(|option| option.is_mode(&setting.value)) {
            self.needs_system(format!("-o {}", setting.key));
        }
        let request = &mut self.request;
        match setting.key.as_str() {
            "identityfile" => request.identity_files.push(setting.value),
            "stdinnull" => request.no_stdin |= matches!(setting.value.as_str(), "yes" | "true"),
            "loglevel" if request.quiet || request.verbosity > 0 => {}
            "user" if request.user.is_some() => {}
            "port" if request.port.is_some() => {}
            key if options::accumulates(key) || !self.is_set(key) => {
                self.request.options.push((setting.key, setting.value));
            }
            _ => {}
        }
        Ok(())
    }

    fn destination(&mut self, text: &OsStr) -> Result<(), Error> {
        let text = text.to_str().ok_or(Error::HostName)?;
        let found = destination::parse(text)?;
        let option_argv = &mut self.request.option_argv;
        if let Some(user) = &found.user {
            option_argv.extend(["-l".into(), user.into()]);
        }
        if let Some(port) = found.port {
            option_argv.extend(["-p".into(), port.to_string().into()]);
        }
        if let Some(user) = &found.user {
            self.user(user);
        }
        if self.request.port.is_none() && !self.is_set("port") {
            self.request.port = found.port;
        }
        self.request.host = found.host;
        self.has_host = true;
        Ok(())
    }
}

impl Request {
    /// The arguments for the system's ssh where `file` replaces everything that ssh_config and
    /// the command line set: flags stay, values that `ssh -G` prints (and so `file` holds) are left
    /// out, `-F file` follows, then `--`, host and command as they came.
    ///
    /// A user of the command line stays there, so that ssh does not expand it.
    pub fn argv_with_config(&self, file: &Path) -> Vec<OsString> {
        let mut argv = Vec::new();
        let mut command = Vec::new();
        for argument in Arguments::new(&self.argv) {
            match argument {
                Ok(Argument::Option(row, value)) if !options::is_printed_with_value(row) => {
                    argv.push(OsString::from(format!("-{}", char::from(row.letter))));
                    argv.extend(value);
                }
                Ok(Argument::Command(words)) => command = words,
                // A request was parsed from these arguments, so none is an error.
                Ok(Argument::Option(..) | Argument::Destination(_)) | Err(_) => {}
            }
        }
        if let Some(user) = &self.user {
            argv.extend(["-l".into(), user.into()]);
        }
        argv.extend(["-F".into(), file.into(), "--".into()]);
        argv.push(OsString::from(&self.host));
        argv.extend(command);
        argv
    }
}

/// One part of a command line.
#[derive(Debug)]
pub(super) enum Argument {
    /// An option with its value.
    Option(&'static OptionRow, Option<OsString>),
    /// The first argument that is not an option.
    Destination(OsString),
    /// The words of the remote command. Comes last, and only if there are any.
    Command(Vec<OsString>),
}

/// The parts of a command line. Ends after the command or the first error.
#[derive(Debug)]
pub(super) struct Arguments<'a> {
    rest: &'a [OsString],
    /// Letters of a cluster that have not been read yet.
    cluster: &'a [u8],
    /// The last argument that was consumed as an option, a value or the terminator.
    last: Option<&'a OsStr>,
    has_destination: bool,
    options_ended: bool,
}

impl<'a> Arguments<'a> {
    pub(super) fn new(argv: &'a [OsString]) -> Self {
        Self {
            rest: argv,
            cluster: &[],
            last: None,
            has_destination: false,
            options_ended: false,
        }
    }

    fn take(&mut self) -> Option<&'a OsString> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// An option of the present cluster.
    fn option(&mut self, letter: u8) -> Result<Argument, Error> {
        let row = options::letter(letter).ok_or(Error::UnknownOption(char::from(letter)))?;
        if !row.takes_value {
            return Ok(Argument::Option(row, None));
        }
        let value = if self.cluster.is_empty() {
            let value = self.take().ok_or(Error::MissingValue(char::from(letter)))?;
            self.last = Some(value);
            value.clone()
        } else {
            let attached = self.last.map(OsStr::as_encoded_bytes).unwrap_or_default();
            let at = attached.len() - self.cluster.len();
            self.cluster = &[];
            tail(self.last.unwrap_or_default(), at)
        };
        Ok(Argument::Option(row, Some(value)))
    }

    fn command(&mut self) -> Option<Argument> {
        let words = std::mem::take(&mut self.rest);
        (!words.is_empty()).then(|| Argument::Command(words.to_vec()))
    }
}

impl Iterator for Arguments<'_> {
    type Item = Result<Argument, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some((letter, others)) = self.cluster.split_first() {
            self.cluster = others;
            let option = self.option(*letter);
            if option.is_err() {
                (self.rest, self.cluster) = (&[], &[]);
            }
            return Some(option);
        }
        if !self.options_ended {
            let next = self.rest.first()?;
            let bytes = next.as_encoded_bytes();
            if bytes == b"--" {
                self.last = self.take().map(OsString::as_os_str);
                self.options_ended = true;
            } else if bytes.len() > 1 && bytes[0] == b'-' {
                self.last = self.take().map(OsString::as_os_str);
                self.cluster = &bytes[1..];
                return self.next();
            }
        }
        if self.has_destination {
            return self.command().map(Ok);
        }
        let destination = self.take()?.clone();
        self.has_destination = true;
        // As in ssh.c: a `--` right in front of the host, even as a value, ends the options.
        self.options_ended = self.last == Some(OsStr::new("--"));
        Some(Ok(Argument::Destination(destination)))
    }
}

/// The text from a byte on. `at` lies behind an ASCII letter.
#[cfg(unix)]
fn tail(text: &OsStr, at: usize) -> OsString {
    use std::os::unix::ffi::OsStrExt as _;
    OsStr::from_bytes(&text.as_bytes()[at..]).to_owned()
}

/// The text from a byte on. `at` lies behind an ASCII letter. What is not Unicode is replaced.
#[cfg(not(unix))]
fn tail(text: &OsStr, at: usize) -> OsString {
    OsString::from(String::from_utf8_lossy(&text.as_encoded_bytes()[at..]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(words: &[&str]) -> String {
        let argv: Vec<OsString> = words.iter().map(OsString::from).collect();
        let mut text = Vec::new();
        for argument in Arguments::new(&argv) {
            text.push(match argument {
                Err(error) => format!("{error:?}"),
                Ok(Argument::Option(row, None)) => char::from(row.letter).to_string(),
                Ok(Argument::Option(row, Some(value))) => {
                    format!("{}={}", char::from(row.letter), value.display())
                }
                Ok(Argument::Destination(host)) => format!("@{}", host.display()),
                Ok(Argument::Command(words)) => format!("{words:?}"),
            });
        }
        text.join(" ")
    }

    #[test]
    fn the_grammar_of_getopt() {
        for (words, read, why) in [
            (&["h"][..], "@h", "a host alone"),
            (&["-p", "7", "h"], "p=7 @h", "a separate value"),
            (&["-p7", "h"], "p=7 @h", "an attached value"),
            (
                &["-vTp7", "h"],
                "v T p=7 @h",
                "a cluster, its last letter with a value",
            ),
            (
                &["-vp", "7", "h"],
                "v p=7 @h",
                "a cluster with a separate value",
            ),
            (
                &["h", "-v", "cmd", "-x"],
                "@h v [\"cmd\", \"-x\"]",
                "options behind the host, up to the command",
            ),
            (&["--", "h", "-v"], "@h [\"-v\"]", "no options after `--`"),
            (&["h", "--", "-v"], "@h [\"-v\"]", "also behind the host"),
            (
                &["h", "-v", "--", "-v"],
                "@h v [\"-v\"]",
                "or behind an option there",
            ),
            (
                &["-l", "--", "h", "-v"],
                "l=-- @h [\"-v\"]",
                "ssh.c looks at the argument, not at its meaning",
            ),
            (&["-", "x"], "@- [\"x\"]", "a dash alone is no option"),
            (&["", "x"], "@ [\"x\"]", "nor is an empty word"),
            (&["-z"], "UnknownOption('z')", "a letter that is none"),
            (&["--x"], "UnknownOption('-')", "there are no long options"),
            (&["-p"], "MissingValue('p')", "a value that is not there"),
            (
                &["-o", "-v", "h"],
                "o=-v @h",
                "a value may look like an option",
            ),
        ] {
            assert_eq!(shown(words), read, "{why}: {words:?}");
        }
    }

    #[test]
    fn the_file_stands_for_what_it_holds() {
        for (words, expected, why) in [
            (
                "-o SendEnv=GIT_PROTOCOL -p 7 git@h|git-upload-pack 'a/b'",
                "-l git -F /f -- h|git-upload-pack 'a/b'",
                "git",
            ),
            (
                "-vvi key -F other -E log -l a b@h -T -4 -o IdentityFile=x cmd -v",
                "-v -v -E log -T -4 -l a -F /f -- h cmd -v",
                "identities and another file go, also behind the host",
            ),
            (
                "-M -N -L 1:h:2 -O exit h",
                "-N -O exit -F /f -- h",
                "forwards stand in the file",
            ),
            (
                "ssh://git@h:22 -W a:1",
                "-W a:1 -l git -F /f -- h",
                "a URL is taken apart",
            ),
            (
                "-- h -x",
                "-F /f -- h -x",
                "the command may look like options",
            ),
        ] {
            let argv = words
                .split(' ')
                .flat_map(|word| match word.split_once('|') {
                    Some((host, first)) => vec![host.into(), first.into()],
                    None => vec![OsString::from(word)],
                });
            let (Invocation::Native(request) | Invocation::System { request, .. }) =
                parse(argv.collect()).unwrap()
            else {
                panic!("{words}")
            };
            let made = request
                .argv_with_config(Path::new("/f"))
                .join(&OsString::from(" "));
            assert_eq!(
                made.to_str(),
                Some(expected.replace('|', " ").as_str()),
                "{why}"
            );
        }
    }

    /// What programs that call ssh really send (reference: their sources).
    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn the_callers_forms() {
        for (words, native, why) in [
            (
                &[
                    "-o",
                    "SendEnv=GIT_PROTOCOL",
                    "-p",
                    "7999",
                    "git@h",
                    "git-upload-pack '/t/r.git'",
                ][..],
                true,
                "git",
            ),
            (
                &[
                    "-oControlMaster=yes",
                    "-oControlPath=/run/lfs.sock",
                    "-p",
                    "7999",
                    "git@h",
                    "git-lfs-transfer t/r download",
                ],
                true,
                "git-lfs",
            ),
            (
                &[
                    "-o",
                    "SendEnv=GIT_PROTOCOL",
                    "-p7999",
                    "git@h",
                    "git-upload-pack",
                    "'t/r.git'",
                ],
                true,
                "gitoxide",
            ),
            (
                &[
                    "-x",
                    "-p",
                    "7999",
                    "-i",
                    "key",
                    "-o",
                    "SetEnv GIT_PROTOCOL=version=2",
                    "git@h",
                    "git-upload-pack '/t/r'",
                ],
                true,
                "dulwich",
            ),
            (
                &[
                    "-o",
                    "ControlMaster no",
                    "-o",
                    "ControlPath /tmp/s",
                    "h",
                    "git-upload-pack 't/r'",
                ],
                true,
                "git-repo's git_ssh",
            ),
            (
                &["-o", "ControlPath /tmp/s", "-p", "7999", "h", "-O", "check"],
                false,
                "git-repo asks a master",
            ),
            (
                &[
                    "-M",
                    "-N",
                    "-o",
                    "SetEnv GIT_PROTOCOL=version=2",
                    "-o",
                    "ControlPath /tmp/s",
                    "h",
                ],
                false,
                "git-repo starts a master",
            ),
            (
                &["-oBatchMode=yes", "git@h", "git-upload-pack 't/r'"],
                true,
                "yarn, SwiftPM",
            ),
            (
                &[
                    "-o",
                    "ControlMaster=no",
                    "-o",
                    "BatchMode=yes",
                    "git@h",
                    "x",
                ],
                true,
                "go",
            ),
            (
                &[
                    "-x",
                    "-oPermitLocalCommand=no",
                    "-oClearAllForwardings=yes",
                    "-oRemoteCommand=none",
                    "-oRequestTTY=no",
                    "-oControlMaster=no",
                    "-oForwardAgent=no",
                    "-l",
                    "u",
                    "--",
                    "h",
                    "scp -t x",
                ],
                true,
                "scp",
            ),
            (
                &["-oForwardX11 no", "-oPort 22", "-s", "--", "h", "sftp"],
                false,
                "sftp",
            ),
            (
                &[
                    "-S",
                    "/tmp/s",
                    "-o",
                    "ControlMaster=auto",
                    "-o",
                    "ControlPersist=yes",
                    "-n",
                    "h",
                    "git-annex-shell x",
                ],
                true,
                "git-annex",
            ),
            (&["-l", "u", "h", "rsync", "--server", "-v"], true, "rsync"),
            (&["-T", "git@h"], true, "people"),
        ] {
            let argv: Vec<OsString> = words.iter().map(OsString::from).collect();
            let parsed = parse(argv.clone()).unwrap();
            assert_eq!(
                matches!(parsed, Invocation::Native(_)),
                native,
                "{why}: {parsed:?}"
            );
            let (Invocation::Native(request) | Invocation::System { request, .. }) = parsed else {
                panic!("{why}")
            };
            assert_eq!(request.host, "h", "{why}");
            assert_eq!(request.argv, argv, "{why}: untouched");
        }
    }

    #[test]
    fn a_subsystem_reaches_ssh_whole_and_is_left_out_of_the_query() {
        let argv: Vec<OsString> = ["-s", "-oPort=7999", "h", "sftp"].map(Into::into).to_vec();
        let Ok(Invocation::System { request, reason }) = parse(argv.clone()) else {
            panic!("only the system's ssh carries subsystems");
        };
        assert_eq!((reason.as_str(), &request.argv), ("-s", &argv));
        assert!(!request.option_argv.contains(&"-s".into()), "{request:?}");
        let handed_over = request.argv_with_config(Path::new("/f"));
        assert_eq!(handed_over, ["-s", "-F", "/f", "--", "h", "sftp"]);
    }

    #[test]
    fn account_in_front_is_taken_off() {
        for (words, account, left, why) in [
            (&["--account", "work", "h"][..], Some("work"), 1, "separate"),
            (
                &["--account=a@b.c", "-v", "h"],
                Some("a@b.c"),
                2,
                "attached",
            ),
            (
                &["h", "--account", "x"],
                None,
                3,
                "not in front: options end at the command",
            ),
        ] {
            let argv = words.iter().map(OsString::from).collect();
            match parse(argv) {
                Ok(Invocation::Native(request)) => {
                    assert_eq!(request.account.as_deref(), account, "{why}");
                    assert_eq!(request.argv.len(), left, "{why}");
                }
                other => assert!(account.is_none() && other.is_err(), "{why}: {other:?}"),
            }
        }
        for words in [
            &["--account"][..],
            &["--account="],
            &["--account", "", "h"],
            &["--accounts", "h"],
        ] {
            assert!(
                parse(words.iter().map(OsString::from).collect()).is_err(),
                "{words:?}"
            );
        }
    }
}
