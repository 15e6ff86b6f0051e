//! `[user@]host` and `ssh://[user@]host[:port]`, and what they may contain.
//!
//! Follows OpenSSH's `ssh.c`, `misc.c` (`parse_uri`, `parse_user_host_port`, `a2port`) and
//! `readconf.c` (`ssh_valid_hostname`, `ssh_valid_ruser`).

use percent_encoding::percent_decode_str;

use super::Error;

/// A destination, taken apart. Nothing is judged yet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Destination {
    pub user: Option<String>,
    pub host: String,
    pub port: Option<u16>,
}

/// The destination argument. `Err` is OpenSSH's usage error.
pub(super) fn parse(text: &str) -> Result<Destination, Error> {
    if let Some(rest) = text.strip_prefix("ssh://") {
        return uri(rest).ok_or(Error::Usage);
    }
    match text.rsplit_once('@') {
        Some(("", _)) => Err(Error::Usage),
        Some((user, host)) => Ok(Destination {
            user: Some(user.to_owned()),
            host: host.to_owned(),
            port: None,
        }),
        None => Ok(Destination {
            host: text.to_owned(),
            ..Destination::default()
        }),
    }
}

/// What follows `ssh://`. A destination has no path.
fn uri(rest: &str) -> Option<Destination> {
    let (user, rest) = match rest.split_once('@') {
        Some((user, rest)) => {
            let user = user.split(';').next().filter(|user| !user.is_empty())?;
            (Some(decode(user)?), rest)
        }
        None => (None, rest),
    };
    let (host, delimiter, rest) = split_host(rest)?;
    let host = valid_domain(without_brackets(host))?;
    let port = match delimiter {
        Some(':') if !rest.is_empty() => {
            let (digits, path) = rest.split_once('/').unwrap_or((rest, ""));
            if !path.is_empty() {
                return None;
            }
            Some(port(digits)?)
        }
        Some('/') if !rest.is_empty() => return None,
        _ => None,
    };
    Some(Destination {
        user,
        host: host.to_owned(),
        port,
    })
}

/// The host in front of `:` or `/`, the delimiter and the rest. `None`: no host, or text behind
/// the closing bracket.
fn split_host(text: &str) -> Option<(&str, Option<char>, &str)> {
    let end = if text.starts_with('[') {
        text.find(']')? + 1
    } else {
        text.find([':', '/']).unwrap_or(text.len())
    };
    let (host, rest) = text.split_at(end);
    if host.is_empty() {
        return None;
    }
    let mut characters = rest.chars();
    match characters.next() {
        None => Some((host, None, "")),
        Some(delimiter @ (':' | '/')) => Some((host, Some(delimiter), characters.as_str())),
        Some(_) => None,
    }
}

fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

/// `+` is a space, `%XX` a byte other than NUL.
fn decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    for (at, _) in text.match_indices('%') {
        let digits = bytes.get(at + 1..at + 3)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) || digits == b"00" {
            return None;
        }
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

/// The name of an `ssh://` destination: letters, digits, `.`, `-`, `_`; one dot at its end is
/// left out. So no IPv6 address, as in OpenSSH.
fn valid_domain(host: &str) -> Option<&str> {
    let first = *host.as_bytes().first()?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let valid = (first.is_ascii_alphanumeric() || first == b'_')
        && host.bytes().all(allowed)
        && !host.contains("..");
    valid.then(|| host.strip_suffix('.').unwrap_or(host))
}

/// A port as `a2port` reads it, 0 excluded. Of the services' names only those of SSH and HTTPS.
pub(super) fn port(text: &str) -> Option<u16> {
    let digits = text.trim_start_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
    match text {
        "ssh" => Some(22),
        "https" => Some(443),
        // `parse` takes one leading `+`, as strtoll does.
        _ => digits.parse().ok().filter(|port| *port != 0),
    }
}

/// Whether every hop of a `-J` list is one.
pub(super) fn is_jump_list(text: &str) -> bool {
    if text.eq_ignore_ascii_case("none") {
        return true;
    }
    let list = text.split('#').next().unwrap_or_default().trim_end();
    list.split(',').all(|hop| {
        jump(hop).is_some_and(|hop| {
            check_host(&hop.host).is_ok()
                && hop
                    .user
                    .as_deref()
                    .is_none_or(|user| check_user(user).is_ok())
        })
    })
}

fn jump(text: &str) -> Option<Destination> {
    if let Some(rest) = text.strip_prefix("ssh://") {
        return uri(rest);
    }
    let (user, rest) = match text.rsplit_once('@') {
        Some(("", _)) => return None,
        Some((user, rest)) => (Some(user.to_owned()), rest),
        None => (None, text),
    };
    let (host, _, digits) = split_host(rest)?;
    let port = match digits {
        "" => None,
        digits => Some(port(digits)?),
    };
    Some(Destination {
        user,
        host: without_brackets(host).to_owned(),
        port,
    })
}

