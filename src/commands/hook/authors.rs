//! The commits that a push brings to a remote, with their authors' addresses.

use std::collections::BTreeMap;

use crate::commands::{Error, git};
use crate::context::Context;

/// One line that git gives a pre-push hook (githooks(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Update {
    /// What is pushed. `None`: the remote's ref is deleted.
    pub(super) local: Option<String>,
    /// What the remote has. `None`: the ref is new.
    pub(super) remote: Option<String>,
}

/// Reads `<local ref> <local oid> <remote ref> <remote oid>` lines; others are left out.
pub(super) fn updates(text: &str) -> Vec<Update> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (_, local, _, remote) =
                (words.next()?, words.next()?, words.next()?, words.next()?);
            Some(Update {
                local: object(local)?,
                remote: object(remote)?,
            })
        })
        .collect()
}

/// An object name; zeros mean that there is none. Outer `None`: no object name at all.
#[expect(
    clippy::option_option,
    reason = "no object and no object name are different"
)]
fn object(word: &str) -> Option<Option<String>> {
    let hexadecimal = word.len() >= 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    hexadecimal.then(|| (!is_zero(word)).then(|| word.to_owned()))
}

/// Whether this is git's name for "no object".
pub(super) fn is_zero(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte == b'0')
}

/// The commits that no remote-tracking branch of the remote has (and not what the updated refs
/// hold there, as far as it is here), newest first, by author address in order of appearance.
/// `remote`: its name; a push to a bare URL has none, then the tracking branches of every remote
/// count.
pub(super) fn new_commits(
    context: &Context,
    remote: Option<&str>,
    updates: &[Update],
) -> Result<Vec<Authored>, Error> {
    let local: Vec<_> = updates
        .iter()
        .filter_map(|update| update.local.as_deref())
        .collect();
    if local.is_empty() {
        return Ok(Vec::new());
    }
    let tracking = match remote {
        Some(name) => format!("--remotes={name}"),
        None => "--remotes".to_owned(),
    };
    // What the remote has and is not here is no bad input: --ignore-missing.
    let mut arguments = vec![
        "log",
        "--no-show-signature",
        "--format=%h %ae",
        "--ignore-missing",
    ];
    arguments.extend(local);
    arguments.push("--not");
    arguments.extend(updates.iter().filter_map(|update| update.remote.as_deref()));
    arguments.push(&tracking);
    arguments.push("--");
    let listed = git::run(context, &arguments)?;
    Ok(by_address(&String::from_utf8_lossy(&listed)))
}

/// The commits of one author address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authored {
    /// As the commits have it.
    pub(super) address: String,
    /// Abbreviated, newest first.
    pub(super) commits: Vec<String>,
}

fn by_address(listed: &str) -> Vec<Authored> {
    let mut found: Vec<Authored> = Vec::new();
    let mut places = BTreeMap::new();
    for line in listed.lines() {
        let (commit, address) = line.split_once(' ').unwrap_or((line, ""));
        let place = *places.entry(address.to_lowercase()).or_insert_with(|| {
            found.push(Authored {
                address: address.to_owned(),
                commits: Vec::new(),
            });
            found.len() - 1
        });
        found[place].commits.push(commit.to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_git_are_read() {
        let one = "1".repeat(40);
        let zero = "0".repeat(40);
        for (line, expected, why) in [
            (
                format!("refs/heads/a {one} refs/heads/a {zero}"),
                vec![(true, false)],
                "a new ref",
            ),
            (
                format!("(delete) {zero} refs/heads/a {one}"),
                vec![(false, true)],
                "a ref that goes",
            ),
            (
                format!("HEAD {} refs/heads/a {}", "a".repeat(64), "0".repeat(64)),
                vec![(true, false)],
                "SHA-256",
            ),
            (
                "refs/heads/a --all refs/heads/a x".to_owned(),
                vec![],
                "no option",
            ),
            (String::new(), vec![], "up to date"),
        ] {
            let found: Vec<_> = updates(&line)
                .iter()
                .map(|update| (update.local.is_some(), update.remote.is_some()))
                .collect();
            assert_eq!(found, expected, "{why}");
        }
    }
}
