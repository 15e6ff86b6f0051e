//! The proxy for a call: git's `http.proxy`, else that of the environment. Pure.
//!
//! Variables as curl(1) reads them ("ENVIRONMENT"); a loopback address never has a proxy.

use ureq::Proxy;
use ureq::http::Uri;

use super::address::Address;
use crate::context::Environment;

/// The proxy. `None`: a direct connection. The error: a URL that names no proxy.
pub(super) fn choose(
    address: &Address,
    configured: Option<&str>,
    environment: &Environment,
) -> Result<Option<Proxy>, ureq::Error> {
    let variable = |names: [&str; 2]| names.iter().find_map(|name| environment.text(name));
    let url = configured
        .or_else(|| variable(["https_proxy", "HTTPS_PROXY"]))
        .or_else(|| variable(["all_proxy", "ALL_PROXY"]))
        .filter(|url| !url.is_empty() && !address.is_loopback());
    let Some(url) = url else { return Ok(None) };
    let proxy = Proxy::new(url)?;
    let exempt = variable(["no_proxy", "NO_PROXY"]);
    Ok(match exempt {
        Some(list) if is_exempt(address, list, &proxy)? => None,
        _ => Some(proxy),
    })
}

/// `NO_PROXY`: `*`, or names separated by commas or blanks. As for curl a name means itself and
/// everything below it, with or without a leading dot.
fn is_exempt(address: &Address, list: &str, proxy: &Proxy) -> Result<bool, ureq::Error> {
    let mut matcher = Proxy::builder(proxy.protocol());
    for entry in list
        .split([',', ' ', '\t'])
        .filter(|entry| !entry.is_empty())
    {
        let name = entry.trim_start_matches("*.").trim_start_matches('.');
        if !name.is_empty() {
            matcher = matcher.no_proxy(name).no_proxy(&format!(".{name}"));
        }
    }
    let uri: Uri = address.url().parse().map_err(ureq::http::Error::from)?;
    Ok(matcher.build()?.is_no_proxy(&uri))
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
        let proxy = choose(&address, configured, &Environment::new(variables)).unwrap();
        proxy.map(|proxy| proxy.uri().to_string().trim_end_matches('/').to_owned())
    }

    #[test]
    fn git_decides_then_the_environment() {
        let http = ("HTTP_PROXY", "http://h:1");
        let all = ("ALL_PROXY", "socks5h://s:1");
        let lower = ("https_proxy", "http://l:1");
        let upper = ("HTTPS_PROXY", "http://u:2");
        let git = Some("http://p:1");
        for (configured, variables, expected, why) in [
            (None, &[][..], None, "none is set"),
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
        ] {
            for configured in [Some("http://p:1"), None] {
                let variables = [("HTTPS_PROXY", "http://e:2"), ("NO_PROXY", list)];
                let straight = chosen(url, configured, &variables).is_none();
                assert_eq!(straight, exempt, "{why}");
            }
        }
    }
}
