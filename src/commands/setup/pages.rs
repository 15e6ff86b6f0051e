//! The man pages where `git help bitbucket` finds them, and the shells' completions where they are
//! looked for: below `$XDG_DATA_HOME`, else `~/.local/share`.

use std::path::PathBuf;
use std::process::Stdio;

use super::record::Changes;
use crate::commands::context::{CommandContext, word};
use crate::commands::{Error, manual};
use crate::context::Context;

/// Writes them; files of others that are there are left alone.
pub(super) fn install(call: &mut CommandContext<'_>, changes: &mut Changes) -> Result<(), Error> {
    let data = data_home(call.context)?;
    let manual = data.join("man/man1");
    let pages = manual::man_pages().map_err(|why| Error::file(&manual, why))?;
    let completions = match call.context.environment.raw("BASH_COMPLETION_USER_DIR") {
        Some(directory) if !directory.is_empty() => call.context.directory.join(directory),
        _ => data.join("bash-completion"),
    }
    .join("completions/git-bitbucket");
    let before = changes.pages.clone();
    // zsh and fish only where they are: their folders are nobody else's.
    let shells = manual::completions_of_shells().into_iter();
    let shells = shells.filter(|(shell, _, _)| is_there(call.context, shell));
    let shells: Vec<_> = shells
        .map(|(shell, place, text)| (shell, data.join(place), text))
        .collect();
    let files = pages
        .into_iter()
        .map(|(name, text)| (manual.join(name), text))
        .chain([(completions.clone(), manual::bash_completion())])
        .chain(
            shells
                .iter()
                .map(|(_, path, text)| (path.clone(), text.clone())),
        );
    for (path, text) in files {
        if !changes.write_page(&path, &text)? {
            call.warn(format!(
                "warning: {} is not ours, left alone",
                call.shown(&path)
            ));
        }
    }
    if changes.pages != before {
        call.say(format!("man pages: {}", call.shown(&manual)));
        call.say(format!("completion for bash: {}", call.shown(&completions)));
        for (shell, path, _) in &shells {
            call.say(format!("completion for {shell}: {}", call.shown(path)));
            if *shell == "zsh" {
                call.say("  zsh looks there with this line before compinit in ~/.zshrc:");
                let folder = path.parent().unwrap_or(path);
                call.say(format!("  fpath=({} $fpath)", word(&call.shown(folder))));
            }
        }
        if !found_by_man(call.context) {
            call.warn(format!(
                "warning: man does not look there; for `git help bitbucket`: export MANPATH=\"{}:$MANPATH\"",
                data.join("man").display()
            ));
        }
    }
    Ok(())
}

fn data_home(context: &Context) -> Result<PathBuf, Error> {
    match context.environment.raw("XDG_DATA_HOME").map(PathBuf::from) {
        Some(path) if path.is_absolute() => Ok(path),
        _ => Ok(context.home().ok_or(Error::NoHome)?.join(".local/share")),
    }
}

/// Whether PATH has the program.
fn is_there(context: &Context, program: &str) -> bool {
    let path = context.environment.raw("PATH").unwrap_or_default();
    std::env::split_paths(path).any(|folder| folder.join(program).is_file())
}

/// Whether man finds the page; where there is no man, nobody misses it.
fn found_by_man(context: &Context) -> bool {
    context
        .command("man")
        .args(["-w", "git-bitbucket"])
        .stderr(Stdio::null())
        .status()
        .map_or(true, |status| status.success())
}
