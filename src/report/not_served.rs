//! Words for a plan that is at its end: who was tried, and what the server said to each.

use std::path::PathBuf;

use super::{Explanation, log_in};
use crate::connection::failure::{AttemptLog, named};
use crate::identity::key_file::KeyFileError;
use crate::identity::{Rank, Skipped};
use crate::settings::{Ignored, Lines, Origin};
use crate::text::sanitise;
use crate::transport::Refusal;

pub(super) fn explain(tried: &AttemptLog) -> Explanation {
    match (tried.refused.first(), tried.not_let_in.first()) {
        (Some(_), _) => repository_refused(tried),
        (None, Some((_, refusal))) => login_refused(tried, refusal),
        (None, None) => nobody_to_go(tried),
    }
}

/// The first refusal's text has been given as it came; each identity is named here.
fn repository_refused(tried: &AttemptLog) -> Explanation {
    let mut hints = Vec::new();
    for refused in &tried.refused {
        hints.push(format!(
            "{} was let in; the server said: {}",
            identity(
                named(refused.account.as_ref(), &refused.identity),
                refused.identity.fingerprint()
            ),
            sanitise(&refused.said())
        ));
    }
    hints.extend(refused_logins(tried));
    hints.extend(unusable_files(tried));
    for (account, why) in &tried.not_made {
        hints.push(format!("no key was made for {account}: {why}"));
        hints.push(format!("git bitbucket key new --account {account}"));
    }
    if tried.nobody_known && tried.not_made.is_empty() {
        hints.push("no account is known here; with one that may use the repository:".to_owned());
        hints.extend(log_in("git bitbucket login"));
    } else if tried.not_made.is_empty() && tried.decided_by.is_none() {
        hints.push("an account that may use it goes by itself once it is logged in:".to_owned());
        hints.push("git bitbucket login".to_owned());
    } else if tried.not_made.is_empty() {
        hints.push(
            "nobody else was tried, since this one is chosen; why, and who could go: git bitbucket status".to_owned(),
        );
    }
    let status = tried
        .refused
        .first()
        .map_or(255, |refused| refused.status.0);
    Explanation {
        what: String::new(),
        hints,
        status,
    }
}

fn login_refused(tried: &AttemptLog, refusal: &Refusal) -> Explanation {
    let methods = if refusal.methods.is_empty() {
        "publickey".to_owned()
    } else {
        refusal.methods.join(",")
    };
    let host = &refusal.endpoint.address.host;
    let mut told = Explanation::new(format!(
        "{}@{host}: Permission denied ({methods}).",
        refusal.user
    ));
    told.hints = refused_logins(tried);
    let refusals = tried.not_let_in.iter();
    let unusable = refusals.flat_map(|(_, refusal)| refusal.unusable.iter().cloned());
    let before = told.hints.len();
    told.hints.extend(unusable);
    if told.hints.len() > before {
        return told;
    }
    told.hints.extend(unusable_files(tried));
    how_to_log_in(told, tried)
}

/// A setting that is not understood, in git's phrase.
pub(super) fn not_understood(obstacle: &Ignored) -> Explanation {
    let value = sanitise(&obstacle.value);
    let Origin::GitConfig { file, key, .. } = &obstacle.origin else {
        return Explanation::new(format!("bad config value '{value}': {}", obstacle.why));
    };
    let (of_file, option) = match file {
        Some(file) => {
            let line = Lines::read([&obstacle.origin]).find(file, key, &obstacle.value);
            let line = line.map_or_else(String::new, |line| format!(" at line {line}"));
            (
                format!(" in file {}{line}", file.display()),
                format!("--file '{}'", file.display()),
            )
        }
        None => (String::new(), "--global".to_owned()),
    };
    let key = sanitise(key);
    Explanation::new(format!("bad config value '{value}' for '{key}'{of_file}"))
        .hint(obstacle.why.clone())
        .hint(format!("git config {option} --unset-all '{key}'"))
}

