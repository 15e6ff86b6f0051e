//! How a token is made and a key is pasted, in words: pages and scopes.

use crate::repository::{Site, SiteKind, token_page};

/// Without these nothing works. No scope of an API token implies another.
pub const SCOPES: [&str; 3] = [
    "read:user:bitbucket",
    "read:ssh-key:bitbucket",
    "write:ssh-key:bitbucket",
];

/// The lines in front of the question for a token.
pub fn lines(site: &Site, account: &str) -> Vec<String> {
    let page = token_page(&site.url);
    match site.kind {
        SiteKind::Cloud => vec![
            format!("An API token for {account} is made at"),
            format!("  {page}"),
            "(Create API token with scopes, app Bitbucket) with the scopes".to_owned(),
            format!("  {}", SCOPES.join(" ")),
            "and, if keys are to be rotated and revoked, delete:ssh-key:bitbucket.".to_owned(),
        ],
        SiteKind::DataCenter => vec![
            format!("An HTTP access token for {account} is made at"),
            format!("  {page} (HTTP access tokens)"),
            "Many sites let no such token register SSH keys; then the password is needed."
                .to_owned(),
        ],
    }
}
