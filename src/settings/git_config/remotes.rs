//! The remotes of the current repository, with the URLs that git would use. Pure.

use super::Entry;
use crate::repository::{Repository, SSH_PORT, Site, SshUrl, of_url};

/// Name and URL of every remote, after `insteadOf`; further URLs for pushing behind those for
/// fetching (git-config(1), `url.<base>.insteadOf`, `pushInsteadOf`).
pub fn remotes(entries: &[Entry]) -> Vec<(String, String)> {
    let mut names: Vec<&str> = Vec::new();
    for entry in entries {
        if let (true, Some(name)) = (entry.section == "remote", &entry.subsection)
            && !names.contains(&name.as_str())
        {
            names.push(name);
        }
    }
    let mut remotes = Vec::new();
    for name in names {
        let urls = values(entries, name, "url");
        let push_urls = values(entries, name, "pushurl");
        let mut all: Vec<String> = urls.iter().map(|url| rewritten(entries, url)).collect();
        if push_urls.is_empty() {
            let for_push = urls
                .iter()
                .filter_map(|url| substituted(entries, url, "pushInsteadOf"));
            all.extend(for_push);
        } else {
            all.extend(push_urls.iter().map(|url| rewritten(entries, url)));
        }
        let mut seen: Vec<String> = Vec::new();
        for url in all {
            if !seen.contains(&url) {
                seen.push(url);
            }
        }
        remotes.extend(seen.into_iter().map(|url| (name.to_owned(), url)));
    }
    remotes
}

/// An empty value forgets those before it (git 2.46). Files that are included for a remote's URL
/// may not add remotes (git-config(1), `hasconfig`).
fn values<'e>(entries: &'e [Entry], remote: &str, variable: &str) -> Vec<&'e str> {
    let mut values = Vec::new();
    for entry in entries {
        if entry.is("remote", variable)
            && entry.subsection.as_deref() == Some(remote)
            && !entry.by_remote
        {
            if entry.value.is_empty() {
                values.clear();
            } else {
                values.push(entry.value.as_str());
            }
        }
    }
    values
}

fn rewritten(entries: &[Entry], url: &str) -> String {
    substituted(entries, url, "insteadOf").unwrap_or_else(|| url.to_owned())
}

/// The longest prefix that matches, the first of equal ones. `None`: none does.
fn substituted(entries: &[Entry], url: &str, variable: &str) -> Option<String> {
    let mut best: Option<(&str, &str)> = None;
    for entry in entries.iter().filter(|entry| entry.is("url", variable)) {
        if let Some(base) = &entry.subsection
            && url.starts_with(&entry.value)
            && best.is_none_or(|(_, prefix)| prefix.len() < entry.value.len())
        {
            best = Some((base, &entry.value));
        }
    }
    let (base, prefix) = best?;
    Some(format!("{base}{}", &url[prefix.len()..]))
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
