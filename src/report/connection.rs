//! Messages for a git command that failed.

use std::path::{Path, PathBuf};

use super::{Explanation, login, login_or_environment, new_key, provision, session};
use crate::connection::failure::{AttemptLog, Failure, named};
use crate::diagnostics;
use crate::identity::key_file::KeyFileError;
use crate::identity::{AccountId, CANNOT_PUSH, ManagedKey, Rank, Skipped, UnresolvedAccount};
use crate::repository::key_page;
use crate::settings::{self, FileLine, Ignored, Origin};
use crate::text::{Pasted, in_hint, sanitise, shown_user};
use crate::transport::{self, Refusal};

/// Reports a failure on stderr and returns the exit status. The server's message about a
/// repository that was denied is passed through on the streams on which it came.
pub fn report(failure: &Failure) -> u8 {
    if let Failure::PlanExhausted(log) = failure
        && let Some(first) = log.denied.first()
    {
        transport::replay(&first.stdout, &first.stderr);
    }
    let explanation = explain(failure);
    let kind = diagnostics::trace2::kind_of(failure);
    let inner = match failure {
        Failure::OtherHost(inner) => inner,
        failure => failure,
    };
    // ssh(1) logs the text about a host key as an error, and only the last line as fatal.
    if let Failure::Transport(error @ transport::Error::HostKey { .. }) = inner {
        diagnostics::error_and_end(&explanation.to_string(), &error.to_string(), &kind);
    } else {
        diagnostics::error(&explanation.to_string(), &kind);
    }
    explanation.status
}

/// What happened, hints and the exit status.
pub fn explain(failure: &Failure) -> Explanation {
    match failure {
        Failure::Command(error) => Explanation::lines(error.to_string()),
        Failure::Repository(error) => Explanation::new(format!("bitbucket-ssh: {error}")),
        Failure::Settings(error) => settings(error),
        Failure::InvalidSetting(invalid) => invalid_setting(invalid),
        Failure::Transport(error) => session::explain(error),
        Failure::DataCenterUnreachable { error, site } => {
            session::unreachable_data_center(error, site)
        }
        Failure::Provision(error) => provision::explain(error),
        Failure::Prompt(error) => Explanation::new(format!("bitbucket-ssh: {error}")),
        Failure::Diagnostics(error) => Explanation::new(error.to_string()),
        Failure::NoSystemSsh { reason } => Explanation::new(format!(
            "bitbucket-ssh: {reason} needs the system's ssh, which is not installed"
        ))
        .hint("git config --global bitbucket.otherHosts native"),
        Failure::HandOver { ssh, why } => {
            Explanation::new(format!("{}: {why}", ssh.display())).hint("ssh -V")
        }
        Failure::IdentityFileMissing(file) => missing_file(&file.value, &file.origin),
        Failure::UnresolvedAccount(unresolved) => unresolved_account(unresolved),
        Failure::ListedButRefused(key) => refused(key)
            .hint("the key is on the account, but Bitbucket's SSH servers refuse it: check that the account is active and allowed to use SSH")
            .hint(key_page(&key.account.site)),
        Failure::Expired(key) => refused(key)
            .hint("the key has expired, and bitbucket.provision does not allow creating a new one automatically")
            .hint(new_key(&key.account)),
        Failure::EnvironmentToken(error) => environment_token(error),
        Failure::NewKeyNotAccepted(key) => refused(key)
            .hint("the key is registered, but Bitbucket's SSH servers do not know it yet: repeat the command in a minute"),
        Failure::Removed(key) => refused(key)
            .hint("the key was removed from the account")
            .hint(new_key(&key.account)),
        Failure::KeyListUnreadable { key, why } => refused(key)
            .hint(match why {
                Some(error) => format!("cannot check whether the key is still on the account: {}", in_hint(error.to_string())),
                None => "cannot check whether the key is still on the account: there is no API token".to_owned(),
            })
            .hint(login(&key.account)),
        Failure::Unusable(key, why) => Explanation::new("Permission denied (publickey).")
            .hint(format!("not used: {}", described(key)))
            .hints(why.iter().map(in_hint)),
        Failure::PlanExhausted(log) => plan_exhausted(log),
        // ssh(1)'s words alone: the hints are about Bitbucket.
        Failure::OtherHost(failure) => Explanation {
            hints: Vec::new(),
            ..explain(failure)
        },
    }
}

