//! git itself: its version, and what it calls for SSH.

use std::path::{Path, PathBuf};

use super::finding::Finding;
use super::patient::Patient;
use crate::commands::{Error, git};
use crate::context::Context;
use crate::sanitise::sanitise;

/// The first git that knows core.sshCommand (release notes of 2.10).
const OLDEST: (u32, u32) = (2, 10);

/// git names the file and line that it cannot read.
const SHOW: &str = "git config --list --show-origin >/dev/null";

/// Version, ssh command, what overrides it, variant.
pub(super) fn check(patient: &Patient<'_>) -> Vec<Finding> {
    let mut findings = vec![version(patient.context), ssh_command(patient.context)];
    findings.extend(overrides(patient.context));
    findings.push(variant(patient.context));
    if let Err(why) = &patient.git_config {
        findings.push(Finding::fail("git-config", why).next(SHOW));
    }
    findings
}

fn version(context: &Context) -> Finding {
    let install = "install git 2.10 or newer: https://git-scm.com/downloads";
    match git::line(context, &["version"]) {
        Ok(Some(text)) if git::version_in(&text).is_none_or(|version| version >= OLDEST) => {
            Finding::ok("git", text)
        }
        Ok(Some(text)) => {
            Finding::fail("git", format!("{text} does not know core.sshCommand")).next(install)
        }
        Ok(None) => Finding::fail("git", "git tells no version").next(install),
        Err(Error::GitNotRun(why)) => Finding::fail("git", why.to_string()).next(install),
        Err(error) => Finding::fail("git", error.to_string()).next(SHOW),
    }
}

/// What git calls, in git's order (connect.c, get_ssh_command), and who says so.
fn called(context: &Context) -> Option<(String, &'static str)> {
    let variable = |name: &str| {
        let value = context.environment.raw(name)?;
        Some(value.to_string_lossy().into_owned())
    };
    if let Some(command) = variable("GIT_SSH_COMMAND") {
        return Some((command, "GIT_SSH_COMMAND"));
    }
    if let Ok(Some(command)) = git::line(context, &["config", "--get", "core.sshCommand"]) {
        return Some((command, "core.sshCommand"));
    }
    variable("GIT_SSH").map(|command| (command, "GIT_SSH"))
}

fn ssh_command(context: &Context) -> Finding {
    let check = "ssh-command";
    let Some((command, source)) = called(context) else {
        return Finding::fail(check, "git calls the system's ssh, nobody says otherwise")
            .next("git bitbucket setup");
    };
    let next = match source {
        "core.sshCommand" => "git bitbucket setup".to_owned(),
        variable => format!("unset {variable}"),
    };
    let shown = sanitise(&command);
    if command.trim().is_empty() {
        return Finding::fail(
            check,
            format!("{source} is empty: git cannot run SSH at all"),
        )
        .next(next);
    }
    let program = first_word(&command);
    match located(context, &program) {
        None => Finding::fail(check, format!("{source}: {program} is not there")).next(next),
        Some(file) if is_ours(&file) => Finding::ok(check, format!("{source}: {shown}")),
        Some(_) => Finding::fail(
            check,
            format!("git calls {shown} ({source}), not bitbucket-ssh"),
        )
        .next(next),
    }
}

/// Variables that stand before or beside core.sshCommand.
fn overrides(context: &Context) -> Vec<Finding> {
    let check = "ssh-overrides";
    let said = |name: &str| {
        let value = context.environment.raw(name)?;
        Some(sanitise(&value.to_string_lossy()))
    };
    let mut findings = Vec::new();
    if let Some(value) = said("GIT_SSH_COMMAND") {
        let text = format!("GIT_SSH_COMMAND goes before every configuration: {value}");
        findings.push(Finding::warn(check, text).next("unset GIT_SSH_COMMAND"));
    }
    if let Some(value) = said("GIT_SSH") {
        let text = format!("GIT_SSH is set ({value}): programs on libgit2 take it");
        findings.push(Finding::warn(check, text).next("unset GIT_SSH"));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(check, "no variable overrides core.sshCommand"));
    }
    findings
}

fn variant(context: &Context) -> Finding {
    let check = "ssh-variant";
    let (value, next) = if let Some(value) = context.environment.text("GIT_SSH_VARIANT") {
        (value.to_owned(), "unset GIT_SSH_VARIANT")
    } else {
        let configured = git::line(context, &["config", "--get", "ssh.variant"]);
        let value = configured.ok().flatten().unwrap_or_default();
        (value, "git config --global ssh.variant ssh")
    };
    match value.to_ascii_lowercase().as_str() {
        "" | "auto" => Finding::ok(check, "not set: git asks the program itself"),
        "ssh" => Finding::ok(check, "ssh"),
        "simple" => Finding::fail(
            check,
            "simple: git passes no port and speaks only the oldest protocol",
        )
        .next(next),
        other => Finding::fail(
            check,
            format!("{}: git writes a command line for it", sanitise(other)),
        )
        .next(next),
    }
}

/// The first word as a shell would read it, as far as quotes and backslashes go.
fn first_word(command: &str) -> String {
    let mut word = String::new();
    let mut quote = None;
    let mut characters = command.trim_start().chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\\', None | Some('"')) => word.extend(characters.next()),
            (mark, Some(open)) if mark == open => quote = None,
            ('\'' | '"', None) => quote = Some(character),
            (space, None) if space.is_whitespace() => break,
            (other, _) => word.push(other),
        }
    }
    word
}

fn located(context: &Context, program: &str) -> Option<PathBuf> {
    let program = context.expand_home(program);
    if program.components().count() > 1 {
        let file = context.directory.join(program);
        return file.exists().then_some(file);
    }
    let path = context.environment.raw("PATH")?;
    std::env::split_paths(path)
        .map(|folder| context.directory.join(folder).join(&program))
        .find(|file| file.is_file())
}

/// Whether the program of this command line is there and ours.
pub(in crate::commands) fn is_ours_command(context: &Context, command: &str) -> bool {
    located(context, &first_word(command)).is_some_and(|file| is_ours(&file))
}

/// By its own name or that of the file a link leads to.
fn is_ours(file: &Path) -> bool {
    let named = |file: &Path| {
        let stem = file.file_stem();
        stem.is_some_and(|stem| stem.eq_ignore_ascii_case("bitbucket-ssh"))
    };
    named(file) || std::fs::canonicalize(file).is_ok_and(|target| named(&target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_the_first_word() {
        for (command, expected) in [
            ("bitbucket-ssh", "bitbucket-ssh"),
            ("ssh -i ~/.ssh/x", "ssh"),
            ("\"/a b/bitbucket-ssh\" --account x", "/a b/bitbucket-ssh"),
            ("'/a\"b/ssh' -v", "/a\"b/ssh"),
            ("/a\\ b/ssh", "/a b/ssh"),
            ("", ""),
        ] {
            assert_eq!(first_word(command), expected);
        }
        for (text, expected) in [
            ("git version 2.47.1", Some((2, 47))),
            ("git version 2.9.0.windows.1", Some((2, 9))),
            ("git version 2.39.5 (Apple Git-154)", Some((2, 39))),
            ("hub", None),
        ] {
            assert_eq!(git::version_in(text), expected);
        }
    }
}
