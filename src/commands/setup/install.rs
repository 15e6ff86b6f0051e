//! What `setup` installs besides configuration: man pages and the shells' completions, below
//! `$XDG_DATA_HOME` or `~/.local/share`, and the `ssh` link for tools that call ssh themselves.
//!
//! The link is a symbolic link on Unix, a copy elsewhere; never over a file that is there.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::{fs, io};

use super::record::{Changes, Shim};
use crate::commands::context::{CommandContext, word};
use crate::commands::{Error, manual};
use crate::context::Context;
use crate::storage;

/// Writes man pages and completions; files of other programs are left alone.
pub(super) fn install_pages(
    call: &mut CommandContext<'_>,
    changes: &mut Changes,
) -> Result<(), Error> {
    let data = data_home(call.context)?;
    let manual = data.join("man/man1");
    let pages = manual::man_pages().map_err(|why| Error::file(&manual, why))?;
    let completions = match call.context.environment.raw("BASH_COMPLETION_USER_DIR") {
        Some(directory) if !directory.is_empty() => call.context.directory.join(directory),
        _ => data.join("bash-completion"),
    }
    .join("completions/git-bitbucket");
    let before = changes.pages.clone();
    // Those of zsh and fish only where the shell is installed: no other program uses the directory.
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
                "warning: {} was not created by bitbucket-ssh, left alone",
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
                call.say("  to let zsh find it, add this line before compinit in ~/.zshrc:");
                let folder = path.parent().unwrap_or(path);
                call.say(format!("  fpath=({} $fpath)", word(&call.shown(folder))));
            }
        }
        if !found_by_man(call.context) {
            call.warn(format!(
                "warning: man does not search that directory; for `git help bitbucket`: export MANPATH=\"{}:$MANPATH\"",
                data.join("man").display()
            ));
        }
    }
    Ok(())
}

fn data_home(context: &Context) -> Result<PathBuf, Error> {
    match context.environment.raw("XDG_DATA_HOME").map(PathBuf::from) {
        Some(path) if path.is_absolute() => Ok(path),
        _ => Ok(context
            .home()
            .ok_or(storage::Error::NoHome)?
            .join(".local/share")),
    }
}

/// Whether PATH has the program.
fn is_there(context: &Context, program: &str) -> bool {
    let path = context.environment.raw("PATH").unwrap_or_default();
    std::env::split_paths(path).any(|folder| folder.join(program).is_file())
}

/// Whether man finds the page. Without man, there is nothing to warn about.
fn found_by_man(context: &Context) -> bool {
    context
        .command("man")
        .args(["-w", "git-bitbucket"])
        .stderr(Stdio::null())
        .status()
        .map_or(true, |status| status.success())
}

/// What is at the link's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// The link that setup creates.
    OwnLink,
    /// Something else.
    Other,
}

/// `DIR/ssh`, `DIR/ssh.exe` on Windows.
pub(super) fn shim_path(directory: &Path) -> PathBuf {
    directory.join(format!("ssh{}", std::env::consts::EXE_SUFFIX))
}

/// What is there now.
pub(super) fn find_shim(shim: &Shim) -> io::Result<Found> {
    match fs::symlink_metadata(&shim.path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
        Err(why) => Err(why),
        Ok(metadata) => Ok(if is_own_link(shim, &metadata)? {
            Found::OwnLink
        } else {
            Found::Other
        }),
    }
}

/// Removes the link unless it was replaced; returns what was there.
pub(super) fn remove_shim(shim: &Shim) -> io::Result<Found> {
    let found = find_shim(shim)?;
    if found == Found::OwnLink {
        fs::remove_file(&shim.path)?;
    }
    Ok(found)
}

#[cfg(unix)]
fn is_own_link(shim: &Shim, metadata: &fs::Metadata) -> io::Result<bool> {
    Ok(metadata.is_symlink() && fs::read_link(&shim.path)? == shim.target)
}

/// Creates the link; fails where something is there.
#[cfg(unix)]
pub(super) fn create_shim(shim: &Shim) -> io::Result<()> {
    std::os::unix::fs::symlink(&shim.target, &shim.path)
}

#[cfg(not(unix))]
fn is_own_link(shim: &Shim, metadata: &fs::Metadata) -> io::Result<bool> {
    Ok(metadata.is_file()
        && fs::metadata(&shim.target).is_ok_and(|target| target.len() == metadata.len())
        && fs::read(&shim.path)? == fs::read(&shim.target)?)
}

/// Creates the copy; fails where something is there.
#[cfg(not(unix))]
pub(super) fn create_shim(shim: &Shim) -> io::Result<()> {
    let mut from = fs::File::open(&shim.target)?;
    let mut to = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&shim.path)?;
    io::copy(&mut from, &mut to)?;
    to.sync_all()
}
