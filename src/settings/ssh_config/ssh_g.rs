//! `ssh -G`: one run of the system's ssh that reads its configuration and prints it.
//!
//! ssh prints compiled-in defaults as well, which do not count: a value counts where the command line
//! or a file sets it. A file sets what it mentions and what differs from the default. Most defaults
//! are the same in every release of OpenSSH and in the table of options; the lists of algorithms are
//! not, so where a file mentions one, ssh is asked a second time, without files.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Stdio;

use super::files::{Files, Relocated, in_home};
use super::tokens;
use crate::context::Context;
use crate::diagnostics::os_error_message;
use crate::settings::Error;
use crate::ssh_command::{Request, options};

/// What files and command line set, without compiled-in defaults.
pub fn directives(
    request: &Request,
    context: &Context,
    ssh: &Path,
    files: &Files,
) -> Result<Directives, Error> {
    // Without default identity files: every other one that is printed is set by a file.
    let printed = ask(
        request,
        context,
        ssh,
        files,
        &["-o", "IdentityFile=/dev/null"],
    )?;
    let mut printed = Directives::parse(&printed);
    let typed = typed(request);
    let mentioned = files.mentioned(context);
    let lists = |mentioned: &BTreeSet<String>| {
        mentioned.iter().any(|key| {
            let option = options::find(key);
            option.is_some_and(|option| option.value == options::Value::Algorithms)
                && !typed.contains(key.as_str())
        })
    };
    let defaults = if mentioned.as_ref().is_none_or(lists) {
        compiled_in(context, ssh, &printed)
    } else {
        Directives::default()
    };
    let is_default = |key: &str, values: &[String]| match defaults.all(key) {
        [] => fixed_default(key).as_deref() == values.first().map(String::as_str),
        defaults => defaults == values,
    };
    let is_set = |key: &str, values: &[String]| {
        let is_mentioned = mentioned.as_ref().is_none_or(|keys| keys.contains(key));
        typed.contains(key) || is_mentioned && !is_default(key, values)
    };
    // Its default depends on UserKnownHostsFile.
    let other_known_hosts = is_set("userknownhostsfile", printed.all("userknownhostsfile"));
    printed
        .retain(|key, values| is_set(key, values) || other_known_hosts && key == "updatehostkeys");
    Ok(printed)
}

/// The options that the command line sets.
fn typed(request: &Request) -> BTreeSet<&str> {
    let mut typed: BTreeSet<&str> = request
        .options
        .iter()
        .map(|(key, _)| key.as_str())
        .collect();
    typed.extend(request.user.is_some().then_some("user"));
    typed.extend(request.port.is_some().then_some("port"));
    typed.extend(request.family.is_some().then_some("addressfamily"));
    typed
}

/// A default that is the same for every ssh.
fn fixed_default(key: &str) -> Option<String> {
    let default = options::find(key)?.default;
    match key {
        "user" => crate::context::login_name(),
        "userknownhostsfile" => {
            let home = tokens::password_database_home()?;
            Some(in_home(default, home.to_str()?))
        }
        _ => Some(default.to_owned()).filter(|default| !default.is_empty()),
    }
}

/// What the installed ssh prints without any file. Nothing where it fails: then everything counts.
fn compiled_in(context: &Context, ssh: &Path, printed: &Directives) -> Directives {
    // Debian's ssh has other defaults in batch mode.
    let batch_mode = printed.one("batchmode").unwrap_or("no");
    let batch_mode = format!("BatchMode={batch_mode}");
    let identity = "IdentityFile=/dev/null";
    let arguments = [
        "-G",
        "-T",
        "-F",
        "/dev/null",
        "-o",
        identity,
        "-o",
        &batch_mode,
    ];
    // No host has this name (RFC 2606, section 2); it is never looked up.
    let arguments = arguments.into_iter().chain(["defaults.invalid"]);
    let arguments: Vec<_> = arguments.map(OsString::from).collect();
    let output = run(context, ssh, &arguments);
    output.map_or_else(|_| Directives::default(), |text| Directives::parse(&text))
}

/// What `ssh -G` prints for a call: for the file that replaces ssh_config where the system's ssh
/// carries a Bitbucket host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// For the call, without the identity files of the command line, and with `~` as `$HOME`.
    pub printed: String,
    /// For the bare host, without any file.
    pub compiled_in: String,
}

