//! Hooks for all repositories: `hook.<name>.event` and `hook.<name>.command` (git-hook(1), 2.54).

use super::HOOKS;
use crate::commands::call::Call;
use crate::commands::{Error, git};

/// The first git that runs hooks by configuration.
const FIRST: (u32, u32) = (2, 54);

/// Writes both hooks into the global configuration; git writes it.
pub(super) fn install(call: &mut Call<'_>) -> Result<(), Error> {
    let version = git::version(call.context)?.unwrap_or_default();
    if version < FIRST {
        return Err(Error::Below {
            what: format!(
                "git {}.{} has no hooks by configuration (2.54 has), and a global core.hooksPath would switch every repository's own hooks off",
                version.0, version.1
            ),
            hints: vec!["git bitbucket hooks install --local".to_owned()],
        });
    }
    for (hook, _) in HOOKS {
        let section = section(hook);
        for (name, value) in [("event", hook.to_owned()), ("command", command(hook))] {
            let key = format!("{section}.{name}");
            git::run(
                call.context,
                &["config", "--global", "--replace-all", &key, &value],
            )?;
            call.say(format!("{key} = {value}"));
        }
    }
    call.say("undo: git bitbucket hooks uninstall --global");
    Ok(())
}

/// Takes both away; what was never written is no error.
pub(super) fn uninstall(call: &mut Call<'_>) -> Result<(), Error> {
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
            call.say(format!("{section}: nothing of ours"));
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