/// `ssh_valid_hostname`: it ends up in `%h`, which a shell may see.
pub(super) fn check_host(host: &str) -> Result<(), Error> {
    let bad = host.starts_with('-')
        || host
            .chars()
            .any(|c| "'`\"$\\;&<>|(){},".contains(c) || is_space(c) || c.is_control());
    if bad { Err(Error::HostName) } else { Ok(()) }
}

/// `ssh_valid_ruser`: it ends up in `%r`.
pub(super) fn check_user(user: &str) -> Result<(), Error> {
    let bad = user.starts_with('-')
        || user.ends_with('\\')
        || user
            .chars()
            .any(|c| "'`\";&<>|(){}".contains(c) || c.is_control())
        || user.contains(" -");
    if bad { Err(Error::UserName) } else { Ok(()) }
}

/// C's isspace.
fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t'..='\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(user: Option<&str>, host: &str, port: Option<u16>) -> Destination {
        Destination {
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
        }
    }

    #[test]
    fn destinations_are_split_as_ssh_splits_them() {
        for (text, read, why) in [
            ("h", Some(of(None, "h", None)), "a host"),
            ("git@h", Some(of(Some("git"), "h", None)), "user and host"),
            (
                "a@b@h",
                Some(of(Some("a@b"), "h", None)),
                "split at the last @",
            ),
            (
                "git:pw@h",
                Some(of(Some("git:pw"), "h", None)),
                "git leaves a password in the user",
            ),
            (
                "git@::1",
                Some(of(Some("git"), "::1", None)),
                "git takes the brackets off",
            ),
            (
                "h:22",
                Some(of(None, "h:22", None)),
                "only a URL has a port",
            ),
            ("@h", None, "an empty user"),
            ("ssh://h", Some(of(None, "h", None)), "URL"),
            (
                "ssh://git@h:7999",
                Some(of(Some("git"), "h", Some(7999))),
                "URL with everything",
            ),
            (
                "ssh://git@h:7999/",
                Some(of(Some("git"), "h", Some(7999))),
                "a slash alone is no path",
            ),
            ("ssh://h:/", None, "an empty port"),
            ("ssh://h/x", None, "a path"),
            (
                "ssh://a%40b@h",
                Some(of(Some("a@b"), "h", None)),
                "percent-decoded",
            ),
            (
                "ssh://a+b@h",
                Some(of(Some("a b"), "h", None)),
                "form-decoded",
            ),
            (
                "ssh://a;x=1@h.",
                Some(of(Some("a"), "h", None)),
                "connection parameters and root dot",
            ),
            ("ssh://a%00@h", None, "no NUL"),
            ("ssh://a%4@h", None, "half an escape"),
            ("ssh://@h", None, "an empty user"),
            ("ssh://a@b@c", None, "the first @ counts"),
            ("ssh://-h", None, "starts like an option"),
            ("ssh://", None, "nothing"),
            (
                "SSH://h",
                Some(of(None, "SSH://h", None)),
                "the scheme has case",
            ),
        ] {
            assert_eq!(parse(text).ok(), read, "{why}: {text}");
        }
    }

    #[test]
    fn ports_are_read_as_strtonum_reads_them() {
        for (text, read, why) in [
            ("22", Some(22), "a number"),
            (" +22", Some(22), "strtoll skips spaces and a sign"),
            ("022", Some(22), "never octal"),
            ("22 ", None, "nothing behind it"),
            ("0", None, "no port"),
            ("65536", None, "too large"),
            ("-1", None, "negative"),
            ("", None, "empty"),
            ("ssh", Some(22), "a service"),
            ("x", None, "no service"),
        ] {
            assert_eq!(port(text), read, "{why}: {text:?}");
        }
    }

    #[test]
    fn names_cannot_reach_a_shell_or_an_option() {
        for bad in [
            "-h", "a b", "a;b", "$(x)", "a`b", "a,b", "a\nb", "a\\b", "'", "a\u{7f}",
        ] {
            assert!(check_host(bad).is_err(), "host {bad:?}");
        }
        for good in ["h", "a%h", "::1", "a*b", "größe", "", "a_b", "h:22", "a/b"] {
            assert!(check_host(good).is_ok(), "host {good:?}");
        }
        for bad in ["-u", "a;b", "a -b", "a\\", "a\tb", "(", "{", "a\u{1}"] {
            assert!(check_user(bad).is_err(), "user {bad:?}");
        }
        for good in ["git", "a b", "DOM\\user", "a$b", "user@x", "git:pw", ""] {
            assert!(check_user(good).is_ok(), "user {good:?}");
        }
    }

    #[test]
    fn jump_lists() {
        for (text, good) in [
            ("h", true),
            ("u@h:22,ssh://v@i:2", true),
            ("none", true),
            ("[::1]:22", true),
            ("", false),
            ("h:0", false),
            ("h,", false),
            ("u;x@h", false),
            ("-h", false),
        ] {
            assert_eq!(is_jump_list(text), good, "{text}");
        }
    }
}
