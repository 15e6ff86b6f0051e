//! The configuration file for the system's ssh, and the files that it names: a known_hosts file
//! with the host keys that are known beforehand, and the `.pub` of an agent's key.
//!
//! They are in the state directory and named after their contents. ssh takes over the process, so
//! nothing can remove them afterwards; old ones are removed when a new one is written.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ssh_key::{HashAlg, PublicKey};

use super::super::Connection;
use super::passes_descriptor;
use crate::connection::failure::Failure;
use crate::context::Context;
use crate::host_key::{known_hosts, published};
use crate::identity::{Holder, Identity};
use crate::settings::ssh_config::effective;
use crate::storage::{Directory, short_name};
use crate::transport::system_ssh::config_file::ConfigFile;
use crate::transport::{Endpoint, known_hosts_files};

impl Connection<'_> {
    /// Writes the file that replaces ssh_config for this call. Without `identity`, ssh uses
    /// ssh_config's identities and the agent.
    pub(super) fn config_file(
        &self,
        ssh: &Path,
        endpoint: &Endpoint,
        identity: Option<&Identity>,
    ) -> Result<PathBuf, Failure> {
        let failed = |error: io::Error| Failure::hand_over(ssh, &error);
        let known_hosts = match self.known_hosts(ssh, endpoint)? {
            Some(lines) => Some(keep(self.context, "known_hosts", &lines).map_err(failed)?),
            None => None,
        };
        let identity = identity.map(|identity| self.identity_file(identity));
        let identity = identity.transpose().map_err(failed)?;
        let ssh_g = effective(self.request, self.context, ssh)?;
        let mut printed = ssh_g.printed;
        if endpoint.published {
            // A key that is neither known nor published is refused, whatever ssh_config says.
            let others = printed.lines().filter(|line| {
                let key = line.split(' ').next();
                key != Some("stricthostkeychecking")
            });
            printed = others.collect::<Vec<_>>().join("\n");
            printed.push_str("\nstricthostkeychecking yes\n");
        }
        let file = ConfigFile {
            effective: &printed,
            compiled_in: &ssh_g.compiled_in,
            endpoint: &endpoint.address,
            identity: identity.as_deref(),
            host_key_alias: self.config.host_keys.host_key_alias.as_deref(),
            known_hosts: known_hosts.as_deref(),
        };
        let text = file
            .text()
            .map_err(|error| failed(io::Error::other(error)))?;
        keep(self.context, "config", &text).map_err(failed)
    }

    /// A private key file, or a `.pub` file that names the agent's key.
    fn identity_file(&self, identity: &Identity) -> io::Result<PathBuf> {
        let known = identity.file.as_ref().or(match &identity.holder {
            Holder::File(file) => Some(file),
            Holder::Agent => None,
        });
        match (known, &identity.public_key) {
            (Some(file), _) => Ok(self.context.directory.join(file)),
            (None, Some(key)) => {
                let line = key.to_openssh().map_err(io::Error::other)?;
                keep(self.context, "pub", &format!("{}\n", line.trim_end()))
            }
            (None, None) => Err(io::Error::other("a key without a name")),
        }
    }

    /// Lines for a further known_hosts file. `None`: the user's own files are enough.
    fn known_hosts(&self, ssh: &Path, endpoint: &Endpoint) -> Result<Option<String>, Failure> {
        let alias = self.config.host_keys.host_key_alias.as_deref();
        if endpoint.published {
            let mut lines = published::lines().to_owned();
            if let Some(alias) = alias {
                lines.extend(published::keys().iter().map(|key| line(alias, key)));
            }
            return Ok(Some(lines));
        }
        let fingerprints = &self.target.route.site_fingerprints;
        if fingerprints.is_empty() || passes_descriptor(self.config) {
            return Ok(None);
        }
        let address = &endpoint.address;
        let (name, _) = known_hosts::names(alias, &address.host, address.port, false);
        let files = known_hosts_files(self.config, self.context);
        if !known_hosts::load(&files).keys_of(&name).is_empty() {
            return Ok(None);
        }
        // Data Center named the fingerprint of its host key over HTTPS, and ssh needs the key. It
        // is read from the server once and kept.
        let is_named =
            |key: &PublicKey| fingerprints.contains(&key.fingerprint(HashAlg::Sha256).to_string());
        let about = format!("{name} {}", fingerprints.join(" "));
        let file = format!("{}.host_key", short_name(about.as_bytes()));
        let kept = kept(self.context, &file).and_then(|text| PublicKey::from_openssh(&text).ok());
        let key = match kept.filter(&is_named) {
            Some(key) => Some(key),
            None => self.reach(std::slice::from_ref(endpoint), true)?.host_key,
        };
        // Another key was asked about, and is in known_hosts now.
        let Some(key) = key.filter(is_named) else {
            return Ok(None);
        };
        let text = key.to_openssh().unwrap_or_default();
        keep_as(self.context, &file, &text).map_err(|error| Failure::hand_over(ssh, &error))?;
        Ok(Some(line(&name, &key)))
    }
}

fn line(name: &str, key: &PublicKey) -> String {
    let key = PublicKey::new(key.key_data().clone(), "");
    format!(
        "{name} {}\n",
        key.to_openssh().unwrap_or_default().trim_end()
    )
}

/// A generated file that was not used for this long is removed.
const OLD: Duration = Duration::from_secs(24 * 60 * 60);

/// Keeps a text in a file that only the user can read. `kind`: the end of its name.
fn keep(context: &Context, kind: &str, text: &str) -> io::Result<PathBuf> {
    let name = format!("{}.{kind}", short_name(text.as_bytes()));
    keep_as(context, &name, text)
}

/// Keeps a text under a name by which [`kept`] finds it.
pub(super) fn keep_as(context: &Context, name: &str, text: &str) -> io::Result<PathBuf> {
    let directory = directory(context)?;
    // Written again even if it exists, since its time says when it was last used.
    directory
        .replace(name, text.as_bytes())
        .map_err(io::Error::other)?;
    remove_old(directory.path());
    Ok(directory.file(name))
}

fn kept(context: &Context, name: &str) -> Option<String> {
    String::from_utf8(directory(context).ok()?.read(name).ok()??).ok()
}

fn directory(context: &Context) -> io::Result<Directory<'_>> {
    let state = Directory::state(context).map_err(io::Error::other)?;
    Ok(state.below("openssh"))
}

fn remove_old(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let changed = entry.metadata().and_then(|metadata| metadata.modified());
        let age = changed.ok().and_then(|changed| changed.elapsed().ok());
        if age.is_some_and(|age| age > OLD) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
