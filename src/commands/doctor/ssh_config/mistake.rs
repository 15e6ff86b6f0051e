//! A mistake in ssh_config, by what ssh says of it: where it is, and the line that mends it.
//!
//! Reads the file that ssh names. Knows the doctor's ground.

use std::path::{Path, PathBuf};

use crate::commands::doctor::checkup::{Checkup, word};

/// What people write for these hosts (ssh_config(5)).
const OPTIONS: [&str; 42] = [
    "AddKeysToAgent",
    "AddressFamily",
    "BatchMode",
    "BindAddress",
    "CertificateFile",
    "CheckHostIP",
    "Ciphers",
    "Compression",
    "ConnectTimeout",
    "ConnectionAttempts",
    "ControlMaster",
    "ControlPath",
    "ControlPersist",
    "ForwardAgent",
    "GlobalKnownHostsFile",
    "HashKnownHosts",
    "Host",
    "HostKeyAlgorithms",
    "HostKeyAlias",
    "HostName",
    "IdentitiesOnly",
    "IdentityAgent",
    "IdentityFile",
    "IgnoreUnknown",
    "Include",
    "KexAlgorithms",
    "LogLevel",
    "MACs",
    "Match",
    "PasswordAuthentication",
    "Port",
    "PreferredAuthentications",
    "ProxyCommand",
    "ProxyJump",
    "PubkeyAcceptedAlgorithms",
    "PubkeyAuthentication",
    "SendEnv",
    "ServerAliveCountMax",
    "ServerAliveInterval",
    "StrictHostKeyChecking",
    "User",
    "UserKnownHostsFile",
];

/// The line of shell after which ssh reads the file. `None`: ssh names no file, or no line of it.
pub(in crate::commands::doctor) fn remedy(checkup: &Checkup<'_>, said: &str) -> Option<String> {
    if let Some(file) = said.split("Bad owner or permissions on ").nth(1) {
        let file = PathBuf::from(file.split(';').next()?.trim());
        return Some(format!("chmod 600 {}", word(&checkup.shown(&file))));
    }
    let (file, number, option) = place(said)?;
    let text = std::fs::read_to_string(&file).ok()?;
    let line = text.lines().nth(number.checked_sub(1)?)?;
    let script = option
        .and_then(|option| {
            let at = line
                .to_ascii_lowercase()
                .find(&option.to_ascii_lowercase())?;
            let written = &line[at..at + option.len()];
            Some(format!("{number}s/{written}/{}/", selection(written)?))
        })
        .unwrap_or_else(|| format!("{number}s/^/#/"));
    Some(checkup.edited(&file, &script))
}

/// `FILE: line N: Bad configuration option: WORD`, or `FILE line N: …` of other mistakes.
fn place(said: &str) -> Option<(PathBuf, usize, Option<&str>)> {
    let said = said.split([';', '\n']).next()?;
    let (file, rest) = said.split_once(" line ")?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let number = rest[..end].parse().ok()?;
    let option = rest.split("Bad configuration option: ").nth(1);
    let option = option
        .map(str::trim)
        .filter(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    Some((
        Path::new(file.trim_end_matches(':')).to_owned(),
        number,
        option,
    ))
}

/// The option that differs by two letters at most. `None`: none, or several that are as near.
fn selection(written: &str) -> Option<&'static str> {
    let written = written.to_ascii_lowercase();
    let distances = OPTIONS
        .iter()
        .map(|option| (distance(&written, &option.to_ascii_lowercase()), *option));
    let mut near: Vec<_> = distances.filter(|(distance, _)| *distance <= 2).collect();
    near.sort_unstable();
    match near.as_slice() {
        [(_, option)] => Some(option),
        [(first, option), (second, _), ..] if first < second => Some(option),
        _ => None,
    }
}

/// Letters to change, add or leave out (Levenshtein's).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, b) in other.bytes().enumerate() {
            let change = corner + usize::from(a != b);
            corner = row[j + 1];
            row[j + 1] = change.min(corner + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_that_was_meant() {
        for (written, expected, why) in [
            (
                "IdentitiesOnyl",
                Some("IdentitiesOnly"),
                "two letters changed places",
            ),
            ("hostnam", Some("HostName"), "one is missing"),
            ("Hots", Some("Host"), "a short one"),
            ("Colour", None, "nothing is near"),
        ] {
            assert_eq!(selection(written), expected, "{why}");
        }
    }

    #[test]
    fn ssh_names_file_line_and_option() {
        for (said, expected) in [
            (
                "/h/config: line 2: Bad configuration option: identitiesonyl; /h/config: terminating",
                Some(("/h/config", 2, Some("identitiesonyl"))),
            ),
            (
                "/h/config line 7: unsupported option \"maybe\".",
                Some(("/h/config", 7, None)),
            ),
            ("no such host", None),
        ] {
            let found = place(said);
            let found = found
                .as_ref()
                .map(|(file, line, option)| (file.to_str().expect("text"), *line, *option));
            assert_eq!(found, expected, "{said}");
        }
    }
}
