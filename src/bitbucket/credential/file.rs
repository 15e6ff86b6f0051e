//! `tokens.json`, 0600, in the records' directory (0700): tokens where there is no keyring.
//!
//! Replaced as a whole (new file, fsync, rename) under an advisory lock; a reader sees the old or
//! the new one.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::{Error, same_account};
use crate::context::Context;
use crate::secret::Secret;

const LOCK_WAIT: Duration = Duration::from_secs(10);

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
    let Some(directory) = context.records_directory() else {
        return Ok(None);
    };
    let mut tokens = read(&directory.join("tokens.json"))?.tokens;
    let found = tokens.iter_mut().find(|entry| entry.is_of(site, account));
    Ok(found.map(|entry| {
        let secret = Secret::new(std::mem::take(&mut entry.token));
        (entry.account.clone(), secret)
    }))
}

/// In place of an earlier one of the account.
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
        Some((_, kept)) if kept == *secret => Ok(()),
        _ => Err(Error::NotKept),
    }
}

/// `false`: it was not there.
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

/// Reads, changes and replaces the file under the lock; not written where nothing changed.
fn change(context: &Context, change: impl FnOnce(&mut Vec<Entry>) -> bool) -> Result<bool, Error> {
    let directory = context.records_directory().ok_or(Error::NoHome)?;
    let file = directory.join("tokens.json");
    let failed = |error: io::Error| Error::File {
        file: file.clone(),
        why: error.to_string(),
    };
    private_directory(&directory).map_err(failed)?;
    let _lock = lock(&directory.join("tokens.lock")).map_err(failed)?;
    let mut tokens = read(&file)?;
    tokens.version = 1;
    let changed = change(&mut tokens.tokens);
    if changed {
        write(&file, &directory, &tokens).map_err(failed)?;
    }
    Ok(changed)
}

fn read(file: &Path) -> Result<Tokens, Error> {
    let failed = |why: String| Error::File {
        file: file.to_owned(),
        why,
    };
    let text = match std::fs::read(file) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Tokens::default()),
        Err(error) => return Err(failed(error.to_string())),
    };
    // serde_json's messages tell line and column, and for a wrong type the value: not shown.
    let tokens: Tokens = serde_json::from_slice(&text).map_err(|error| {
        failed(format!(
            "not understood at line {}, column {}",
            error.line(),
            error.column()
        ))
    })?;
    if tokens.version > 1 {
        return Err(failed("written by a newer version".to_owned()));
    }
    Ok(tokens)
}

fn write(file: &Path, directory: &Path, tokens: &Tokens) -> io::Result<()> {
    let mut text = Zeroizing::new(serde_json::to_vec_pretty(tokens)?);
    text.push(b'\n');
    // 0600 from its first moment.
    let mut new = tempfile::Builder::new()
        .prefix(".tokens")
        .tempfile_in(directory)?;
    new.write_all(&text)?;
    new.as_file().sync_all()?;
    new.persist(file)?;
    #[cfg(unix)]
    File::open(directory)?.sync_all()?;
    Ok(())
}

fn private_directory(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

fn lock(path: &PathBuf) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if start.elapsed() < LOCK_WAIT => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::other("another process holds tokens.lock"));
            }
        }
    }
}
