//! `ssh -G`: one run of the system's ssh that reads its configuration and prints it.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Stdio;

use super::directives::Directives;
use super::{Files, baseline, homes, kept};
use crate::context::Context;
use crate::settings::Error;
use crate::ssh_command::Request;

/// Letters of ssh(1) with a value (the getopt string of OpenSSH's `ssh.c`).
const WITH_VALUE: &str = "BDEFIJLOPQRSWbceilmopw";

/// What files and command line say, without what ssh says of its own accord.
pub fn directives(
    request: &Request,
    context: &Context,
    ssh: &Path,
    files: &Files,
) -> Result<Directives, Error> {
    // Without default identity files: what is printed besides this one was directives by a file.
    let first = ["-o", "IdentityFile=/dev/null"];
    let call = arguments(request, context, files, None, &first);
    let printed = kept::answer(request, context, ssh, files, &call, || {
        let relocated = homes::relocated(context, files)?;
        let arguments = arguments(request, context, files, relocated.as_ref(), &first);
        run(context, ssh, &arguments).map_err(|error| match (error, &relocated) {
            (Error::SshConfig(text), Some(relocated)) => {
                Error::SshConfig(relocated.original(&text))
            }
            (error, _) => error,
        })
    })?;
    let printed = Directives::parse(&printed);
    let batch_mode = printed.one("batchmode") == Some("yes");
    let defaults = baseline::of(context, ssh, batch_mode);
    let mut meant: BTreeSet<String> = request.options.iter().map(|(key, _)| key.clone()).collect();
    // Its default depends on UserKnownHostsFile: what is printed is what holds.
    if printed.one("userknownhostsfile") != defaults.one("userknownhostsfile") {
        meant.insert("updatehostkeys".to_owned());
    }
    if batch_mode {
        meant.insert("batchmode".to_owned());
    }
    // Typed, although it may be what ssh would take anyway: the local user's name.
    if request.user.is_some() {
        meant.insert("user".to_owned());
    }
    Ok(printed.without(&defaults, &meant))
}

/// `ssh -G` for the call: `first`, the files that count, options, host.
pub fn arguments(
    request: &Request,
    context: &Context,
    files: &Files,
    relocated: Option<&homes::Relocated>,
    first: &[&str],
) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = ["-G", "-T"].map(OsString::from).to_vec();
    arguments.extend(first.iter().map(OsString::from));
    match (relocated, files) {
        (Some(relocated), _) => arguments.extend(["-F".into(), relocated.file().into()]),
        (None, Files::Named(file)) => arguments.extend(["-F".into(), file.into()]),
        (None, Files::None) => arguments.extend(["-F".into(), "none".into()]),
        (None, Files::Usual { .. }) => {}
    }
    arguments.extend(of_files_only(&request.option_argv, context));
    arguments.extend(["--".into(), OsString::from(&request.host)]);
    arguments
}

/// The command line's options without identity files (they are a rank of their own), without
/// `-F`, and with `~` as `$HOME`.
fn of_files_only(option_argv: &[OsString], context: &Context) -> Vec<OsString> {
    let mut kept = Vec::with_capacity(option_argv.len());
    let mut arguments = option_argv.iter();
    while let Some(argument) = arguments.next() {
        let letter = argument.to_str().and_then(|text| text.strip_prefix('-'));
        let takes_value =
            letter.is_some_and(|letter| letter.len() == 1 && WITH_VALUE.contains(letter));
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

/// ssh would take `~` for the home of the password database.
fn at_home(setting: &OsStr, context: &Context) -> OsString {
    match (setting.to_str(), context.home().and_then(Path::to_str)) {
        (Some(text), Some(home)) => homes::in_home(text, home).into(),
        _ => setting.to_owned(),
    }
}

/// ssh's output, or its complaint.
pub fn run(context: &Context, ssh: &Path, arguments: &[OsString]) -> Result<String, Error> {
    let output = context
        .command(ssh)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .map_err(|why| Error::SshNotStarted {
            ssh: ssh.to_owned(),
            why,
        })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let text = text.trim().replace('\r', "");
    Err(Error::SshConfig(if text.is_empty() {
        format!("{} -G ended with {}", ssh.display(), output.status)
    } else {
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

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
