//! Collects what the plan is made from: key files, the agent's keys, records and history.
//!
//! Only reads. `git bitbucket status` uses it as the connection does, so both show the same plan.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::bitbucket::credential;
use crate::context::Context;
use crate::identity::history::History;
use crate::identity::key_file::KeyFileError;
use crate::identity::plan_inputs::{
    CommandLine, Configured, KeysHere, KnownAccounts, NamedFile, PlanInputs, ServedBefore,
    SshConfigKeys,
};
use crate::identity::{AccountId, Holder, Identity, ManagedKey, Rank, agent, key_file};
use crate::provision::{Records, ssh_config_file};
use crate::repository::{Repository, Service, Site};
use crate::settings::{Settings, Sourced, SshConfig};

/// What a connection is for, before this machine's keys are looked at.
#[derive(Clone, Copy)]
pub struct ConnectionTarget<'a> {
    /// The site.
    pub site: &'a Site,
    /// `None`: the command names no repository.
    pub repository: Option<&'a Repository>,
    /// Fetch, push or something else.
    pub service: Service,
    /// The user to log in as.
    pub user: &'a str,
    /// `--account`, else `BITBUCKET_ACCOUNT`.
    pub account: Option<&'a Sourced<String>>,
    /// The settings that apply to the repository.
    pub settings: &'a Settings,
    /// What ssh_config and the command line say.
    pub config: &'a SshConfig,
}

/// Everything on this machine that decides which identities may be used.
pub fn collect<'a>(
    context: &Context,
    target: ConnectionTarget<'a>,
    records: &'a Records,
    history: &History,
) -> PlanInputs<'a> {
    let config = target.config;
    let direction = target.service.direction();
    let (managed, lost) = managed_of(target.site, records);
    let mut files = KeyFiles::new(context, config, &managed);
    let command_line_files =
        (!config.identities.command_line_identity_files.is_empty()).then(|| {
            files.existing(
                &config.identities.command_line_identity_files,
                Rank::CommandLine,
            )
        });
    let settings = target.settings;
    let named_files = [&settings.repository, &settings.by_url, &settings.plain]
        .iter()
        .flat_map(|scope| &scope.identity_files)
        .map(|file| (file.value.clone(), files.named(&file.value)))
        .collect::<BTreeMap<_, _>>();
    let ssh_config_files = files.existing(&config.identities.identity_files, Rank::SshConfigOnly);
    let default_files = files.default_files();
    // Read only for an account that may stand for one of them.
    let needs_others = records.accounts().iter().any(|account| {
        let has_key = |key: &Identity| key.account() == Some(&account.account);
        account.account.site == target.site.url
            && !account.key_fingerprints.is_empty()
            && !managed.iter().any(has_key)
    });
    let other_files = if needs_others {
        files.in_ssh_directory()
    } else {
        Vec::new()
    };
    let agent = std::mem::take(&mut files.agent);
    let unusable = files.unusable.take();
    let missing = files.missing.take();
    let environment = credential::environment(context).map(|(site, token)| AccountId {
        site,
        name: token.account,
    });
    let (environment, other) = match environment {
        Some(account) if account.site == target.site.url => (Some(account.name), None),
        other => (None, other),
    };
    let with_key = records.identities().iter().map(|key| &key.account);
    let with_key = with_key.filter(|account| account.site != target.site.url);
    let elsewhere = with_key.cloned().chain(other).collect();
    PlanInputs {
        site: target.site,
        direction,
        user: target.user,
        command_line: CommandLine {
            files: command_line_files,
            account: target.account.cloned(),
        },
        configured: Configured {
            settings,
            files: named_files,
        },
        ssh_config: SshConfigKeys {
            files: ssh_config_files,
            ..ssh_config_keys(context, config, missing, |path| {
                managed.iter().any(|key| key.file.as_deref() == Some(path))
                    || lost.iter().any(|key| key.file == path)
            })
        },
        history: ServedBefore {
            repository: target
                .repository
                .and_then(|repository| history.repository(repository, direction)),
            workspace: target
                .repository
                .and_then(|repository| history.workspace(repository, direction)),
        },
        accounts: KnownAccounts {
            recorded: records.accounts(),
            environment,
            elsewhere,
        },
        keys: KeysHere {
            managed,
            lost,
            agent,
            default_files,
            other_files,
            unusable,
        },
    }
}

