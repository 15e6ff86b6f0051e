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

    #[test]
    fn git_decides_then_the_environment() {
        let api = "https://api.bitbucket.org/2.0";
        type Row = (
            &'static str,
            Option<&'static str>,
            &'static [(&'static str, &'static str)],
            Option<&'static str>,
            &'static str,
        );
        let rows: &[Row] = &[
            (api, None, &[], None, "nothing said"),
            (
                api,
                Some("http://p:1"),
                &[("HTTPS_PROXY", "http://e:2")],
                Some("http://p:1"),
                "git first",
            ),
            (
                api,
                Some(""),
                &[("HTTPS_PROXY", "http://e:2")],
                None,
                "an empty value switches it off",
            ),
            (
                api,
                None,
                &[("https_proxy", "http://l:1"), ("HTTPS_PROXY", "http://u:2")],
                Some("http://l:1"),
                "lower case first, as curl",
            ),
            (
                api,
                None,
                &[("ALL_PROXY", "socks5h://s:1")],
                Some("socks5h://s:1"),
                "for all schemes",
            ),
            (
                api,
                None,
                &[("HTTP_PROXY", "http://h:1")],
                None,
                "of another scheme",
            ),
            (
                api,
                Some("http://p:1"),
                &[("NO_PROXY", "bitbucket.org")],
                None,
                "also for git's own",
            ),
            (
                api,
                None,
                &[
                    ("HTTPS_PROXY", "http://e:2"),
                    ("no_proxy", "x.example, .bitbucket.org"),
                ],
                None,
                "a leading dot",
            ),
            (
                api,
                None,
                &[("HTTPS_PROXY", "http://e:2"), ("no_proxy", "*")],
                None,
                "everything",
            ),
            (
                api,
                None,
                &[("HTTPS_PROXY", "http://e:2"), ("no_proxy", "bucket.org")],
                Some("http://e:2"),
                "whole labels only",
            ),
            (
                api,
                None,
                &[
                    ("HTTPS_PROXY", "http://e:2"),
                    ("no_proxy", "api.bitbucket.org:8443"),
                ],
                Some("http://e:2"),
                "another port",
            ),
            (
                "https://h:8443/",
                None,
                &[("HTTPS_PROXY", "http://e:2"), ("no_proxy", "h:8443")],
                None,
                "that port",
            ),
            (
                "http://127.0.0.1:8080/",
                Some("http://p:1"),
                &[("ALL_PROXY", "http://e:2")],
                None,
                "this machine is never behind a proxy",
            ),
        ];
        for (url, configured, variables, expected, why) in rows {
            let environment = Environment::new(
                variables
                    .iter()
                    .map(|(name, value)| ((*name).into(), (*value).into())),
            );
            let address = Address::parse(url).unwrap();
            assert_eq!(
                choose(&address, *configured, &environment).as_deref(),
                *expected,
                "{why}"
            );
        }
    }
}
