//! Messages for a key that could not be created.

use super::{Explanation, login, login_or_environment, new_key, rest};
use crate::provision::Error;
use crate::repository::{self, key_page};
use crate::storage;
use crate::text::{Pasted, in_hint};

pub(super) fn explain(error: &Error) -> Explanation {
    let explanation = Explanation::new(format!("bitbucket-ssh: {error}"));
    match error {
        Error::Storage(storage::Error::NoHome) => {
            let what = "bitbucket-ssh: HOME is not set, so there is no place for keys";
            Explanation::new(what).hint("export HOME=/home/YOU")
        }
        Error::Storage(storage::Error::NoSuchHome(_)) => explanation.hint("export HOME=/home/YOU"),
        Error::Storage(storage::Error::ReadOnly(_)) => explanation
            .hint("put a key there that the account has, or make the directory writable")
            .hint("to see which keys the account has: git bitbucket key list"),
        Error::Storage(storage::Error::WritableByOthers(path)) => {
            explanation.hint(format!("chmod go-w {}", Pasted::path(path, None)))
        }
        Error::Storage(storage::Error::ForeignOwner(path)) => explanation.hint(format!(
            "no key was created: run git as the owner of {}, or set HOME",
            in_hint(path)
        )),
        Error::Storage(storage::Error::Locked { holder }) => explanation.hints(
            holder.map(|pid| format!("to see what the other process is doing: ps -fp {pid}")),
        ),
        Error::Records { path, .. } => explanation.hint(format!(
            "nothing was changed; correct the file, or rename it: mv {} {}",
            Pasted::quoted(path),
            Pasted::quoted(format!("{}.broken", path.display()))
        )),
        Error::Storage(_) | Error::KeyFile(_) => {
            explanation.hint("nothing was lost: repeat the command, and it continues from here")
        }
        Error::NotAllowed { account } => explanation
            .hint("git config --global bitbucket.provision auto")
            .hint(format!("or create one key: {}", new_key(account))),
        Error::Declined { .. } => explanation.hint("git bitbucket status"),
        Error::NoToken { account } => {
            let (token, hints) = if account.site == repository::cloud().url {
                ("API token", login_or_environment(&login(account)).to_vec())
            } else {
                ("password or HTTP access token", vec![login(account)])
            };
            Explanation::new(format!(
                "Permission denied (publickey): {account} has no key here, and there is no {token} to register one."
            ))
            .hints(hints)
        }
        Error::Site { account, error } => rest::explain(error, account),
        Error::TokenMayNotAdd {
            account,
            public_key,
            ..
        } => explanation
            .hint(format!(
                "add this public key at {} and repeat the command:",
                key_page(&account.site)
            ))
            .hint(in_hint(public_key))
            .hint(format!("or log in with the password: {}", login(account))),
        Error::Keyring(_) => explanation.hint("unlock the keyring and repeat the command"),
        Error::Credential(_) => explanation
            .hint("unlock the keyring and repeat the command")
            .hint("or without the keyring: export BITBUCKET_EMAIL=… BITBUCKET_API_TOKEN=…"),
        Error::AlwaysTaken { .. } => {
            explanation.hint("Bitbucket may know a deleted key for 30 days: try again later")
        }
        Error::Generate(_) => explanation,
        Error::Prompt(_) => explanation.hint("git config --global bitbucket.provision auto"),
    }
}