/// What ssh_config says about key files. The file of a managed key is no statement of it, nor is what
/// `ssh-config --write` has written. `missing`: its files that do not exist.
fn ssh_config_keys(
    context: &Context,
    config: &SshConfig,
    missing: Vec<PathBuf>,
    is_managed: impl Fn(&Path) -> bool,
) -> SshConfigKeys {
    let identities = &config.identities;
    let generated = ssh_config_file::file(context);
    let is_statement = |path: &Path| {
        let mut lines = identities.identity_lines.iter();
        let is_generated =
            lines.any(|(named, at)| named == path && Some(&at.file) == generated.as_ref());
        !is_managed(path) && !is_generated
    };
    let alias = config.endpoint.is_alias;
    let missing = missing.into_iter();
    let files = &identities.identity_files;
    SshConfigKeys {
        files: Vec::new(),
        missing: missing.filter(|path| alias || is_statement(path)).collect(),
        lines: identities.identity_lines.clone(),
        names_files: if files.is_empty() {
            identities.names_identity_files
        } else {
            files.iter().any(|path| is_statement(path))
        },
        identities_only: identities.identities_only == Some(true),
        alias,
    }
}

/// The managed keys of the site, newest first: those whose file exists, and the others.
fn managed_of(site: &Site, records: &Records) -> (Vec<Identity>, Vec<ManagedKey>) {
    let recorded = records.identities().iter().rev();
    let (here, lost): (Vec<_>, Vec<_>) = recorded
        .filter(|key| key.account.site == site.url)
        .partition(|key| key.file.exists());
    (
        here.into_iter().map(identity_of).collect(),
        lost.into_iter().cloned().collect(),
    )
}

/// A managed key as it is offered: its public half is in the record.
pub(super) fn identity_of(record: &ManagedKey) -> Identity {
    Identity {
        holder: Holder::File(record.file.clone()),
        public_key: ssh_key::PublicKey::from_openssh(&record.public_key).ok(),
        certificates: Vec::new(),
        file: Some(record.file.clone()),
        managed: Some(record.clone()),
    }
}

/// Every key pair on this machine that an account's key list may show, in the order of rank 8: the
/// files of ssh_config, the agent's keys, the default files, and the others in `~/.ssh`.
pub(super) fn keys_here(context: &Context, config: &SshConfig) -> Vec<Identity> {
    let mut files = KeyFiles::new(context, config, &[]);
    let mut keys = files.existing(&config.identities.identity_files, Rank::SshConfigOnly);
    let others = files.in_ssh_directory();
    let default_files = files.default_files();
    keys.append(&mut files.agent);
    keys.extend(default_files.into_iter().chain(others));
    keys
}

fn agent_keys(config: &SshConfig, context: &Context) -> Vec<Identity> {
    let Some(socket) = agent::socket(config, context) else {
        return Vec::new();
    };
    match agent::identities(&socket) {
        Ok(keys) => {
            tracing::debug!("agent at {} holds {} keys", socket.display(), keys.len());
            keys
        }
        Err(error) => {
            tracing::info!("agent at {}: {error}", socket.display());
            Vec::new()
        }
    }
}

/// ssh(1)'s words about a file of the command line.
pub(super) fn warn_missing(path: &Path) {
    tracing::warn!(
        "Warning: Identity file {} not accessible: No such file or directory.",
        path.display()
    );
}

/// Key files, together with the keys of the agent and of the records.
pub(super) struct KeyFiles<'a> {
    context: &'a Context,
    managed: &'a [Identity],
    pub(super) agent: Vec<Identity>,
    unusable: RefCell<Vec<(Rank, KeyFileError)>>,
    /// Files of ssh_config that do not exist.
    missing: RefCell<Vec<PathBuf>>,
}

