//! Messages for a key that could not be created.

use super::{Explanation, login, login_or_environment, new_key, rest};
use crate::provision::Error;
use crate::repository::{self, key_page};
use crate::repository::key_page;
use crate::storage;
use crate::text::sanitise;

pub(super) fn explain(error: &Error) -> Explanation {
    let explanation = Explanation::new(format!("bitbucket-ssh: {error}"));
    match error {
        Error::Storage(storage::Error::NoHome) => explanation.hint("export HOME=/home/YOU"),
        Error::Storage(storage::Error::ForeignOwner(path)) => explanation.hint(format!(
            "nothing was made; run git as the owner of {}, or set HOME",
            sanitise(&path.to_string_lossy())
        )),
        Error::Storage(storage::Error::Locked { holder }) => {
            explanation.hints(holder.map(|pid| format!("what is it doing? ps -fp {pid}")))
        }
        Error::Records { path, .. } => explanation.hint(format!(
            "nothing was changed; mend the file, or set it aside: mv '{0}' '{0}.broken'",
            path.display()
        )),
        Error::Storage(_) | Error::KeyFile(_) => {
            explanation.hint("nothing was lost; the same command goes on where this one ended")
        }
        Error::NotAllowed { account } => explanation
            .hint("git config --global bitbucket.provision auto")
            .hint(format!("or only once: {}", new_key(account))),
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
                "add this public key at {}",
                key_page(&account.site)
            ))
            .hint(public_key.clone())
            .hint("and repeat the command: it goes on with this key")
            .hint(format!("or log in with the password: {}", login(account))),
        Error::Keyring(_) => explanation.hint("unlock the keyring and repeat the command"),
        Error::Credential(_) => explanation
            .hint("unlock the keyring and repeat the command")
            .hint("or without it: export BITBUCKET_EMAIL=… BITBUCKET_API_TOKEN=…"),
        Error::AlwaysTaken { .. } => {
            explanation.hint("a deleted key may stay known for 30 days; try again later")
        }
        Error::Generate(_) => explanation,
        Error::Prompt(_) => explanation.hint("git config --global bitbucket.provision auto"),
    }
}
