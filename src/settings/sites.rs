//! Which sites there are: Cloud, and what `bitbucket.<url>.type` makes one. Pure.

use super::git_config::Entry;
use super::{Ignored, Origin, keys, values};
use crate::repository::{Site, SiteKind, SshHost, Url, cloud, host_and_port};

/// The SSH port of Data Center unless configured otherwise
/// (<https://confluence.atlassian.com/bitbucketserver/enable-ssh-access-to-git-repositories-776640358.html>).
const DATA_CENTER_PORT: u16 = 7999;

/// Cloud first, then the others in the order in which they are named; and what does not count.
pub fn sites(entries: &[Entry]) -> (Vec<Site>, Vec<Ignored>) {
    let mut draft = Draft::default();
    let statements = entries.iter().filter(|entry| {
        entry.section == "bitbucket"
            && !entry.is_own()
            && !entry.by_remote
            && keys::find(&entry.name).is_some_and(|key| key.form == keys::Form::Site)
    });
    let mut by_url: Vec<(String, Vec<&Entry>)> = vec![(cloud().url, Vec::new())];
    for entry in statements {
        // A plain one is named where settings are resolved.
        let Some(written) = &entry.subsection else {
            continue;
        };
        match site_url(written) {
            Ok(url) => match by_url.iter_mut().find(|(known, _)| *known == url) {
                Some((_, of_site)) => of_site.push(entry),
                None => by_url.push((url, vec![entry])),
            },
            Err(why) => draft.ignore(entry, why),
        }
    }
    for (url, of_site) in &by_url {
        draft.site(url, of_site);
    }
    (draft.sites, draft.ignored)
}

/// Whether `bitbucket.<url>.sshHost` gives the site a host that counts.
pub fn names_ssh_hosts(entries: &[Entry], site: &str) -> bool {
    let of_site: Vec<&Entry> = entries
        .iter()
        .filter(|entry| entry.section == "bitbucket" && !entry.is_own() && !entry.by_remote)
        .filter(|entry| {
            let url = entry.subsection.as_deref().map(site_url);
            url.is_some_and(|url| url.as_deref() == Ok(site))
        })
        .collect();
    alone(&of_site, "sshHost")
        .iter()
        .any(|entry| ssh_host(&entry.value, SiteKind::Cloud).is_ok())
}

/// Whether an ignored setting is one of this site.
pub fn is_of(ignored: &Ignored, site: &str) -> bool {
    let Origin::GitConfig { key, .. } = &ignored.origin else {
        return false;
    };
    let url = key
        .split_once('.')
        .and_then(|(_, rest)| Some(rest.rsplit_once('.')?.0));
    url.is_some_and(|url| site_url(url).as_deref() == Ok(site))
}

#[derive(Default)]
struct Draft {
    sites: Vec<Site>,
    ignored: Vec<Ignored>,
}

impl Draft {
    fn ignore(&mut self, entry: &Entry, why: impl Into<String>) {
        self.ignored.push(Ignored {
            origin: entry.origin(),
            value: entry.value.clone(),
            why: why.into(),
        });
    }

    fn site(&mut self, url: &str, entries: &[&Entry]) {
        let built_in = Some(cloud()).filter(|cloud| cloud.url == url);
        let Some(kind) = self.kind(built_in.as_ref(), entries) else {
            for entry in entries.iter().filter(|entry| !named(entry, "type")) {
                self.ignore(entry, "not a site: bitbucket.<url>.type is not set");
            }
            return;
        };
        let mut site = match built_in {
            Some(cloud) => cloud,
            None => Site {
                kind,
                url: url.to_owned(),
                api_url: default_api(kind, url),
                ssh_hosts: default_hosts(kind, url),
            },
        };
        for entry in alone(entries, "apiUrl").into_iter().rev().take(1) {
            match api_url(&entry.value) {
                Ok(api_url) => site.api_url = api_url,
                Err(why) => self.ignore(entry, why),
            }
        }
        let mut hosts = Vec::new();
        for entry in alone(entries, "sshHost") {
            match ssh_host(&entry.value, kind) {
                Ok(host) if hosts.contains(&host) => {}
                Ok(host) => hosts.push(host),
                Err(why) => self.ignore(entry, why),
            }
        }
        if !hosts.is_empty() {
            site.ssh_hosts = hosts;
        }
        self.sites.push(site);
    }

