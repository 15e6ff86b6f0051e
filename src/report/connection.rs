//! Messages for a git command that failed.

use std::path::PathBuf;

use super::{Explanation, log_in, provision, session};
use crate::connection::failure::{AttemptLog, Failure, named};
use crate::diagnostics;
use crate::identity::key_file::KeyFileError;
use crate::identity::{ManagedKey, Rank, Skipped};
use crate::repository::key_page;
use crate::settings::{self, Ignored, Origin};
use crate::text::sanitise;
use crate::transport::{self, Refusal};

/// Reports a failure on stderr and returns the exit status. The server's message about a
/// repository that was denied is passed through on the streams on which it came.
pub fn tell(failure: &Failure) -> u8 {
    if let Failure::PlanExhausted(log) = failure
        && let Some(first) = log.denied.first()
    {
        transport::replay(&first.stdout, &first.stderr);
    }
    let told = explain(failure);
    let kind = diagnostics::trace2::kind_of(failure);
    // To ssh(1) all about a host key but the last line is an error, and only that one is fatal.
    let inner = match failure {
        Failure::OtherHost(inner) => inner,
        failure => failure,
    };
    if let Failure::Transport(error @ transport::Error::HostKey { .. }) = inner {
        diagnostics::error_and_end(&told.to_string(), &error.to_string(), &kind);
    } else {
        diagnostics::error(&told.to_string(), &kind);
    }
    told.status
}

/// What happened, the next steps, and the exit status.
pub fn explain(failure: &Failure) -> Explanation {
    match failure {
        Failure::Command(error) => Explanation::new(error.to_string()),
        Failure::Repository(error) => Explanation::new(format!("bitbucket-ssh: {error}")),
        Failure::Settings(error) => settings(error),
        Failure::InvalidSetting(fault) => invalid_setting(fault),
        Failure::Transport(error) => session::explain(error),
        Failure::Provision(error) => provision::explain(error),
        Failure::Prompt(error) => Explanation::new(format!("bitbucket-ssh: {error}")),
        Failure::Diagnostics(error) => Explanation::new(error.to_string()),
        Failure::NoSystemSsh { reason } => Explanation::new(format!(
            "bitbucket-ssh: {reason} needs the system's ssh, and none is installed"
        ))
        .hint("git config --global bitbucket.otherHosts native"),
        Failure::HandOver { ssh, why } => {
            Explanation::new(format!("{}: {why}", ssh.display())).hint("ssh -V")
        }
        Failure::IdentityFileMissing(file) => {
            let path = file.value.display();
            let told = Explanation::new(format!("no such identity: {path}: No such file or directory"))
                .hint(format!("git bitbucket key new --file '{path}'"));
            match &file.origin {
                Origin::GitConfig { file: Some(config), key, .. } => told.hint(format!(
                    "or, since {key} names it, without that setting: git config --file '{}' --unset-all '{key}'",
                    config.display()
                )),
                _ => told,
            }
        }
        Failure::ListedButRefused(record) => refused(record)
            .hint("the account lists this key, and Bitbucket's SSH servers refuse it: is the account active, and may it use SSH here?")
            .hint(key_page(&record.account.site)),
        Failure::Expired(record) => refused(record)
            .hint("its time on the account is over, and bitbucket.provision lets no new one be made unasked:")
            .hint(format!("git bitbucket key new --account {}", record.account)),
        Failure::EnvironmentToken(error) => environment_token(error),
        Failure::NewKeyNotAccepted(record) => refused(record)
            .hint("Bitbucket has taken the key and its SSH servers do not know it yet: repeat the command in a minute"),
        Failure::Removed(record) => refused(record)
            .hint("the key is no longer on the account: somebody has removed it there")
            .hint(format!("git bitbucket key new --account {}", record.account)),
        Failure::KeyListUnreadable { key: record, why } => {
            let told = refused(record);
            let told = match why {
                Some(error) => told.hint(format!("whether it is still on the account could not be asked: {error}")),
                None => told.hint("whether it is still on the account cannot be asked without an API token"),
            };
            told.hint(format!("git bitbucket login {}", record.account))
        }
        Failure::Unusable(record, why) => {
            let mut told = Explanation::new("Permission denied (publickey).").hint(format!(
                "not used: {} of {} ({})",
                record.file.display(),
                record.account,
                record.fingerprint
            ));
            told.hints.extend(why.iter().cloned());
            told
        }
        Failure::PlanExhausted(log) => plan_exhausted(log),
        // ssh(1)'s words alone: ours speak of Bitbucket.
        Failure::OtherHost(failure) => Explanation {
            hints: Vec::new(),
            ..explain(failure)
        },
    }
}

