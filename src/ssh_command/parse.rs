//! The walk over one command line.

use std::ffi::{OsStr, OsString};

use super::arguments::{Argument, Arguments};
use super::options::{self, Field, Meaning, OptionRow};
use super::{AddressFamily, Error, Invocation, Request, destination, keys, setting};

/// Reads the arguments, without the program itself, as ssh(1) would read them, `--account A` or
/// `--account=A` in front taken off.
///
/// Errors are those of ssh(1), in its words, in the order in which it would meet them; user and
/// host are held to its rule for names of a command line. What it would refuse reason of a value
/// of a setting (`-o BatchMode=perhaps`) is left to `ssh -G`.
pub fn parse(arguments: Vec<OsString>) -> Result<Invocation, Error> {
    let (account, argv) = account(arguments)?;
    let mut line = Line::default();
    for argument in Arguments::new(&argv) {
        match argument? {
            Argument::Option(row, value) => {
                if let Some(at_once) = line.option(row, value.as_deref())? {
                    return Ok(at_once.invocation(Request {
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

/// An option that ends the reading.
enum AtOnce {
    Version,
    Query(String),
}

impl AtOnce {
    fn invocation(self, request: Request) -> Invocation {
        match self {
            Self::Version => Invocation::Version,
            Self::Query(reason) => Invocation::System { request, reason },
        }
    }
}

/// What was read so far.
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
    fn option(&mut self, row: &OptionRow, value: Option<&OsStr>) -> Result<Option<AtOnce>, Error> {
        let typed = format!("-{}", char::from(row.letter));
        match row.meaning {
            Meaning::ProtocolOne => return Err(Error::ProtocolOne),
            Meaning::Query => return Ok(Some(AtOnce::Query(typed))),
            Meaning::Field(Field::Version) => return Ok(Some(AtOnce::Version)),
            Meaning::Nothing => {}
            Meaning::System => self.goes_to_system(typed),
            Meaning::Setting(key, fixed) => match value.map(OsStr::to_str) {
                None => self.set_anew(key, fixed),
                Some(Some(text)) if key == "proxyjump" => self.jump(text)?,
                Some(Some(text)) => self.set_anew(key, text),
                Some(None) => self.goes_to_system(typed),
            },
            Meaning::Field(field) => self.field(field, typed, value.unwrap_or_default())?,
        }
        if !options::only_about_output(row.letter) {
            let dashed = OsString::from(format!("-{}", char::from(row.letter)));
            self.request.option_argv.push(dashed);
            self.request.option_argv.extend(value.map(OsStr::to_owned));
        }
        Ok(None)
    }

    fn goes_to_system(&mut self, reason: String) {
        self.reason.get_or_insert(reason);
    }

    /// A letter overrides what was said before, and nothing said later overrides it but a letter.
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
                Some(file) => request.identity_files.push(file.to_owned()),
                None => self.goes_to_system(typed),
            },
            Field::Set => match value.to_str() {
                Some(line) => self.set(line)?,
                None => self.goes_to_system(typed),
            },
            // Answered by the caller.
            Field::Version => {}
        }
        Ok(())
    }

    /// The first port counts; a later one is not even looked at.
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
        let Some(setting) = setting::parse(line)? else {
            return Ok(());
        };
        if keys::mode(&setting) == keys::Mode::System {
            self.goes_to_system(format!("-o {}", setting.key));
        }
        let request = &mut self.request;
        match setting.key.as_str() {
            "identityfile" => request.identity_files.push(setting.value),
            "stdinnull" => request.no_stdin |= matches!(setting.value.as_str(), "yes" | "true"),
            "loglevel" if request.quiet || request.verbosity > 0 => {}
            "user" if request.user.is_some() => {}
            "port" if request.port.is_some() => {}
            key if keys::accumulates(key) || !self.is_set(key) => {
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
