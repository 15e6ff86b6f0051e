//! git config, read in process: which files, in which order, with which includes. The only module that
//! uses gix.
//!
//! Starts one process at most, which asks git where the system's file is, once for each git.

mod discover;
#[cfg(test)]
pub(super) mod fixture;
mod include;
mod remotes;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gix::glob::wildmatch::Mode;

use crate::context::Context;
use crate::diagnostics::trace2::Param;
use crate::repository::{Located, Repository as Wanted, Site, SiteKind, SshHost};
use crate::settings::repository_policy::RepositoryPolicy;
use crate::settings::{Error, Ignored, Origin, OtherHosts, Provision, Scope, Settings, Sourced};
use crate::settings::{resolve, sites, url_match};

pub use discover::{Repository as WorkingCopy, is_the_users};

use discover::Repository;
use include::Reader;
use remotes::Alias;

/// One `key = value`, in the order in which git reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its scope; an included file has that of the file that includes it.
    pub scope: Scope,
    /// The file it is in.
    pub file: Arc<Path>,
    /// The line its name is on, counted from 1.
    pub line: u32,
    /// The section in lower case: `bitbucket`.
    pub section: String,
    /// In quotes: a URL, a name.
    pub subsection: Option<String>,
    /// The variable as written.
    pub name: String,
    /// The value; empty also for a variable without `=`.
    pub value: String,
    /// It has no `=`: git's "true", which is no value of these settings.
    pub bare: bool,
    /// Reached by an `includeIf "hasconfig:…"`: counts only when the requested repository is one
    /// of the current one's remotes.
    pub by_remote: bool,
}

impl Entry {
    /// The whole key as written: `bitbucket.https://bitbucket.org/acme.account`.
    pub fn key(&self) -> String {
        match &self.subsection {
            Some(subsection) => format!("{}.{subsection}.{}", self.section, self.name),
            None => format!("{}.{}", self.section, self.name),
        }
    }

    /// Whether it is `section.name`, or `section.<anything>.name`.
    pub fn is(&self, section: &str, name: &str) -> bool {
        self.section == section && self.name.eq_ignore_ascii_case(name)
    }

    /// Where it is set.
    pub fn origin(&self) -> Origin {
        Origin::GitConfig {
            scope: self.scope,
            file: Some(self.file.to_path_buf()),
            line: NonZeroU32::new(self.line),
            key: self.key(),
        }
    }

    /// Of the repository's own files.
    pub fn is_own(&self) -> bool {
        self.scope >= Scope::Local
    }
}

/// Sections whose values may appear in git's log; others may hold a password.
const LOGGED_SECTIONS: [&str; 4] = ["bitbucket", "core", "ssh", "trace2"];

/// git config as it is from the working directory: the machine's, the user's, and the
/// repository's own where git would trust it.
#[derive(Clone)]
pub struct GitConfig {
    context: Context,
    entries: Vec<Entry>,
    repository: Option<Repository>,
    untrusted: Option<PathBuf>,
    alias: Option<Alias>,
    found: Vec<(String, SshHost)>,
}

/// What git config sets for REST calls to one URL, from system and global configuration.
#[derive(Clone, Default)]
pub struct HttpSettings {
    /// `http.proxy`, which may hold a password. `None`: the usual variables decide. Empty: no
    /// proxy, whatever they are.
    pub proxy: Option<String>,
    /// `http.sslCAInfo`, `~` resolved.
    pub ssl_ca_info: Option<PathBuf>,
    /// `http.sslVerify = false`, which does not count: nothing is sent over an unverified
    /// connection.
    pub ignored: Vec<Ignored>,
}