impl<'a> KeyFiles<'a> {
    /// Asks the agent for its keys.
    pub(super) fn new(context: &'a Context, config: &SshConfig, managed: &'a [Identity]) -> Self {
        Self {
            context,
            managed,
            agent: agent_keys(config, context),
            unusable: RefCell::default(),
            missing: RefCell::default(),
        }
    }

    /// `~/.ssh/id_*`, those that exist.
    pub(super) fn default_files(&self) -> Vec<Identity> {
        let Some(directory) = self.context.ssh_directory() else {
            return Vec::new();
        };
        let paths = key_file::DEFAULT_FILES.map(|name| directory.join(name));
        self.existing(&paths, Rank::Fallback)
    }

    /// The key pairs of the files in `~/.ssh`, whatever their names; not those set aside
    /// (`….revoked`).
    fn in_ssh_directory(&self) -> Vec<Identity> {
        let directory = self.context.ssh_directory();
        let entries = directory.and_then(|directory| std::fs::read_dir(directory).ok());
        let mut paths: Vec<PathBuf> = entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                !name.contains(".revoked") && !name.starts_with("known_hosts")
            })
            .map(|path| match path.extension() {
                Some(extension) if extension == "pub" => path.with_extension(""),
                _ => path,
            })
            .collect();
        paths.sort();
        paths.dedup();
        let keys = paths.iter().filter_map(|path| match self.named(path) {
            NamedFile::Usable(identity) => Some(*identity),
            NamedFile::Missing | NamedFile::Unusable(_) => None,
        });
        keys.collect()
    }

    /// The files that can be used. The others are kept with the rank that names them; for files of
    /// the command line there is a warning in ssh(1)'s words.
    pub(super) fn existing(&self, paths: &[PathBuf], of: Rank) -> Vec<Identity> {
        let warn = of == Rank::CommandLine;
        let mut found: Vec<Identity> = Vec::new();
        for path in paths {
            match self.named(path) {
                NamedFile::Usable(identity) => found.push(*identity),
                NamedFile::Missing if warn => warn_missing(path),
                NamedFile::Missing if of == Rank::SshConfigOnly => {
                    self.missing.borrow_mut().push(path.clone());
                }
                NamedFile::Missing => {}
                // As ssh(1), which does not mention a default file either.
                NamedFile::Unusable(KeyFileError::PublicOnly { .. }) if of == Rank::Fallback => {}
                NamedFile::Unusable(error) => {
                    if warn {
                        for line in error.complaint().lines() {
                            tracing::warn!("{line}");
                        }
                    } else {
                        tracing::debug!("{}: {error}", path.display());
                    }
                    self.unusable.borrow_mut().push((of, error));
                }
            }
        }
        found
    }

    /// One file: a managed key's, a private key, or the public half of a key in the agent.
    fn named(&self, path: &Path) -> NamedFile {
        let path = &self.context.directory.join(path);
        let of_record = |identity: &&Identity| identity.file.as_deref() == Some(path);
        if let Some(identity) = self.managed.iter().find(of_record) {
            return NamedFile::Usable(Box::new(identity.clone()));
        }
        match key_file::identity(path) {
            Ok(identity) => self.with_holder(path, identity),
            // As ssh(1): the private half may be in the agent.
            Err(KeyFileError::Missing { .. }) => match key_file::identity_of_public_half(path) {
                Some(identity) => self.with_holder(&key_file::public_file(path), identity),
                None => NamedFile::Missing,
            },
            Err(error) => NamedFile::Unusable(error),
        }
    }

    /// A `.pub` file can be used only if the agent has the key.
    fn with_holder(&self, path: &Path, identity: Identity) -> NamedFile {
        if matches!(identity.holder, Holder::File(_)) {
            return NamedFile::Usable(Box::new(identity));
        }
        let fingerprint = identity.fingerprint();
        if self
            .agent
            .iter()
            .any(|key| key.fingerprint() == fingerprint)
        {
            NamedFile::Usable(Box::new(identity))
        } else {
            NamedFile::Unusable(KeyFileError::PublicOnly {
                path: path.to_owned(),
            })
        }
    }
}
