//! The server's key on this connection: the verdict on it, and what follows by StrictHostKeyChecking.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::PublicKeyOrCertificate;
use ssh_key::{Algorithm, HashAlg, PublicKey};

use crate::context::Context;
use crate::diagnostics::{self, trace2};
use crate::host_key::known_hosts::{self, KnownHosts};
use crate::host_key::revocation::{self, RevokedKeys};
use crate::host_key::verify::{
    Question, preferred_algorithms, verify, verify_certificate, wants_certificates,
};
use crate::host_key::{KnownFrom, Verdict, messages};
use crate::prompt;
use crate::settings::{SshConfig, StrictHostKeyChecking};
use crate::storage;
use crate::transport::endpoint::Connected;
use crate::transport::session::SessionParams;
use crate::transport::update_host_keys::{self, Updater};
use crate::transport::{Endpoint, Error};

/// How far an accepted key is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// One of the user's files has it, or (`asked`) the user has just confirmed it.
    Own { asked: bool },
    /// It is known from elsewhere, or new.
    Known,
    /// Another key is known and StrictHostKeyChecking is off: no password is sent.
    Changed,
}

/// What one server's key is verified against.
#[derive(Debug)]
pub(super) struct ServerKey {
    params: Arc<SessionParams>,
    endpoint: Endpoint,
    /// The peer's address, for the question.
    address: String,
    name: String,
    also: Vec<String>,
    known_hosts: Arc<KnownHosts>,
    revoked: Option<RevokedKeys>,
    /// The user's files, without `none`.
    user_files: Vec<PathBuf>,
    /// Where a new key is written.
    user_file: Option<PathBuf>,
}

impl ServerKey {
    /// Reads the files that hold host keys.
    pub(super) fn new(params: &Arc<SessionParams>, connected: &Connected) -> Self {
        let config = &params.config;
        let endpoint = connected.endpoint.clone();
        let (host, port) = (&endpoint.address.host, endpoint.address.port);
        let alias = config.host_keys.host_key_alias.as_deref();
        let (name, also) = known_hosts::names(alias, host, port, endpoint.published);
        let mut user_files = user_files(config, &params.context);
        let user_file = user_files.first().cloned().filter(|file| !is_none(file));
        user_files.retain(|file| !is_none(file));
        let files = known_hosts_files(config, &params.context);
        let revoked = config.host_keys.revoked_host_keys.as_deref();
        Self {
            params: Arc::clone(params),
            address: match connected.address {
                Some(address) => known_hosts::name(&address.ip().to_string(), address.port()),
                None => "<no hostip for proxy command>".to_owned(),
            },
            name,
            also,
            known_hosts: Arc::new(known_hosts::load(&files)),
            revoked: revoked.filter(|file| !is_none(file)).map(revocation::load),
            user_files,
            user_file,
            endpoint,
        }
    }

    /// StrictHostKeyChecking.
    fn strict(&self) -> StrictHostKeyChecking {
        let setting = self.params.config.host_keys.strict_host_key_checking;
        setting.unwrap_or(StrictHostKeyChecking::Ask)
    }

    /// UserKnownHostsFile is `none`: ssh(1) then accepts no new key, and does not ask.
    fn accepts_no_new_key(&self) -> bool {
        self.params.config.host_keys.user_known_hosts.is_some() && self.user_file.is_none()
    }

    /// HashKnownHosts.
    fn hash(&self) -> bool {
        self.params.config.host_keys.hash_known_hosts == Some(true)
    }

    /// The algorithms to ask for, in order, and whether certificates are of use.
    pub(super) fn algorithms(&self) -> (Vec<Algorithm>, bool) {
        let question = self.question();
        (
            preferred_algorithms(&question),
            wants_certificates(&question),
        )
    }