impl GitConfig {
    /// Reads everything that git would read from the working directory.
    ///
    /// # Errors
    ///
    /// A file that git would not read either: it names file and line.
    pub fn open(context: &Context) -> Result<Self, Error> {
        let outside = discover::outside_repositories(context);
        let found = Repository::discover(context);
        let trusted = match &found {
            Some(repository) => repository.is_trusted(context, || {
                let mut reader = Reader::new(context, None, None);
                for (scope, file) in &outside {
                    reader.read(file, *scope)?;
                }
                Ok::<_, Error>(reader.entries)
            })?,
            None => false,
        };
        let (repository, untrusted) = match found {
            Some(repository) if trusted => (Some(repository), None),
            found => (
                None,
                found.map(|repository| repository.common_directory.join("config")),
            ),
        };
        let entries = read(context, &outside, repository.as_ref())?;
        Ok(Self {
            context: context.clone(),
            entries,
            repository,
            untrusted,
            alias: None,
            found: Vec::new(),
        })
    }

    /// The same, knowing where Data Centers ([`Site::url`]) were found to have their SSH host: it counts
    /// where no `sshHost` is configured.
    #[must_use]
    pub fn with_ssh_hosts(mut self, found: Vec<(String, SshHost)>) -> Self {
        self.found = found;
        self
    }

    /// The same, knowing that ssh_config gives the host name `typed` another one: remotes that
    /// use it are compared by the host they lead to.
    #[must_use]
    pub fn with_alias(mut self, typed: &str, host: &str, port: u16) -> Self {
        self.alias = Alias::new(typed, host, port);
        self
    }

    /// Cloud first, then the configured sites in the order in which they are named; from system
    /// and global configuration only.
    pub fn sites(&self) -> Vec<Site> {
        let mut sites = sites::sites(&self.entries).0;
        for site in &mut sites {
            let found = self.found.iter().find(|(url, _)| *url == site.url);
            if let Some((_, host)) = found
                && site.kind == SiteKind::DataCenter
                && !self.names_ssh_hosts(site)
            {
                site.ssh_hosts = vec![host.clone()];
            }
        }
        sites
    }

    /// The settings for one repository of `site` (or for the site, where none is meant), with
    /// everything that is set and ignored.
    pub fn settings(&self, sites: &[Site], site: &Site, repository: Option<&Wanted>) -> Settings {
        let path = repository.map(Wanted::path).unwrap_or_default();
        self.settings_below(sites, site, repository, &path)
    }

    /// The settings for what a connection asks for, which may be a path without a repository.
    pub fn settings_of(&self, sites: &[Site], located: &Located) -> Settings {
        let repository = located.repository.as_ref();
        self.settings_below(sites, &located.site, repository, &located.path)
    }

    fn settings_below(
        &self,
        sites: &[Site],
        site: &Site,
        repository: Option<&Wanted>,
        path: &[String],
    ) -> Settings {
        let mut settings = resolve::settings(&resolve::ResolveInputs {
            context: &self.context,
            entries: &self.entries,
            sites,
            site,
            path,
            policy: RepositoryPolicy {
                context: &self.context,
                is_requested: repository.is_some(),
                is_remote: repository.is_some_and(|wanted| self.is_a_remote(sites, wanted)),
                working_copy: self.repository.as_ref(),
            },
        });
        let invalid_sites = sites::sites(&self.entries).1;
        // A key registered at the wrong place is worse than none.
        if let Some(ignored) = invalid_sites
            .iter()
            .find(|ignored| sites::is_of(ignored, &site.url))
        {
            settings.provision = Sourced::new(Provision::Never, ignored.origin.clone());
        }
        settings.ignored.extend(invalid_sites);
        if let Some(file) = self.untrusted().filter(|file| has_settings(file)) {
            settings.ignored.push(Ignored {
                origin: Origin::GitConfig {
                    scope: Scope::Local,
                    file: Some(file.to_owned()),
                    line: None,
                    key: "bitbucket.*".to_owned(),
                },
                value: String::new(),
                why: "git does not trust this repository (safe.directory)".to_owned(),
            });
        }
        settings
    }

    /// Whether `sshHost` is configured for the site. If not, its SSH hosts are the usual ones, and
    /// what `login` found on a Data Center may take their place.
    pub fn names_ssh_hosts(&self, site: &Site) -> bool {
        sites::names_ssh_hosts(&self.entries, &site.url)
    }

