//! git itself: its version, and what it calls for SSH.

mod called;

use std::path::{Path, PathBuf};

pub(super) use called::configured;
pub(in crate::commands) use called::is_ours_command;
use called::{Source, called, first_word, is_set_up, located};

use super::checkup::{Checkup, word};
use super::finding::Finding;
use crate::commands::{Error, git, other_tools, setup};
use crate::context::Context;
use crate::text::sanitise;

/// The first git that knows core.sshCommand (release notes of 2.10).
const OLDEST: (u32, u32) = (2, 10);

/// Package managers, and how they bring git.
const PACKAGES: [(&str, &str); 7] = [
    ("apt-get", "sudo apt-get install git"),
    ("dnf", "sudo dnf install git"),
    ("zypper", "sudo zypper install git"),
    ("pacman", "sudo pacman -S git"),
    ("apk", "sudo apk add git"),
    ("brew", "brew install git"),
    ("winget", "winget install Git.Git"),
];

/// Version, ssh command, what overrides it, variant.
pub(super) fn check(checkup: &Checkup<'_>) -> Vec<Finding> {
    let context = checkup.context;
    let mut findings = vec![version(context), ssh_command(checkup)];
    findings.extend(variables(context));
    findings.extend(editors(checkup));
    findings.push(variant(checkup));
    if let Err(why) = &checkup.git_config {
        findings.push(Finding::fail("git-config", why).next(repair(checkup)));
    }
    findings
}

/// The line that opens the file which git names as broken.
pub(super) fn repair(checkup: &Checkup<'_>) -> String {
    let said = git::ask(checkup.context, &["config", "--list"]);
    let file = said.err().and_then(|error| {
        let text = error.to_string();
        let rest = text.split(" in file ").nth(1)?;
        Some(PathBuf::from(rest.lines().next()?.trim()))
    });
    match file {
        Some(file) => checkup.opened(&checkup.context.directory.join(file)),
        None => "git config --list --show-origin".to_owned(),
    }
}

fn version(context: &Context) -> Finding {
    let install = PACKAGES
        .iter()
        .find(|(program, _)| located(context, program).is_some())
        .map_or("curl -L https://git-scm.com/downloads", |(_, line)| line);
    match git::line(context, &["version"]) {
        Ok(Some(text)) if git::version_in(&text).is_none_or(|version| version >= OLDEST) => {
            Finding::ok("git", text)
        }
        Ok(Some(text)) => Finding::fail(
            "git",
            format!("{text} does not know core.sshCommand; 2.10 or newer is needed"),
        )
        .next(install),
        Ok(None) => Finding::fail("git", "git tells no version").next(install),
        Err(Error::GitNotRun(why)) => {
            Finding::fail("git", format!("git cannot be run: {why}")).next(install)
        }
        Err(error) => Finding::fail("git", error.to_string()).next(install),
    }
}

/// The line after which git calls bitbucket-ssh here.
fn remedy(checkup: &Checkup<'_>, source: &Source) -> String {
    let context = checkup.context;
    match source {
        Source::Variable("GIT_SSH_COMMAND") if is_set_up(context) => {
            "unset GIT_SSH_COMMAND".to_owned()
        }
        Source::Variable("GIT_SSH_COMMAND") => {
            "unset GIT_SSH_COMMAND; git bitbucket setup".to_owned()
        }
        // core.sshCommand stands before GIT_SSH.
        Source::Variable(_) => "git bitbucket setup".to_owned(),
        Source::Config(origin) => match origin.scope.as_str() {
            "command" => {
                "unset GIT_CONFIG_COUNT GIT_CONFIG_PARAMETERS; git bitbucket setup".to_owned()
            }
            "local" => "git bitbucket setup --local".to_owned(),
            "worktree" => {
                "git config --worktree --unset-all core.sshCommand; git bitbucket setup".to_owned()
            }
            "global" if !setup::writes(context, Path::new(&origin.file)) => {
                let file = word(&checkup.shown(Path::new(&origin.file)));
                format!("git config --file {file} --unset-all core.sshCommand; git bitbucket setup")
            }
            _ => "git bitbucket setup".to_owned(),
        },
    }
}

fn ssh_command(checkup: &Checkup<'_>) -> Finding {
    let check = "ssh-command";
    let context = checkup.context;
    let Some((command, source)) = called(context) else {
        return Finding::fail(check, "git calls the system's ssh, nobody says otherwise")
            .next("git bitbucket setup");
    };
    let shown = sanitise(&command);
    let who = match &source {
        Source::Variable(name) => (*name).to_owned(),
        Source::Config(origin) => {
            let file = context.directory.join(&origin.file);
            format!("core.sshCommand of {}", checkup.shown(&file))
        }
    };
    if is_ours_command(context, &command) {
        return Finding::ok(check, format!("{who}: {shown}"));
    }
    let program = first_word(&command);
    let text = if command.trim().is_empty() {
        format!("{who} is empty: git cannot run SSH at all")
    } else if located(context, &program).is_none() {
        format!("{who}: {program} is not there")
    } else {
        format!("git calls {shown} ({who}), not bitbucket-ssh")
    };
    Finding::fail(check, text).next(remedy(checkup, &source))
}

/// Variables that stand before or beside core.sshCommand, and the file that sets them.
fn variables(context: &Context) -> Vec<Finding> {
    let check = "ssh-overrides";
    let mut findings = Vec::new();
    for (name, effect) in [
        ("GIT_SSH_COMMAND", "goes before every configuration"),
        ("GIT_SSH", "is taken by programs on libgit2"),
    ] {
        let Some(value) = context.environment.raw(name) else {
            continue;
        };
        let value = value.to_string_lossy();
        if is_ours_command(context, &value) {
            continue;
        }
        let place = other_tools::set_in(context, name);
        let place = place.map_or_else(String::new, |place| format!("; it is set in {place}"));
        let text = format!("{name} {effect}: {}{place}", sanitise(&value));
        findings.push(Finding::warn(check, text).next(format!("unset {name}")));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(check, "no variable overrides core.sshCommand"));
    }
    findings
}

/// Settings of editors that go past it.
fn editors(checkup: &Checkup<'_>) -> Vec<Finding> {
    let check = "ssh-overrides";
    let about =
        |found: &other_tools::ToolSetting| format!("{}:{}", checkup.shown(&found.file), found.line);
    let found = other_tools::editors(checkup.context).into_iter();
    found
        .map(|found| {
            Finding::warn(check, &found.text)
                .about(about(&found))
                .next(found.next)
        })
        .collect()
}

fn variant(checkup: &Checkup<'_>) -> Finding {
    let check = "ssh-variant";
    let context = checkup.context;
    let (value, next) = if let Some(value) = context.environment.text("GIT_SSH_VARIANT") {
        (value.to_owned(), "unset GIT_SSH_VARIANT".to_owned())
    } else {
        let found = configured(context, "ssh.variant");
        let next = match &found {
            Some((_, origin)) if origin.scope == "command" => {
                "unset GIT_CONFIG_COUNT GIT_CONFIG_PARAMETERS".to_owned()
            }
            Some((_, origin)) if matches!(origin.scope.as_str(), "local" | "worktree") => {
                format!("git config --{} ssh.variant ssh", origin.scope)
            }
            _ => "git config --global ssh.variant ssh".to_owned(),
        };
        (found.map(|(value, _)| value).unwrap_or_default(), next)
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