/// ssh's own text comes first if its configuration has an error.
fn settings(error: &settings::Error) -> Explanation {
    match error {
        settings::Error::SshConfig(_) => Explanation::lines(error.to_string())
            .hint("to see which option was meant: git bitbucket doctor --offline"),
        _ => Explanation::new(error.to_string()),
    }
}

fn missing_file(file: &Path, origin: &Origin) -> Explanation {
    let explanation = Explanation::new(format!(
        "no such identity: {}: No such file or directory",
        file.display()
    ))
    .hint(format!(
        "git bitbucket key new --file {}",
        Pasted::path(file, None)
    ));
    match origin {
        Origin::GitConfig {
            file: Some(config),
            key,
            ..
        } => explanation.hint(format!(
            "or remove {}, which names it: {}",
            in_hint(key),
            unset(Some(config), key)
        )),
        Origin::SshConfig(Some(FileLine { file: config, line })) => explanation.hint(format!(
            "or correct the line that names it: {}:{line}",
            in_hint(config)
        )),
        _ => explanation,
    }
}

/// A name that stands for no account, or for several.
fn unresolved_account(unresolved: &UnresolvedAccount) -> Explanation {
    let UnresolvedAccount {
        account,
        meant,
        known,
    } = unresolved;
    let name = sanitise(&account.value);
    let at = place(&account.origin);
    let names = |accounts: &[AccountId]| {
        let names = accounts.iter().map(|account| match account.site.as_str() {
            "https://bitbucket.org" => sanitise(&account.name),
            site => format!("{} on {}", sanitise(&account.name), sanitise(site)),
        });
        names.collect::<Vec<_>>().join(", ")
    };
    let explanation = if !meant.is_empty() {
        Explanation::new(format!(
            "bitbucket-ssh: several accounts are called {name}{at}: {}",
            names(meant)
        ))
    } else if known.is_empty() {
        Explanation::new(format!(
            "bitbucket-ssh: there is no account {name}{at}, and no other is known on this machine"
        ))
    } else {
        Explanation::new(format!(
            "bitbucket-ssh: there is no account {name}{at}; known are {}",
            names(known)
        ))
    };
    let suggested = meant.first().or(known.first());
    match (&account.origin, suggested) {
        (_, None) => explanation.hint("git bitbucket login"),
        (Origin::GitConfig { file, key, .. }, Some(suggested)) => {
            let file = config_file(file.as_deref());
            explanation.hint(format!(
                "git config {file} --replace-all {} {}",
                Pasted::new(key),
                Pasted::new(&suggested.name)
            ))
        }
        (Origin::Environment(variable), Some(suggested)) => explanation.hint(format!(
            "export {variable}={}",
            Pasted::new(&suggested.name)
        )),
        (_, Some(_)) => explanation
            .hint("name an account by its e-mail address, on Data Center by its user name"),
    }
}

/// The command that removes a setting.
fn unset(file: Option<&Path>, key: &str) -> String {
    let file = config_file(file);
    format!("git config {file} --unset-all {}", Pasted::new(key))
}

/// The option with which `git config` writes to a file.
fn config_file(file: Option<&Path>) -> String {
    file.map_or_else(
        || "--global".to_owned(),
        |file| format!("--file {}", Pasted::path(file, None)),
    )
}

/// An invalid setting, in git's words.
fn invalid_setting(invalid: &Ignored) -> Explanation {
    let explanation = Explanation::new(invalid.to_string());
    match &invalid.origin {
        Origin::GitConfig { file, key, .. } => explanation
            .hint(invalid.why.clone())
            .hint(unset(file.as_deref(), key)),
        _ => explanation,
    }
}

/// As for any token, but a login would not replace this one.
fn environment_token(error: &crate::provision::Error) -> Explanation {
    let mut explanation = provision::explain(error);
    let Some(login) = explanation.hints.pop() else {
        return explanation;
    };
    explanation
        .hint("the token is in BITBUCKET_API_TOKEN: set a new one there, or unset it and log in")
        .hint("unset BITBUCKET_API_TOKEN BITBUCKET_EMAIL BITBUCKET_USERNAME")
        .hint(login)
}

/// A managed key that the server refused.
fn refused(key: &ManagedKey) -> Explanation {
    Explanation::new("Permission denied (publickey).").hint(format!("refused: {}", described(key)))
}

