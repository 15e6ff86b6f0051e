//! git and its configuration: the version, what git calls for SSH, settings that have no effect,
//! and remotes on the old host.

use std::path::{Path, PathBuf};

use super::checkup::{Checkup, word};
use super::finding::Finding;
use super::ssh_config;
use crate::commands::{Error, config_file, git, other_tools};
use crate::context::Context;
use crate::repository::{self, SiteKind, SshUrl};
use crate::settings::{Ignored, Origin, keys};
use crate::text::counted;
use crate::text::sanitise;

/// The first git that knows core.sshCommand (release notes of 2.10).
const OLDEST: (u32, u32) = (2, 10);

/// Package managers, and how each installs git.
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

/// The line that opens the file that git cannot read.
fn repair(checkup: &Checkup<'_>) -> String {
    let error = git::ask(checkup.context, &["config", "--list"]).err();
    let message = error.map_or_else(String::new, |error| error.to_string());
    let file = message.split(" in file ").nth(1);
    match file.and_then(|rest| rest.lines().next()) {
        Some(file) => checkup.opened(&checkup.context.directory.join(file.trim())),
        None => "git config --list --show-origin".to_owned(),
    }
}

fn version(context: &Context) -> Finding {
    let install = PACKAGES
        .iter()
        .find(|(program, _)| located(context, program).is_some())
        .map_or("curl -L https://git-scm.com/downloads", |(_, line)| line);
    let text = match git::line(context, &["version"]) {
        Ok(Some(text)) if git::version_in(&text).is_none_or(|version| version >= OLDEST) => {
            return Finding::ok("git", text);
        }
        Ok(Some(text)) => format!("{text} is too old: core.sshCommand needs 2.10 or newer"),
        Ok(None) => "git does not report its version".to_owned(),
        Err(Error::GitNotRun(why)) => format!("cannot run git: {why}"),
        Err(error) => error.to_string(),
    };
    Finding::fail("git", text).next(install)
}

/// The line after which git calls bitbucket-ssh.
fn remedy(checkup: &Checkup<'_>, called: &Called) -> String {
    let context = checkup.context;
    let setup = "git bitbucket setup";
    let configured = match &called.source {
        Source::Config(configured) => configured,
        Source::Variable("GIT_SSH_COMMAND") => {
            let suffices = configured(context, "core.sshCommand")
                .is_some_and(|configured| runs_bitbucket_ssh(context, &configured.value));
            let unset = "unset GIT_SSH_COMMAND";
            return if suffices {
                unset.to_owned()
            } else {
                format!("{unset}; {setup}")
            };
        }
        // core.sshCommand takes precedence over GIT_SSH.
        Source::Variable(_) => return setup.to_owned(),
    };
    match configured.scope.as_str() {
        "command" => format!("unset GIT_CONFIG_COUNT GIT_CONFIG_PARAMETERS; {setup}"),
        "local" => format!("{setup} --local"),
        "worktree" => format!("git config --worktree --unset-all core.sshCommand; {setup}"),
        "global" if !config_file::is_global(context, &configured.file) => {
            let unset = unset(checkup, &configured.file, "core.sshCommand");
            format!("{unset}; {setup}")
        }
        _ => setup.to_owned(),
    }
}

fn ssh_command(checkup: &Checkup<'_>) -> Finding {
    let check = "ssh-command";
    let context = checkup.context;
    let Some(called) = called(context) else {
        return Finding::fail(
            check,
            "git runs the system's ssh, because core.sshCommand is not set",
        )
        .next("git bitbucket setup");
    };
    let shown = sanitise(&called.command);
    let place = match &called.source {
        Source::Variable(name) => (*name).to_owned(),
        Source::Config(configured) => {
            format!("core.sshCommand in {}", checkup.shown(&configured.file))
        }
    };
    if runs_bitbucket_ssh(context, &called.command) {
        return Finding::ok(check, format!("{place}: {shown}"));
    }
    let program = first_word(&called.command);
    let text = if called.command.trim().is_empty() {
        format!("{place} is empty, so git cannot connect over SSH")
    } else if located(context, &program).is_none() {
        format!("{place}: {program} does not exist")
    } else {
        format!("git runs {shown} ({place}) instead of bitbucket-ssh")
    };
    Finding::fail(check, text).next(remedy(checkup, &called))
}

