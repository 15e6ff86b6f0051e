//! The remotes of the current repository, with the URLs that git would use. Pure.

use std::collections::{HashMap, HashSet};

use super::Entry;
use crate::repository::{Repository, SSH_PORT, Site, SshUrl, of_url};

/// Name and URL of every remote, after `insteadOf`; further URLs for pushing behind those for
/// fetching (git-config(1), `url.<base>.insteadOf`, `pushInsteadOf`). One pass over the entries: a
/// repository may have many thousands of remotes.
pub fn remotes(entries: &[Entry]) -> Vec<(String, String)> {
    let instead_of = rewrites(entries, "insteadOf");
    let push_instead_of = rewrites(entries, "pushInsteadOf");
    let rewritten = |url: &str| substituted(&instead_of, url).unwrap_or_else(|| url.to_owned());
    let mut remotes = Vec::new();
    for (name, remote) in in_order(entries) {
        let mut all: Vec<String> = remote.urls.iter().map(|url| rewritten(url)).collect();
        if remote.push_urls.is_empty() {
            let urls = remote.urls.iter();
            all.extend(urls.filter_map(|url| substituted(&push_instead_of, url)));
        } else {
            all.extend(remote.push_urls.iter().map(|url| rewritten(url)));
        }
        let mut seen = HashSet::new();
        all.retain(|url| seen.insert(url.clone()));
        remotes.extend(all.into_iter().map(|url| (name.to_owned(), url)));
    }
    remotes
}

/// What is configured for one remote.
#[derive(Default)]
struct Remote<'e> {
    urls: Vec<&'e str>,
    push_urls: Vec<&'e str>,
}

/// The remotes in the order in which they are first named. An empty value forgets those before it
/// (git 2.46). Files that are included for a remote's URL may not add remotes (git-config(1),
/// `hasconfig`).
fn in_order(entries: &[Entry]) -> Vec<(&str, Remote<'_>)> {
    let mut remotes: Vec<(&str, Remote<'_>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for entry in entries.iter().filter(|entry| entry.section == "remote") {
        let Some(name) = entry.subsection.as_deref() else {
            continue;
        };
        let place = *places.entry(name).or_insert_with(|| {
            remotes.push((name, Remote::default()));
            remotes.len() - 1
        });
        if entry.by_remote {
            continue;
        }
        let remote = &mut remotes[place].1;
        let values = if entry.is("remote", "url") {
            &mut remote.urls
        } else if entry.is("remote", "pushurl") {
            &mut remote.push_urls
        } else {
            continue;
        };
        if entry.value.is_empty() {
            values.clear();
        } else {
            values.push(&entry.value);
        }
    }
    remotes
}

/// The longest length of a prefix, and each prefix with its base.
struct Rewrites<'e> {
    bases: HashMap<&'e str, &'e str>,
    longest: usize,
}

/// The first of equal prefixes counts.
fn rewrites<'e>(entries: &'e [Entry], variable: &str) -> Rewrites<'e> {
    let mut bases = HashMap::new();
    for entry in entries.iter().filter(|entry| entry.is("url", variable)) {
        if let Some(base) = &entry.subsection {
            bases.entry(entry.value.as_str()).or_insert(base.as_str());
        }
    }
    let longest = bases.keys().map(|prefix| prefix.len()).max();
    Rewrites {
        longest: longest.unwrap_or_default(),
        bases,
    }
}

/// By the longest prefix that matches. `None`: none does.
fn substituted(rewrites: &Rewrites<'_>, url: &str) -> Option<String> {
    if rewrites.bases.is_empty() {
        return None;
    }
    let ends = (0..=url.len().min(rewrites.longest)).rev();
    ends.filter_map(|end| url.split_at_checked(end))
        .find_map(|(prefix, rest)| Some(format!("{}{rest}", rewrites.bases.get(prefix)?)))
}

/// A host name that ssh_config gives another name or port.
#[derive(Debug, Clone)]
pub struct Alias {
    typed: String,
    host: String,
    port: u16,
}

impl Alias {
    /// `None`: they are the same.
    pub fn new(typed: &str, host: &str, port: u16) -> Option<Self> {
        let differs = !typed.eq_ignore_ascii_case(host) || port != SSH_PORT;
        differs.then(|| Self {
            typed: typed.to_owned(),
            host: host.to_owned(),
            port,
        })
    }

    /// The repository that a URL names: by its host as typed, else by what ssh_config makes of it.
    pub fn repository(&self, sites: &[Site], url: &str) -> Option<Repository> {
        of_url(sites, url).or_else(|| {
            let ssh = SshUrl::parse(url)?;
            let is_it = ssh.host.eq_ignore_ascii_case(&self.typed);
            let port = ssh.port.or(Some(self.port));
            is_it.then(|| ssh.with_host(&self.host, port).repository(sites))?
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Alias;

    #[test]
    fn an_alias_is_seen_through_in_every_shape_of_url() {
        let sites = [crate::repository::cloud()];
        let alias = Alias::new("bb-work", "bitbucket.org", 22).unwrap();
        for (url, found, why) in [
            ("git@bb-work:acme/site.git", true, "scp form"),
            ("bb-work:acme/site", true, "without a user"),
            ("git@BB-Work:/acme/site", true, "no case, leading slash"),
            ("ssh://git@bb-work/acme/site", true, "URL form"),
            ("ssh://git@bb-work:22/acme/site", true, "its own port"),
            (
                "git+ssh://git@bb-work/acme/site.git",
                true,
                "git's other names",
            ),
            ("ssh+git://bb-work/acme/site", true, "of the scheme"),
            ("git@[bb-work]:acme/site", true, "in brackets"),
            ("[git@bb-work:22]:acme/site", true, "with user and port"),
            ("ssh://git@bb%2Dwork/%61cme/site", true, "percent codes"),
            ("git@bitbucket.org:acme/site", true, "the host itself"),
            ("git@elsewhere:acme/site", false, "another host"),
            ("https://bb-work/acme/site", false, "aliases are ssh's"),
            ("/srv/acme/site", false, "a path"),
        ] {
            let repository = alias.repository(&sites, url);
            let web_url = repository.map(|repository| repository.web_url());
            let expected = found.then(|| "https://bitbucket.org/acme/site".to_owned());
            assert_eq!(web_url, expected, "{why}");
        }
        assert!(
            Alias::new("Bitbucket.org", "bitbucket.org", 22).is_none(),
            "no alias"
        );
    }
}
