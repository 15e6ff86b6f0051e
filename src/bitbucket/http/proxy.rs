//! Which proxy a call goes through: git's `http.proxy`, else the usual variables. Pure.
//!
//! Variables as curl(1) reads them ("ENVIRONMENT"); a loopback address never has a proxy.

use super::address::Address;
use crate::context::Environment;

/// The proxy's URL, as it was written. `None`: straight.
pub(super) fn choose(
    address: &Address,
    configured: Option<&str>,
    environment: &Environment,
) -> Option<String> {
    let variable = |names: [&str; 2]| {
        let found = names.iter().find_map(|name| environment.text(name));
        found.map(str::to_owned)
    };
    if address.is_loopback() {
        return None;
    }
    let exempt = variable(["no_proxy", "NO_PROXY"]);
    if exempt.is_some_and(|list| is_exempt(address, &list)) {
        return None;
    }
    match configured {
        Some("") => None,
        Some(proxy) => Some(proxy.to_owned()),
        None => variable(["https_proxy", "HTTPS_PROXY"])
            .or_else(|| variable(["all_proxy", "ALL_PROXY"])),
    }
}

/// `NO_PROXY` as curl takes it: `*`, or names separated by commas or blanks; a name means itself
/// and everything below it, a leading dot changes nothing; with `:port` only that port.
fn is_exempt(address: &Address, list: &str) -> bool {
    let host = address.host();
    list.split([',', ' ', '\t'])
        .filter(|entry| !entry.is_empty())
        .any(|entry| {
            if entry == "*" {
                return true;
            }
            let (name, port) = match entry.rsplit_once(':') {
                Some((name, port)) if !name.contains(':') || name.ends_with(']') => {
                    (name, port.parse::<u16>().ok())
                }
                _ => (entry, None),
            };
            let name = name.trim_start_matches("*.").trim_start_matches('.');
            let name = name
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_ascii_lowercase();
            let same = host == name
                || host
                    .strip_suffix(&name)
                    .is_some_and(|front| !name.is_empty() && front.ends_with('.'));
            same && port.is_none_or(|port| port == address.port())
        })
}

#[cfg(test)]
mod tests {
    use super::choose;
    use crate::bitbucket::http::address::Address;
    use crate::context::Environment;

    const API: &str = "https://api.bitbucket.org/2.0";

    fn chosen(url: &str, configured: Option<&str>, variables: &[(&str, &str)]) -> Option<String> {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        let address = Address::parse(url).unwrap();
        choose(&address, configured, &Environment::new(variables))
    }

    #[test]
    fn git_decides_then_the_environment() {
        let http = ("HTTP_PROXY", "http://h:1");
        let all = ("ALL_PROXY", "socks5h://s:1");
        let lower = ("https_proxy", "http://l:1");
        let upper = ("HTTPS_PROXY", "http://u:2");
        let git = Some("http://p:1");
        for (configured, variables, expected, why) in [
            (None, &[][..], None, "nothing said"),
            (git, &[upper][..], git, "git first"),
            (
                Some(""),
                &[upper][..],
                None,
                "an empty value switches it off",
            ),
            (
                None,
                &[lower, upper][..],
                Some("http://l:1"),
                "lower case first, as curl",
            ),
            (
                None,
                &[all, upper][..],
                Some("http://u:2"),
                "the scheme's own first",
            ),
            (None, &[all][..], Some("socks5h://s:1"), "for all schemes"),
            (None, &[http][..], None, "of another scheme"),
        ] {
            assert_eq!(
                chosen(API, configured, variables).as_deref(),
                expected,
                "{why}"
            );
        }
        let loopback = chosen("http://127.0.0.1:8080/", git, &[all]);
        assert_eq!(loopback, None, "this machine is never behind a proxy");
    }

    #[test]
    fn no_proxy_names_hosts_and_what_is_below_them() {
        let api = "api.bitbucket.org";
        for (url, list, exempt, why) in [
            (API, "bitbucket.org", true, "below"),
            (API, api, true, "itself"),
            (
                API,
                "x.example, .bitbucket.org",
                true,
                "a leading dot, a blank",
            ),
            (API, "*.bitbucket.org", true, "a star in front"),
            (API, "API.Bitbucket.org", true, "any case"),
            (API, "*", true, "everything"),
            (API, "bucket.org", false, "whole labels only"),
            (API, "", false, "nothing"),
            (API, ",.,", false, "nothing but separators"),
            (API, "api.bitbucket.org:8443", false, "another port"),
            ("https://h:8443/", "h:8443", true, "that port"),
            ("https://[fd00::1]/", "fd00::1", true, "IPv6"),
        ] {
            for configured in [Some("http://p:1"), None] {
                let variables = [("HTTPS_PROXY", "http://e:2"), ("NO_PROXY", list)];
                let straight = chosen(url, configured, &variables).is_none();
                assert_eq!(straight, exempt, "{why}");
            }
        }
    }
}