/// Asks the system's ssh twice.
///
/// # Errors
///
/// ssh's own text for whatever it does not accept; that it cannot be asked.
pub fn effective(request: &Request, context: &Context, ssh: &Path) -> Result<Effective, Error> {
    let printed = ask(request, context, ssh, &Files::of(request, context), &[])?;
    let bare = ["-G", "-T", "-F", "/dev/null", "--"].map(OsString::from);
    let bare: Vec<_> = bare.into_iter().chain([(&request.host).into()]).collect();
    Ok(Effective {
        printed: with_defaults_at_home(&printed, context),
        compiled_in: run(context, ssh, &bare)?,
    })
}

/// Where `$HOME` is not the home that ssh takes, the defaults are those of `$HOME`.
fn with_defaults_at_home(printed: &str, context: &Context) -> String {
    let other = tokens::password_database_home();
    let (Some(home), Some(other)) = (context.home(), other) else {
        return printed.to_owned();
    };
    if home == other {
        return printed.to_owned();
    }
    let lines = printed
        .lines()
        .filter_map(|line| match line.split_once(' ') {
            Some(("identityfile", file)) => {
                let file = context.expand_home(file);
                // ssh would warn about one that does not exist.
                file.exists()
                    .then(|| format!("identityfile {}", file.display()))
            }
            Some(("userknownhostsfile", files)) => {
                let files: Vec<_> = files
                    .split(' ')
                    .map(|file| match Path::new(file).strip_prefix(&other) {
                        Ok(rest) => home.join(rest).display().to_string(),
                        Err(_) => file.to_owned(),
                    })
                    .collect();
                Some(format!("userknownhostsfile {}", files.join(" ")))
            }
            _ => Some(line.to_owned()),
        });
    let mut text = lines.collect::<Vec<_>>().join("\n");
    text.push('\n');
    text
}

/// `ssh -G` for the call, with `first` in front of its options.
fn ask(
    request: &Request,
    context: &Context,
    ssh: &Path,
    files: &Files,
    first: &[&str],
) -> Result<String, Error> {
    let relocated = Relocated::new(context, files)?;
    let mut arguments: Vec<OsString> = ["-G", "-T"].map(OsString::from).to_vec();
    arguments.extend(first.iter().map(OsString::from));
    match (&relocated, files) {
        (Some(relocated), _) => {
            arguments.extend(["-F".into(), relocated.file().as_os_str().to_owned()]);
        }
        (None, Files::Named(file)) => arguments.extend(["-F".into(), file.into()]),
        (None, Files::None) => arguments.extend(["-F".into(), "none".into()]),
        (None, Files::Usual { .. }) => {}
    }
    arguments.extend(without_files(&request.option_argv, context));
    arguments.extend(["--".into(), OsString::from(&request.host)]);
    run(context, ssh, &arguments).map_err(|error| match (error, &relocated) {
        (Error::SshConfig(text), Some(relocated)) => Error::SshConfig(relocated.original(&text)),
        (error, _) => error,
    })
}

/// The options of the command line without identity files (which are decided apart), without `-F`,
/// and with `~` as `$HOME`.
fn without_files(option_argv: &[OsString], context: &Context) -> Vec<OsString> {
    let mut kept = Vec::with_capacity(option_argv.len());
    let mut arguments = option_argv.iter();
    while let Some(argument) = arguments.next() {
        let letter = argument.to_str().and_then(|text| text.strip_prefix('-'));
        let takes_value = letter.is_some_and(options::takes_value);
        let value = takes_value.then(|| arguments.next()).flatten();
        let dropped = match (letter, value) {
            (Some("i" | "F"), _) => true,
            (Some("o"), Some(value)) => names_identity_file(value),
            _ => false,
        };
        if !dropped {
            kept.push(argument.clone());
            kept.extend(value.map(|value| at_home(value, context)));
        }
    }
    kept
}

fn names_identity_file(setting: &OsStr) -> bool {
    let setting = setting.to_string_lossy().to_ascii_lowercase();
    let key = setting.trim_start();
    let end = key
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(key.len());
    matches!(&key[..end], "identityfile" | "identityfile2")
}

/// ssh would take `~` as the home of the password database.
fn at_home(setting: &OsStr, context: &Context) -> OsString {
    match (setting.to_str(), context.home().and_then(Path::to_str)) {
        (Some(text), Some(home)) => in_home(text, home).into(),
        _ => setting.to_owned(),
    }
}

