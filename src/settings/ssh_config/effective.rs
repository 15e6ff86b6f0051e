//! Everything that `ssh -G` says for a call, as text: for the file that stands for ssh_config where
//! the system's ssh carries a Bitbucket host.

use std::ffi::OsString;
use std::path::Path;

use super::{Files, homes, ssh_g};
use crate::context::Context;
use crate::settings::{Error, paths};
use crate::ssh_command::Request;

/// What ssh prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// For the call, without the identity files of the command line, and with `~` as `$HOME`.
    pub printed: String,
    /// For the bare host, without any file.
    pub compiled_in: String,
}

/// Asks the system's ssh twice.
///
/// # Errors
///
/// ssh's own text for whatever it does not accept.
pub fn effective(request: &Request, context: &Context, ssh: &Path) -> Result<Effective, Error> {
    let files = Files::of(request, context);
    let relocated = homes::relocated(context, &files)?;
    let arguments = ssh_g::arguments(request, context, &files, relocated.as_ref(), &[]);
    let printed =
        ssh_g::run(context, ssh, &arguments).map_err(|error| match (error, &relocated) {
            (Error::SshConfig(text), Some(relocated)) => {
                Error::SshConfig(relocated.original(&text))
            }
            (error, _) => error,
        })?;
    let bare = ["-G", "-T", "-F", "/dev/null", "--"].map(OsString::from);
    let bare: Vec<_> = bare.into_iter().chain([(&request.host).into()]).collect();
    Ok(Effective {
        printed: at_home(&printed, context),
        compiled_in: ssh_g::run(context, ssh, &bare)?,
    })
}

/// Where `$HOME` is not the home that ssh takes, its defaults are directives as those of `$HOME`.
fn at_home(printed: &str, context: &Context) -> String {
    let other = paths::password_database_home();
    let (Some(home), Some(other)) = (context.home(), other) else {
        return printed.to_owned();
    };
    if home == other {
        return printed.to_owned();
    }
    let lines = printed
        .lines()
        .filter_map(|line| match line.split_once(' ') {
            Some(("identityfile", file)) => {
                let file = context.expand_home(file);
                // A file that is not there is one that ssh would say so about.
                file.exists()
                    .then(|| format!("identityfile {}", file.display()))
            }
            Some(("userknownhostsfile", files)) => {
                let files: Vec<_> = files
                    .split(' ')
                    .map(|file| match Path::new(file).strip_prefix(&other) {
                        Ok(rest) => home.join(rest).display().to_string(),
                        Err(_) => file.to_owned(),
                    })
                    .collect();
                Some(format!("userknownhostsfile {}", files.join(" ")))
            }
            _ => Some(line.to_owned()),
        });
    let mut text = lines.collect::<Vec<_>>().join("\n");
    text.push('\n');
    text
}
