//! The host keys that the site publishes over HTTPS today, against those built in.

use std::path::PathBuf;

use ssh_key::PublicKey;

use super::{bare, key_of};
use crate::bitbucket;
use crate::commands::doctor::checkup::Checkup;
use crate::commands::doctor::finding::{Finding, Fix, counted};
use crate::connection::endpoints;
use crate::host_key::known_hosts::{self, KnownHosts};
use crate::host_key::published;

/// What the site publishes over HTTPS today.
pub(super) enum Today {
    /// `--offline`.
    NotAsked,
    /// It publishes none there.
    None,
    /// These; empty where its page is not understood.
    Keys(Vec<PublicKey>),
    /// It could not be read.
    Unread(bitbucket::Error),
}

impl Today {
    /// Its keys, as far as they are known.
    pub(super) fn keys(&self) -> &[PublicKey] {
        match self {
            Self::Keys(keys) => keys,
            Self::NotAsked | Self::None | Self::Unread(_) => &[],
        }
    }
}

/// Asks the site, unless `--offline`.
pub(super) fn today(checkup: &Checkup<'_>) -> Today {
    if checkup.offline {
        return Today::NotAsked;
    }
    let site = checkup.site();
    match bitbucket::published_host_keys(checkup.context, &site, &checkup.http(&site)) {
        Ok(None) => Today::None,
        Ok(Some(text)) => Today::Keys(
            text.lines()
                .filter_map(|line| Some(key_of(line)?.1))
                .collect(),
        ),
        Err(error) => Today::Unread(error),
    }
}

/// The keys built in against those that Cloud publishes today. New ones are entered for every
/// name, and all of them: a name with lines takes no key of another line.
pub(super) fn check(
    checkup: &Checkup<'_>,
    today: Today,
    known: &KnownHosts,
    files: &[PathBuf],
) -> Finding {
    let check = "host-keys-published";
    let site = checkup.site();
    let page = format!("curl -sS {}/site/ssh", site.url);
    let keys = match today {
        Today::NotAsked => return Finding::skip(check, "--offline").next(checkup.again("")),
        Today::None => {
            return Finding::skip(check, format!("{} publishes none over HTTPS", site.url));
        }
        Today::Unread(error) => {
            return Finding::warn(check, format!("could not be read: {error}")).next(page);
        }
        Today::Keys(keys) if keys.is_empty() => {
            let text = "the page with the host keys is not understood";
            return Finding::warn(check, text).next(page);
        }
        Today::Keys(keys) => keys,
    };
    let new = keys
        .iter()
        .filter(|key| !published::is_published(key))
        .count();
    if new == 0 {
        return Finding::ok(check, "the site publishes the keys that are built in");
    }
    let mut lines = Vec::new();
    for name in endpoints::PUBLISHED_NAMES {
        let port = if name.starts_with("altssh") { 443 } else { 22 };
        let name = known_hosts::name(name, port);
        let there = known.keys_of(&name);
        let wanting = keys.iter().filter(|key| {
            let mut there = there.iter();
            !there.any(|(known, _)| known.key_data() == key.key_data())
        });
        lines.extend(wanting.filter_map(|key| Some(format!("{name} {}", bare(key)?))));
    }
    let text = format!(
        "{} new since this program was made",
        counted(new, "published key")
    );
    if lines.is_empty() {
        return Finding::ok(check, format!("{text}, in known_hosts"));
    }
    let finding = Finding::warn(check, text).next(checkup.again("--fix --yes"));
    match files.first() {
        Some(file) => finding.fix(Fix::AddLines(file.clone(), lines)),
        None => finding,
    }
}
