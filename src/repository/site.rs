//! Which site a host or a web address belongs to.

use super::{Repository, Site, SiteKind, SshHost};

/// Bitbucket Cloud's web address.
pub(super) const CLOUD_URL: &str = "https://bitbucket.org";

/// Cloud's places of SSH, in the order in which they are tried
/// (<https://support.atlassian.com/bitbucket-cloud/docs/set-up-personal-ssh-keys-on-linux/>).
const CLOUD_HOSTS: [(&str, u16); 3] = [
    ("ssh.bitbucket.org", 22),
    ("bitbucket.org", 22),
    ("altssh.bitbucket.org", 443),
];

/// Bitbucket Cloud as it is built in, without anybody's settings.
pub fn cloud() -> Site {
    Site {
        kind: SiteKind::Cloud,
        url: CLOUD_URL.to_owned(),
        api_url: "https://api.bitbucket.org/2.0".to_owned(),
        ssh_hosts: CLOUD_HOSTS
            .iter()
            .map(|(host, port)| SshHost {
                host: (*host).to_owned(),
                port: *port,
            })
            .collect(),
    }
}

/// The page of a site on which a user creates an API token
/// (<https://support.atlassian.com/bitbucket-cloud/docs/using-api-tokens/>).
pub fn token_page(site_url: &str) -> String {
    if site_url == CLOUD_URL {
        "https://id.atlassian.com/manage-profile/security/api-tokens".to_owned()
    } else {
        format!("{site_url}/account")
    }
}

/// The page of a site on which a user adds a public key.
pub fn key_page(site_url: &str) -> String {
    if site_url == CLOUD_URL {
        format!("{CLOUD_URL}/account/settings/ssh-keys/")
    } else {
        format!("{site_url}/plugins/servlet/ssh/account/keys")
    }
}

/// The page of a site on which a repository's access keys are added and removed.
pub fn access_key_page(kind: SiteKind, repository: &Repository) -> String {
    let Repository {
        site,
        workspace,
        slug,
    } = repository;
    match kind {
        SiteKind::Cloud => format!("{site}/{workspace}/{slug}/admin/access-keys/"),
        SiteKind::DataCenter => {
            format!("{site}/plugins/servlet/ssh/projects/{workspace}/repos/{slug}/keys")
        }
    }
}

/// The site whose SSH server is `host:port`. `None`: no site's.
///
/// Cloud's own places are Cloud whatever is configured; then a place that a site names; then a
/// host that a Cloud site names, on whatever port (a Data Center's port must match).
pub(super) fn by_ssh_host(sites: &[Site], host: &str, port: u16) -> Option<Site> {
    let host = host.to_ascii_lowercase();
    if CLOUD_HOSTS.contains(&(host.as_str(), port)) {
        let found = sites.iter().find(|site| site.url == CLOUD_URL);
        return Some(found.cloned().unwrap_or_else(cloud));
    }
    let names = |site: &Site, any_port: bool| {
        let mut places = site.ssh_hosts.iter();
        places.any(|place| place.host == host && (any_port || place.port == port))
    };
    let exactly = sites.iter().find(|site| names(site, false));
    let by_name = || {
        let mut clouds = sites.iter().filter(|site| site.kind == SiteKind::Cloud);
        clouds.find(|site| names(site, true))
    };
    exactly.or_else(by_name).cloned()
}

/// The site whose web address the address (`HOST[:PORT]/PATH`, without scheme and user) begins
/// with, the longest one where there are several, and the path behind it.
pub(super) fn by_web_address<'a, 's>(
    sites: &'s [Site],
    scheme: &str,
    address: &'a str,
) -> Option<(&'s Site, &'a str)> {
    let (host, path) = address.split_once('/')?;
    let host = without_default_port(scheme, host).to_ascii_lowercase();
    let behind = |site: &Site| {
        let (site_scheme, site_address) = site.url.split_once("://")?;
        let (site_host, context) = site_address.split_once('/').unwrap_or((site_address, ""));
        let host = match site.kind {
            SiteKind::Cloud => host.strip_prefix("www.").unwrap_or(&host),
            SiteKind::DataCenter => &host,
        };
        if host != without_default_port(site_scheme, site_host) {
            return None;
        }
        match path.strip_prefix(context)? {
            rest if context.is_empty() => Some(rest),
            rest => rest.strip_prefix('/'),
        }
    };
    sites
        .iter()
        .filter_map(|site| Some((site, behind(site)?)))
        .max_by_key(|(site, _)| site.url.len())
}

fn without_default_port<'h>(scheme: &str, host: &'h str) -> &'h str {
    let default = if scheme == "http" { ":80" } else { ":443" };
    host.strip_suffix(default).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{data_center, site};
    use super::*;

    #[test]
    fn hosts_and_their_sites() {
        let loopback = site(SiteKind::Cloud, CLOUD_URL, &[("127.0.0.1", 2222)]);
        let sites = [
            loopback,
            data_center("https://git.example.com", ("git.example.com", 7999)),
            data_center("https://other.example.com", ("127.0.0.1", 7999)),
        ];
        for (host, port, url, why) in [
            (
                "bitbucket.org",
                22,
                Some(CLOUD_URL),
                "always, though the list names none of them",
            ),
            ("BitBucket.ORG", 22, Some(CLOUD_URL), "in any case"),
            ("ssh.bitbucket.org", 22, Some(CLOUD_URL), "always"),
            ("altssh.bitbucket.org", 443, Some(CLOUD_URL), "always"),
            ("127.0.0.1", 2222, Some(CLOUD_URL), "as the list says"),
            (
                "127.0.0.1",
                7999,
                Some("https://other.example.com"),
                "a place before a name",
            ),
            ("127.0.0.1", 2300, Some(CLOUD_URL), "the name alone: Cloud"),
            (
                "git.example.com",
                7999,
                Some("https://git.example.com"),
                "Data Center",
            ),
            ("git.example.com", 22, None, "its machine's own sshd"),
            ("bitbucket.org", 2222, None, "not in this list"),
            ("example.com", 22, None, "a stranger"),
            (
                "bitbucket.org.example.com",
                22,
                None,
                "a stranger with a similar name",
            ),
            ("xbitbucket.org", 22, None, "another one"),
            ("", 22, None, "no name"),
        ] {
            let found = by_ssh_host(&sites, host, port).map(|site| site.url);
            assert_eq!(found.as_deref(), url, "{why}: {host}:{port}");
        }
        let found = by_ssh_host(&[cloud()], "bitbucket.org", 443);
        assert!(found.is_some(), "Cloud's names on another port");
        assert!(
            by_ssh_host(&[], "bitbucket.org", 22).is_some(),
            "even with no sites"
        );
    }
}
