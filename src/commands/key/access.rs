//! Access keys of a repository. The key file is entered as `bitbucket.<url>.identityFile` in the
//! user's git config, and removed from it together with the key.

use std::path::{Path, PathBuf};

use super::new::{NewKeyOptions, create_key, verify_key};
use super::{SelectedAccount, none_logged_in, select};
use crate::bitbucket::KeyRegistry;
use crate::commands::accounts::Accounts;
use crate::commands::arguments::{KeyNew, KeyOf};
use crate::commands::config_file::literally;
use crate::commands::context::CommandContext;
use crate::commands::{Error, git, resolve};
use crate::context::Context;
use crate::identity::{ManagedKey, State};
use crate::provision::AccessKey;
use crate::provision::Records;
use crate::provision::key_status::{self, KeyEntry};
use crate::repository::{self, Direction, Repository, Site, SiteKind};
use crate::text::sanitise;

/// Creates an access key for the repository of a URL (or continues with an unfinished one), verifies
/// it and enters it. In the configuration it replaces an earlier one that is managed here, which
/// stays on the site and is named.
pub(super) fn new(call: &mut CommandContext<'_>, options: &KeyNew, url: &str) -> Result<(), Error> {
    let (site, repository) = find_repository(call, url)?;
    if site.kind == SiteKind::Cloud {
        check_cloud_limits(options)?;
    }
    let selected = administrator(call, options, url, &site, &repository)?;
    let access = AccessKey {
        repository: &repository,
        read_only: options.read_only,
    };
    let new_key = NewKeyOptions {
        access: Some(access),
        ..NewKeyOptions::of(options)
    };
    let records = Records::open(call.context)?;
    let of_repository = || {
        let all = records.identities().iter();
        all.filter(|record| opens(record, &repository))
    };
    // Names of settings are case-sensitive, so an earlier spelling of the URL is kept.
    let earlier_url = of_repository().find_map(|record| record.repository.clone());
    let url = earlier_url.unwrap_or_else(|| repository.web_url());
    let setting = IdentityFile::new(call.context, &url);
    let entered = setting.files()?;
    let is_entered = |record: &ManagedKey| entered.contains(&record.file);
    let mut recorded = of_repository().filter(|record| {
        record.read_only == options.read_only
            && record.state != State::Pending
            && record.file.exists()
    });
    let earlier = recorded.clone().find(|record| is_entered(record));
    let wanted = new_key.file.map(|file| call.context.directory.join(file));
    // Registered by a call that was interrupted before it could enter the key.
    let unfinished = recorded.find(|record| {
        !is_entered(record)
            && record.account == selected.account
            && wanted.as_ref().is_none_or(|file| *file == record.file)
    });
    let key = match unfinished {
        Some(record) => record.clone(),
        None => create_key(call, &selected, new_key)?,
    };
    verify_key(call, &selected, &key)?;
    setting.enter(&key.file, earlier.map(|one| one.file.as_path()))?;
    let (file, fingerprint) = (call.shown(&key.file), &key.fingerprint);
    let access = if key.read_only {
        "read-only"
    } else {
        "may push"
    };
    call.say(format!(
        "{file} is now an access key of {repository} ({fingerprint}, {access})"
    ));
    call.say(format!("{} = {file}", setting.key));
    call.say(format!("to undo: git bitbucket key revoke {fingerprint}"));
    if let Some(earlier) = earlier {
        call.say(format!(
            "{} stays registered as an access key; to remove it: git bitbucket key revoke {}",
            call.shown(&earlier.file),
            earlier.fingerprint
        ));
    }
    Ok(())
}

/// Replaces a compromised access key; the new one is verified and entered before this returns.
pub(super) fn replace(
    call: &mut CommandContext<'_>,
    selected: &SelectedAccount,
    old: &ManagedKey,
) -> Result<(), Error> {
    let Some(repository) = repository_of(old, &selected.site) else {
        return Ok(());
    };
    let access = AccessKey {
        repository: &repository,
        read_only: old.read_only,
    };
    let new_key = NewKeyOptions {
        access: Some(access),
        ..NewKeyOptions::default()
    };
    let key = create_key(call, selected, new_key)?;
    verify_key(call, selected, &key)?;
    let setting = IdentityFile::new(call.context, old.repository.as_deref().unwrap_or_default());
    if setting.files()?.contains(&old.file) {
        setting.enter(&key.file, Some(&old.file))?;
    }
    call.say(format!("{} replaces it", call.shown(&key.file)));
    Ok(())
}

/// The access keys that are recorded for the account, as the site lists them. A list that the token
/// cannot read is a warning.
pub(super) fn keys(
    call: &mut CommandContext<'_>,
    selected: &SelectedAccount,
    registry: &dyn KeyRegistry,
) -> Result<Vec<KeyEntry>, Error> {
    let records = Records::open(call.context)?;
    let mut left: Vec<ManagedKey> = records.identities().to_vec();
    left.retain(|record| record.account == selected.account && record.repository.is_some());
    let mut found = Vec::new();
    while let Some(repository) = left
        .first()
        .and_then(|record| repository_of(record, &selected.site))
    {
        let of_repository = |record: &mut ManagedKey| opens(record, &repository);
        let own: Vec<ManagedKey> = left.extract_if(.., of_repository).collect();
        let listed = registry.access_keys(&repository);
        if let Err(why) = &listed {
            call.warn(format!(
                "warning: cannot list the access keys of {repository}: {why}"
            ));
        }
        found.extend(key_status::repository_keys(&own, listed.ok().as_deref()));
    }
    Ok(found)
}

