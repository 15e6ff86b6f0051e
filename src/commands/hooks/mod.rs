//! `hooks install` and `hooks uninstall`: installs the hooks of the folder `hooks/` where git runs them.
//!
//! For one repository they are files in the directory that git uses (core.hooksPath, and so husky's);
//! an existing hook is kept under another name and called. For all repositories they are entries of
//! git's configuration, which git supports since 2.54.

use std::fs;
use std::path::{Path, PathBuf};

use super::arguments::Hooks;
use super::context::CommandContext;
use super::{Error, config_file, git, undo};
use crate::storage;
use crate::text::Pasted;

#[cfg(test)]
#[cfg(unix)]
mod tests;

/// Name and text of each hook.
const HOOKS: [(&str, &str); 2] = [
    ("pre-push", include_str!("../../../hooks/pre-push")),
    (
        "post-checkout",
        include_str!("../../../hooks/post-checkout"),
    ),
];

pub(super) fn hooks(call: &mut CommandContext<'_>, options: Hooks) -> Result<(), Error> {
    match options {
        Hooks::Install(scope) if scope.global => install_globally(call),
        Hooks::Install(_) => install(call),
        Hooks::Uninstall(scope) if scope.global => uninstall_globally(call),
        Hooks::Uninstall(_) => uninstall(call),
    }
}

/// The name under which the change can be undone.
const WHAT: &str = "hooks install --global";

/// The first git that runs hooks from its configuration.
const FIRST: (u32, u32) = (2, 54);

/// Writes both hooks into the global configuration, after recording how to undo it.
fn install_globally(call: &mut CommandContext<'_>) -> Result<(), Error> {
    let version = git::version(call.context)?.unwrap_or_default();
    if version < FIRST {
        return Err(Error::Other {
            what: format!(
                "git {}.{} cannot run hooks from its configuration (2.54 can), and a global core.hooksPath would disable the hooks of every repository",
                version.0, version.1
            ),
            hints: vec!["git bitbucket hooks install --local".to_owned()],
        });
    }
    let mut settings = Vec::new();
    for (hook, _) in HOOKS {
        let section = section(hook);
        settings.push((format!("{section}.event"), hook.to_owned()));
        settings.push((format!("{section}.command"), command(hook)));
    }
    let file = config_file::global_file(call.context)?;
    undo::change(call.context, WHAT, &file, |draft| {
        settings
            .iter()
            .try_for_each(|(key, value)| draft.set(key, std::slice::from_ref(value)))
    })?;
    for (key, value) in &settings {
        call.say(format!("{key} = {value}"));
    }
    call.say("to undo: git bitbucket hooks uninstall --global");
    Ok(())
}

/// Removes both; it is no error if they were never installed.
fn uninstall_globally(call: &mut CommandContext<'_>) -> Result<(), Error> {
    let file = config_file::global_file(call.context)?;
    if undo::take_back(call.context, WHAT, &file)? {
        call.say(format!("{}: restored", call.shown(&file)));
        return Ok(());
    }
    for (hook, _) in HOOKS {
        let section = section(hook);
        let key = format!("{section}.command");
        let found = git::line(call.context, &["config", "--global", "--get", &key])?;
        if found.as_deref() == Some(command(hook).as_str()) {
            git::run(
                call.context,
                &["config", "--global", "--remove-section", &section],
            )?;
            call.say(format!("{section}: removed"));
        } else {
            call.say(format!(
                "{section}: not managed by bitbucket-ssh, left alone"
            ));
        }
    }
    Ok(())
}

fn section(hook: &str) -> String {
    format!("hook.bitbucket-{hook}")
}

fn command(hook: &str) -> String {
    format!("git bitbucket hook {hook}")
}

/// The suffix of a kept hook, also named in the script below.
const KEPT: &str = ".before-bitbucket-ssh";

/// This line identifies an installed hook even if it was edited.
const MARK: &str = "# Installed by `git bitbucket hooks install`";

/// Calls `git bitbucket hook`, then the previous hook. husky's hooks depend on the name they are
/// called by, so a shell with that name reads them.
const CALLS_BOTH: &str = r#"#!/bin/sh
# Installed by `git bitbucket hooks install`; `git bitbucket hooks uninstall` puts back the hook
# that was here before, which is called below.
input=
[ @HOOK@ = pre-push ] && input=$(cat)
feed() { [ -z "$input" ] || printf '%s\n' "$input"; }
if [ "$BITBUCKET_SSH_HOOK" != @HOOK@ ] && command -v git-bitbucket >/dev/null 2>&1; then
    feed | git bitbucket hook @HOOK@ "$@" || exit
fi
[ -x "$0.before-bitbucket-ssh" ] || exit 0
if [ -e "${0%/*}/h" ] || [ -e "${0%/*}/_/husky.sh" ]; then
    feed | BITBUCKET_SSH_HOOK=@HOOK@ sh -c '. "$0.before-bitbucket-ssh"' "$0" "$@"
else
    feed | "$0.before-bitbucket-ssh" "$@"
