//! UpdateHostKeys: the keys that a host announces after authentication, proved and written.

use std::path::PathBuf;
use std::sync::Arc;

use russh::client::{Handle, Handler};
use ssh_key::{Algorithm, HashAlg, PublicKey};

use crate::host_key::known_hosts::{self, KnownHosts};
use crate::host_key::{messages, update};
use crate::settings::SshConfig;

/// What is known of a host whose keys may be updated.
#[derive(Debug)]
pub(super) struct Updater {
    /// The name to look up in known_hosts.
    pub name: String,
    /// The user's files; new keys are added to the first.
    pub files: Vec<PathBuf>,
    /// Their content. `None`: they have changed since they were read.
    pub known: Option<Arc<KnownHosts>>,
    /// HashKnownHosts.
    pub hash: bool,
    /// HostKeyAlgorithms, if set.
    pub algorithms: Option<Vec<String>>,
}

/// Whether UpdateHostKeys is on. Where it is not set, only for the default file, as with ssh(1).
pub(super) fn is_enabled(config: &SshConfig, default_file: Option<&PathBuf>) -> bool {
    match (
        &config.host_keys.update_host_keys,
        &config.host_keys.user_known_hosts,
    ) {
        (Some(value), _) => value == "true",
        (None, None) => true,
        (None, Some(files)) => matches!(&files[..], [file] if Some(file) == default_file),
    }
}

impl Updater {
    /// Updates known_hosts with the announced keys. Nothing changes if the host does not prove that it
    /// holds the new ones.
    pub(super) async fn update<H: Handler>(self, announced: Vec<PublicKey>, server: &Handle<H>) {
        let accepted = announced.into_iter().filter(|key| self.accepts(key));
        let change = match update::change(&self.known(), &self.name, accepted.collect()) {
            Ok(change) => change,
            Err(why) => {
                tracing::debug!("UpdateHostKeys: {why}");
                return;
            }
        };
        if !change.new.is_empty() {
            tracing::debug!("asking the server to prove {} keys", change.new.len());
            match server.hostkeys_prove(change.new.clone()).await {
                Ok(()) => {}
                Err(russh::Error::RequestDenied) => {
                    tracing::error!("Server failed to confirm ownership of private host keys");
                    return;
                }
                Err(russh::Error::WrongServerSig) => {
                    tracing::error!("server gave bad signature for a host key");
                    return;
                }
                Err(error) => {
                    tracing::debug!("UpdateHostKeys: {error}");
                    return;
                }
            }
        }
        self.write(&change);
    }

    /// Whether HostKeyAlgorithms allows an announced key, by the rule of ssh(1).
    fn accepts(&self, key: &PublicKey) -> bool {
        let algorithm = key.algorithm();
        match &self.algorithms {
            None => algorithm != Algorithm::Dsa,
            Some(list) => list.iter().any(|name| {
                name == algorithm.as_str()
                    || matches!(algorithm, Algorithm::Rsa { .. }) && name.starts_with("rsa-sha2-")
            }),
        }
    }

    fn known(&self) -> Arc<KnownHosts> {
        let read = || Arc::new(known_hosts::load(&self.files));
        self.known.clone().unwrap_or_else(read)
    }

    fn write(&self, change: &update::Change) {
        let log = |what: &str, key: &PublicKey| {
            let fingerprint = key.fingerprint(HashAlg::Sha256);
            tracing::info!("{what}: {} {fingerprint}", messages::key_type(key));
        };
        for key in &change.new {
            log("Learned new hostkey", key);
        }
        for key in &change.old {
            log("Deprecating obsolete hostkey", key);
        }
        // The keys go to the first file alone; where it is missing, ssh(1) would forget them.
        if !self.files.first().is_some_and(|file| file.exists()) {
            return;
        }
        for (number, file) in self.files.iter().enumerate() {
            let keys = if number == 0 { &change.keys[..] } else { &[] };
            match update::rewrite(file, &self.name, keys, self.hash) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    let file = file.display();
                    let why = crate::diagnostics::os_error_message(&error);
                    tracing::error!("hostfile_replace_entries: mkstemp: {why}");
                    tracing::error!(
                        "update_known_hosts: hostfile_replace_entries failed for {file}: {why}"
                    );
                }
                _ => {}
            }
        }
    }
}
