//! API tokens: where they come from and where they are stored.
//!
//! Sources in this order, the first that has one: environment, system keyring, `tokens.json`, git's
//! credential helpers. Accounts are compared without regard to case. No questions are asked.

mod environment;
mod file;
mod git;
pub mod keyring;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use crate::context::Context;
use crate::repository::Site;
use crate::secret::{Secret, TokenPlace};
use crate::storage;
use crate::text::Shown;

pub use environment::{environment, environment_fault};

/// A token (on Data Center also a password), its account and its source.
#[derive(Debug, Clone)]
pub struct Token {
    /// As the source spells it, else as the caller did.
    pub account: String,
    /// The token.
    pub secret: Secret,
    /// The source.
    pub place: TokenPlace,
}

/// Why a token could not be read or stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The keyring failed or is locked.
    #[error(transparent)]
    Keyring(#[from] keyring::Error),
    /// `tokens.json` cannot be read, understood or written.
    #[error("{}: {why}", Shown::path(file, None))]
    File {
        /// The file.
        file: PathBuf,
        /// What happened.
        why: String,
    },
    /// The directory of `tokens.json` cannot be used.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// No credential helper of git returned the token.
    #[error("git's credential helpers did not store the token")]
    NotStored,
}

/// The token of an account. `None`: no source has one.
///
/// # Errors
///
/// A locked keyring or a broken `tokens.json`, but only where no other source has the token.
pub fn find(context: &Context, site: &Site, account: &str) -> Result<Option<Token>, Error> {
    if let Some((url, token)) = environment(context)
        && url == site.url
        && same_account(&token.account, account)
    {
        return Ok(Some(token));
    }
    let token = |secret, place| Token {
        account: account.to_owned(),
        secret,
        place,
    };
    let mut failure = None;
    match keyring::token(context, &site.url, account) {
        Ok(Some(secret)) => return Ok(Some(token(secret, TokenPlace::Keyring))),
        Ok(None) => {}
        Err(error) => failure = Some(Error::Keyring(error)),
    }
    match file::load(context, &site.url, account) {
        Ok(Some((account, secret))) => {
            return Ok(Some(Token {
                account,
                secret,
                place: TokenPlace::File,
            }));
        }
        Ok(None) => {}
        Err(error) => failure = failure.or(Some(error)),
    }
    if let Some(secret) = git::fill(context, site, account) {
        return Ok(Some(token(secret, TokenPlace::GitCredential)));
    }
    failure.map_or(Ok(None), Err)
}

/// Stores a token in one place, replacing an earlier one there, and reads it back. Nothing is done for
/// [`TokenPlace::Environment`].
pub fn store(
    context: &Context,
    site: &Site,
    account: &str,
    secret: &Secret,
    place: TokenPlace,
) -> Result<(), Error> {
    match place {
        TokenPlace::Environment => Ok(()),
        TokenPlace::Keyring => Ok(keyring::store_token(context, &site.url, account, secret)?),
        TokenPlace::File => file::store(context, &site.url, account, secret),
        TokenPlace::GitCredential => git::store(context, site, account, secret),
    }
}

/// Removes a token from every place, and returns those that had it. What git's helpers have for the web
/// host, which git itself uses over https, stays.
pub fn forget(context: &Context, site: &Site, account: &str) -> Result<Vec<TokenPlace>, Error> {
    let mut places = Vec::new();
    if file::forget(context, &site.url, account)? {
        places.push(TokenPlace::File);
    }
    if git::forget(context, site, account) {
        places.push(TokenPlace::GitCredential);
    }
    if keyring::forget_token(context, &site.url, account)? {
        places.push(TokenPlace::Keyring);
    }
    Ok(places)
}

fn same_account(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}