/// ssh's output, or its complaint.
///
/// # Errors
///
/// [`Error::SshConfig`] only where ssh complains about its configuration, [`Error::SshNotAsked`] for every
/// other failure.
fn run(context: &Context, ssh: &Path, arguments: &[OsString]) -> Result<String, Error> {
    let not_asked = |why: String| Error::SshNotAsked {
        ssh: ssh.to_owned(),
        why,
    };
    // It has no -G, and would connect instead.
    let target = ssh.canonicalize().unwrap_or_default();
    if target
        .file_name()
        .is_some_and(|name| name == "dbclient" || name == "dropbearmulti")
    {
        return Err(not_asked("dropbear does not know -G".to_owned()));
    }
    let output = context
        .command(ssh)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| not_asked(os_error_message(&error)))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let text = text.trim().replace('\r', "");
    if output.status.success() {
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        return if printed.lines().any(|line| line.starts_with("hostname ")) {
            Ok(printed)
        } else {
            Err(not_asked("does not know -G".to_owned()))
        };
    }
    Err(match output.status.code() {
        Some(255) if is_about_configuration(&text) => Error::SshConfig(text),
        _ => {
            let first = text.lines().next().unwrap_or_default();
            not_asked(format!("{} {first}", output.status).trim_end().to_owned())
        }
    })
}

/// Whether ssh's complaint is about its configuration: readconf.c names a line for nearly everything.
fn is_about_configuration(complaint: &str) -> bool {
    let names_a_line = |line: &str| {
        line.split(" line ").skip(1).any(|rest| {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            digits > 0 && rest[digits..].starts_with(':')
        })
    };
    let phrases = [
        "Bad owner or permissions on ",
        "Can't open user config file ",
        "bad configuration options",
        "contains invalid characters",
        "expand",
        "unknown key %",
        "Unknown cipher type ",
        "Unknown mac type ",
    ];
    complaint
        .lines()
        .any(|line| names_a_line(line) || phrases.iter().any(|phrase| line.contains(phrase)))
}

/// Options in lower case with their values, in the form in which `ssh -G` prints them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directives(BTreeMap<String, Vec<String>>);

impl Directives {
    /// The lines of `ssh -G`.
    pub fn parse(output: &str) -> Self {
        let mut directives = Self::default();
        for line in output.lines() {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            directives.push(key, value);
        }
        directives
    }

    /// One more value.
    pub fn push(&mut self, key: &str, value: impl Into<String>) {
        self.0
            .entry(key.to_ascii_lowercase())
            .or_default()
            .push(value.into());
    }

    /// The only value from now on.
    pub fn set(&mut self, key: &str, value: String) {
        self.0.insert(key.to_owned(), vec![value]);
    }

    fn retain(&mut self, keep: impl Fn(&str, &[String]) -> bool) {
        self.0.retain(|key, values| keep(key, values));
    }

    /// The first value; `None`: not set.
    pub fn one(&self, key: &str) -> Option<&str> {
        self.all(key).first().map(String::as_str)
    }

    /// The first value, unless it is `none`.
    pub fn some(&self, key: &str) -> Option<&str> {
        self.one(key)
            .filter(|value| !value.eq_ignore_ascii_case("none"))
    }

    /// Every value.
    pub fn all(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    /// Every option.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_complaint_about_configuration_is_an_error_of_ssh_config() {
        for (complaint, expected, why) in [
            (
                "/home/a/.ssh/config: line 3: Bad configuration option: x\n\
                 /home/a/.ssh/config: terminating, 1 bad configuration options",
                true,
                "an option that does not exist",
            ),
            (
                "/etc/ssh/ssh_config line 12: missing argument.",
                true,
                "a line without a value",
            ),
            (
                "command-line line 0: unsupported option \"x\".",
                true,
                "a typed option",
            ),
            (
                "Bad owner or permissions on /home/a/.ssh/config",
                true,
                "a file that others can write",
            ),
            (
                "Can't open user config file /x: No such file or directory",
                true,
                "-F without its file",
            ),
            ("No user exists for uid 4711", false, "a container"),
            (
                "unknown option -- G\nusage: ssh [-1246AaCfgKkMNnqsTtVvXxYy]",
                false,
                "OpenSSH before 6.8",
            ),
            (
                "OpenSSL version mismatch. Built against 1, you have 3",
                false,
                "a broken installation",
            ),
            (
                "/home/a/bin/ssh: 3: exec: /opt/ssh: not found",
                false,
                "a shell",
            ),
            ("", false, "silence"),
        ] {
            assert_eq!(is_about_configuration(complaint), expected, "{why}");
        }
    }

    #[test]
    fn identity_files_of_the_command_line_are_no_matter_of_files() {
        for (setting, is_one) in [
            ("IdentityFile=/x", true),
            ("identityfile /x", true),
            (" IdentityFile = /x", true),
            ("IdentitiesOnly=yes", false),
            ("IdentityAgent=none", false),
        ] {
            assert_eq!(
                names_identity_file(OsStr::new(setting)),
                is_one,
                "{setting}"
            );
        }
    }
}