    /// `bitbucket.otherHosts`, from system and global configuration. The error is a value that it
    /// cannot have.
    pub fn other_hosts(&self) -> Result<Sourced<OtherHosts>, Ignored> {
        resolve::other_hosts(&self.entries)
    }

    /// `user.email` from system and global configuration: what a repository names is no default for an
    /// account, to which a token would be given.
    pub fn user_email(&self) -> Option<String> {
        let last = self.entries.iter().rfind(|entry| {
            !entry.is_own()
                && !entry.by_remote
                && entry.is("user", "email")
                && entry.subsection.is_none()
        });
        last.map(|entry| entry.value.clone())
            .filter(|email| !email.is_empty())
    }

    /// What git's `http.*` sets for `url` (matched as git does), from system and global
    /// configuration: a repository's own must not decide where a token is sent.
    pub fn http(&self, url: &str) -> HttpSettings {
        let value = |name: &str| {
            let outside = self
                .entries
                .iter()
                .filter(|entry| !entry.is_own() && !entry.by_remote);
            url_match::most_specific(outside.filter(|entry| entry.is("http", name)), url)
        };
        let path =
            |entry: &Entry| discover::interpolated(entry.value.as_str().into(), &self.context);
        let unverified = value("sslVerify").filter(|entry| {
            matches!(
                entry.value.to_ascii_lowercase().as_str(),
                "false" | "no" | "off" | "0"
            )
        });
        HttpSettings {
            proxy: value("proxy").map(|entry| entry.value.clone()),
            ssl_ca_info: value("sslCAInfo").and_then(path),
            ignored: unverified
                .map(|entry| Ignored {
                    origin: entry.origin(),
                    value: entry.value.clone(),
                    why: "nothing is sent over an unverified connection".to_owned(),
                })
                .into_iter()
                .collect(),
        }
    }

    /// git's credential helpers for every URL of `url`'s origin, in the order in which git asks
    /// them, from this scope's configuration and those below it: `credential.helper` and
    /// `credential.<url>.helper` by position, emptied by an empty value (gitcredentials(7)). Helpers
    /// that are set for a path are not among them.
    pub fn credential_helpers(&self, url: &str, scope: Scope) -> Vec<String> {
        let mut helpers: Vec<String> = Vec::new();
        let counting = |entry: &&Entry| {
            entry.is("credential", "helper") && entry.scope <= scope && !entry.by_remote
        };
        for entry in self.entries.iter().filter(counting) {
            let one = std::iter::once(entry);
            if url_match::most_specific(one, url).is_none() {
                continue;
            }
            if entry.value.is_empty() {
                helpers.clear();
            } else {
                helpers.push(entry.value.clone());
            }
        }
        helpers
    }

    /// `trace2.NAME` (any case) as git reads it: from system and global configuration only.
    pub fn trace2(&self, name: &str) -> Option<String> {
        let last = self.entries.iter().rfind(|entry| {
            entry.is("trace2", name)
                && entry.subsection.is_none()
                && !entry.is_own()
                && !entry.by_remote
        });
        last.map(|entry| entry.value.clone())
    }

    /// This program's settings, and git's that lead to it, whose key matches one of the
    /// comma-separated patterns (without regard to case), for git's log.
    pub fn matching(&self, patterns: &str) -> Vec<Param> {
        let patterns: Vec<&str> = patterns.split(',').map(str::trim).collect();
        let matches = |entry: &&Entry| {
            let key = entry.key();
            LOGGED_SECTIONS.contains(&entry.section.as_str())
                && patterns.iter().any(|pattern| {
                    let pattern = pattern.as_bytes().into();
                    gix::glob::wildmatch(pattern, key.as_str().into(), Mode::IGNORE_CASE)
                })
        };
        let matching = self.entries.iter().filter(matches);
        matching
            .map(|entry| Param {
                scope: entry.scope.name(),
                name: entry.key(),
                value: entry.value.clone(),
            })
            .collect()
    }