fn described(key: &ManagedKey) -> String {
    format!(
        "{} of {} ({})",
        in_hint(&key.file),
        in_hint(&key.account.name),
        in_hint(&key.fingerprint)
    )
}

fn plan_exhausted(log: &AttemptLog) -> Explanation {
    match (log.denied.first(), log.refused_logins.first()) {
        (Some(first), _) => Explanation {
            // The first denial's own text was passed through.
            what: String::new(),
            hints: repository_denied(log),
            status: first.status.0,
        },
        (None, Some((_, refusal))) => login_refused(log, refusal),
        (None, None) => no_identity(log),
    }
}

fn repository_denied(log: &AttemptLog) -> Vec<String> {
    let mut hints = Vec::new();
    let repository = log.repository.as_ref().map(ToString::to_string);
    let repository = in_hint(repository.unwrap_or_default());
    for denied in &log.denied {
        let name = named(denied.account.as_ref(), &denied.identity);
        // A single message was passed through already.
        let shown = match log.denied.len() {
            1 => String::new(),
            _ => format!(" ({})", in_hint(denied.message())),
        };
        hints.push(format!(
            "signed in as {}, which has no access to {repository}{shown}",
            with_fingerprint(in_hint(name), denied.identity.fingerprint()),
        ));
    }
    hints.extend(refused_logins(log));
    hints.extend(read_only_keys(log));
    hints.extend(unusable_files(log));
    for (account, why) in &log.not_created {
        let (name, why) = (in_hint(&account.name), in_hint(why));
        hints.push(format!("no key was created for {name}: {why}"));
        hints.push(new_key(account));
    }
    if !log.not_created.is_empty() {
        return hints;
    }
    if log.no_account_known {
        hints.push("no account is logged in here; log in to one that has access:".to_owned());
        hints.extend(login_or_environment("git bitbucket login"));
    } else if log.decided_by.is_none() {
        hints.push(
            "if another of your accounts has access, log in to it and git will use it:".to_owned(),
        );
        hints.push("git bitbucket login".to_owned());
    } else {
        let place = log.configured_at.as_ref().map(place);
        hints.push(format!(
            "no other account was tried, because this one is configured{}",
            place.unwrap_or_default()
        ));
        hints.push("git bitbucket status".to_owned());
    }
    hints
}

/// ` (FILE:LINE)`, ` (--account)`, ` (BITBUCKET_ACCOUNT)`; nothing where that is not known.
fn place(origin: &Origin) -> String {
    match origin {
        Origin::CommandLine(option) => format!(" ({})", in_hint(option)),
        Origin::Environment(variable) => format!(" ({variable})"),
        Origin::GitConfig {
            file: Some(file),
            line,
            ..
        } => {
            let line = line.map_or_else(String::new, |line| format!(":{line}"));
            format!(" ({}{line})", in_hint(file))
        }
        Origin::GitConfig {
            file: None, key, ..
        } => format!(" ({})", in_hint(key)),
        Origin::SshConfig(Some(FileLine { file, line })) => {
            format!(" ({}:{line})", in_hint(file))
        }
        Origin::SshConfig(None) => " (ssh_config)".to_owned(),
        Origin::Default => String::new(),
    }
}

fn login_refused(log: &AttemptLog, refusal: &Refusal) -> Explanation {
    let methods = if refusal.methods.is_empty() {
        "publickey".to_owned()
    } else {
        refusal.methods.join(",")
    };
    let explanation = Explanation::new(format!(
        "{}@{}: Permission denied ({methods}).",
        shown_user(&refusal.user),
        refusal.endpoint.address.host
    ))
    .hints(refused_logins(log))
    .hints(read_only_keys(log));
    let refusals = log.refused_logins.iter();
    let unusable: Vec<_> = refusals
        .flat_map(|(_, refusal)| refusal.unusable.clone())
        .collect();
    if !unusable.is_empty() {
        return explanation.hints(unusable.iter().map(in_hint));
    }
    let explanation = if refusal.user == "git" {
        explanation
    } else {
        explanation.hint(format!(
            "the user name was '{}', set in the URL, by -l or by User in ssh_config; Bitbucket's is usually 'git'",
            shown_user(&refusal.user)
        ))
    };
    explanation
        .hints(unusable_files(log))
        .hints(how_to_log_in(log))
}

