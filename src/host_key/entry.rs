//! One line of known_hosts(5), as far as it is needed: marker, names, key.

use crate::text::matches_pattern;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};

/// What a line says about its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    /// It belongs to the names.
    None,
    /// It signs host certificates for the names.
    Authority,
    /// It must never be accepted for the names.
    Revoked,
}

/// A line's parts, borrowed from the file's text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) marker: Marker,
    names: &'a str,
    /// `ssh-ed25519`
    pub(super) algorithm: &'a str,
    /// Base64.
    pub(super) key: &'a str,
}

/// A key as a line has it: thousands of lines are compared without being decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    algorithm: String,
    key: String,
}

impl Written {
    /// `None`: a key that cannot be written.
    pub(super) fn of(key: &ssh_key::PublicKey) -> Option<Self> {
        let bare = ssh_key::PublicKey::new(key.key_data().clone(), "");
        let text = bare.to_openssh().ok()?;
        let (algorithm, key) = text.trim_end().split_once(' ')?;
        Some(Self {
            algorithm: algorithm.to_owned(),
            key: key.to_owned(),
        })
    }
}

impl std::fmt::Display for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.algorithm, self.key)
    }
}

impl<'a> Entry<'a> {
    /// `None`: blank, a comment, or no line that OpenSSH would read.
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let mut words = line.split_ascii_whitespace();
        let mut first = words.next()?;
        let mut marker = Marker::None;
        if let Some(word) = first.strip_prefix('@') {
            marker = match word {
                "cert-authority" => Marker::Authority,
                "revoked" => Marker::Revoked,
                _ => return None,
            };
            first = words.next()?;
        }
        Some(Self {
            marker,
            names: first,
            algorithm: words.next()?,
            key: words.next()?,
        })
    }

    /// The key, where it can be read.
    pub(super) fn public_key(&self) -> Option<ssh_key::PublicKey> {
        ssh_key::PublicKey::from_openssh(&format!("{} {}", self.algorithm, self.key)).ok()
    }

    /// Whether it has this key.
    pub(super) fn has(&self, key: &Written) -> bool {
        self.key == key.key && self.algorithm == key.algorithm
    }

    /// The names are a pattern or a list of more than two, which ssh(1) never writes.
    pub(super) fn is_written_by_hand(&self) -> bool {
        self.names.contains(['*', '?']) || self.names.matches(',').count() > 1
    }

    /// Whether the line speaks of `name`: `host`, or `[host]:port` off port 22, in lower case.
    pub(super) fn speaks_of(&self, name: &str) -> bool {
        if let Some(hashed) = self.names.strip_prefix("|1|") {
            return is_hash_of(hashed, name);
        }
        let mut found = false;
        for pattern in self.names.split(',') {
            let (negated, pattern) = match pattern.strip_prefix('!') {
                Some(rest) => (true, rest),
                None => (false, pattern),
            };
            if matches_pattern(&pattern.to_ascii_lowercase(), name) {
                if negated {
                    return false;
                }
                found = true;
            }
        }
        found
    }

    /// The names as they can be shown; hashed ones are `[hashed name]`, as OpenSSH shows them.
    pub(super) fn shown_names(&self) -> &'a str {
        if self.names.starts_with("|1|") {
            "[hashed name]"
        } else {
            self.names
        }
    }
}

/// `SALT|HASH`, base64: HMAC-SHA1 of the name (known_hosts(5), HashKnownHosts).
fn is_hash_of(hashed: &str, name: &str) -> bool {
    let Some((salt, hash)) = hashed.split_once('|') else {
        return false;
    };
    let (Ok(salt), Ok(hash)) = (STANDARD.decode(salt), STANDARD.decode(hash)) else {
        return false;
    };
    keyed(&salt, name).verify_slice(&hash).is_ok()
}

fn keyed(salt: &[u8], name: &str) -> Hmac<sha1::Sha1> {
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(salt).expect("HMAC takes a key of any length");
    mac.update(name.as_bytes());
    mac
}

/// `|1|SALT|HASH` for a name and 20 random bytes.
pub(super) fn hashed(salt: &[u8; 20], name: &str) -> String {
    let hash = keyed(salt, name).finalize().into_bytes();
    format!("|1|{}|{}", STANDARD.encode(salt), STANDARD.encode(hash))
}

#[cfg(test)]
mod tests {
    use super::{Entry, Marker, hashed};

    #[test]
    fn names_match_as_openssh_matches_them() {
        for (names, name, expected, why) in [
            ("bitbucket.org", "bitbucket.org", true, "plain"),
            ("BitBucket.org", "bitbucket.org", true, "names have no case"),
            ("a,bitbucket.org,b", "bitbucket.org", true, "a list"),
            ("bitbucket.org", "ssh.bitbucket.org", false, "no suffix"),
            ("*.bitbucket.org", "ssh.bitbucket.org", true, "a pattern"),
            (
                "*.bitbucket.org,!ssh.bitbucket.org",
                "ssh.bitbucket.org",
                false,
                "negated",
            ),
            ("*", "[h]:22", true, "everything"),
            ("h?st", "host", true, "one character"),
            (
                "[altssh.bitbucket.org]:443",
                "[altssh.bitbucket.org]:443",
                true,
                "a port",
            ),
            (
                "altssh.bitbucket.org",
                "[altssh.bitbucket.org]:443",
                false,
                "port 22 only",
            ),
            ("*a*b*c", "xaybzc", true, "several stars"),
            ("*a*b*c", "xaybz", false, "several stars, near miss"),
        ] {
            let line = format!("{names} ssh-ed25519 AAAA");
            let entry = Entry::parse(&line).expect("a line");
            assert_eq!(entry.speaks_of(name), expected, "{why}");
        }
    }

    #[test]
    fn a_hashed_name_is_found_and_not_shown() {
        let line = format!("{} ssh-ed25519 AAAA", hashed(&[7; 20], "bitbucket.org"));
        let entry = Entry::parse(&line).expect("a line");
        assert!(entry.speaks_of("bitbucket.org"));
        assert!(!entry.speaks_of("bitbucket.com"));
        assert_eq!(entry.shown_names(), "[hashed name]");
    }

    #[test]
    fn what_is_no_line_is_passed_over() {
        for (line, why) in [
            ("", "blank"),
            ("   ", "blank"),
            ("# bitbucket.org ssh-ed25519 AAAA", "a comment"),
            ("bitbucket.org ssh-ed25519", "no key"),
            (
                "@unknown bitbucket.org ssh-ed25519 AAAA",
                "an unknown marker",
            ),
        ] {
            assert!(Entry::parse(line).is_none(), "{why}");
        }
        let revoked = Entry::parse("@revoked\t*\tssh-rsa\tAAAA comment").expect("tabs separate");
        assert_eq!(revoked.marker, Marker::Revoked);
    }
}