    /// The current repository's remotes: name and URL after `insteadOf`, in git's order; a remote
    /// with several URLs, or with others for pushing, comes several times.
    pub fn remotes(&self) -> Vec<(String, String)> {
        remotes::remotes(&self.entries)
    }

    /// Every `bitbucket.account` and `bitbucket.<url>.account`, in git's order.
    pub fn accounts(&self) -> impl Iterator<Item = &Entry> {
        let is_account = |entry: &&Entry| entry.is("bitbucket", "account");
        self.entries.iter().filter(is_account)
    }

    /// The current repository's own config file, where git does not trust it. `None`: no
    /// repository here, or a trusted one.
    pub fn untrusted(&self) -> Option<&Path> {
        self.untrusted.as_deref()
    }

    /// The current repository's git directory (the shared one of linked worktrees). `None`: none
    /// here, or one that git does not trust.
    pub fn git_directory(&self) -> Option<&Path> {
        let repository = self.repository.as_ref()?;
        Some(&repository.common_directory)
    }

    /// Whether one of the current repository's remotes is `wanted`, compared as repositories.
    fn is_a_remote(&self, sites: &[Site], wanted: &Wanted) -> bool {
        self.repository.is_some()
            && self.remotes().iter().any(|(_, url)| {
                let repository = match &self.alias {
                    Some(alias) => alias.repository(sites, url),
                    None => crate::repository::of_url(sites, url),
                };
                repository.as_ref() == Some(wanted)
            })
    }
}

impl std::fmt::Debug for GitConfig {
    /// Without values: a proxy's may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GitConfig")
            .field("entries", &self.entries.len())
            .field("repository", &self.repository)
            .field("untrusted", &self.untrusted)
            .finish_non_exhaustive()
    }
}

/// Whether the file of an untrusted repository has settings that are ignored therefore.
fn has_settings(file: &Path) -> bool {
    let text = crate::storage::read_file(file);
    let text = text.unwrap_or_default().to_ascii_lowercase();
    text.windows(10).any(|bytes| bytes == b"[bitbucket")
}

/// Every file with its includes; a second time where an include hangs on the remotes' URLs.
fn read(
    context: &Context,
    outside: &[(Scope, PathBuf)],
    repository: Option<&Repository>,
) -> Result<Vec<Entry>, Error> {
    let first = read_once(context, outside, repository, None)?;
    if !first.has_config_condition {
        return Ok(first.entries);
    }
    let urls: Vec<String> = first
        .entries
        .iter()
        .filter(|entry| entry.is("remote", "url") && entry.subsection.is_some())
        .map(|entry| entry.value.clone())
        .collect();
    Ok(read_once(context, outside, repository, Some(&urls))?.entries)
}

fn read_once<'a>(
    context: &'a Context,
    outside: &[(Scope, PathBuf)],
    repository: Option<&'a Repository>,
    remote_urls: Option<&'a [String]>,
) -> Result<Reader<'a>, Error> {
    let mut reader = Reader::new(context, repository, remote_urls);
    for (scope, file) in outside {
        reader.read(file, *scope)?;
    }
    if let Some(repository) = repository {
        let local = repository.common_directory.join("config");
        reader.read(&local, Scope::Local)?;
        let of_worktrees = reader
            .entries
            .iter()
            .rfind(|entry| entry.is("extensions", "worktreeConfig") && *entry.file == *local);
        let of_worktrees = of_worktrees.is_some_and(|entry| {
            !matches!(
                entry.value.to_ascii_lowercase().as_str(),
                "false" | "no" | "off" | "0"
            )
        });
        if of_worktrees {
            let file = repository.git_directory.join("config.worktree");
            reader.read(&file, Scope::Worktree)?;
        }
    }
    Ok(reader)
}

#[cfg(test)]
mod tests;
