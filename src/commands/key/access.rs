//! Access keys of a repository: made and entered as `bitbucket.<url>.identityFile` of the user's
//! configuration, and taken out of it again.
//!
//! The pair and its registration are `provision`'s; git itself writes the configuration.

use std::path::{Path, PathBuf};

use super::create::{NewKeyOptions, create_key, verify_key};
use super::{Selection, refused, registry, selection};
use crate::bitbucket::{KeyRegistry, RegisteredKey};
use crate::commands::accounts::Accounts;
use crate::commands::arguments::KeyNew;
use crate::commands::config_file::literally;
use crate::commands::context::CommandContext;
use crate::commands::{Error, git, resolve};
use crate::identity::{ManagedKey, State};
use crate::provision::AccessKey;
use crate::provision::Records;
use crate::provision::key_status::{self, KeyEntry};
use crate::repository::{self, Direction, Repository, Site, SiteKind};

/// Makes an access key for the repository of a URL (or goes on with one that was begun), proves it
/// and enters it. An earlier one of ours is replaced in the configuration; it stays on the site and
/// is named.
pub(super) fn new(call: &mut CommandContext<'_>, options: &KeyNew, url: &str) -> Result<(), Error> {
    let (site, repository) = which(call, url)?;
    if site.kind == SiteKind::Cloud {
        fits_cloud(options)?;
    }
    let selection = administrator(call, options, &site, &repository, url)?;
    let access = AccessKey {
        repository: &repository,
        read_only: options.read_only,
    };
    let new_key = NewKeyOptions {
        file: options.file.as_deref(),
        key_type: options.key_type,
        days: options.expires,
        access: Some(access),
        supersedes: &[],
    };
    let records = Records::open(call.context)?;
    let of_it = || {
        let all = records.identities().iter();
        all.filter(|record| same(record, &repository))
    };
    // In the spelling in which it stands already: git's names of settings tell cases apart.
    let spelt = of_it().find_map(|record| record.repository.clone());
    let key = setting(&spelt.unwrap_or_else(|| repository.web_url()));
    let entered = files(call, &key)?;
    let mut recorded = of_it().filter(|record| {
        record.read_only == options.read_only
            && record.state != State::Pending
            && record.file.exists()
    });
    let earlier = recorded.clone().find(|one| entered.contains(&one.file));
    let wished = new_key.file.map(|file| call.context.directory.join(file));
    // Registered by a call that did not live to enter it.
    let unfinished = recorded.find(|one| {
        !entered.contains(&one.file)
            && one.account == selection.account
            && wished.as_ref().is_none_or(|file| *file == one.file)
    });
    let made = match unfinished {
        Some(record) => record.clone(),
        None => create_key(call, &site, &selection.account, new_key)?,
    };
    verify_key(call, &site, &made)?;
    enter(
        call,
        &key,
        &made.file,
        earlier.map(|one| one.file.as_path()),
    )?;
    call.say(format!(
        "{} is now an access key of {repository} ({}, {})",
        call.shown(&made.file),
        made.fingerprint,
        if made.read_only {
            "read-only"
        } else {
            "may push"
        },
    ));
    call.say(format!("{key} = {}", call.shown(&made.file)));
    call.say(format!(
        "to undo: git bitbucket key revoke {}",
        made.fingerprint
    ));
    if let Some(earlier) = earlier {
        call.say(format!(
            "{} stays registered as an access key; to remove it: git bitbucket key revoke {}",
            call.shown(&earlier.file),
            earlier.fingerprint
        ));
    }
    Ok(())
}

