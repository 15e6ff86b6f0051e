//! ssh_config and the command line's `-o` options, as wishes for one host.
//!
//! `ssh -G` is the one correct reader of that language and is asked where a config file exists; its
//! answer is kept until a file changes. What it prints of its own accord (compiled-in defaults) is
//! subtracted. The command line alone is understood in process. Asks no person; starts only the system's ssh.

mod baseline;
mod command_line;
mod directives;
pub mod effective;
mod homes;
mod include;
mod interpret;
mod kept;
mod ssh_g;
mod tokens;
mod unsupported;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::settings::{Error, SshConfig};
use crate::ssh_command::Request;

/// The machine's file (OpenSSH's compiled-in place on every system that packages it).
const SYSTEM_FILE: &str = "/etc/ssh/ssh_config";

/// What the user's ssh_config, the machine's and the options of this call say for the host as it
/// was typed. `ssh`: the system's ssh, where one is installed.
///
/// # Errors
///
/// ssh's own text for whatever it does not accept.
pub fn load(request: &Request, context: &Context, ssh: Option<&Path>) -> Result<SshConfig, Error> {
    let files = Files::of(request, context);
    let from_command_line = command_line::directives(request);
    let directives = match (ssh, &files, from_command_line) {
        (_, Files::None, Ok(directives)) => directives,
        (Some(ssh), files, _) => ssh_g::directives(request, context, ssh, files)?,
        (None, Files::None, Err(error)) => return Err(Error::SshConfig(error)),
        (None, files, directives) => {
            let mut config = interpret::config(&directives.unwrap_or_default(), request, context);
            config.unread_file = files.first().map(Path::to_owned);
            return Ok(config);
        }
    };
    Ok(interpret::config(&directives, request, context))
}

/// The config files that speak for this call, as far as they exist.
#[derive(Debug, PartialEq, Eq)]
enum Files {
    /// None exists, or `-F none`.
    None,
    /// The usual ones.
    Usual {
        user: Option<PathBuf>,
        system: Option<PathBuf>,
    },
    /// `-F FILE` alone, whether it exists or not.
    Named(PathBuf),
}

impl Files {
    fn of(request: &Request, context: &Context) -> Self {
        match request.config_file.as_deref() {
            Some(file) if file == OsStr::new("none") => Self::None,
            Some(file) => Self::Named(context.directory.join(file)),
            None => {
                let user = context.ssh_directory().map(|ssh| ssh.join("config"));
                let user = user.filter(|file| file.exists());
                let system = Some(PathBuf::from(SYSTEM_FILE)).filter(|file| file.exists());
                if user.is_none() && system.is_none() {
                    Self::None
                } else {
                    Self::Usual { user, system }
                }
            }
        }
    }

    fn first(&self) -> Option<&Path> {
        match self {
            Self::None => None,
            Self::Usual { user, system } => user.as_deref().or(system.as_deref()),
            Self::Named(file) => Some(file),
        }
    }
}

#[cfg(test)]
mod tests;