/// Variables that override core.sshCommand or are used instead of it, and the file that sets them.
fn variables(context: &Context) -> Vec<Finding> {
    let check = "ssh-overrides";
    let mut findings = Vec::new();
    for (name, effect) in [
        ("GIT_SSH_COMMAND", "takes precedence over core.sshCommand"),
        ("GIT_SSH", "is used by programs based on libgit2"),
    ] {
        let Some(value) = context.environment.raw(name) else {
            continue;
        };
        let value = value.to_string_lossy();
        if runs_bitbucket_ssh(context, &value) {
            continue;
        }
        let place = other_tools::set_in(context, name);
        let place = place.map_or_else(String::new, |place| format!("; set in {place}"));
        let text = format!("{name} {effect}: {}{place}", sanitise(&value));
        findings.push(Finding::warn(check, text).next(format!("unset {name}")));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(check, "core.sshCommand is not overridden"));
    }
    findings
}

/// Settings of editors that bypass core.sshCommand.
fn editors(checkup: &Checkup<'_>) -> Vec<Finding> {
    let finding = |found: other_tools::ToolSetting| {
        let about = format!("{}:{}", checkup.shown(&found.file), found.line);
        let finding = Finding::warn("ssh-overrides", found.text).about(about);
        finding.next(found.next)
    };
    let found = other_tools::editors(checkup.context).into_iter();
    found.map(finding).collect()
}

fn variant(checkup: &Checkup<'_>) -> Finding {
    let check = "ssh-variant";
    let context = checkup.context;
    let (value, next) = if let Some(value) = context.environment.text("GIT_SSH_VARIANT") {
        (value.to_owned(), "unset GIT_SSH_VARIANT".to_owned())
    } else if let Some(Configured { value, scope, .. }) = configured(context, "ssh.variant") {
        let next = match scope.as_str() {
            "command" => "unset GIT_CONFIG_COUNT GIT_CONFIG_PARAMETERS".to_owned(),
            "local" | "worktree" => format!("git config --{scope} ssh.variant ssh"),
            _ => "git config --global ssh.variant ssh".to_owned(),
        };
        (value, next)
    } else {
        (String::new(), String::new())
    };
    let text = match value.to_ascii_lowercase().as_str() {
        "" | "auto" => return Finding::ok(check, "not set, so git detects the variant"),
        "ssh" => return Finding::ok(check, "ssh"),
        "simple" => "simple: git passes no port and uses only protocol version 0".to_owned(),
        other => format!(
            "{}: git passes options that bitbucket-ssh does not understand",
            sanitise(other)
        ),
    };
    Finding::fail(check, text).next(next)
}

/// A value of git's configuration as git itself reads it, including `-c` and GIT_CONFIG_COUNT.
pub(in crate::commands) struct Configured {
    /// The value.
    pub(super) value: String,
    /// `local`, `global` …; `global` for git before 2.26, which does not report it.
    pub(in crate::commands) scope: String,
    /// The file; meaningless for the scope `command`.
    pub(in crate::commands) file: PathBuf,
}

