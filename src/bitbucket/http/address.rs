//! URLs of one API, parsed strictly: they decide where a token may be sent. Pure.
//!
//! What two parsers could understand differently (user names, backslashes, blanks, controls) is
//! rejected.

use std::fmt::Write as _;
use std::net::IpAddr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// An `http:` or `https:` URL without user name and fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::bitbucket) struct Address {
    /// `https`, else `http`.
    secure: bool,
    /// Lower case; an IPv6 address with its brackets.
    host: String,
    port: u16,
    /// Begins with `/`; with the query.
    target: String,
}

impl Address {
    /// `None`: not such a URL.
    pub(in crate::bitbucket) fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        if rest
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || c == '\\')
        {
            return None;
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let (host, port) = host_and_port(authority)?;
        Some(Self {
            secure,
            host,
            port: port.unwrap_or(if secure { 443 } else { 80 }),
            target: encoded(target),
        })
    }

    /// The target of `reference` (a `Location`, a paging link) relative to this address (RFC 3986,
    /// section 4.2). `None`: not such a URL.
    pub(super) fn join(&self, reference: &str) -> Option<Self> {
        if let Some(authority) = reference.strip_prefix("//") {
            return Self::parse(&format!("{}://{authority}", self.scheme()));
        }
        if reference.contains("://") && !reference.starts_with(['/', '?']) {
            return Self::parse(reference);
        }
        let path = self.target.split('?').next().unwrap_or_default();
        let target = if reference.starts_with('/') {
            reference.to_owned()
        } else if reference.starts_with('?') {
            format!("{path}{reference}")
        } else {
            let folder = path.rfind('/').map_or("/", |end| &path[..=end]);
            format!("{folder}{reference}")
        };
        Self::parse(&format!("{}{target}", self.origin()))
    }

    /// This address with `path` (begins with `/`) appended to its own.
    pub(super) fn below(&self, path: &str) -> Self {
        let base = self.target.trim_end_matches('/');
        Self {
            target: encoded(&format!("{base}{path}")),
            ..self.clone()
        }
    }

    /// Scheme, host and port; the port only where it is not the scheme's default.
    pub(super) fn origin(&self) -> String {
        let usual = if self.secure { 443 } else { 80 };
        if self.port == usual {
            format!("{}://{}", self.scheme(), self.host)
        } else {
            format!("{}://{}:{}", self.scheme(), self.host, self.port)
        }
    }

    /// Whether a token for this address may be sent to the other one.
    pub(in crate::bitbucket) fn same_origin(&self, other: &Self) -> bool {
        self.secure == other.secure && self.host == other.host && self.port == other.port
    }

    /// The whole URL.
    pub(super) fn url(&self) -> String {
        format!("{}{}", self.origin(), self.target)
    }

    /// The path without its query, for the log.
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Lower case, without brackets.
    pub(super) fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Host and port as git's credential protocol and messages write them.
    pub(in crate::bitbucket) fn host_port(&self) -> String {
        let origin = self.origin();
        origin
            .split_once("://")
            .map_or_else(String::new, |(_, rest)| rest.to_owned())
    }

    /// `https` or `http`.
    pub(in crate::bitbucket) fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// `https:`.
    pub(super) fn is_secure(&self) -> bool {
        self.secure
    }

    /// `localhost` or an address of this machine.
    pub(super) fn is_loopback(&self) -> bool {
        let address = self.host().parse::<IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

fn host_and_port(authority: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port.parse().ok()?)),
        _ => (authority, None),
    };
    let inside = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let fits = match inside {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        }
    };
    fits.then(|| (host.to_ascii_lowercase(), port))
}

/// `%XX` for bytes that RFC 3986 does not allow in a path or query; what is encoded already stays.
fn encoded(target: &str) -> String {
    let mut clean = String::with_capacity(target.len() + 1);
    if !target.starts_with('/') {
        clean.push('/');
    }
    for byte in target.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/?@!$&'()*+,;=%".contains(&byte) {
            clean.push(char::from(byte));
        } else {
            let _ = write!(clean, "%{byte:02X}");
        }
    }
    clean
}