    /// `None`: no site.
    fn kind(&mut self, built_in: Option<&Site>, entries: &[&Entry]) -> Option<SiteKind> {
        let entry = alone(entries, "type").pop();
        let kind = entry.map(|entry| (entry, values::site_kind(&entry.value)));
        match (built_in, kind) {
            (Some(site), Some((entry, kind))) => {
                if kind != Ok(site.kind) {
                    self.ignore(entry, "Bitbucket Cloud is built in");
                }
                Some(site.kind)
            }
            (Some(site), None) => Some(site.kind),
            (None, Some((_, Ok(kind)))) => Some(kind),
            (None, Some((entry, Err(why)))) => {
                self.ignore(entry, why);
                None
            }
            (None, None) => None,
        }
    }
}

fn named(entry: &Entry, name: &str) -> bool {
    entry.name.eq_ignore_ascii_case(name)
}

/// The values of the highest scope that has one; an empty value clears those before it.
fn alone<'e>(entries: &[&'e Entry], name: &str) -> Vec<&'e Entry> {
    let mut values: Vec<&Entry> = Vec::new();
    for entry in entries.iter().filter(|entry| named(entry, name)) {
        if entry.value.is_empty() {
            values.clear();
        } else {
            values.push(entry);
        }
    }
    let highest = values.iter().map(|entry| entry.scope).max();
    values.retain(|entry| Some(entry.scope) == highest);
    values
}

/// [`Site::url`] from a setting's `<url>`.
fn site_url(text: &str) -> Result<String, String> {
    let url = Url::parse(text).ok_or("not a URL")?;
    if url.host.contains('*') {
        return Err("a site's URL has no wildcard".to_owned());
    }
    if url.user.is_some() {
        return Err("a site's URL has no user".to_owned());
    }
    if url.host == "bitbucket.org" && !url.path.is_empty() {
        return Err(
            "can be set for https://bitbucket.org only, not for a path below it".to_owned(),
        );
    }
    if url.scheme == "http" && !is_loopback(&url.host) {
        return Err("plain http is allowed for a loopback address only".to_owned());
    }
    if !matches!(url.scheme.as_str(), "http" | "https") {
        return Err("a site's URL is its web address".to_owned());
    }
    Ok(url.to_string())
}

fn default_api(kind: SiteKind, url: &str) -> String {
    match kind {
        SiteKind::Cloud => cloud().api_url,
        SiteKind::DataCenter => url.to_owned(),
    }
}

fn default_hosts(kind: SiteKind, url: &str) -> Vec<SshHost> {
    let host = Url::parse(url).map(|url| url.host).unwrap_or_default();
    let port = default_port(kind);
    vec![SshHost { host, port }]
}

fn default_port(kind: SiteKind) -> u16 {
    match kind {
        SiteKind::Cloud => 22,
        SiteKind::DataCenter => DATA_CENTER_PORT,
    }
}

fn api_url(text: &str) -> Result<String, String> {
    let url = Url::parse(text).ok_or("not a URL")?;
    match url.scheme.as_str() {
        _ if url.user.is_some() => Err("the URL may not hold a user".to_owned()),
        _ if url.host.contains('*') => Err("not a URL".to_owned()),
        "https" => Ok(url.to_string()),
        "http" if is_loopback(&url.host) => Ok(url.to_string()),
        "http" => Err("plain http is allowed for a loopback address only".to_owned()),
        _ => Err("neither https nor http".to_owned()),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn ssh_host(text: &str, kind: SiteKind) -> Result<SshHost, String> {
    let is_address = text.parse::<std::net::Ipv6Addr>().is_ok();
    let (host, port) = if is_address {
        (text, None)
    } else {
        host_and_port(text).ok_or("not a host[:port]")?
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || host.starts_with('-') || !host.chars().all(allowed) {
        return Err("not a host[:port]".to_owned());
    }
    Ok(SshHost {
        host: host.to_ascii_lowercase(),
        port: port.unwrap_or(default_port(kind)),
    })
}

#[cfg(test)]
mod tests;