/// ssh's own text stands first where its configuration is in error.
fn settings(error: &settings::Error) -> Explanation {
    let told = Explanation::new(error.to_string());
    match error {
        settings::Error::SshConfig(_) => {
            told.hint("what was meant, and the line that mends it: git bitbucket doctor --offline")
        }
        _ => told,
    }
}

/// As for any token, but no login takes the place of this one.
fn environment_token(error: &crate::provision::Error) -> Explanation {
    let mut told = provision::explain(error);
    if let Some(login) = told.hints.pop() {
        told.hints.extend([
            "it stands in BITBUCKET_API_TOKEN: put a new one there, or take it away and log in:"
                .to_owned(),
            "unset BITBUCKET_API_TOKEN BITBUCKET_EMAIL BITBUCKET_USERNAME".to_owned(),
            login,
        ]);
    }
    told
}

/// A managed identity that the server refused.
fn refused(record: &ManagedKey) -> Explanation {
    Explanation::new("Permission denied (publickey).").hint(format!(
        "refused: {} of {} ({})",
        record.file.display(),
        record.account,
        record.fingerprint
    ))
}

fn plan_exhausted(log: &AttemptLog) -> Explanation {
    match (log.denied.first(), log.refused_logins.first()) {
        (Some(_), _) => repository_denied(log),
        (None, Some((_, refusal))) => login_refused(log, refusal),
        (None, None) => no_identity(log),
    }
}

/// The first refusal's text has been given as it came; each identity is named here.
fn repository_denied(log: &AttemptLog) -> Explanation {
    let mut hints = Vec::new();
    for denied in &log.denied {
        hints.push(format!(
            "{} was let in; the server said: {}",
            with_fingerprint(
                named(denied.account.as_ref(), &denied.identity),
                denied.identity.fingerprint()
            ),
            sanitise(&denied.message())
        ));
    }
    hints.extend(refused_logins(log));
    hints.extend(unusable_files(log));
    for (account, why) in &log.not_created {
        hints.push(format!("no key was made for {account}: {why}"));
        hints.push(format!("git bitbucket key new --account {account}"));
    }
    if log.no_account_known && log.not_created.is_empty() {
        hints.push("no account is known here; with one that may use the repository:".to_owned());
        hints.extend(log_in("git bitbucket login"));
    } else if log.not_created.is_empty() && log.decided_by.is_none() {
        hints.push("an account that may use it goes by itself once it is logged in:".to_owned());
        hints.push("git bitbucket login".to_owned());
    } else if log.not_created.is_empty() {
        hints.push(
            "nobody else was tried, since this one is chosen; why, and who could go: git bitbucket status".to_owned(),
        );
    }
    let status = log.denied.first().map_or(255, |denied| denied.status.0);
    Explanation {
        what: String::new(),
        hints,
        status,
    }
}

fn login_refused(log: &AttemptLog, refusal: &Refusal) -> Explanation {
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
    told.hints = refused_logins(log);
    let refusals = log.refused_logins.iter();
    let unusable = refusals.flat_map(|(_, refusal)| refusal.unusable.iter().cloned());
    let before = told.hints.len();
    told.hints.extend(unusable);
    if told.hints.len() > before {
        return told;
    }
    told.hints.extend(unusable_files(log));
    how_to_log_in(told, log)
}