fi
"#;

/// Installs both hooks in the directory that git uses. A second call changes nothing.
fn install(call: &mut CommandContext<'_>) -> Result<(), Error> {
    let directory = directory(call)?;
    undo::make_directory(call.context, &directory)?;
    for (hook, text) in HOOKS {
        let file = directory.join(hook);
        let both = CALLS_BOTH.replace("@HOOK@", hook);
        let shown = call.shown(&file);
        match storage::read(&file)? {
            None => {
                write(&file, text)?;
                call.say(format!("{shown}: installed"));
            }
            Some(old) if old == text.as_bytes() || old == both.as_bytes() => {
                call.say(format!("{shown}: already installed"));
            }
            Some(old) if marked(&old) => {
                write(&file, &both)?;
                call.say(format!("{shown}: updated"));
            }
            Some(old) => {
                keep(&file, &old)?;
                write(&file, &both)?;
                call.say(format!(
                    "{shown}: installed; it also runs the previous hook"
                ));
            }
        }
    }
    warn_of_work_tree(call, &directory);
    call.say("to undo: git bitbucket hooks uninstall");
    Ok(())
}

/// Removes the installed hooks and restores the previous ones; a hook that was changed since stays.
fn uninstall(call: &mut CommandContext<'_>) -> Result<(), Error> {
    let directory = directory(call)?;
    for (hook, text) in HOOKS {
        let file = directory.join(hook);
        let both = CALLS_BOTH.replace("@HOOK@", hook);
        let shown = call.shown(&file);
        let kept = beside(&file);
        match storage::read(&file)? {
            Some(old) if old == text.as_bytes() || old == both.as_bytes() => {
                let back = kept.exists();
                if back {
                    fs::rename(&kept, &file)
                } else {
                    fs::remove_file(&file)
                }
                .map_err(|why| Error::file(&file, why))?;
                let what = if back {
                    "restored the previous hook"
                } else {
                    "removed"
                };
                call.say(format!("{shown}: {what}"));
            }
            Some(old) if marked(&old) => call.warn(format!(
                "warning: {shown} was changed after its installation, left alone"
            )),
            _ => call.say(format!("{shown}: not managed by bitbucket-ssh, left alone")),
        }
    }
    undo::remove_directory(call.context, &directory)
}

/// The directory in which git looks for this repository's hooks. An error if core.hooksPath is set
/// for all repositories: a hook there would run in every one of them.
fn directory(call: &CommandContext<'_>) -> Result<PathBuf, Error> {
    let context = call.context;
    let none = || Error::NoRepository(context.directory.clone());
    let path = git::line(context, &["rev-parse", "--git-path", "hooks"])
        .map_err(|_| none())?
        .ok_or_else(none)?;
    let set_in = |scopes: [&str; 2]| {
        scopes.into_iter().any(|scope| {
            let value = git::line(context, &["config", scope, "--get", "core.hooksPath"]);
            matches!(value, Ok(Some(_)))
        })
    };
    if set_in(["--global", "--system"]) && !set_in(["--local", "--worktree"]) {
        return Err(Error::Other {
            what: format!(
                "core.hooksPath is set for all repositories, so git runs only the hooks in {path}"
            ),
            hints: vec![format!(
                "add this line to {}: git bitbucket hook pre-push \"$@\" || exit",
                Pasted::path(&Path::new(&path).join("pre-push"), None)
            )],
        });
    }
    Ok(context.directory.join(path))
}

/// Warns if the hooks are in the work tree, where they can be committed.
fn warn_of_work_tree(call: &mut CommandContext<'_>, directory: &Path) {
    let file = directory.join(HOOKS[0].0).display().to_string();
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let within = |folder: &str| {
        let folder = git::line(call.context, &["rev-parse", folder])
            .ok()
            .flatten();
        folder.is_some_and(|folder| real(directory).starts_with(real(Path::new(&folder))))
    };
    let ignored = git::ask(call.context, &["check-ignore", "--quiet", "--", &file]);
    let ignored = matches!(ignored, Ok(Some(_)));
    if within("--show-toplevel") && !within("--absolute-git-dir") && !ignored {
        call.warn(format!(
            "warning: {} is in the work tree and not ignored, so it can be committed by mistake",
            call.shown(directory)
        ));
    }
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(KEPT);
    PathBuf::from(name)
}

fn marked(text: &[u8]) -> bool {
    String::from_utf8_lossy(text).contains(MARK)
}

/// Gives the existing hook a second name; its inode, mode and content do not change.
fn keep(file: &Path, content: &[u8]) -> Result<(), Error> {
    let kept = beside(file);
    if storage::read(&kept)?.as_deref() == Some(content) {
        return Ok(());
    }
    fs::hard_link(file, &kept).map_err(|why| Error::file(&kept, why))
}

/// Writes an executable file, which appears under its name in one step.
fn write(file: &Path, text: &str) -> Result<(), Error> {
    storage::replace_file(file, text.as_bytes(), 0o755).map_err(|why| Error::file(file, why))
}
