//! Words for a git command that was not served.

use super::{Explanation, not_served, provision, session};
use crate::connection::failure::Failure;
use crate::diagnostics;
use crate::identity::ManagedKey;
use crate::settings::{self, Origin};
use crate::transport;

/// Writes what happened to stderr and gives the exit status. A repository's refusal is given as
/// it came, on the streams on which it came.
pub fn tell(failure: &Failure) -> u8 {
    if let Failure::NotServed(tried) = failure
        && let Some(first) = tried.refused.first()
    {
        transport::replay(&first.stdout, &first.stderr);
    }
    let told = explain(failure);
    let kind = diagnostics::trace2::kind_of(failure);
    // To ssh(1) all about a host key but the last line is an error, and only that one is fatal.
    let inner = match failure {
        Failure::Elsewhere(inner) => inner,
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
        Failure::InvalidSetting(fault) => not_served::not_understood(fault),
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
            .hint("https://bitbucket.org/account/settings/ssh-keys/"),
        Failure::Expired(record) => refused(record)
            .hint("its time on the account is over, and bitbucket.provision lets no new one be made unasked:")
            .hint(format!("git bitbucket key new --account {}", record.account)),
        Failure::TokenOfTheEnvironment(error) => token_of_the_environment(error),
        Failure::NewKeyNotAccepted(record) => refused(record)
            .hint("Bitbucket has taken the key and its SSH servers do not know it yet: repeat the command in a minute"),
        Failure::Removed(record) => refused(record)
            .hint("the key is no longer on the account: somebody has removed it there")
            .hint(format!("git bitbucket key new --account {}", record.account)),
        Failure::NotJudged { record, why } => {
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
        Failure::NotServed(tried) => not_served::explain(tried),
        // ssh(1)'s words alone: ours speak of Bitbucket.
        Failure::Elsewhere(failure) => Explanation {
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
fn token_of_the_environment(error: &crate::provision::Error) -> Explanation {
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