/// One segment of a path: everything is encoded that could end it or mean something else, such as the
/// braces of a UUID, `/`, `?`, `%`.
pub(in crate::bitbucket) fn segment(text: &str) -> String {
    const KEPT: AsciiSet = NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'~')
        .remove(b'.');
    match text {
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        _ => utf8_percent_encode(text, &KEPT).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, segment};

    #[test]
    fn a_segment_stays_one() {
        for (text, expected) in [
            ("{d7dd0e2d-3994}", "%7Bd7dd0e2d-3994%7D"),
            ("~user", "~user"),
            ("a/../b", "a%2F..%2Fb"),
            ("..", "%2E%2E"),
            ("a?b#c%20", "a%3Fb%23c%2520"),
        ] {
            assert_eq!(segment(text), expected);
        }
    }

    #[test]
    fn only_what_everybody_reads_alike_is_an_address() {
        for (url, origin, why) in [
            (
                "https://api.bitbucket.org/2.0",
                Some("https://api.bitbucket.org"),
                "plain",
            ),
            (
                "HTTPS://API.Bitbucket.org:443/",
                Some("https://api.bitbucket.org"),
                "case, usual port",
            ),
            (
                "https://h:8443?x=1",
                Some("https://h:8443"),
                "a query without a path",
            ),
            ("http://[::1]:80/x", Some("http://[::1]"), "IPv6"),
            ("https://user@h/", None, "a user name hides the host"),
            ("https://h\\@evil/", None, "a backslash is read in two ways"),
            ("https://h /", None, "a blank"),
            ("https://h\n/", None, "a control"),
            ("https:///x", None, "no host"),
            ("https://h:70000/", None, "no port"),
            ("ftp://h/", None, "another scheme"),
            ("/2.0/user", None, "no scheme"),
        ] {
            let parsed = Address::parse(url).map(|address| address.origin());
            assert_eq!(parsed.as_deref(), origin, "{why}: {url}");
        }
    }

    #[test]
    fn a_reference_is_followed_as_rfc_3986_says() {
        let base = Address::parse("https://h/2.0/users/%7Bu%7D/ssh-keys?page=1").unwrap();
        for (reference, url, why) in [
            (
                "https://h/2.0/x?page=2",
                Some("https://h/2.0/x?page=2"),
                "absolute",
            ),
            (
                "https://h/2.0/{u}/x",
                Some("https://h/2.0/%7Bu%7D/x"),
                "braces are encoded",
            ),
            (
                "https://elsewhere/x",
                Some("https://elsewhere/x"),
                "elsewhere is a place too",
            ),
            ("//elsewhere/x", Some("https://elsewhere/x"), "scheme kept"),
            ("/x", Some("https://h/x"), "path"),
            (
                "?page=2",
                Some("https://h/2.0/users/%7Bu%7D/ssh-keys?page=2"),
                "query",
            ),
            ("next", Some("https://h/2.0/users/%7Bu%7D/next"), "beside"),
            (
                "/x?to=http://y/",
                Some("https://h/x?to=http://y/"),
                "a URL inside a query",
            ),
            ("/\\elsewhere", None, "no backslash"),
            ("javascript://h/", None, "no such scheme"),
        ] {
            let joined = base.join(reference).map(|address| address.url());
            assert_eq!(joined.as_deref(), url, "{why}: {reference}");
        }
    }

    #[test]
    fn loopback_is_an_address_of_this_machine() {
        for (url, expected) in [
            ("http://127.0.0.1:1/", true),
            ("http://[::1]/", true),
            ("http://localhost/", true),
            ("http://localhost.evil.example/", false),
            ("http://127.0.0.1.evil.example/", false),
            ("http://10.0.0.1/", false),
        ] {
            assert_eq!(
                Address::parse(url).unwrap().is_loopback(),
                expected,
                "{url}"
            );
        }
    }
}
