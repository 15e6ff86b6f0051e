//! Words for a key that could not be made.

use super::{Explanation, log_in, rest};
use crate::provision::Error;
use crate::repository;
use crate::repository::key_page;
use crate::storage;

pub(super) fn explain(error: &Error) -> Explanation {
    let told = Explanation::new(format!("bitbucket-ssh: {error}"));
    match error {
        Error::Storage(storage::Error::NoHome) => told.hint("export HOME=/home/YOU"),
        Error::Storage(storage::Error::ForeignOwner(path)) => told.hint(format!(
            "nothing was made; run git as the owner of {}, or set HOME",
            path.display()
        )),
        Error::Storage(storage::Error::Locked { holder }) => match holder {
            Some(pid) => told.hint(format!("what is it doing? ps -fp {pid}")),
            None => told,
        },
        Error::Records { path, .. } => told.hint(format!(
            "nothing was changed; mend the file, or set it aside: mv '{0}' '{0}.broken'",
            path.display()
        )),
        Error::Storage(_) | Error::KeyFile(_) => {
            told.hint("nothing was lost; the same command goes on where this one ended")
        }
        Error::NotAllowed { account } => told
            .hint("git config --global bitbucket.provision auto")
            .hint(format!("or only once: git bitbucket key new --account {account}")),
        Error::Declined { .. } => told.hint("git bitbucket status"),
        Error::NoToken { account } if account.site != repository::cloud().url => {
            Explanation::new(format!(
                "Permission denied (publickey): {account} has no key here, and there is no password or HTTP access token to register one."
            ))
            .hint(format!(
                "git bitbucket login {} --site {}",
                account.name, account.site
            ))
        }
        // The three lines of a machine without a token.
        Error::NoToken { account } => Explanation {
            hints: log_in(&format!("git bitbucket login {account}")).into(),
            ..Explanation::new(format!(
                "Permission denied (publickey): {account} has no key here, and there is no API token to register one."
            ))
        },
        Error::Site { account, error } => rest::explain(error, account),
        Error::TokenMayNotAdd {
            account,
            public_key,
            ..
        } => told
            .hint(format!(
                "add this public key at {}",
                key_page(&account.site)
            ))
            .hint(public_key.clone())
            .hint("and repeat the command: it goes on with this key")
            .hint(format!(
                "or log in with the password: git bitbucket login {} --site {}",
                account.name, account.site
            )),
        Error::Keyring(_) => told.hint("unlock the keyring and repeat the command"),
        Error::Credential(_) => told
            .hint("unlock the keyring and repeat the command")
            .hint("or without it: export BITBUCKET_EMAIL=… BITBUCKET_API_TOKEN=…"),
        Error::AlwaysTaken { .. } => {
            told.hint("a deleted key may stay known for 30 days; try again later")
        }
        Error::Generate(_) => told,
        Error::Prompt(_) => told.hint("git config --global bitbucket.provision auto"),
    }
}