/// The repository that a recorded access key opens. `None`: it is a key of its account.
pub(super) fn repository_of(record: &ManagedKey, site: &Site) -> Option<Repository> {
    let url = record.repository.as_deref()?;
    repository::of_url(std::slice::from_ref(site), url)
}

/// Removes a key's file from the setting that names it; other files stay.
pub(super) fn remove_setting(
    call: &mut CommandContext<'_>,
    record: &ManagedKey,
) -> Result<(), Error> {
    let Some(url) = &record.repository else {
        return Ok(());
    };
    let setting = IdentityFile::new(call.context, url);
    for removed in setting.remove(&record.file)? {
        call.say(format!("removed {removed} from {}", setting.key));
    }
    Ok(())
}

fn opens(record: &ManagedKey, repository: &Repository) -> bool {
    let url = record.repository.as_deref();
    url.is_some_and(|url| url.eq_ignore_ascii_case(&repository.web_url()))
}

/// Site and repository of a URL.
fn find_repository(call: &CommandContext<'_>, url: &str) -> Result<(Site, Repository), Error> {
    let known = Accounts::load(call.context)?;
    repository::of_url(&known.sites, url)
        .and_then(|repository| {
            let mut sites = known.sites.into_iter();
            let site = sites.find(|site| site.url == repository.site)?;
            Some((site, repository))
        })
        .ok_or_else(|| Error::NoBitbucket(sanitise(url)))
}

fn check_cloud_limits(options: &KeyNew) -> Result<(), Error> {
    let (what, hint) = if !options.read_only {
        (
            "access keys of Bitbucket Cloud cannot push",
            "--repository URL --read-only",
        )
    } else if options.expires.is_some() {
        (
            "access keys of Bitbucket Cloud cannot expire",
            "leave out --expires, and revoke the key when it is no longer needed",
        )
    } else {
        return Ok(());
    };
    Err(Error::Usage {
        what: what.to_owned(),
        hint: hint.to_owned(),
    })
}

/// The first account whose token can read the repository's access keys, in the order of the plan.
fn administrator(
    call: &mut CommandContext<'_>,
    options: &KeyNew,
    url: &str,
    site: &Site,
    repository: &Repository,
) -> Result<SelectedAccount, Error> {
    let which = KeyOf {
        account: options.which.account.clone(),
        site: Some(site.url.clone()),
    };
    let mut accounts = select(call, &which)?;
    let resolved = resolve::url(call.context, url, Direction::Fetch)?;
    let plan = resolved.map(|resolved| resolved.target.plan.candidates);
    let plan = plan.unwrap_or_default();
    accounts.sort_by_key(|one| {
        let mut candidates = plan.iter();
        let position = candidates.position(|next| next.account.as_ref() == Some(&one.account));
        position.unwrap_or(usize::MAX)
    });
    let mut first_error = None;
    for one in accounts {
        let read = one.registry(call).and_then(|registry| {
            let keys = registry.access_keys(repository);
            keys.map_err(|why| one.refused(why))
        });
        match read {
            Ok(_) => return Ok(one),
            Err(error) => first_error.get_or_insert(error),
        };
    }
    Err(first_error.unwrap_or_else(none_logged_in))
}

/// `bitbucket.<url>.identityFile` in the user's git config, which git itself writes.
struct IdentityFile<'a> {
    context: &'a Context,
    key: String,
}

impl<'a> IdentityFile<'a> {
    fn new(context: &'a Context, url: &str) -> Self {
        let key = format!("bitbucket.{url}.identityFile");
        Self { context, key }
    }

    /// Each value as written, and the file that it names.
    fn values(&self) -> Result<Vec<(String, PathBuf)>, Error> {
        let arguments = ["config", "--global", "--null", "--get-all", &self.key];
        let listed = git::ask(self.context, &arguments)?.unwrap_or_default();
        let listed = String::from_utf8_lossy(&listed);
        let home = self.context.home();
        let value = |value: &str| {
            let file = match (value.strip_prefix("~/"), &home) {
                (Some(rest), Some(home)) => home.join(rest),
                _ => PathBuf::from(value),
            };
            (value.to_owned(), file)
        };
        Ok(listed.split_terminator('\0').map(value).collect())
    }

    fn files(&self) -> Result<Vec<PathBuf>, Error> {
        Ok(self.values()?.into_iter().map(|(_, file)| file).collect())
    }

    /// Adds a file, or replaces an earlier one by it.
    fn enter(&self, file: &Path, earlier: Option<&Path>) -> Result<(), Error> {
        let values = self.values()?;
        if values.iter().any(|(_, named)| named == file) {
            return Ok(());
        }
        let shown = self.context.shown(file).into_string();
        let replaced = values.iter().find(|(_, named)| earlier == Some(named));
        let pattern = replaced.map(|(value, _)| literally(value));
        let (action, pattern) = match &pattern {
            Some(pattern) => ("--replace-all", Some(pattern.as_str())),
            None => ("--add", None),
        };
        let mut arguments = vec!["config", "--global", action, &self.key, &shown];
        arguments.extend(pattern);
        git::run(self.context, &arguments).map(drop)
    }

    /// Removes the values that name a file, and returns them.
    fn remove(&self, file: &Path) -> Result<Vec<String>, Error> {
        let values = self.values()?.into_iter();
        let values = values.filter(|(_, named)| named == file);
        let removed: Vec<_> = values.map(|(value, _)| value).collect();
        for value in &removed {
            let pattern = literally(value);
            let arguments = ["config", "--global", "--unset-all", &self.key, &pattern];
            git::run(self.context, &arguments)?;
        }
        Ok(removed)
    }
}
