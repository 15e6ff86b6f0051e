//! pre-push: whether the pushed commits have author addresses of the account that pushes.

use std::collections::BTreeMap;

use super::{PushTarget, Verdict, addresses, has_address};
use crate::commands::context::CommandContext;
use crate::commands::{Error, git};
use crate::context::Context;
use crate::settings::AuthorCheck;
use crate::text::{Pasted, counted, sanitise};

/// Reports the commits whose author address does not belong to the account. `remote`: its name,
/// `None` for a bare URL; `lines`: what git wrote to the hook. An account without a known address
/// passes.
pub(super) fn pre_push(
    call: &mut CommandContext<'_>,
    target: &PushTarget,
    remote: Option<&str>,
    lines: &str,
) -> Result<Verdict, Error> {
    if target.check == AuthorCheck::Off || addresses(&target.account).next().is_none() {
        return Ok(Verdict::Pass);
    }
    let updates = updates(lines);
    let commits = new_commits(call.context, remote, &updates)?;
    let foreign: Vec<_> = commits
        .iter()
        .filter(|authored| !has_address(&target.account, &authored.address))
        .collect();
    if foreign.is_empty() {
        return Ok(Verdict::Pass);
    }
    let refused = target.check == AuthorCheck::Refuse;
    let repair = repair(call.context, target, &updates, &foreign);
    tell(call, target, &commits, &foreign, refused);
    for line in repair? {
        call.warn(format!("hint: {line}"));
    }
    call.warn(if refused {
        "hint: git config bitbucket.hooks.author warn"
    } else {
        "hint: git config bitbucket.hooks.author off"
    });
    Ok(if refused {
        Verdict::Refuse
    } else {
        Verdict::Pass
    })
}

/// Of one address, at most this many commits are listed.
const LISTED: usize = 3;

fn tell(
    call: &mut CommandContext<'_>,
    target: &PushTarget,
    all: &[Authored],
    foreign: &[&Authored],
    refused: bool,
) {
    let total: usize = all.iter().map(|authored| authored.commits.len()).sum();
    let wrong: usize = foreign.iter().map(|authored| authored.commits.len()).sum();
    let kind = if refused { "refused" } else { "warning" };
    let commits = counted(total, "commit");
    call.warn(format!(
        "bitbucket-ssh: {kind}: {wrong} of {commits} for {} with an author address that does not belong to {}:",
        target.repository, target.account.account,
    ));
    for authored in foreign {
        let more = authored.commits.len().saturating_sub(LISTED);
        let listed: Vec<_> = authored.commits.iter().take(LISTED).cloned().collect();
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        call.warn(format!(
            "  {}  {}{more}",
            sanitise(&authored.address),
            listed.join(" ")
        ));
    }
}

/// The lines that give the user's own commits an address of the account: for the last commit of the
/// branch that is checked out, or for several of its commits. None for commits of other people, and
/// none for a branch that is not checked out, since the lines rewrite HEAD.
fn repair(
    context: &Context,
    target: &PushTarget,
    updates: &[Update],
    foreign: &[&Authored],
) -> Result<Vec<String>, Error> {
    let Some(address) = addresses(&target.account).next() else {
        return Ok(Vec::new());
    };
    let value = |key: &str| git::line(context, &["config", "--get", key]);
    let (email, name) = (value("user.email")?, value("user.name")?);
    let mut lines = Vec::new();
    let is_set = |email: &String| has_address(&target.account, email);
    if !email.as_ref().is_some_and(is_set) {
        lines.push(format!("git config user.email {}", Pasted::new(address)));
    }
    let same = |own: &Option<String>, found: &str| {
        own.as_ref()
            .is_some_and(|own| own.eq_ignore_ascii_case(found))
    };
    let own = |authored: &&&Authored| {
        same(&email, &authored.address) || authored.names.iter().all(|found| same(&name, found))
    };
    let own: Vec<_> = foreign.iter().filter(own).collect();
    let head = git::line(context, &["rev-parse", "--verify", "--quiet", "HEAD"])?;
    let is_head = |update: &Update| update.local.is_some() && update.local == head;
    let ([update], false) = (updates, own.is_empty()) else {
        return Ok(if own.is_empty() { Vec::new() } else { lines });
    };
    if !is_head(update) {
        return Ok(lines);
    }
    let commits = own.iter().flat_map(|authored| &authored.commits);
    let commits: Vec<&String> = commits.collect();
    let amend = "git commit --amend --reset-author --no-edit";
    let last = git::line(
        context,
        &["rev-parse", "--verify", "--quiet", "--short", "HEAD"],
    )?;
    if let ([only], Some(last)) = (commits.as_slice(), last)
        && **only == last
    {
        lines.push(amend.to_owned());
        return Ok(lines);
    }
    let Some(base) = base(context, &commits)? else {
        return Ok(lines);
    };
    let addresses = own
        .iter()
        .map(|authored| Pasted::new(&authored.address).to_string());
    let addresses = addresses.collect::<Vec<_>>().join("|");
    let each = format!(
        "case \"$(git log -1 --format=%ae)\" in {addresses}) {amend} --allow-empty --quiet;; esac"
    );
    lines.push(format!(
        "git rebase --rebase-merges --autostash {base} --exec {}",
        Pasted::new(&each)
    ));
    Ok(lines)
}

