//! `ssh-config`: the Host blocks with which ssh and other tools use the same identities.
//!
//! `--write` keeps them in a file of its own, which one `Include` line at the top of `~/.ssh/config`
//! names; nothing else in that file is changed.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::arguments::SshConfig;
use super::context::CommandContext;
use super::resolve::Resolved;
use super::{Error, resolve};
use crate::identity::{Holder, Offer, Rank};
use crate::provision::Records;
use crate::provision::ssh_config_file::{self, HEAD, quoted};
use crate::repository::{self, SSH_PORT, Site, SiteKind, SshHost};
use crate::storage;

/// The second line, where `~/.ssh/config` was created for the `Include` line.
const CREATED: &str = "# ~/.ssh/config was not there before.\n";

/// Prints the blocks, or writes or removes them.
pub(super) fn ssh_config(call: &mut CommandContext<'_>, options: SshConfig) -> Result<(), Error> {
    if options.remove {
        return remove(call);
    }
    let text = blocks(call)?;
    if text.is_empty() {
        return Err(Error::Other {
            what: "no identity on this machine that ssh could use".to_owned(),
            hints: vec!["git bitbucket key new".to_owned()],
        });
    }
    if options.write {
        return write(call, &text);
    }
    let _ = call.output.write_all(text.as_bytes());
    Ok(())
}

/// The file of the blocks, and the user's.
fn files(call: &CommandContext<'_>) -> Result<(PathBuf, PathBuf), Error> {
    let own = ssh_config_file::file(call.context).ok_or(storage::Error::NoHome)?;
    let ssh = call.context.ssh_directory().ok_or(storage::Error::NoHome)?;
    Ok((own, ssh.join("config")))
}

fn include_line(own: &Path) -> String {
    format!("Include {}\n", quoted(own))
}

/// Writes the blocks, then the line that includes them. A second call changes only the blocks.
fn write(call: &mut CommandContext<'_>, blocks: &str) -> Result<(), Error> {
    storage::check_home(call.context)?;
    let (own, config) = files(call)?;
    let folder = own.parent().unwrap_or(&own);
    storage::create_private(folder).map_err(|why| Error::file(folder, why))?;
    let line = include_line(&own);
    let before = storage::read(&config)?;
    let earlier = storage::read(&own)?;
    let earlier_text = String::from_utf8_lossy(earlier.as_deref().unwrap_or_default()).into_owned();
    let included = before.as_deref().is_some_and(|text| has_line(text, &line));
    let created = if included {
        earlier_text.contains(CREATED)
    } else {
        before.is_none()
    };
    let text = format!("{HEAD}{}{blocks}", if created { CREATED } else { "" });
    if earlier.as_deref() != Some(text.as_bytes()) {
        storage::replace_locked(&own, earlier.as_deref(), Some(text.as_bytes()))?;
        private_file(&own).map_err(|why| Error::file(&own, why))?;
    }
    call.say(format!("{}: written", call.shown(&own)));
    if included {
        call.say(format!("{}: already includes it", call.shown(&config)));
    } else {
        let mut after = line.clone().into_bytes();
        after.extend_from_slice(before.as_deref().unwrap_or_default());
        storage::replace_locked(&config, before.as_deref(), Some(&after))?;
        if before.is_none() {
            private_file(&config).map_err(|why| Error::file(&config, why))?;
        }
        call.say(format!("{}: + {}", call.shown(&config), line.trim_end()));
    }
    call.say("undo: git bitbucket ssh-config --remove");
    Ok(())
}

/// Updates what `--write` wrote, after keys have changed.
pub(super) fn refresh(call: &mut CommandContext<'_>) -> Result<(), Error> {
    let Ok((own, _)) = files(call) else {
        return Ok(());
    };
    let Some(earlier) = storage::read(&own)? else {
        return Ok(());
    };
    let created = String::from_utf8_lossy(&earlier).contains(CREATED);
    let blocks = blocks(call)?;
    let text = format!("{HEAD}{}{blocks}", if created { CREATED } else { "" });
    if text.as_bytes() != earlier {
        storage::replace_locked(&own, Some(&earlier), Some(text.as_bytes()))?;
        call.warn(format!("{}: updated", call.shown(&own)));
    }
    Ok(())
}

