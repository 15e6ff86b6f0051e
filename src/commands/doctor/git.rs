//! git and its configuration: the version, what git calls for SSH, settings that have no effect, and
//! remotes on the old host.

use std::path::{Path, PathBuf};

use super::checkup::{Checkup, word};
use super::finding::{Finding, counted};
use super::ssh_config;
use crate::commands::{Error, git, other_tools, setup};
use crate::context::Context;
use crate::repository::{self, SiteKind};
use crate::settings;
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
fn repair(checkup: &Checkup<'_>) -> String {
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

/// Who says what git calls.
enum Source {
    /// A variable of this name.
    Variable(&'static str),
    /// git's configuration.
    Config(Origin),
}

/// Where a value of git's configuration stands.
pub(super) struct Origin {
    /// `local`, `global` …; what git before 2.26 does not tell is taken for `global`.
    pub(super) scope: String,
    /// The file, as git names it.
    pub(super) file: String,
}

/// The value that counts, and where it stands. `None`: not set, or the files cannot be read.
pub(super) fn configured(context: &Context, key: &str) -> Option<(String, Origin)> {
    let asked = |options: &[&str]| {
        let arguments: Vec<&str> = ["config"]
            .iter()
            .chain(options)
            .chain(&["--show-origin", "--null", "--get", key])
            .copied()
            .collect();
        git::ask(context, &arguments)
    };
    let (bytes, scoped) = match asked(&["--show-scope"]) {
        Ok(bytes) => (bytes?, true),
        Err(_) => (asked(&[]).ok()??, false),
    };
    let text = String::from_utf8_lossy(&bytes);
    let mut parts = text.split('\0');
    let scope = if scoped { parts.next()? } else { "global" };
    let origin = parts.next()?;
    let value = parts.next()?.to_owned();
    let origin = Origin {
        scope: scope.to_owned(),
        file: origin.strip_prefix("file:").unwrap_or(origin).to_owned(),
    };
    Some((value, origin))
}

/// What git calls, in git's order (connect.c, get_ssh_command), and who says so.
fn called(context: &Context) -> Option<(String, Source)> {
    let variable = |name: &'static str| {
        let value = context.environment.raw(name)?;
        Some((value.to_string_lossy().into_owned(), Source::Variable(name)))
    };
    variable("GIT_SSH_COMMAND")
        .or_else(|| {
            let (value, origin) = configured(context, "core.sshCommand")?;
            Some((value, Source::Config(origin)))
        })
        .or_else(|| variable("GIT_SSH"))
}

/// Whether core.sshCommand alone would do.
fn is_set_up(context: &Context) -> bool {
    configured(context, "core.sshCommand")
        .is_some_and(|(value, _)| is_ours_command(context, &value))
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

/// One WARN for each setting that is ignored, one FAIL for each value that is none of its setting's.
pub(super) fn settings(checkup: &Checkup<'_>) -> Vec<Finding> {
    let check = "settings";
    let examined = match &checkup.examined {
        Ok(examined) => examined,
        Err((why, hints)) => {
            let mut finding = Finding::fail(
                check,
                format!("they cannot be read: {}", why.trim().replace('\n', "; ")),
            );
            finding.next = if checkup.git_config.is_err() {
                Some(repair(checkup))
            } else {
                ssh_config::remedy(checkup, why).or_else(|| hints.first().cloned())
            };
            return vec![finding];
        }
    };
    let mut findings: Vec<_> = examined
        .ours
        .settings
        .ignored
        .iter()
        .map(|ignored| {
            let (key, next) = match &ignored.origin {
                settings::Origin::GitConfig { file, key, .. } => {
                    (sanitise(key), unset(checkup, file.as_deref(), key))
                }
                settings::Origin::Environment(name) => {
                    ((*name).to_owned(), Some(format!("unset {name}")))
                }
                settings::Origin::CommandLine(_)
                | settings::Origin::SshConfig
                | settings::Origin::Default => (String::new(), None),
            };
            let (value, why) = (sanitise(&ignored.value), sanitise(&ignored.why));
            let faults = &examined.ours.settings.invalid;
            let finding = if faults.values().any(|fault| fault == ignored) {
                Finding::fail(check, format!("'{value}' is not understood: {why}"))
            } else {
                Finding::warn(check, format!("{value} is ignored: {why}"))
            };
            let mut finding = finding.about(key);
            finding.next = next;
            finding
        })
        .collect();
    if findings.is_empty() {
        findings.push(Finding::ok(check, "none is misspelt or ignored"));
    }
    findings
}

fn unset(checkup: &Checkup<'_>, file: Option<&std::path::Path>, key: &str) -> Option<String> {
    let file = file?;
    if key.ends_with('*') {
        let folder = file.parent()?.parent()?;
        let folder = word(&checkup.shown(folder));
        return Some(format!("git config --global --add safe.directory {folder}"));
    }
    let file = word(&checkup.shown(file));
    Some(format!(
        "git config --file {file} --unset-all {}",
        word(key)
    ))
}

/// One WARN for each SSH remote on `bitbucket.org`; Cloud's SSH host is `ssh.bitbucket.org`.
pub(super) fn remotes(checkup: &Checkup<'_>) -> Vec<Finding> {
    let check = "remotes";
    let Ok(git_config) = &checkup.git_config else {
        return vec![Finding::skip(check, "git's configuration cannot be read")];
    };
    if git_config.git_directory().is_none() {
        return vec![Finding::skip(check, "there is no repository here")];
    }
    let sites = checkup.sites();
    let remotes = git_config.remotes();
    let mut findings = Vec::new();
    for (name, url) in &remotes {
        let Some(repository) = repository::of_url(&sites, url) else {
            continue;
        };
        let cloud = sites
            .iter()
            .any(|site| site.url == repository.site && site.kind == SiteKind::Cloud);
        if cloud && names_the_old_host(url) {
            let next = moved(checkup, name, url, &repository.to_string());
            findings.push(
                Finding::warn(check, format!("{url} still names bitbucket.org"))
                    .about(name)
                    .next(next),
            );
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            check,
            format!(
                "{}, none on bitbucket.org",
                counted(remotes.len(), "remote")
            ),
        ));
    }
    findings
}

/// The line that gives the remote the other host name; among several URLs, this one alone.
fn moved(checkup: &Checkup<'_>, name: &str, url: &str, repository: &str) -> String {
    let values = |variable: &str| {
        let key = format!("remote.{name}.{variable}");
        let found = git::ask(checkup.context, &["config", "--null", "--get-all", &key]);
        let found = found.ok().flatten().unwrap_or_default();
        let found = String::from_utf8_lossy(&found).into_owned();
        let values = found.split_terminator('\0').map(str::to_owned);
        values.collect::<Vec<_>>()
    };
    let for_push = values("pushurl");
    let (option, beside) = if for_push.iter().any(|value| value == url) {
        ("--push ", for_push)
    } else {
        ("", values("url"))
    };
    let address = url.strip_prefix("ssh://").unwrap_or(url);
    let user = address.split_once('@').map_or("git", |(user, _)| user);
    let new = format!("{user}@ssh.bitbucket.org:{repository}.git");
    let line = format!("git remote set-url {option}{} {}", word(name), word(&new));
    if beside.len() > 1 {
        format!("{line} {}", word(url))
    } else {
        line
    }
}

/// An SSH URL whose host is `bitbucket.org` itself.
pub(in crate::commands) fn names_the_old_host(url: &str) -> bool {
    host_of(url).is_some_and(|host| host.eq_ignore_ascii_case("bitbucket.org"))
}

/// The host of an SSH URL, as it is typed. `None`: a URL of another kind.
pub(super) fn host_of(url: &str) -> Option<&str> {
    let authority = match url.strip_prefix("ssh://") {
        Some(rest) => rest.split('/').next()?,
        None if url.contains("://") => return None,
        None => url.split_once(':')?.0,
    };
    let place = authority.rsplit('@').next()?;
    place.split(':').next()
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

    #[test]
    fn only_ssh_urls_of_that_host() {
        for (url, expected) in [
            ("git@bitbucket.org:a/b.git", true),
            ("ssh://git@bitbucket.org/a/b", true),
            ("ssh://git@bitbucket.org:22/a/b", true),
            ("git@ssh.bitbucket.org:a/b.git", false),
            ("https://bitbucket.org/a/b", false),
            ("ssh://git@altssh.bitbucket.org:443/a/b", false),
        ] {
            assert_eq!(names_the_old_host(url), expected, "{url}");
        }
    }
}