    fn question(&self) -> Question<'_> {
        Question {
            name: &self.name,
            also: &self.also,
            published: self.endpoint.published,
            site_fingerprints: &self.params.route.site_fingerprints,
            known_hosts: &self.known_hosts,
            revoked: self.revoked.as_ref(),
        }
    }

    /// Verifies the key that the server has proved to hold. Asks if StrictHostKeyChecking is `ask`;
    /// writes a new key to known_hosts. A key that is not accepted is [`Error::HostKey`].
    pub(super) async fn check(&self, presented: &PublicKeyOrCertificate) -> Result<Trust, Error> {
        let key = presented.public_key();
        let verdict = match presented.certificate() {
            Some(certificate) => {
                let now = self.params.context.clock.now().as_second();
                let now = u64::try_from(now).unwrap_or_default();
                verify_certificate(&self.question(), certificate, now)
            }
            None => verify(&self.question(), &key),
        };
        trace2::data("host_key", || key.fingerprint(HashAlg::Sha256).to_string());
        tracing::info!(
            "Server host key: {} {}",
            key.algorithm(),
            key.fingerprint(HashAlg::Sha256)
        );
        match &verdict {
            Verdict::Known(from) => {
                tracing::info!("Host '{}' is known: {from}", self.name);
                return Ok(match from {
                    KnownFrom::Line(line) if self.is_users(&line.file) => {
                        Trust::Own { asked: false }
                    }
                    _ => Trust::Known,
                });
            }
            Verdict::Unknown { .. } if self.accepts_no_new_key() => {}
            Verdict::Unknown { same_key } => match self.strict() {
                StrictHostKeyChecking::Yes => {}
                StrictHostKeyChecking::AcceptNew | StrictHostKeyChecking::Off => {
                    self.add(&key);
                    return Ok(Trust::Known);
                }
                StrictHostKeyChecking::Ask => {
                    let home = self.params.context.home();
                    let text = messages::question(&self.name, &self.address, &key, same_key, home);
                    if self.ask(text, &key).await? {
                        self.add(&key);
                        return Ok(Trust::Own { asked: true });
                    }
                }
            },
            Verdict::Changed { offending }
                if self.strict() == StrictHostKeyChecking::Off && !self.endpoint.published =>
            {
                let file = self.user_file.clone().unwrap_or_default();
                let text = messages::changed(&self.name, &key, offending, &file);
                for line in text.lines() {
                    tracing::error!("{line}");
                }
                for method in typed_methods(&self.params.config) {
                    tracing::error!(
                        "{method} authentication is disabled to avoid man-in-the-middle attacks."
                    );
                }
                return Ok(Trust::Changed);
            }
            _ => {}
        }
        Err(Error::HostKey {
            name: self.name.clone(),
            fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
            algorithm: key.algorithm().to_string(),
            key: Box::new(key),
            verdict: Box::new(verdict),
            user_file: self.user_file.clone(),
            strict: self.strict() == StrictHostKeyChecking::Yes && !self.accepts_no_new_key(),
        })
    }

    /// `yes`, `no`, or the fingerprint typed in.
    async fn ask(&self, text: String, key: &PublicKey) -> Result<bool, Error> {
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        let mut again = Some(text);
        loop {
            let text = again
                .take()
                .unwrap_or_else(|| messages::ASK_AGAIN.to_owned());
            match self.params.prompt.line(text).await {
                Ok(answer) => match answer.trim() {
                    "" | "no" | "NO" | "No" => return Ok(false),
                    "yes" | "YES" | "Yes" => return Ok(true),
                    typed if typed == fingerprint => return Ok(true),
                    _ => {}
                },
                Err(prompt::Error::CallerGone) => return Err(Error::CallerGone),
                Err(error) => {
                    tracing::info!("{error}");
                    return Ok(false);
                }
            }
        }
    }

    /// For the keys that the host announces, if UpdateHostKeys is on and its key is trusted.
    pub(super) fn updater(&self, trust: Trust) -> Option<Updater> {
        let Trust::Own { asked } = trust else {
            return None;
        };
        let config = &self.params.config;
        let ssh_directory = self.params.context.ssh_directory();
        let default_file = ssh_directory.map(|ssh| ssh.join("known_hosts"));
        let enabled = update_host_keys::is_enabled(config, default_file.as_ref());
        let may_change = |file: &PathBuf| {
            let checked = storage::check_changeable(&self.params.context, file);
            checked
                .inspect_err(|error| tracing::info!("UpdateHostKeys: {error}"))
                .is_ok()
        };
        if !enabled || self.endpoint.published || !self.user_files.iter().all(may_change) {
            return None;
        }
        Some(Updater {
            name: self.name.clone(),
            files: self.user_files.clone(),
            known: (!asked).then(|| Arc::clone(&self.known_hosts)),
            hash: self.hash(),
            algorithms: config.algorithms.host_key_algorithms.clone(),
        })
    }

    /// Whether it is one of the user's files, and not one of the system's as well.
    fn is_users(&self, file: &PathBuf) -> bool {
        self.user_files.contains(file) && !system_files(&self.params.config).contains(file)
    }

    fn add(&self, key: &PublicKey) {
        let Some(file) = &self.user_file else {
            return;
        };
        let context = &self.params.context;
        if let Err(error) = storage::check_changeable(context, file) {
            tracing::warn!(
                "Failed to add the host to the list of known hosts ({}).",
                file.display()
            );
            tracing::info!("{error}");
            return;
        }
        if let Some(folder) = context.ssh_directory()
            && let Err(error) = known_hosts::create_directory(&folder, file)
        {
            let (folder, why) = (folder.display(), diagnostics::os_error_message(&error));
            tracing::error!("Could not create directory '{folder}' ({why}).");
        }
        match known_hosts::append(file, &self.name, key, self.hash()) {
            Ok(()) => tracing::warn!("{}", messages::added(&self.name, key)),
            Err(error) => {
                tracing::debug!("{}: {error}", file.display());
                tracing::warn!(
                    "Failed to add the host to the list of known hosts ({}).",
                    file.display()
                );
            }
        }
    }
}