/// A setting that is not understood, in git's phrase.
fn invalid_setting(invalid: &Ignored) -> Explanation {
    let value = sanitise(&invalid.value);
    let Origin::GitConfig {
        file, line, key, ..
    } = &invalid.origin
    else {
        return Explanation::new(format!("bad config value '{value}': {}", invalid.why));
    };
    let (of_file, option) = match file {
        Some(file) => {
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
        .hint(invalid.why.clone())
        .hint(format!("git config {option} --unset-all '{key}'"))
}

fn no_identity(log: &AttemptLog) -> Explanation {
    if let (Some(invalid), None) = (&log.provision_blocker, log.decided_by) {
        return invalid_setting(invalid);
    }
    let what = match log.decided_by {
        Some(Rank::CommandLine) => {
            "Permission denied (publickey): no identity file of the command line can be used."
        }
        _ => "Permission denied (publickey): there is no key for this repository here.",
    };
    let mut told = Explanation::new(with_ssh_complaints(what, log));
    // Where somebody was named, the reason why nobody goes is about that one.
    if log.decided_by.is_none() {
        told.hints.extend(unusable_files(log));
    } else {
        for skipped in &log.skipped {
            told.hints.extend(skipped_lines(skipped));
        }
        if let Some(invalid) = &log.provision_blocker {
            let invalid = invalid_setting(invalid);
            told.hints.push(invalid.what);
            told.hints.extend(invalid.hints);
        }
    }
    let named = log.decided_by.is_some();
    if named && log.decided_by != Some(Rank::CommandLine) && !unusable_files(log).is_empty() {
        return told;
    }
    if let Some(forbidden) = log.skipped.iter().find(|one| one.key_forbidden) {
        return told
            .hint(format!("{} {}", forbidden.what, forbidden.why))
            .hint("git config --global bitbucket.provision auto")
            .hint(format!(
                "or only once: git bitbucket key new --account {}",
                forbidden.what
            ));
    }
    if log.decided_by == Some(Rank::CommandLine) {
        return told.hint("without -i and --account the usual identity goes: git bitbucket status");
    }
    how_to_log_in(told, log)
}

/// With ssh(1)'s box in front for a file that others may read; where the command line names it, it
/// has been shown.
fn with_ssh_complaints(what: &str, log: &AttemptLog) -> String {
    if log.decided_by == Some(Rank::CommandLine) {
        return what.to_owned();
    }
    let files = log.skipped.iter().filter_map(|one| one.file.as_ref());
    let unprotected = files.filter(|error| matches!(error, KeyFileError::Unprotected { .. }));
    let mut lines: Vec<_> = unprotected.map(KeyFileError::complaint).collect();
    lines.push(what.to_owned());
    lines.join("\n")
}

/// Key files that are there and cannot be used, each with the line that puts it right.
fn unusable_files(log: &AttemptLog) -> Vec<String> {
    let files = log.skipped.iter().filter(|one| one.file.is_some());
    files.flat_map(skipped_lines).collect()
}

fn skipped_lines(skipped: &Skipped) -> Vec<String> {
    let why = format!("{} {}", skipped.what, skipped.why);
    let remedy = skipped.file.as_ref().and_then(KeyFileError::remedy);
    std::iter::once(sanitise(&why)).chain(remedy).collect()
}

/// Which keys were refused, one line for each login.
fn refused_logins(log: &AttemptLog) -> Vec<String> {
    let mut lines = Vec::new();
    for (account, refusal) in &log.refused_logins {
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
                with_fingerprint(
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

fn with_fingerprint(name: String, fingerprint: Option<String>) -> String {
    match fingerprint {
        Some(fingerprint) if fingerprint != name => format!("{name} ({fingerprint})"),
        _ => name,
    }
}

/// Only where no account was named or known: two lines that can be followed.
fn how_to_log_in(mut told: Explanation, log: &AttemptLog) -> Explanation {
    if matches!(
        log.decided_by,
        Some(Rank::CommandLine | Rank::SshConfigOnly)
    ) {
        return told;
    }
    told.hints.extend(log_in("git bitbucket login"));
    told
}
