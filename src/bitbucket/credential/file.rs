//! `tokens.json`, 0600, in the records' directory (0700): tokens where there is no keyring.
//!
//! Replaced as a whole (new file, fsync, rename) under an advisory lock; a reader sees the old or the new
//! file.

use serde::{Deserialize, Serialize};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::{Error, same_account};
use crate::context::Context;
use crate::secret::Secret;
use crate::storage::Directory;

/// The file's name.
const FILE: &str = "tokens.json";

#[derive(Default, Serialize, Deserialize)]
struct Tokens {
    version: u32,
    tokens: Vec<Entry>,
}

#[derive(Serialize, Deserialize, ZeroizeOnDrop)]
struct Entry {
    site: String,
    account: String,
    token: String,
}

impl Entry {
    fn is_of(&self, site: &str, account: &str) -> bool {
        self.site == site && same_account(&self.account, account)
    }
}

/// The account as it was written, and its token.
pub(super) fn load(
    context: &Context,
    site: &str,
    account: &str,
) -> Result<Option<(String, Secret)>, Error> {
    let Ok(directory) = Directory::records(context) else {
        return Ok(None);
    };
    let mut tokens = read(&directory)?.tokens;
    let found = tokens.iter_mut().find(|entry| entry.is_of(site, account));
    Ok(found.map(|entry| {
        let secret = Secret::new(std::mem::take(&mut entry.token));
        (entry.account.clone(), secret)
    }))
}

/// Replaces an earlier token of the account.
pub(super) fn store(
    context: &Context,
    site: &str,
    account: &str,
    secret: &Secret,
) -> Result<(), Error> {
    change(context, |tokens| {
        tokens.retain(|entry| !entry.is_of(site, account));
        tokens.push(Entry {
            site: site.to_owned(),
            account: account.to_owned(),
            token: secret.reveal().to_owned(),
        });
        true
    })?;
    match load(context, site, account)? {
        Some((_, stored)) if stored == *secret => Ok(()),
        _ => Err(Error::NotStored),
    }
}

/// `false`: there was none.
pub(super) fn forget(context: &Context, site: &str, account: &str) -> Result<bool, Error> {
    match load(context, site, account)? {
        None => Ok(false),
        Some(_) => change(context, |tokens| {
            let before = tokens.len();
            tokens.retain(|entry| !entry.is_of(site, account));
            tokens.len() != before
        }),
    }
}

/// Reads, changes and replaces the file under the lock. An unchanged file is not written.
fn change(context: &Context, change: impl FnOnce(&mut Vec<Entry>) -> bool) -> Result<bool, Error> {
    let directory = Directory::records(context)?;
    let _lock = directory.lock("tokens.lock")?;
    let mut tokens = read(&directory)?;
    tokens.version = 1;
    let changed = change(&mut tokens.tokens);
    if changed {
        let failed = |error: serde_json::Error| failed(&directory, error.to_string());
        let mut text = Zeroizing::new(serde_json::to_vec_pretty(&tokens).map_err(failed)?);
        text.push(b'\n');
        directory.replace(FILE, &text)?;
    }
    Ok(changed)
}

fn failed(directory: &Directory<'_>, why: String) -> Error {
    Error::File {
        file: directory.file(FILE),
        why,
    }
}

fn read(directory: &Directory<'_>) -> Result<Tokens, Error> {
    let failed = |why: String| failed(directory, why);
    let Some(text) = directory.read(FILE)?.map(Zeroizing::new) else {
        return Ok(Tokens::default());
    };
    // serde_json's message may contain a value: only its place is shown.
    let tokens: Tokens = serde_json::from_slice(&text).map_err(|error| {
        failed(format!(
            "invalid at line {}, column {}",
            error.line(),
            error.column()
        ))
    })?;
    if tokens.version > 1 {
        return Err(failed(
            "written by a newer version of bitbucket-ssh".to_owned(),
        ));
    }
    Ok(tokens)
}
