//! What the checks examine, read once, and the lines to paste that several of them print.

use std::path::{Path, PathBuf};

use super::finding::Finding;
use crate::commands::context::CommandContext;
use crate::settings::HttpSettings;

pub(super) use crate::commands::context::word;
use crate::commands::resolve::Resolved;
use crate::commands::{Error, git, resolve};
use crate::connection::managed_keys::http_settings;
use crate::context::Context;
use crate::identity::{AccountId, Holder, Identity, ManagedKey, Offer};
use crate::repository::{self, Direction, Site, SshHost};
use crate::settings::{GitConfig, Settings};

/// This machine, its configuration, and the repository or site to connect to.
pub(super) struct Checkup<'a> {
    pub(super) context: &'a Context,
    /// git's configuration, or why it cannot be read.
    pub(super) git_config: Result<GitConfig, String>,
    /// What the next fetch would use, or why that cannot be resolved, with hints.
    pub(super) resolved: Result<Resolved, (String, Vec<String>)>,
    /// `--offline`.
    pub(super) offline: bool,
    target: Option<String>,
}

impl<'a> Checkup<'a> {
    /// Reads everything. A target on no known site is an error if it was named; else Cloud without a
    /// repository takes its place.
    pub(super) fn read(
        call: &CommandContext<'a>,
        target: Option<&str>,
        offline: bool,
    ) -> Result<Self, Error> {
        let url = match target {
            Some(target) => Some(git::url(call.context, Some(target))?),
            None => git::url(call.context, None).ok(),
        };
        let resolve = |url: Option<&str>| match url {
            Some(url) => resolve::url(call.context, url, Direction::Fetch),
            None => resolve::site(call.context, &repository::cloud()),
        };
        let mut resolved = resolve(url.as_deref());
        if let Ok(None) = resolved {
            if target.is_some() {
                return Err(Error::NoBitbucket(url.unwrap_or_default()));
            }
            resolved = resolve(None);
        }
        let resolved = match resolved {
            Ok(Some(resolved)) => Ok(resolved),
            Ok(None) => Err(("no Bitbucket site is configured".to_owned(), Vec::new())),
            Err(error) => {
                let explanation = error.explanation();
                Err((explanation.what, explanation.hints))
            }
        };
        Ok(Self {
            context: call.context,
            git_config: resolve::git_config(call.context).map_err(|error| error.to_string()),
            resolved,
            offline,
            target: target.map(str::to_owned),
        })
    }

    /// The findings of checks that need the settings; one SKIP where those cannot be read.
    pub(super) fn with_settings(
        &self,
        check: &'static str,
        checks: impl FnOnce(&Resolved) -> Vec<Finding>,
    ) -> Vec<Finding> {
        match &self.resolved {
            Ok(resolved) => checks(resolved),
            Err(_) => vec![Finding::skip(
                check,
                "not checked: the settings cannot be read",
            )],
        }
    }

    /// The site to connect to; Cloud if the settings cannot be read.
    pub(super) fn site(&self) -> Site {
        match &self.resolved {
            Ok(resolved) => resolved.target.located.site.clone(),
            Err(_) => repository::cloud(),
        }
    }

    /// The settings, where they can be read.
    pub(super) fn settings(&self) -> Option<&Settings> {
        let resolved = self.resolved.as_ref().ok()?;
        Some(&resolved.target.settings)
    }

    /// The user's ssh_config.
    pub(super) fn ssh_config_file(&self) -> Option<PathBuf> {
        Some(self.context.ssh_directory()?.join("config"))
    }

    /// Every configured site.
    pub(super) fn sites(&self) -> Vec<Site> {
        match &self.git_config {
            Ok(git_config) => git_config.sites(),
            Err(_) => vec![repository::cloud()],
        }
    }

    /// git's `http.*` for the site.
    pub(super) fn http(&self, site: &Site) -> HttpSettings {
        match &self.git_config {
            Ok(git_config) => http_settings(git_config, site),
            Err(_) => HttpSettings::default(),
        }
    }

    /// Whether its account uses this managed key. One that was replaced stays until it is revoked, and
    /// is not checked any more.
    pub(super) fn uses(&self, record: &ManagedKey) -> bool {
        let Ok(resolved) = &self.resolved else {
            return true;
        };
        if record.repository.is_some() {
            return true;
        }
        let used = resolved.target.records.usable(&record.account, None);
        used.is_none_or(|used| used.fingerprint == record.fingerprint)
    }