/// Replaces an access key that others may have, wherever it is used: the new one is proved and
/// entered before this returns.
pub(super) fn replace(
    call: &mut CommandContext<'_>,
    selection: &Selection,
    old: &ManagedKey,
) -> Result<(), Error> {
    let Some(repository) = repository_of(old, &selection.site) else {
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
    let made = create_key(call, &selection.site, &selection.account, new_key)?;
    verify_key(call, &selection.site, &made)?;
    let key = setting(old.repository.as_deref().unwrap_or_default());
    if files(call, &key)?.contains(&old.file) {
        enter(call, &key, &made.file, Some(&old.file))?;
    }
    call.say(format!("{} replaces it", call.shown(&made.file)));
    Ok(())
}

/// The access keys that are recorded for the account, beside what the site lists. A list that the
/// token may not read is a warning.
pub(super) fn entries(
    call: &mut CommandContext<'_>,
    selection: &Selection,
    registry: &dyn KeyRegistry,
) -> Result<Vec<KeyEntry>, Error> {
    let records = Records::open(call.context)?;
    let mut left: Vec<ManagedKey> = records.identities().to_vec();
    left.retain(|record| record.account == selection.account && record.repository.is_some());
    let mut found = Vec::new();
    while let Some(repository) = left
        .first()
        .and_then(|record| repository_of(record, &selection.site))
    {
        let of = |record: &mut ManagedKey| same(record, &repository);
        let own: Vec<ManagedKey> = left.extract_if(.., of).collect();
        let listed = registry.access_keys(&repository);
        if let Err(why) = &listed {
            call.warn(format!(
                "warning: cannot list the access keys of {repository}: {why}"
            ));
        }
        let listed: Option<Vec<RegisteredKey>> = listed.ok();
        found.extend(key_status::repository_keys(&own, listed.as_deref()));
    }
    Ok(found)
}

/// The repository that a record's access key opens. `None`: it is a key of its account.
pub(super) fn repository_of(record: &ManagedKey, site: &Site) -> Option<Repository> {
    let url = record.repository.as_deref()?;
    repository::of_url(std::slice::from_ref(site), url)
}

/// Takes a key's file out of the setting that names it; others stay.
pub(super) fn leave(call: &mut CommandContext<'_>, record: &ManagedKey) -> Result<(), Error> {
    let Some(url) = &record.repository else {
        return Ok(());
    };
    let key = setting(url);
    for value in values(call, &key)? {
        if meant_by(call, &value) == record.file {
            let pattern = literally(&value);
            git::run(
                call.context,
                &["config", "--global", "--unset-all", &key, &pattern],
            )?;
            call.say(format!("removed {value} from {key}"));
        }
    }
    Ok(())
}

/// Site and repository of a URL.
fn which(call: &CommandContext<'_>, url: &str) -> Result<(Site, Repository), Error> {
    let known = Accounts::load(call.context)?;
    let named = repository::of_url(&known.sites, url);
    let site = named.as_ref().and_then(|repository| {
        let mut sites = known.sites.iter();
        sites.find(|site| site.url == repository.site)
    });
    match (site.cloned(), named) {
        (Some(site), Some(repository)) => Ok((site, repository)),
        _ => Err(Error::NoBitbucket(crate::text::sanitise(url))),
    }
}

fn fits_cloud(options: &KeyNew) -> Result<(), Error> {
    let wrong = |what: &str, hint: &str| {
        Err(Error::Usage {
            what: what.to_owned(),
            hint: hint.to_owned(),
        })
    };
    if !options.read_only {
        return wrong(
            "access keys of Bitbucket Cloud cannot push",
            "--repository URL --read-only",
        );
    }
    if options.expires.is_some() {
        return wrong(
            "access keys of Bitbucket Cloud cannot expire",
            "leave out --expires, and revoke the key when it is no longer needed",
        );
    }
    Ok(())
}

/// The first account whose token may read the repository's access keys: those of the plan first.
fn administrator(
    call: &mut CommandContext<'_>,
    options: &KeyNew,
    site: &Site,
    repository: &Repository,
    url: &str,
) -> Result<Selection, Error> {
    let mut accounts = selection(call, options.which.account.as_deref(), Some(&site.url))?;
    let plan = resolve::url(call.context, url, Direction::Fetch)?.map(|seen| seen.target.plan);
    let place = |one: &Selection| {
        let candidates = plan.iter().flat_map(|plan| &plan.candidates);
        let mut accounts = candidates.map(|candidate| candidate.account.as_ref());
        accounts
            .position(|account| account == Some(&one.account))
            .unwrap_or(usize::MAX)
    };
    accounts.sort_by_key(place);
    let mut first = None;
    for one in accounts {
        let read = registry(call, &one).and_then(|registry| {
            let keys = registry.access_keys(repository);
            keys.map_err(|why| refused(why, &one))
        });
        match read {
            Ok(_) => return Ok(one),
            Err(error) => first.get_or_insert(error),
        };
    }
    Err(first.unwrap_or_else(|| Error::NotLoggedIn("no account is logged in".to_owned())))
}

fn same(record: &ManagedKey, repository: &Repository) -> bool {
    let of = record.repository.as_deref();
    of.is_some_and(|url| url.eq_ignore_ascii_case(&repository.web_url()))
}

/// The setting's name for a repository's web URL.
fn setting(url: &str) -> String {
    format!("bitbucket.{url}.identityFile")
}

/// Enters a file, in the place of an earlier one of ours where that stands there.
fn enter(
    call: &CommandContext<'_>,
    key: &str,
    file: &Path,
    earlier: Option<&Path>,
) -> Result<(), Error> {
    let known = values(call, key)?;
    if known.iter().any(|value| meant_by(call, value) == file) {
        return Ok(());
    }
    let shown = call.shown(file);
    let old = known
        .iter()
        .find(|value| earlier.is_some_and(|earlier| meant_by(call, value) == earlier));
    match old {
        Some(old) => {
            let pattern = literally(old);
            git::run(
                call.context,
                &["config", "--global", "--replace-all", key, &shown, &pattern],
            )?;
        }
        None => {
            git::run(call.context, &["config", "--global", "--add", key, &shown])?;
        }
    }
    Ok(())
}

fn files(call: &CommandContext<'_>, key: &str) -> Result<Vec<PathBuf>, Error> {
    let values = values(call, key)?;
    Ok(values.iter().map(|value| meant_by(call, value)).collect())
}

/// The setting's values in the user's configuration, as they are written.
fn values(call: &CommandContext<'_>, key: &str) -> Result<Vec<String>, Error> {
    let listed = git::ask(
        call.context,
        &["config", "--global", "--null", "--get-all", key],
    )?;
    let listed = String::from_utf8_lossy(&listed.unwrap_or_default()).into_owned();
    Ok(listed.split_terminator('\0').map(str::to_owned).collect())
}

/// The file that a value names: absolute, or below the home.
fn meant_by(call: &CommandContext<'_>, value: &str) -> PathBuf {
    match (value.strip_prefix("~/"), call.context.home()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(value),
    }
}
