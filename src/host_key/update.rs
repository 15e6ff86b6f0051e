//! UpdateHostKeys: what a server's list of its host keys changes in the user's known_hosts files, as
//! ssh(1) decides it (clientloop.c) and writes it (hostfile.c, `hostfile_replace_entries`).
//!
//! New keys count only once the server has proved that it holds them; that is the caller's job.

use std::fs;
use std::io;
use std::path::Path;

use ssh_key::PublicKey;

use super::known_hosts::{EncodedKey, Entry, KnownHosts, Marker, format_line};
use crate::storage;

/// A change that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// All keys that the server announced, in its order: the files have these afterwards.
    pub keys: Vec<PublicKey>,
    /// Those that no file has; the server must prove that it holds them. May be empty.
    pub new: Vec<PublicKey>,
    /// Known keys that the server no longer announces.
    pub old: Vec<PublicKey>,
}

/// The change that the keys announced by the host `name` call for. `files`: the user's only. The
/// error is one clause: why nothing changes.
pub fn change(
    files: &KnownHosts,
    name: &str,
    announced: Vec<PublicKey>,
) -> Result<Change, &'static str> {
    let written: Vec<_> = announced.iter().filter_map(EncodedKey::of).collect();
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
        .partition(|entry| entry.matches(&name));
    let has_any = |entry: &Entry<'_>, keys: &[EncodedKey]| keys.iter().any(|key| entry.has(key));
    let is_manual = |entry: &Entry<'_>| {
        let by_hand = entry.marker != Marker::None || entry.is_written_by_hand();
        by_hand && entry.public_key().is_some()
    };
    let old: Vec<PublicKey> = own
        .iter()
        .filter(|entry| !is_manual(entry) && !has_any(entry, &written))
        .filter_map(Entry::public_key)
        .collect();
    let known = |key: &PublicKey| {
        let key = EncodedKey::of(key);
        key.is_some_and(|key| own.iter().any(|entry| !is_manual(entry) && entry.has(&key)))
    };
    let new: Vec<PublicKey> = announced
        .iter()
        .filter(|key| !known(key))
        .cloned()
        .collect();
    if new.is_empty() && old.is_empty() {
        return Err("no new or deprecated keys from the server");
    }
    if own.iter().any(is_manual) {
        return Err("its lines have a marker, a pattern or a list of names");
    }
    if others.iter().any(|entry| has_any(entry, &written)) {
        return Err("a key is also listed for another name");
    }
    let deprecated: Vec<_> = old.iter().filter_map(EncodedKey::of).collect();
    if others.iter().any(|entry| has_any(entry, &deprecated)) {
        return Err("a deprecated key is also listed for another name");
    }
    Ok(Change {
        keys: announced,
        new,
        old,
    })
}

/// Of the lines for `name`, keeps those with one of `keys`, removes the others, and adds lines for
/// the keys that had none, with hashed names where `hash` asks for it. Lines with a marker, lines
/// for other names, and lines that cannot be parsed stay. Symbolic links are followed (ssh(1)
/// replaces them with a file). The old file stays beside the new one as `FILE.old`; where nothing
/// changes, nothing is written.
pub fn rewrite(file: &Path, name: &str, keys: &[PublicKey], hash: bool) -> io::Result<()> {
    let file = fs::canonicalize(file)?;
    let before = storage::read_file(&file)?;
    let after = rewritten(&before, name, keys, hash)?;
    if after == before {
        return Ok(());
    }
    let mut backup = file.clone().into_os_string();
    backup.push(".old");
    // 0600, whatever the old file had, as in ssh(1).
    storage::replace_with_backup(&file, &after, 0o600, Path::new(&backup))
}

fn rewritten(before: &[u8], name: &str, keys: &[PublicKey], hash: bool) -> io::Result<Vec<u8>> {
    let name = name.to_ascii_lowercase();
    let mut missing: Vec<_> = keys.iter().filter_map(EncodedKey::of).collect();
    let wanted = missing.clone();
    let mut changed = false;
    let mut after = Vec::with_capacity(before.len() + 512);
    for line in before.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let text = String::from_utf8_lossy(line);
        let own = Entry::parse(&text).filter(|entry| {
            entry.marker == Marker::None && entry.matches(&name) && entry.public_key().is_some()
        });
        if let Some(entry) = own {
            let Some(key) = wanted.iter().find(|key| entry.has(key)) else {
                changed = true;
                continue;
            };
            missing.retain(|other| other != key);
        }
        after.extend_from_slice(line);
        after.push(b'\n');
    }
    for key in &missing {
        after.extend_from_slice(format_line(&name, key, hash)?.as_bytes());
        changed = true;
    }
    // A missing line feed at the end is no reason to write.
    Ok(if changed { after } else { before.to_vec() })
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
            format!("{names} {}\n", EncodedKey::of(key).expect("a key"))
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
                Err("its lines have a marker, a pattern or a list of names"),
                "a pattern",
            ),
            (
                line("h,i,j", one),
                both(),
                Err("its lines have a marker, a pattern or a list of names"),
                "three names",
            ),
            (
                line("h", one) + &line("@cert-authority h", three),
                both(),
                Err("its lines have a marker, a pattern or a list of names"),
                "an authority",
            ),
            (
                line("h", one) + &line("other", two),
                both(),
                Err("a key is also listed for another name"),
                "a new key that is known elsewhere",
            ),
            (
                line("h", one) + &line("h", three) + &line("other", three),
                both(),
                Err("a deprecated key is also listed for another name"),
                "an old key that is known elsewhere",
            ),
            (
                line("h", one) + &line("other", three),
                both(),
                Ok((1, 0)),
                "a line of another host",
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
