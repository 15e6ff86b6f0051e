//! Where API tokens come from and where they are kept.
//!
//! Sources in this order, first that has one: environment, system keyring, `tokens.json`, git's
//! credential helpers. Accounts are compared without regard to case. Asks nobody.

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

pub use environment::environment;

/// A token (on Data Center also a password), whose it is and where it lies.
#[derive(Debug, Clone)]
pub struct Token {
    /// As the source writes it; where that does not say, as it was asked for.
    pub account: String,
    /// The token.
    pub secret: Secret,
    /// The source.
    pub place: TokenPlace,
}

/// Why a token could not be read or kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The keyring, most of all a locked one.
    #[error(transparent)]
    Keyring(#[from] keyring::Error),
    /// `tokens.json` cannot be read, understood or written.
    #[error("{}: {why}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What happened.
        why: String,
    },
    /// `tokens.json` has no place, or cannot be read or written.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// No credential helper of git's gave the token back.
    #[error("git's credential helpers do not keep the token")]
    NotKept,
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
    let mut trouble = None;
    match keyring::token(context, &site.url, account) {
        Ok(Some(secret)) => return Ok(Some(token(secret, TokenPlace::Keyring))),
        Ok(None) => {}
        Err(error) => trouble = Some(Error::Keyring(error)),
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
        Err(error) => trouble = trouble.or(Some(error)),
    }
    if let Some(secret) = git::fill(context, site, account) {
        return Ok(Some(token(secret, TokenPlace::GitCredential)));
    }
    trouble.map_or(Ok(None), Err)
}

/// Keeps a token in one place, in place of an earlier one there, and reads it back. Nothing is
/// done for [`TokenPlace::Environment`].
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

/// Forgets a token wherever it was kept; the places it was in. What git's helpers have for the
/// web host, which git itself uses over https, stays.
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
