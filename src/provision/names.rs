//! What a new key is called: its file, and its label on the site.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::context::Context;
use crate::repository::{Site, SiteKind};
use crate::settings::KeyType;

/// Longest label in bytes (interface section 5).
const LONGEST_LABEL: usize = 99;

/// `bitbucket_ACCOUNT_TYPE`; on Data Center `bitbucket_ACCOUNT_HOST[_PORT][_CONTEXT]_TYPE`. An
/// access key's has `WORKSPACE/SLUG` in the place of the account, which no account has: the `/` is
/// escaped as any other byte.
pub(super) fn file_name(site: &Site, holder: &str, key_type: KeyType) -> String {
    let mut name = format!("bitbucket_{}", escaped(&holder.to_lowercase()));
    if site.kind == SiteKind::DataCenter {
        let place = site
            .url
            .split_once("://")
            .map_or(site.url.as_str(), |(_, rest)| rest);
        for part in place.split([':', '/']).filter(|part| !part.is_empty()) {
            let _ = write!(name, "_{}", escaped(&part.to_lowercase()));
        }
    }
    let kind = match key_type {
        KeyType::Ed25519 => "ed25519",
        KeyType::Ecdsa => "ecdsa",
        KeyType::Rsa(_) => "rsa",
    };
    let _ = write!(name, "_{kind}");
    name
}

/// Bytes outside `a-z0-9@+._-` become `=XX`: nothing of an account reaches a path as it is.
fn escaped(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"@+._-".contains(&byte) {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "={byte:02X}");
        }
    }
    name
}

/// The file itself and `-2`, `-3`, …: places for further keys of the same account.
pub(super) fn places(directory: &Path, name: &str) -> impl Iterator<Item = PathBuf> {
    let first = directory.join(name);
    let further = (2..1000).map(|number| format!("{name}-{number}"));
    let further: Vec<PathBuf> = further.map(|name| directory.join(name)).collect();
    std::iter::once(first).chain(further)
}

/// `bitbucket-ssh USER@MACHINE DATE TAG`.
pub(super) fn label(context: &Context, now: Timestamp, tag: &str) -> String {
    label_of(&user(context), &machine(context), now, tag)
}

fn label_of(user: &str, machine: &str, now: Timestamp, tag: &str) -> String {
    let date = now.strftime("%Y-%m-%d");
    let user = plain(user);
    let machine = plain(machine);
    let fixed = format!("bitbucket-ssh @ {date} {tag}").len();
    let room = LONGEST_LABEL.saturating_sub(fixed);
    let user: String = user.chars().take(room / 2).collect();
    let machine: String = machine.chars().take(room - user.len()).collect();
    format!("bitbucket-ssh {user}@{machine} {date} {tag}")
}

/// Printable ASCII without blanks.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_graphic() { c } else { '_' })
        .collect()
}

#[cfg(unix)]
fn user(context: &Context) -> String {
    nix::unistd::User::from_uid(nix::unistd::geteuid())
        .ok()
        .flatten()
        .map(|user| user.name)
        .or_else(|| context.environment.text("USER").map(str::to_owned))
        .unwrap_or_else(|| "somebody".to_owned())
}

#[cfg(not(unix))]
fn user(context: &Context) -> String {
    context
        .environment
        .text("USERNAME")
        .unwrap_or("somebody")
        .to_owned()
}

#[cfg(unix)]
fn machine(_context: &Context) -> String {
    let name = nix::unistd::gethostname().ok();
    let name = name.and_then(|name| name.into_string().ok());
    let short = name.and_then(|name| name.split('.').next().map(str::to_owned));
    short
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "machine".to_owned())
}

#[cfg(not(unix))]
fn machine(context: &Context) -> String {
    context
        .environment
        .text("COMPUTERNAME")
        .unwrap_or("machine")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::{escaped, file_name, label_of};
    use crate::repository::{Site, SiteKind};
    use crate::settings::KeyType;

    #[test]
    fn no_account_reaches_a_path_as_it_is() {
        for (account, expected, why) in [
            (
                "you@example.com",
                "you@example.com",
                "an address stays readable",
            ),
            ("../../etc/x", "..=2F..=2Fetc=2Fx", "no slash"),
            ("a b\n", "a=20b=0A", "no blank, no newline"),
            ("Ünal", "=C3=9Cnal", "bytes, not characters"),
        ] {
            assert_eq!(escaped(account), expected, "{why}");
        }
    }

    #[test]
    fn a_label_is_short_and_plain() {
        let now = "2026-11-24T23:59:59Z".parse().expect("a time");
        let label = |user: &str, machine: &str| label_of(user, machine, now, "koluduli");
        assert_eq!(
            label("ada", "engine"),
            "bitbucket-ssh ada@engine 2026-11-24 koluduli"
        );
        let long = "x".repeat(300);
        for (user, machine, why) in [
            (long.as_str(), "engine", "a long user"),
            ("ada", long.as_str(), "a long machine"),
            (long.as_str(), long.as_str(), "both"),
            ("Ünal\u{1b}[31m", "ma chine\n", "no blank, no control"),
            ("", "", "nothing"),
        ] {
            let label = label(user, machine);
            assert!(label.len() < 100, "{why}: {label}");
            assert!(label.ends_with(" 2026-11-24 koluduli"), "{why}: {label}");
            assert_eq!(label.split(' ').count(), 4, "{why}: {label}");
            let plain = label.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
            assert!(plain, "{why}: {label}");
        }
    }

    #[test]
    fn a_data_center_s_file_names_its_site() {
        for (kind, url, expected) in [
            (
                SiteKind::Cloud,
                "https://bitbucket.org",
                "bitbucket_me@x_ed25519",
            ),
            (
                SiteKind::DataCenter,
                "https://git.example.com:8443/ctx",
                "bitbucket_me@x_git.example.com_8443_ctx_ed25519",
            ),
        ] {
            let site = Site {
                kind,
                url: url.to_owned(),
                api_url: String::new(),
                ssh_hosts: Vec::new(),
            };
            assert_eq!(file_name(&site, "Me@X", KeyType::Ed25519), expected);
            let access_key = expected.replace("me@x", "acme=2Fsite");
            assert_eq!(file_name(&site, "Acme/site", KeyType::Ed25519), access_key);
        }
    }
}