/// What `git rebase` is given so that it goes through all of these commits.
fn base(context: &Context, commits: &[&String]) -> Result<Option<String>, Error> {
    let mut arguments = vec!["rev-list", "--no-walk=sorted"];
    arguments.extend(commits.iter().map(|commit| commit.as_str()));
    let listed = git::run(context, &arguments)?;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    // The oldest is the one that is an ancestor of all others.
    let mut oldest: Option<&str> = None;
    for commit in listed.lines() {
        let older = match oldest {
            None => true,
            Some(known) => {
                let arguments = ["merge-base", "--is-ancestor", commit, known];
                git::ask(context, &arguments)?.is_some()
            }
        };
        if older {
            oldest = Some(commit);
        }
    }
    let Some(oldest) = oldest else {
        return Ok(None);
    };
    let parent = format!("{oldest}^");
    let arguments = ["rev-parse", "--verify", "--quiet", "--short", &parent];
    let parent = git::line(context, &arguments)?;
    Ok(Some(parent.unwrap_or_else(|| "--root".to_owned())))
}

/// One line of a pre-push hook's standard input (githooks(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Update {
    /// The pushed object. `None`: the ref is deleted.
    local: Option<String>,
    /// The remote's object. `None`: the ref is new.
    remote: Option<String>,
}

/// Reads `<local ref> <local oid> <remote ref> <remote oid>` lines; others are ignored.
fn updates(text: &str) -> Vec<Update> {
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

/// An object name; zeros stand for no object. Outer `None`: not an object name.
#[expect(
    clippy::option_option,
    reason = "no object is not the same as no object name"
)]
fn object(word: &str) -> Option<Option<String>> {
    let hexadecimal = word.len() >= 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    hexadecimal.then(|| (!is_zero(word)).then(|| word.to_owned()))
}

/// Whether this is git's name for "no object".
pub(super) fn is_zero(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte == b'0')
}

/// The commits that are new to the remote, newest first, by author address in order of appearance:
/// those that neither its remote-tracking branches nor its updated refs contain, as far as these
/// objects are in this repository. `remote`: its name; for a bare URL (`None`) the tracking branches
/// of every remote count.
fn new_commits(
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
    // --ignore-missing: the remote may have objects that this repository does not have.
    let mut arguments = vec![
        "log",
        "--no-show-signature",
        "--format=%h%x09%ae%x09%an",
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
struct Authored {
    /// As in the commits.
    address: String,
    /// Abbreviated, newest first.
    commits: Vec<String>,
    /// The authors' names, one for each commit.
    names: Vec<String>,
}

fn by_address(listed: &str) -> Vec<Authored> {
    let mut found: Vec<Authored> = Vec::new();
    let mut places = BTreeMap::new();
    for line in listed.lines() {
        let mut parts = line.splitn(3, '\t');
        let mut part = || parts.next().unwrap_or_default();
        let (commit, address, name) = (part(), part(), part());
        let place = *places.entry(address.to_lowercase()).or_insert_with(|| {
            found.push(Authored {
                address: address.to_owned(),
                commits: Vec::new(),
                names: Vec::new(),
            });
            found.len() - 1
        });
        found[place].commits.push(commit.to_owned());
        found[place].names.push(name.to_owned());
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
