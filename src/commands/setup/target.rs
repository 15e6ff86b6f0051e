//! Which configuration file a scope means.
//!
//! Reads nothing but asks git where its files lie. Knows `commands::git`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::commands::arguments::Scopes;
use crate::commands::{Error, git};
use crate::context::Context;

/// Whose configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Scope {
    /// The repository's.
    Local,
    /// The user's.
    Global,
    /// The machine's.
    System,
}

impl Scope {
    /// The flag that was typed; global without one.
    pub(super) fn of(scopes: Scopes) -> Self {
        if scopes.local {
            Self::Local
        } else if scopes.system {
            Self::System
        } else {
            Self::Global
        }
    }

    /// As an option.
    pub(super) fn option(self) -> &'static str {
        match self {
            Self::Local => "--local",
            Self::Global => "--global",
            Self::System => "--system",
        }
    }
}

/// The file that `setup` writes for a scope. Global: `$GIT_CONFIG_GLOBAL`, else `~/.gitconfig`
/// itself, since npm reads that file alone (@npmcli/git, lib/opts.js), also where
/// `$XDG_CONFIG_HOME/git/config` exists.
pub(super) fn file(context: &Context, scope: Scope) -> Result<PathBuf, Error> {
    match scope {
        Scope::Global => match context.environment.raw("GIT_CONFIG_GLOBAL") {
            Some(path) => Ok(context.directory.join(path)),
            None => Ok(context.home().ok_or(Error::NoHome)?.join(".gitconfig")),
        },
        Scope::System => system(context),
        Scope::Local => {
            let outside = |error| match error {
                // git's words name the file and the line.
                Error::Git { message, verb } if message.contains("bad config") => {
                    Error::Git { message, verb }
                }
                _ => Error::NoRepository(context.directory.clone()),
            };
            let path = git::line(context, &["rev-parse", "--git-path", "config"])
                .map_err(outside)?
                .ok_or_else(|| Error::NoRepository(context.directory.clone()))?;
            let path = context.directory.join(path);
            Ok(std::fs::canonicalize(&path).unwrap_or(path))
        }
    }
}

/// `git var GIT_CONFIG_SYSTEM` knows it since git 2.41; older ones show it as an origin, if the
/// file is there.
fn system(context: &Context) -> Result<PathBuf, Error> {
    if let Some(path) = context.environment.raw("GIT_CONFIG_SYSTEM") {
        return Ok(context.directory.join(path));
    }
    if let Ok(Some(path)) = git::line(context, &["var", "GIT_CONFIG_SYSTEM"]) {
        return Ok(PathBuf::from(path));
    }
    let listed = git::ask(
        context,
        &["config", "--system", "--show-origin", "--null", "--list"],
    );
    listed
        .ok()
        .flatten()
        .and_then(|listed| {
            let origin = listed.split(|byte| *byte == 0).next()?.to_owned();
            let origin = String::from_utf8(origin).ok()?;
            origin.strip_prefix("file:").map(PathBuf::from)
        })
        .ok_or(Error::NoSystemFile)
}
