//! The values of single settings, from text. Pure. Errors are one clause without a full stop.

use super::{AuthorCheck, KeyType, OtherHosts, PassphraseStore, Provision, TransportKind};
use crate::repository::SiteKind;
use crate::text::{is_harmful, nearest};

/// The smallest RSA key that Bitbucket takes and OpenSSH does not complain about.
const SMALLEST_RSA: u32 = 2048;

/// The largest RSA key that OpenSSH reads (`OPENSSL_RSA_MAX_MODULUS_BITS`).
const LARGEST_RSA: u32 = 16384;

/// The longest lifetime in days: a hundred years keep every date within four digits.
const LONGEST_LIFE: u32 = 36525;

/// An account: an e-mail address or a user name. What OpenSSH refuses in a user name on the command
/// line (ssh.c, `valid_ruser`) and a shell's patterns are refused here too, since accounts are in
/// commands that people paste.
pub fn check_account(text: &str) -> Result<(), String> {
    if text.starts_with('-') {
        return Err("an account cannot begin with -".to_owned());
    }
    let refused = text
        .chars()
        .find(|c| c.is_whitespace() || is_harmful(*c) || "'`\"\\$;&<>|(){}[]*?!#".contains(*c));
    match refused {
        None => Ok(()),
        Some(c) if c.is_whitespace() || is_harmful(c) => {
            Err("an account has no white space and no control characters".to_owned())
        }
        Some(c) => Err(format!("an account has no {c}")),
    }
}

/// `auto`, `ask`, `never`.
pub fn provision(text: &str) -> Result<Provision, String> {
    one_of(
        text,
        &[
            ("auto", Provision::Auto),
            ("ask", Provision::Ask),
            ("never", Provision::Never),
        ],
    )
}

/// `keyring`, `ask`, `none`, `auto`.
pub fn passphrase(text: &str) -> Result<PassphraseStore, String> {
    one_of(
        text,
        &[
            ("auto", PassphraseStore::Auto),
            ("keyring", PassphraseStore::Keyring),
            ("ask", PassphraseStore::Ask),
            ("none", PassphraseStore::None),
        ],
    )
}

/// `native`, `openssh`.
pub fn carrier(text: &str) -> Result<TransportKind, String> {
    one_of(
        text,
        &[
            ("native", TransportKind::Native),
            ("openssh", TransportKind::OpenSsh),
        ],
    )
}

/// `system`, `native`.
pub fn other_hosts(text: &str) -> Result<OtherHosts, String> {
    one_of(
        text,
        &[
            ("system", OtherHosts::System),
            ("native", OtherHosts::Native),
        ],
    )
}

/// `warn`, `refuse`, `off`.
pub fn author_check(text: &str) -> Result<AuthorCheck, String> {
    one_of(
        text,
        &[
            ("warn", AuthorCheck::Warn),
            ("refuse", AuthorCheck::Refuse),
            ("off", AuthorCheck::Off),
        ],
    )
}

/// `cloud`, `datacenter`.
pub fn site_kind(text: &str) -> Result<SiteKind, String> {
    one_of(
        text,
        &[
            ("cloud", SiteKind::Cloud),
            ("datacenter", SiteKind::DataCenter),
        ],
    )
}

/// `ed25519`, `ecdsa`, `rsa`, `rsa-BITS`.
pub fn key_type(text: &str) -> Result<KeyType, String> {
    let text = text.to_ascii_lowercase();
    match text.as_str() {
        "ed25519" => Ok(KeyType::Ed25519),
        "ecdsa" => Ok(KeyType::Ecdsa),
        "rsa" => Ok(KeyType::Rsa(4096)),
        _ => {
            let bits = text.strip_prefix("rsa-").and_then(|bits| bits.parse().ok());
            match bits {
                Some(bits) if bits < SMALLEST_RSA => {
                    Err(format!("RSA keys have at least {SMALLEST_RSA} bits"))
                }
                Some(bits) if bits > LARGEST_RSA => {
                    Err(format!("RSA keys have at most {LARGEST_RSA} bits"))
                }
                Some(bits) => Ok(KeyType::Rsa(bits)),
                None => Err("not one of ed25519, ecdsa, rsa, rsa-BITS".to_owned()),
            }
        }
    }
}

/// As [`age`], at least a day.
pub fn lifetime(text: &str) -> Result<u32, String> {
    match age(text) {
        Ok(0) => Err("must be at least one day".to_owned()),
        days => days,
    }
}

/// `90d`, `12w`, `1y` (of 365 days), `90` (days), in days.
pub fn age(text: &str) -> Result<u32, String> {
    let wrong = || "not a number of days, weeks or years like 90d, 12w, 1y".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let days_of_one = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "d" => 1,
        "w" => 7,
        "y" => 365,
        _ => return Err(wrong()),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let number = digits.parse::<u32>().ok();
    match number.and_then(|number| number.checked_mul(days_of_one)) {
        Some(days) if days <= LONGEST_LIFE => Ok(days),
        _ => Err("longer than a hundred years".to_owned()),
    }
}

fn one_of<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    let found = words
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(text));
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let meant = nearest(text, words.iter().copied())
            .map_or_else(String::new, |word| format!("; did you mean {word}?"));
        format!("not one of {}{meant}", words.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_types_and_lifetimes() {
        for (text, value, why) in [
            ("ed25519", Ok(KeyType::Ed25519), "the default"),
            ("RSA", Ok(KeyType::Rsa(4096)), "words have no case"),
            ("rsa-3072", Ok(KeyType::Rsa(3072)), "bits"),
            ("rsa-2048", Ok(KeyType::Rsa(2048)), "the smallest"),
            ("rsa-1024", Err(()), "too small"),
            ("rsa-999999", Err(()), "nobody reads it"),
            ("rsa-", Err(()), "no number"),
            ("dsa", Err(()), "no such type"),
        ] {
            assert_eq!(key_type(text).map_err(|_| ()), value, "{why}");
        }
        for (text, days, why) in [
            ("90d", Some(90), "days"),
            ("12w", Some(84), "weeks"),
            ("1y", Some(365), "years"),
            ("1Y", Some(365), "no case"),
            ("0d", None, "at once"),
            ("90", Some(90), "a bare number is days"),
            ("90x", None, "no such unit"),
            ("0", None, "at once"),
            ("99999999999", None, "too long to count"),
            ("", None, "nothing"),
            ("d", None, "no number"),
            ("-1d", None, "the past"),
            ("4000000000y", None, "too long to count"),
            ("9é", None, "not ASCII"),
        ] {
            assert_eq!(lifetime(text).ok(), days, "{why}");
            assert!(days.is_none() || age(text).ok() == days, "{why}: an age");
        }
        assert_eq!(
            provision("nver").unwrap_err(),
            "not one of auto, ask, never; did you mean never?"
        );
        assert_eq!(
            carrier("russh").unwrap_err(),
            "not one of native, openssh",
            "nothing like it"
        );
    }
}
