//! Words for what the REST API answered.

use super::Explanation;
use crate::bitbucket::Error;
use crate::identity::AccountId;
use crate::repository::{self, key_page, token_page};

/// `of`: whose token it was.
pub(super) fn explain(error: &Error, of: &AccountId) -> Explanation {
    let account = &of.name;
    let told = Explanation::new(format!("bitbucket-ssh: {account}: {error}"));
    let elsewhere = of.site != repository::cloud().url;
    let login = if elsewhere {
        format!("git bitbucket login {account} --site {}", of.site)
    } else {
        format!("git bitbucket login {account}")
    };
    match error {
        Error::TokenRefused { .. } if elsewhere => told
            .hint("the password or HTTP access token may be wrong or expired:")
            .hint(login),
        Error::Forbidden { .. } if elsewhere => told
            .hint("an HTTP access token may not do that; the password may:")
            .hint(login),
        Error::Credential(_) => told
            .hint("or give the token in the environment: BITBUCKET_EMAIL and BITBUCKET_API_TOKEN"),
        Error::TokenRefused { .. } => told
            .hint("the token may have expired, or be one without scopes; make a new one with scopes, app Bitbucket:")
            .hint(token_page(&of.site))
            .hint(login),
        Error::ScopeMissing { required, .. } => told
            .hint(format!("scopes cannot be added to a token; make one that has {}:", required.join(" ")))
            .hint(token_page(&of.site))
            .hint(login),
        Error::Forbidden { .. } => told
            .hint("this kind of token may not do that; an API token with scopes may:")
            .hint(token_page(&of.site)),
        Error::NotFound { .. } => told.hint("git bitbucket status"),
        Error::Refused { .. } => told
            .hint(format!("add the public key by hand: {}", key_page(&of.site))),
        Error::RateLimited { retry_after } => match retry_after {
            Some(seconds) => told.hint(format!("try again in {seconds} seconds")),
            None => told.hint("try again in some minutes"),
        },
        Error::Server { .. } => told.hint("nothing was lost; the same command goes on where this one ended"),
        Error::Unreachable { .. } => told
            .hint("nothing was lost; the same command goes on where this one ended")
            .hint("behind a proxy: git config --global http.proxy http://HOST:PORT"),
        Error::Unexpected { .. } | Error::ElsewhereRefused { .. } => {
            told.hint("is this the right address? git config --show-origin --get-regexp 'bitbucket\\..*\\.apiurl'")
        }
    }
}