/// The authentication methods that ssh(1) disables for a changed key (sshconnect.c, `check_host_key`).
fn typed_methods(config: &SshConfig) -> &'static [&'static str] {
    let password = config.authentication.password_authentication != Some(false);
    let keyboard = config.authentication.keyboard_interactive_authentication != Some(false);
    match (
        config.authentication.batch_mode == Some(true),
        password,
        keyboard,
    ) {
        (true, ..) | (_, false, false) => &[],
        (_, true, false) => &["Password"],
        (_, false, true) => &["Keyboard-interactive"],
        (_, true, true) => &["Password", "Keyboard-interactive"],
    }
}

/// The known_hosts files that are read, the user's first.
pub fn known_hosts_files(config: &SshConfig, context: &Context) -> Vec<PathBuf> {
    let mut files = user_files(config, context);
    files.extend(system_files(config));
    files.retain(|file| !is_none(file));
    files
}

fn is_none(file: &Path) -> bool {
    file.as_os_str() == "none"
}

fn system_files(config: &SshConfig) -> Vec<PathBuf> {
    config
        .host_keys
        .global_known_hosts
        .clone()
        .unwrap_or_else(usual_system_files)
}

/// UserKnownHostsFile; its default is the home's.
fn user_files(config: &SshConfig, context: &Context) -> Vec<PathBuf> {
    config
        .host_keys
        .user_known_hosts
        .clone()
        .unwrap_or_else(|| {
            context.ssh_directory().map_or_else(Vec::new, |folder| {
                vec![folder.join("known_hosts"), folder.join("known_hosts2")]
            })
        })
}

/// GlobalKnownHostsFile's default.
fn usual_system_files() -> Vec<PathBuf> {
    let folder = if cfg!(windows) {
        r"C:\ProgramData\ssh"
    } else {
        "/etc/ssh"
    };
    let folder = PathBuf::from(folder);
    vec![
        folder.join("ssh_known_hosts"),
        folder.join("ssh_known_hosts2"),
    ]
}
