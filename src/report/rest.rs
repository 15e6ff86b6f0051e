//! Messages for errors of the REST API.

use super::{Explanation, login};
use crate::bitbucket::Error;
use crate::identity::AccountId;
use crate::repository::{self, key_page, token_page};
use crate::text::in_hint;

/// `account`: the one whose token was used.
pub(super) fn explain(error: &Error, account: &AccountId) -> Explanation {
    let explanation = Explanation::new(format!("bitbucket-ssh: {account}: {error}"));
    let data_center = account.site != repository::cloud().url;
    let login = login(account);
    match error {
        Error::TokenRefused { .. } if data_center => explanation
            .hint("the password or HTTP access token is wrong or has expired; log in again:")
            .hint(login),
        Error::Forbidden { .. } if data_center => explanation
            .hint("an HTTP access token does not allow this; log in with the password:")
            .hint(login),
        Error::Credential(_) => explanation
            .hint("or set the token in the environment: BITBUCKET_EMAIL and BITBUCKET_API_TOKEN"),
        Error::TokenRefused { .. } => explanation
            .hint("the token may have expired, or have no scopes; create a new one with scopes for the app Bitbucket:")
            .hint(token_page(&account.site))
            .hint(login),
        Error::ScopeMissing { required, granted } => explanation
            .hint(format!("scopes cannot be added to a token; create a new one with {}:", in_hint(all_scopes(required, granted))))
            .hint(token_page(&account.site))
            .hint(login),
        Error::Forbidden { .. } => explanation
            .hint("this kind of token does not allow this; create an API token with scopes:")
            .hint(token_page(&account.site)),
        Error::NotFound { .. } => explanation.hint("git bitbucket status"),
        Error::Refused { .. } => explanation
            .hint(format!("add the public key by hand: {}", key_page(&account.site))),
        Error::RateLimited { retry_after } => match retry_after {
            Some(seconds) => explanation.hint(format!("try again in {seconds} seconds")),
            None => explanation.hint("try again in a few minutes"),
        },
        Error::Server { .. } => explanation.hint("nothing was lost: repeat the command, and it continues from here"),
        Error::Unreachable { .. } => explanation
            .hint("nothing was lost: repeat the command, and it continues from here")
            .hint("behind a proxy: git config --global http.proxy http://HOST:PORT"),
        Error::Unexpected { .. } | Error::ElsewhereRefused { .. } => {
            explanation.hint("check the address: git config --show-origin --get-regexp 'bitbucket\\..*\\.apiurl'")
        }
    }
}

/// Those of the token, followed by those that it lacks.
fn all_scopes(required: &[String], granted: &[String]) -> String {
    let lacking = required.iter().filter(|scope| !granted.contains(scope));
    let all: Vec<&str> = granted.iter().chain(lacking).map(String::as_str).collect();
    all.join(" ")
}