/// Nothing could be offered.
fn no_identity(log: &AttemptLog) -> Explanation {
    let by_command_line = log.decided_by == Some(Rank::CommandLine);
    let unusable = unusable_files(log);
    let explanation = match (log.decided_by, &log.provision_blocker) {
        (None, Some(invalid)) => return invalid_setting(invalid),
        (None, None) => Explanation::lines(no_key(log))
            .hints(read_only_keys(log))
            .hints(unusable),
        (Some(_), blocker) => {
            let what = if by_command_line {
                "Permission denied (publickey): none of the key files of the command line can be used."
                    .to_owned()
            } else {
                no_key(log)
            };
            // What was configured explains why nothing can be offered.
            let mut explanation =
                Explanation::lines(what).hints(log.skipped.iter().flat_map(skipped_lines));
            if let Some(invalid) = blocker {
                let invalid = invalid_setting(invalid);
                explanation = explanation.hint(invalid.what).hints(invalid.hints);
            }
            if !by_command_line && !unusable.is_empty() {
                return explanation;
            }
            explanation
        }
    };
    if let Some(forbidden) = log.skipped.iter().find(|one| one.key_forbidden) {
        return explanation
            .hint(in_hint(format!("{} {}", forbidden.what, forbidden.why)))
            .hint("git config --global bitbucket.provision auto")
            .hint(format!(
                "or create one key: git bitbucket key new --account {}",
                Pasted::new(&forbidden.what)
            ));
    }
    if by_command_line {
        return explanation
            .hint("to see which key is used without -i and --account: git bitbucket status");
    }
    explanation.hints(how_to_log_in(log))
}

/// With ssh(1)'s warning in front about each key file that others can read.
fn no_key(log: &AttemptLog) -> String {
    let files = log.skipped.iter().filter_map(|one| one.file.as_ref());
    let unprotected = files.filter(|error| matches!(error, KeyFileError::Unprotected { .. }));
    let mut lines: Vec<_> = unprotected.map(KeyFileError::complaint).collect();
    lines.push(
        "Permission denied (publickey): this machine has no key for this repository.".to_owned(),
    );
    lines.join("\n")
}

/// Access keys that a push leaves out.
fn read_only_keys(log: &AttemptLog) -> Vec<String> {
    let skipped = log.skipped.iter();
    let read_only = skipped.filter(|one| one.why == CANNOT_PUSH);
    read_only.flat_map(skipped_lines).collect()
}

/// Key files that exist and cannot be used, each with the command that fixes it.
fn unusable_files(log: &AttemptLog) -> Vec<String> {
    let files = log.skipped.iter().filter(|one| one.file.is_some());
    files.flat_map(skipped_lines).collect()
}

fn skipped_lines(skipped: &Skipped) -> Vec<String> {
    // Only the name is from outside; quoting the whole line would quote our parentheses, too.
    let why = format!("{} {}", in_hint(&skipped.what), skipped.why);
    let remedy = skipped.file.as_ref().and_then(KeyFileError::remedy);
    std::iter::once(why).chain(remedy).collect()
}

/// The keys that were refused, one line for each login.
fn refused_logins(log: &AttemptLog) -> Vec<String> {
    let mut lines = Vec::new();
    for (account, refusal) in &log.refused_logins {
        // A key that the server accepted and that could not be used has its own line.
        let is_refused = |file: &Option<PathBuf>| {
            let start = file.as_ref().map(|file| format!("{}: ", file.display()));
            start.is_none_or(|start| !refusal.unusable.iter().any(|why| why.starts_with(&start)))
        };
        let offered = refusal.offered.iter().filter(|(_, file)| is_refused(file));
        let keys: Vec<_> = offered
            .map(|(fingerprint, file)| {
                let name = file.as_ref().map(in_hint);
                let name = name.unwrap_or_else(|| "a key in the agent".to_owned());
                with_fingerprint(name, fingerprint.clone())
            })
            .collect();
        let of = account.as_ref().map_or_else(String::new, |account| {
            format!(" of {}", in_hint(&account.name))
        });
        if !keys.is_empty() {
            lines.push(format!("refused{of}: {}", keys.join(", ")));
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

/// Nothing where the command line or ssh_config names the key.
fn how_to_log_in(log: &AttemptLog) -> Vec<String> {
    match log.decided_by {
        Some(Rank::CommandLine | Rank::SshConfigOnly) => Vec::new(),
        _ => login_or_environment("git bitbucket login").to_vec(),
    }
}