fn nobody_to_go(tried: &AttemptLog) -> Explanation {
    if let (Some(obstacle), None) = (&tried.provision_blocker, tried.decided_by) {
        return not_understood(obstacle);
    }
    let what = match tried.decided_by {
        Some(Rank::CommandLine) => {
            "Permission denied (publickey): no identity file of the command line can be used."
        }
        _ => "Permission denied (publickey): there is no key for this repository here.",
    };
    let mut told = Explanation::new(complained(what, tried));
    // Where somebody was named, the reason why nobody goes is about that one.
    if tried.decided_by.is_none() {
        told.hints.extend(unusable_files(tried));
    } else {
        for skipped in &tried.skipped {
            told.hints.extend(left_out(skipped));
        }
        if let Some(obstacle) = &tried.provision_blocker {
            let obstacle = not_understood(obstacle);
            told.hints.push(obstacle.what);
            told.hints.extend(obstacle.hints);
        }
    }
    let named = tried.decided_by.is_some();
    if named && tried.decided_by != Some(Rank::CommandLine) && !unusable_files(tried).is_empty() {
        return told;
    }
    if let Some(forbidden) = tried.skipped.iter().find(|one| one.key_forbidden) {
        return told
            .hint(format!("{} {}", forbidden.what, forbidden.why))
            .hint("git config --global bitbucket.provision auto")
            .hint(format!(
                "or only once: git bitbucket key new --account {}",
                forbidden.what
            ));
    }
    if tried.decided_by == Some(Rank::CommandLine) {
        return told.hint("without -i and --account the usual identity goes: git bitbucket status");
    }
    how_to_log_in(told, tried)
}

/// With ssh(1)'s box in front for a file that others may read; where the command line names it, it
/// has been shown.
fn complained(what: &str, tried: &AttemptLog) -> String {
    if tried.decided_by == Some(Rank::CommandLine) {
        return what.to_owned();
    }
    let files = tried.skipped.iter().filter_map(|one| one.file.as_ref());
    let unprotected = files.filter(|error| matches!(error, KeyFileError::Unprotected { .. }));
    let mut lines: Vec<_> = unprotected.map(KeyFileError::complaint).collect();
    lines.push(what.to_owned());
    lines.join("\n")
}

/// Key files that are there and cannot be used, each with the line that puts it right.
fn unusable_files(tried: &AttemptLog) -> Vec<String> {
    let files = tried.skipped.iter().filter(|one| one.file.is_some());
    files.flat_map(left_out).collect()
}

fn left_out(skipped: &Skipped) -> Vec<String> {
    let why = format!("{} {}", skipped.what, skipped.why);
    let remedy = skipped.file.as_ref().and_then(KeyFileError::remedy);
    std::iter::once(sanitise(&why)).chain(remedy).collect()
}

/// Which keys were refused, one line for each login.
fn refused_logins(tried: &AttemptLog) -> Vec<String> {
    let mut lines = Vec::new();
    for (account, refusal) in &tried.not_let_in {
        // What the server would have taken is no refused key.
        let used = |file: &Option<PathBuf>| {
            let file = file.as_ref().map(|file| file.display().to_string());
            let mut unusable = refusal.unusable.iter();
            file.is_none_or(|file| !unusable.any(|why| why.starts_with(&format!("{file}: "))))
        };
        let keys: Vec<_> = refusal
            .offered
            .iter()
            .filter(|(_, file)| used(file))
            .map(|(fingerprint, file)| {
                let file = file.as_ref().map(|file| file.display().to_string());
                identity(
                    file.unwrap_or_else(|| "a key of the agent".to_owned()),
                    fingerprint.clone(),
                )
            })
            .collect();
        let whose = account
            .as_ref()
            .map_or_else(String::new, |account| format!(" of {account}"));
        if !keys.is_empty() {
            lines.push(format!("refused{whose}: {}", keys.join(", ")));
        }
    }
    lines
}

fn identity(name: String, fingerprint: Option<String>) -> String {
    match fingerprint {
        Some(fingerprint) if fingerprint != name => format!("{name} ({fingerprint})"),
        _ => name,
    }
}

/// Only where no account was named or known: two lines that can be followed.
fn how_to_log_in(mut told: Explanation, tried: &AttemptLog) -> Explanation {
    if matches!(
        tried.decided_by,
        Some(Rank::CommandLine | Rank::SshConfigOnly)
    ) {
        return told;
    }
    told.hints.extend(log_in("git bitbucket login"));
    told
}