/// Every value of a key, in git's order. Empty: none, or the files cannot be read.
pub(super) fn values(context: &Context, key: &str) -> Vec<Configured> {
    let ask = |options: &[&str]| {
        let arguments = [
            &["config", "--null", "--show-origin"],
            options,
            &["--get-all", key],
        ];
        git::ask(context, &arguments.concat())
    };
    let (listed, scoped) = match ask(&["--show-scope"]) {
        Ok(listed) => (listed, true),
        Err(_) => (ask(&[]).unwrap_or_default(), false),
    };
    let listed = String::from_utf8_lossy(&listed.unwrap_or_default()).into_owned();
    let mut fields = listed.split_terminator('\0');
    let mut found = Vec::new();
    loop {
        let scope = if scoped {
            fields.next()
        } else {
            Some("global")
        };
        let (Some(scope), Some(origin), Some(value)) = (scope, fields.next(), fields.next()) else {
            return found;
        };
        let file = origin.strip_prefix("file:").unwrap_or(origin);
        found.push(Configured {
            value: value.to_owned(),
            scope: scope.to_owned(),
            file: context.directory.join(file),
        });
    }
}

/// The value that git uses: the last.
pub(super) fn configured(context: &Context, key: &str) -> Option<Configured> {
    values(context, key).pop()
}

/// The line that removes a key from a file of git's configuration.
pub(super) fn unset(checkup: &Checkup<'_>, file: &Path, key: &str) -> String {
    let file = word(&checkup.shown(file));
    format!("git config --file {file} --unset-all {}", word(key))
}

/// What git calls for SSH.
pub(in crate::commands) struct Called {
    /// The command line, or for GIT_SSH the program.
    pub(in crate::commands) command: String,
    /// Where it is set.
    pub(in crate::commands) source: Source,
}

/// Where that is set.
pub(in crate::commands) enum Source {
    /// A variable of this name.
    Variable(&'static str),
    /// core.sshCommand.
    Config(Configured),
}

/// What git calls, in git's order (connect.c, get_ssh_command). `None`: `ssh`.
pub(in crate::commands) fn called(context: &Context) -> Option<Called> {
    let variable = |name: &'static str| {
        let value = context.environment.raw(name)?;
        Some(Called {
            command: value.to_string_lossy().into_owned(),
            source: Source::Variable(name),
        })
    };
    let config = || {
        let configured = configured(context, "core.sshCommand")?;
        Some(Called {
            command: configured.value.clone(),
            source: Source::Config(configured),
        })
    };
    variable("GIT_SSH_COMMAND")
        .or_else(config)
        .or_else(|| variable("GIT_SSH"))
}

