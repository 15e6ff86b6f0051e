//! Which places of a site one connection tries, and in which order. Pure.

use crate::repository::{Site, SiteKind, SshHost};
use crate::transport::Endpoint;

/// The host names that the published keys of Bitbucket Cloud speak for
/// (<https://bitbucket.org/site/ssh>).
pub const PUBLISHED_NAMES: [&str; 3] =
    ["ssh.bitbucket.org", "bitbucket.org", "altssh.bitbucket.org"];

/// The endpoints for `host:port` as they are connected to (after ssh_config's HostName and Port).
///
/// The site's plain name means its whole list, the remembered entry first; another entry of the
/// list goes first, also before a remembered one; any other place is used alone.
pub fn of(site: &Site, host: &str, port: u16, remembered: Option<&SshHost>) -> Vec<Endpoint> {
    let typed = SshHost {
        host: host.to_ascii_lowercase(),
        port,
    };
    let mut places = Vec::with_capacity(site.ssh_hosts.len() + 1);
    if means_the_list(site, &typed) {
        places.extend(
            remembered
                .filter(|place| site.ssh_hosts.contains(place))
                .cloned(),
        );
    } else if site.ssh_hosts.contains(&typed) {
        places.push(typed);
    } else {
        return vec![endpoint(site, typed)];
    }
    for place in &site.ssh_hosts {
        if !places.contains(place) {
            places.push(place.clone());
        }
    }
    places
        .into_iter()
        .map(|place| endpoint(site, place))
        .collect()
}

/// Cloud: `bitbucket.org:22`. Data Center: the first of its list.
fn means_the_list(site: &Site, typed: &SshHost) -> bool {
    match site.kind {
        SiteKind::Cloud => typed.host == "bitbucket.org" && typed.port == 22,
        SiteKind::DataCenter => site.ssh_hosts.first() == Some(typed),
    }
}

fn endpoint(site: &Site, address: SshHost) -> Endpoint {
    Endpoint {
        published: site.kind == SiteKind::Cloud && PUBLISHED_NAMES.contains(&address.host.as_str()),
        address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cloud(hosts: &[(&str, u16)]) -> Site {
        Site {
            kind: SiteKind::Cloud,
            url: "https://bitbucket.org".to_owned(),
            api_url: "https://api.bitbucket.org/2.0".to_owned(),
            ssh_hosts: hosts
                .iter()
                .map(|(host, port)| place(host, *port))
                .collect(),
        }
    }

    fn place(host: &str, port: u16) -> SshHost {
        SshHost {
            host: host.to_owned(),
            port,
        }
    }

    const BUILT_IN: [(&str, u16); 3] = [
        ("ssh.bitbucket.org", 22),
        ("bitbucket.org", 22),
        ("altssh.bitbucket.org", 443),
    ];

    #[test]
    fn the_order_follows_what_was_typed_and_what_worked() {
        let alt = place("altssh.bitbucket.org", 443);
        for (typed, remembered, expected, why) in [
            (
                ("bitbucket.org", 22),
                None,
                vec![0, 1, 2],
                "the plain name means the list",
            ),
            (
                ("BitBucket.org", 22),
                None,
                vec![0, 1, 2],
                "names have no case",
            ),
            (
                ("bitbucket.org", 22),
                Some(&alt),
                vec![2, 0, 1],
                "what worked goes first",
            ),
            (
                ("altssh.bitbucket.org", 443),
                None,
                vec![2, 0, 1],
                "a typed entry goes first",
            ),
            (
                ("ssh.bitbucket.org", 22),
                Some(&alt),
                vec![0, 1, 2],
                "also before a remembered one",
            ),
        ] {
            let found = of(&cloud(&BUILT_IN), typed.0, typed.1, remembered);
            let hosts: Vec<_> = found.iter().map(|e| e.address.host.as_str()).collect();
            let expected: Vec<_> = expected.iter().map(|n: &usize| BUILT_IN[*n].0).collect();
            assert_eq!(hosts, expected, "{why}");
            assert!(found.iter().all(|e| e.published), "{why}");
        }
    }

    #[test]
    fn other_places_are_used_alone_and_have_no_published_keys() {
        let site = cloud(&[("127.0.0.1", 2222)]);
        let found = of(&site, "bitbucket.org", 22, None);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].address, place("127.0.0.1", 2222));
        assert!(!found[0].published, "loopback is none of Cloud's names");

        let found = of(&cloud(&BUILT_IN), "proxy.example.com", 2200, None);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].address, place("proxy.example.com", 2200));
    }

    #[test]
    fn a_remembered_place_that_is_no_longer_listed_is_forgotten() {
        let found = of(
            &cloud(&BUILT_IN),
            "bitbucket.org",
            22,
            Some(&place("old.example.com", 22)),
        );
        assert_eq!(found[0].address.host, "ssh.bitbucket.org");
        assert_eq!(found.len(), 3);
    }
}
