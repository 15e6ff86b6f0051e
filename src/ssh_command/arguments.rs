//! argv, read as OpenSSH's getopt reads it: clusters, attached values, options behind the host.
//! The one reader for everything that walks a command line.

use std::ffi::{OsStr, OsString};

use super::Error;
use super::options::{self, OptionRow};

/// One thing on a command line.
#[derive(Debug)]
pub(super) enum Argument {
    /// An option with its value.
    Option(&'static OptionRow, Option<OsString>),
    /// The first argument that is no option.
    Destination(OsString),
    /// What is left: the words of the remote command. Comes last, and only if there is a word.
    Command(Vec<OsString>),
}

/// Walks over the arguments. Ends after the command or the first error.
#[derive(Debug)]
pub(super) struct Arguments<'a> {
    rest: &'a [OsString],
    /// Letters of a cluster that are not read yet.
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

    /// An option of the cluster that is being read.
    fn option(&mut self, letter: u8) -> Result<Argument, Error> {
        let row = options::row(letter).ok_or(Error::UnknownOption(char::from(letter)))?;
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
        // As in ssh.c: a `--` right in front of the host, be it a value, ends the options.
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

/// The text from a byte on. `at` lies behind an ASCII letter. What is no Unicode comes replaced.
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
}
