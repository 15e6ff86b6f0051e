//! Hooks for all repositories: `hook.<name>.event` and `hook.<name>.command` (git-hook(1), 2.54).

use super::HOOKS;
use crate::commands::context::CommandContext;
use crate::commands::{Error, git, setup, undo};

/// The name of the change.
const WHAT: &str = "hooks install --global";

/// The first git that runs hooks by configuration.
const FIRST: (u32, u32) = (2, 54);

/// Writes both hooks into the global configuration, the way back first.
pub(super) fn install(call: &mut CommandContext<'_>) -> Result<(), Error> {
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
    let mut settings = Vec::new();
    for (hook, _) in HOOKS {
        let section = section(hook);
        settings.push((format!("{section}.event"), hook.to_owned()));
        settings.push((format!("{section}.command"), command(hook)));
    }
    let file = setup::user_file(call.context)?;
    undo::change(call.context, WHAT, &file, |draft| {
        settings
            .iter()
            .try_for_each(|(key, value)| draft.set(key, std::slice::from_ref(value)))
    })?;
    for (key, value) in &settings {
        call.say(format!("{key} = {value}"));
    }
    call.say("undo: git bitbucket hooks uninstall --global");
    Ok(())
}

/// Takes both away; what was never written is no error.
pub(super) fn uninstall(call: &mut CommandContext<'_>) -> Result<(), Error> {
    let file = setup::user_file(call.context)?;
    if undo::take_back(call.context, WHAT, &file)? {
        call.say(format!("{}: as it was before", call.shown(&file)));
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