/// The first word as a shell would read it.
fn first_word(command: &str) -> String {
    shlex::Shlex::new(command).next().unwrap_or_default()
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

/// Whether the program of this command line exists and is bitbucket-ssh.
pub(in crate::commands) fn runs_bitbucket_ssh(context: &Context, command: &str) -> bool {
    located(context, &first_word(command)).is_some_and(|file| is_bitbucket_ssh(&file))
}

/// By its own name or that of the file a link leads to.
fn is_bitbucket_ssh(file: &Path) -> bool {
    let named = |file: &Path| {
        let stem = file.file_stem();
        stem.is_some_and(|stem| stem.eq_ignore_ascii_case("bitbucket-ssh"))
    };
    named(file) || std::fs::canonicalize(file).is_ok_and(|target| named(&target))
}

/// A WARN for each setting that is ignored, a FAIL for each invalid value.
pub(super) fn settings(checkup: &Checkup<'_>) -> Vec<Finding> {
    let check = "settings";
    let settings = match &checkup.resolved {
        Ok(resolved) => &resolved.target.settings,
        Err((why, hints)) => {
            let why_line = why.trim().replace('\n', "; ");
            let mut finding = Finding::fail(check, format!("cannot be read: {why_line}"));
            finding.next = if checkup.git_config.is_err() {
                Some(repair(checkup))
            } else {
                ssh_config::remedy(checkup, why).or_else(|| hints.first().cloned())
            };
            return vec![finding];
        }
    };
    let finding = |ignored: &Ignored| {
        let (value, why) = (sanitise(&ignored.value), sanitise(&ignored.why));
        let mut finding = if settings.invalid.values().any(|invalid| invalid == ignored) {
            Finding::fail(check, format!("invalid value '{value}': {why}"))
        } else {
            Finding::warn(check, format!("'{value}' is ignored: {why}"))
        };
        let (key, next) = match &ignored.origin {
            Origin::GitConfig { file, key, .. } => {
                let next = file.as_deref().and_then(|file| {
                    let renamed = renaming(checkup, file, key, &ignored.value);
                    renamed.or_else(|| removal(checkup, file, key))
                });
                (sanitise(key), next)
            }
            Origin::Environment(name) => ((*name).to_owned(), Some(format!("unset {name}"))),
            Origin::CommandLine(_) | Origin::SshConfig(_) | Origin::Default => {
                (String::new(), None)
            }
        };
        finding.next = next;
        finding.about(key)
    };
    let findings: Vec<_> = settings.ignored.iter().map(finding).collect();
    if findings.is_empty() {
        return vec![Finding::ok(check, "no misspelt or ignored settings")];
    }
    findings
}

/// The line that gives a misspelt setting the name that was probably meant. `None`: its name is
/// right, nothing is like it, or the setting that was meant is set as well.
fn renaming(checkup: &Checkup<'_>, file: &Path, key: &str, value: &str) -> Option<String> {
    let (section, name) = key.rsplit_once('.')?;
    let is_known = |known: &keys::Key| known.name.eq_ignore_ascii_case(name);
    if key.ends_with('*') || keys::KEYS.iter().any(is_known) {
        return None;
    }
    let meant = format!("{section}.{}", keys::meant(name)?.name);
    if !values(checkup.context, &meant).is_empty() {
        return None;
    }
    let shown = word(&checkup.shown(file));
    let (meant, value) = (word(&meant), word(value));
    let set = format!("git config --file {shown} {meant} {value}");
    Some(format!("{set}; {}", unset(checkup, file, key)))
}

/// The line that removes a setting; for the settings of a repository that git does not trust, the
/// line that trusts it.
fn removal(checkup: &Checkup<'_>, file: &Path, key: &str) -> Option<String> {
    if !key.ends_with('*') {
        return Some(unset(checkup, file, key));
    }
    let folder = word(&checkup.shown(file.parent()?.parent()?));
    Some(format!("git config --global --add safe.directory {folder}"))
}

/// The SSH remotes on `bitbucket.org`. They work here, where Cloud's other host names are tried as
/// well; other programs need `ssh.bitbucket.org`.
pub(super) fn remotes(checkup: &Checkup<'_>) -> Vec<Finding> {
    let check = "remotes";
    let Ok(git_config) = &checkup.git_config else {
        return vec![Finding::skip(
            check,
            "not checked: git's configuration cannot be read",
        )];
    };
    if git_config.git_directory().is_none() {
        return vec![Finding::skip(check, "not in a git repository")];
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
                Finding::ok(
                    check,
                    format!("{url} works here; other programs may need ssh.bitbucket.org"),
                )
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

/// The line that changes the remote's host name; of several URLs, only this one.
fn moved(checkup: &Checkup<'_>, name: &str, url: &str, repository: &str) -> String {
    let values = |variable: &str| values(checkup.context, &format!("remote.{name}.{variable}"));
    let for_push = values("pushurl");
    let (option, beside) = if for_push.iter().any(|push| push.value == url) {
        ("--push ", for_push)
    } else {
        ("", values("url"))
    };
    let user = SshUrl::parse(url).and_then(|url| url.user);
    let user = user.as_deref().unwrap_or("git");
    let new = word(&format!("{user}@ssh.bitbucket.org:{repository}.git"));
    let line = format!("git remote set-url {option}{} {new}", word(name));
    if beside.len() > 1 {
        format!("{line} {}", word(url))
    } else {
        line
    }
}

/// An SSH URL whose host is `bitbucket.org` itself.
pub(in crate::commands) fn names_the_old_host(url: &str) -> bool {
    SshUrl::parse(url).is_some_and(|url| url.host.eq_ignore_ascii_case("bitbucket.org"))
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
