//! UpdateHostKeys: what a host's announcement of its keys changes in the user's files, as ssh(1)
//! decides it (clientloop.c). Pure; `rewrite` writes.
//!
//! New keys count only once the host has proved that it holds them: that is the caller's business.

use ssh_key::PublicKey;

use super::entry::{Entry, Marker, Written};
use super::known_hosts::KnownHosts;

/// A change that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Everything that the host announced, in its order: what the files say afterwards.
    pub keys: Vec<PublicKey>,
    /// Those of them that no file has: they must be proved. May be empty.
    pub new: Vec<PublicKey>,
    /// Known ones that the host no longer announced.
    pub old: Vec<PublicKey>,
}

/// What is to be done about the keys that the host of `name` announced. `files`: the user's, no
/// others. The error is one clause: why nothing is done.
pub fn change(
    files: &KnownHosts,
    name: &str,
    announced: Vec<PublicKey>,
) -> Result<Change, &'static str> {
    let written: Vec<_> = announced.iter().filter_map(Written::of).collect();
    if written.is_empty() {
        return Err("no key was announced");
    }
    if (1..written.len()).any(|number| written[..number].contains(&written[number])) {
        return Err("a key was announced twice");
    }
    let name = name.to_ascii_lowercase();
    let (own, others): (Vec<Entry<'_>>, Vec<Entry<'_>>) = files
        .entries()
        .map(|(_, _, entry)| entry)
        .partition(|entry| entry.speaks_of(&name));
    let has_any = |entry: &Entry<'_>, keys: &[Written]| keys.iter().any(|key| entry.has(key));
    let manual_registration = |entry: &Entry<'_>| {
        let written_by_hand = entry.marker != Marker::None || entry.is_written_by_hand();
        written_by_hand && entry.public_key().is_some()
    };
    let old: Vec<PublicKey> = own
        .iter()
        .filter(|entry| !manual_registration(entry) && !has_any(entry, &written))
        .filter_map(Entry::public_key)
        .collect();
    let known = |key: &PublicKey| {
        let key = Written::of(key);
        key.is_some_and(|key| {
            own.iter()
                .any(|entry| !manual_registration(entry) && entry.has(&key))
        })
    };
    let new: Vec<PublicKey> = announced
        .iter()
        .filter(|key| !known(key))
        .cloned()
        .collect();
    if new.is_empty() && old.is_empty() {
        return Err("no new or deprecated keys from the server");
    }
    if own.iter().any(manual_registration) {
        return Err("a marker, a pattern or a list of names stands in its lines");
    }
    if others.iter().any(|entry| has_any(entry, &written)) {
        return Err("a key stands beside another name, too");
    }
    let deprecated: Vec<_> = old.iter().filter_map(Written::of).collect();
    if others.iter().any(|entry| has_any(entry, &deprecated)) {
        return Err("a deprecated key stands beside another name, too");
    }
    Ok(Change {
        keys: announced,
        new,
        old,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::host_key::published;

    #[test]
    fn lines_that_ssh_would_not_touch_are_left_alone() {
        let [one, two, three] = published::keys() else {
            panic!("three keys are published")
        };
        let line = |names: &str, key: &PublicKey| {
            format!("{names} {}\n", Written::of(key).expect("a key"))
        };
        let both = || vec![one.clone(), two.clone()];
        for (text, announced, expected, why) in [
            (line("h", one), both(), Ok((1, 0)), "one more"),
            (
                line("h,10.0.0.1", one),
                both(),
                Ok((1, 0)),
                "with its address",
            ),
            (
                line("h", one) + &line("h", three),
                both(),
                Ok((1, 1)),
                "one more, one less",
            ),
            (
                line("h", one) + &line("h", two) + &line("h", three),
                both(),
                Ok((0, 1)),
                "one less: nothing to prove",
            ),
            (
                line("h", one) + &line("h", two),
                both(),
                Err("no new or deprecated keys from the server"),
                "the usual case",
            ),
            (
                line("h", one),
                vec![],
                Err("no key was announced"),
                "nothing",
            ),
            (
                line("h", one),
                vec![two.clone(), two.clone()],
                Err("a key was announced twice"),
                "twice",
            ),
            (
                line("h*", one),
                both(),
                Err("a marker, a pattern or a list of names stands in its lines"),
                "a pattern",
            ),
            (
                line("h,i,j", one),
                both(),
                Err("a marker, a pattern or a list of names stands in its lines"),
                "three names",
            ),
            (
                line("h", one) + &line("@cert-authority h", three),
                both(),
                Err("a marker, a pattern or a list of names stands in its lines"),
                "an authority",
            ),
            (
                line("h", one) + &line("other", two),
                both(),
                Err("a key stands beside another name, too"),
                "a new key that is known elsewhere",
            ),
            (
                line("h", one) + &line("h", three) + &line("other", three),
                both(),
                Err("a deprecated key stands beside another name, too"),
                "an old key that is known elsewhere",
            ),
            (
                line("h", one) + &line("other", three),
                both(),
                Ok((1, 0)),
                "a stranger's line",
            ),
        ] {
            let files = KnownHosts::of_text(Path::new("/k"), &text);
            let found = change(&files, "H", announced.clone());
            let counts = found
                .as_ref()
                .map(|change| (change.new.len(), change.old.len()));
            assert_eq!(counts, expected.as_ref().copied(), "{why}");
            if let Ok(change) = found {
                assert_eq!(change.keys, announced, "{why}");
            }
        }
    }
}
