//! The configuration file for the system's ssh, and the files that it names: a known_hosts file
//! with the host keys that are known beforehand, and the `.pub` of an agent's key.
//!
//! They are in a private directory (`storage::write_for_call`). ssh takes over the process, so that
//! nothing can remove them afterwards; the next call does.

use std::io;
use std::path::{Path, PathBuf};

use ssh_key::{HashAlg, PublicKey};

use super::super::Connection;
use super::passes_descriptor;
use crate::connection::failure::Failure;
use crate::context::Context;
use crate::host_key::{known_hosts, published};
use crate::identity::{Holder, Identity};
use crate::settings::ssh_config::effective;
use crate::storage::{self, Directory, short_name, write_for_call};
use crate::transport::system_ssh::config_file::ConfigFile;
use crate::transport::{Endpoint, known_hosts_files};

impl Connection<'_> {
    /// Writes the file that replaces ssh_config for this call; with it the variables that ssh must
    /// find in its environment. Without `identity`, ssh uses ssh_config's identities and the agent.
    pub(super) fn config_file(
        &self,
        ssh: &Path,
        endpoint: &Endpoint,
        identity: Option<&Identity>,
    ) -> Result<(PathBuf, Vec<(String, String)>), Failure> {
        let failed = |error: io::Error| Failure::hand_over(ssh, &error);
        let write = |kind: &str, text: &str| {
            let written = write_for_call(self.context, kind, text).map_err(io::Error::other);
            written.map_err(failed)
        };
        let known_hosts = match self.known_hosts(endpoint)? {
            Some(lines) => Some(write("known_hosts", &lines)?),
            None => None,
        };
        let identity = identity.map(|identity| self.identity_file(identity));
        let identity = identity.transpose().map_err(failed)?;
        let ssh_g = effective(self.request, self.context, ssh)?;
        let (mut printed, variables) = with_variables_by_name(&ssh_g.printed);
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
        Ok((write("config", &text)?, variables))
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
                let text = format!("{}\n", line.trim_end());
                write_for_call(self.context, "pub", &text).map_err(io::Error::other)
            }
            (None, None) => Err(io::Error::other("a key without a name")),
        }
    }

    /// Lines for a further known_hosts file. `None`: the user's own files are enough.
    fn known_hosts(&self, endpoint: &Endpoint) -> Result<Option<String>, Failure> {
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
        keep(self.context, &file, &text);
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

/// Takes the values of SetEnv out of what `ssh -G` printed: they are secrets in places where a file
/// is not. ssh gets the variables in its environment, and sends them by SendEnv.
fn with_variables_by_name(printed: &str) -> (String, Vec<(String, String)>) {
    let mut text = String::with_capacity(printed.len());
    let mut variables = Vec::new();
    for line in printed.lines() {
        let variable = line.strip_prefix("setenv ").map(|set| set.split_once('='));
        match variable {
            None => text.extend([line, "\n"]),
            Some(Some((name, value))) if may_be_sent(name) => {
                text.extend(["sendenv ", name, "\n"]);
                variables.push((name.to_owned(), value.to_owned()));
            }
            Some(set) => {
                let name = set.map_or("a variable", |(name, _)| name);
                tracing::info!("SetEnv: {name} is not sent, because ssh itself would use it");
            }
        }
    }
    (text, variables)
}

/// Whether ssh, the dynamic linker and a ProxyCommand make nothing of the variable, and SendEnv takes
/// it literally.
fn may_be_sent(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let used = ["SSH_", "LD_", "DYLD_", "BITBUCKET_"];
    name.chars().all(is_plain)
        && !used.iter().any(|prefix| name.starts_with(prefix))
        && !["HOME", "PATH", "SHELL", "DISPLAY", "IFS", "ENV", "BASH_ENV"].contains(&name)
}

/// A host key that is kept for the next call. Without a directory for it, nothing is.
fn keep(context: &Context, name: &str, text: &str) {
    if let Ok(directory) = directory(context)
        && let Err(error) = directory.replace(name, text.as_bytes())
    {
        tracing::debug!("{error}");
    }
}

fn kept(context: &Context, name: &str) -> Option<String> {
    String::from_utf8(directory(context).ok()?.read(name).ok()??).ok()
}

fn directory(context: &Context) -> Result<Directory<'_>, storage::Error> {
    Ok(Directory::state(context)?.below("openssh"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_set_by_name_only() {
        let printed = "user git\nsendenv LC_*\nsetenv A=s3cret\nsetenv PATH=/x\nsetenv B=1=2\n";
        let (text, variables) = with_variables_by_name(printed);
        assert_eq!(text, "user git\nsendenv LC_*\nsendenv A\nsendenv B\n");
        let expected = [("A", "s3cret"), ("B", "1=2")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(variables, expected);
    }
}