    /// The recorded managed keys.
    pub(super) fn records(&self) -> &[ManagedKey] {
        match &self.resolved {
            Ok(resolved) => resolved.target.records.identities(),
            Err(_) => &[],
        }
    }

    /// The first identity of the plan, and the account that it belongs to.
    pub(super) fn first_identity(&self) -> Option<(Option<&AccountId>, &Identity)> {
        let resolved = self.resolved.as_ref().ok()?;
        let mut candidates = resolved.target.plan.candidates.iter();
        candidates.find_map(|candidate| match &candidate.offer {
            Offer::Identities(identities) => {
                Some((candidate.account.as_ref(), identities.first()?))
            }
            Offer::NewKey => None,
        })
    }

    /// Whether the first key to be offered belongs to an account and is in another file.
    pub(super) fn is_offered_later(&self, file: &Path) -> bool {
        self.first_identity().is_some_and(|(account, first)| {
            let this = matches!(&first.holder, Holder::File(held) if held == file);
            account.is_some() && !this
        })
    }

    /// The first account of the plan, else the only one that is recorded for the site.
    pub(super) fn account(&self) -> Option<String> {
        let resolved = self.resolved.as_ref().ok()?;
        let planned = resolved.target.plan.candidates.iter();
        let mut planned = planned.filter_map(|candidate| candidate.account.as_ref());
        if let Some(first) = planned.next() {
            return Some(first.name.clone());
        }
        let site = self.site();
        let recorded = resolved.target.records.accounts().iter();
        let recorded: Vec<_> = recorded
            .filter(|account| account.account.site == site.url)
            .collect();
        match recorded.as_slice() {
            [only] => Some(only.account.name.clone()),
            _ => None,
        }
    }

    /// The line that creates a key; if no account is known, the one that logs in.
    pub(super) fn key_new(&self) -> String {
        match self.account() {
            Some(account) => format!("git bitbucket key new --account {}", word(&account)),
            None => "git bitbucket login".to_owned(),
        }
    }

    /// The remote or URL that was named.
    pub(super) fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    /// The line that connects with the first identity: a fetch, outside a repository a login that
    /// prints the site's greeting.
    pub(super) fn fetch(&self) -> String {
        let git_config = self.git_config.as_ref();
        let inside = git_config.is_ok_and(|git_config| git_config.git_directory().is_some());
        match &self.target {
            Some(url) if url.contains(':') => format!("git ls-remote {}", word(url)),
            Some(remote) => format!("git fetch {}", word(remote)),
            None if inside => "git fetch".to_owned(),
            None => match self.site().ssh_hosts.first() {
                Some(host) => ssh_login(host),
                None => self.again(""),
            },
        }
    }

    /// `git bitbucket doctor` for the same target, with other options.
    pub(super) fn again(&self, options: &str) -> String {
        let target = self.target.as_deref().map(word);
        let words = [
            Some("git bitbucket doctor"),
            target.as_deref(),
            Some(options),
        ];
        let words = words.into_iter().flatten().filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join(" ")
    }

    /// The line that edits a file with a script of sed(1), GNU's or BSD's. The old file is kept as
    /// `FILE.bak`, and a symbolic link is followed, not replaced.
    pub(super) fn edited(&self, file: &Path, script: &str) -> String {
        let real = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        let file = if file.is_symlink() { &real } else { file };
        format!("sed -i.bak {} {}", word(script), word(&self.shown(file)))
    }

    /// The line that opens a file in the user's editor.
    pub(super) fn opened(&self, file: &Path) -> String {
        format!("${{EDITOR:-vi}} {}", word(&self.shown(file)))
    }

    /// A text with the home directory as `~`.
    pub(super) fn without_home(&self, text: &str) -> String {
        match self.context.home().and_then(Path::to_str) {
            Some(home) if home.len() > 1 => text.replace(&format!("{home}/"), "~/"),
            _ => text.to_owned(),
        }
    }

    /// A path as people write it.
    pub(super) fn shown(&self, path: &Path) -> String {
        crate::commands::context::shown(self.context, path)
    }
}

/// The line that logs in to a host without a command.
pub(super) fn ssh_login(host: &SshHost) -> String {
    let destination = word(&format!("git@{}", host.host));
    match host.port {
        22 => format!("bitbucket-ssh {destination}"),
        port => format!("bitbucket-ssh -p {port} {destination}"),
    }
}