/// Removes the line (changes around it stay), then the file of the blocks.
fn remove(call: &mut CommandContext<'_>) -> Result<(), Error> {
    let (own, config) = files(call)?;
    let line = include_line(&own);
    let existing = storage::read(&own)?;
    let before = storage::read(&config)?;
    if let Some(text) = before.as_deref().filter(|text| has_line(text, &line)) {
        let after = without_line(text, &line);
        let created =
            String::from_utf8_lossy(existing.as_deref().unwrap_or_default()).contains(CREATED);
        let content = if created && after.is_empty() {
            None
        } else {
            Some(after.as_slice())
        };
        storage::replace_locked(&config, before.as_deref(), content)?;
        call.say(format!("{}: - {}", call.shown(&config), line.trim_end()));
    }
    if existing.is_some() {
        storage::replace_locked(&own, existing.as_deref(), None)?;
        call.say(format!("{}: removed", call.shown(&own)));
    } else {
        call.say("nothing to remove");
    }
    Ok(())
}

fn has_line(text: &[u8], line: &str) -> bool {
    text.split_inclusive(|byte| *byte == b'\n')
        .any(|one| one == line.as_bytes())
}

fn without_line(text: &[u8], line: &str) -> Vec<u8> {
    text.split_inclusive(|byte| *byte == b'\n')
        .filter(|one| *one != line.as_bytes())
        .collect::<Vec<_>>()
        .concat()
}

/// One block for each site and port, with the identities that are used where no repository is
/// known. Empty: there are none.
fn blocks(call: &CommandContext<'_>) -> Result<String, Error> {
    let mut text = String::new();
    let records = Records::open(call.context)?;
    let git_config = resolve::git_config_with(call.context, Some(&records))?;
    for site in git_config.sites() {
        let (git_config, records) = (git_config.clone(), Ok(records.clone()));
        let Some(resolved) = resolve::site_with(call.context, &site, git_config, records)? else {
            continue;
        };
        let files = identity_files(resolved);
        if files.is_empty() {
            continue;
        }
        for (port, hosts) in by_port(&site) {
            let _ = writeln!(text, "Host {}", hosts.join(" "));
            if port != SSH_PORT {
                let _ = writeln!(text, "  Port {port}");
            }
            text.push_str("  User git\n");
            for file in &files {
                let _ = writeln!(text, "  IdentityFile {}", quoted(file));
            }
            text.push_str("  IdentitiesOnly yes\n");
        }
    }
    Ok(text)
}

/// In the plan's order. Fallback keys are left out: ssh tries them anyway.
fn identity_files(resolved: Resolved) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for candidate in resolved.target.plan.candidates {
        let Offer::Identities(identities) = candidate.offer else {
            continue;
        };
        if candidate.reason.rank == Rank::Fallback {
            continue;
        }
        for identity in identities {
            let file = match identity.holder {
                Holder::File(file) => Some(file),
                Holder::Agent => identity.file,
            };
            files.extend(file.filter(|file| !files.contains(file)));
        }
    }
    files
}

/// The site's hosts by port; for Cloud always also its own names.
fn by_port(site: &Site) -> Vec<(u16, Vec<String>)> {
    let mut places: Vec<SshHost> = site.ssh_hosts.clone();
    if site.kind == SiteKind::Cloud {
        places.extend(repository::cloud().ssh_hosts);
    }
    let mut found: Vec<(u16, Vec<String>)> = Vec::new();
    for place in places {
        match found.iter_mut().find(|(port, _)| *port == place.port) {
            Some((_, hosts)) if hosts.contains(&place.host) => {}
            Some((_, hosts)) => hosts.push(place.host),
            None => found.push((place.port, vec![place.host])),
        }
    }
    found
}

/// ssh refuses a configuration that others may write (readconf.c, `SSHCONF_CHECKPERM`).
#[cfg(unix)]
fn private_file(file: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn private_file(_file: &Path) -> std::io::Result<()> {
    Ok(())
}
