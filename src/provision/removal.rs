//! Taking a key away: from the site, from the agent, and its files aside. Nothing is deleted that
//! cannot be put back: the files are renamed.

use std::path::{Path, PathBuf};

use super::Error;
use super::key_file::{holds, with_pub};
use super::record::{self, Records};
use crate::bitbucket::{self, KeyId, KeyRegistry, RegisteredKey};
use crate::context::Context;
use crate::identity::{AccountName, Managed, State, agent, key_pair};
use crate::repository::Repository;
use crate::settings::SshConfig;

/// Which list of the site a key stands on.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// The account's own.
    Account,
    /// A repository's access keys.
    Repository(&'a Repository),
}

/// Removes the key from a list of the site, by the account's token; one that is not there counts
/// as removed.
pub fn from_site(
    account: &AccountName,
    registry: &dyn KeyRegistry,
    place: Place<'_>,
    id: &KeyId,
) -> Result<(), Error> {
    let site_said = |error: bitbucket::Error| Error::Site {
        account: account.clone(),
        error,
    };
    let removed = match place {
        Place::Account => registry.user().and_then(|user| registry.remove(&user, id)),
        Place::Repository(repository) => registry.remove_access_key(repository, id),
    };
    removed.map_err(site_said)
}

/// Does `remove`, which takes the key from the site; meanwhile the record says so, durably: whoever
/// finds the key gone after a crash knows that it was not somebody else. Where the site refuses, the
/// record is as before; where its answer was lost, the key may have gone.
pub fn begun(
    context: &Context,
    record: &Managed,
    remove: impl FnOnce() -> Result<(), Error>,
) -> Result<(), Error> {
    let is = |state| {
        record::update(context, |records| {
            records.set_state(&record.fingerprint, state);
        })
    };
    is(State::Leaving)?;
    let removed = remove();
    if let Err(Error::Site { error, .. }) = &removed
        && !matches!(
            error,
            bitbucket::Error::Unreachable { .. } | bitbucket::Error::Server { .. }
        )
    {
        is(record.state)?;
    }
    removed
}

/// What is left here of keys whose removal was begun, and which the account no longer lists.
pub(super) fn finish(
    context: &Context,
    account: &AccountName,
    keys: &[RegisteredKey],
) -> Result<(), Error> {
    let records = Records::open(context)?;
    let of_account = records.identities().iter().filter(|record| {
        record.state == State::Leaving && record.account == *account && record.repository.is_none()
    });
    for record in of_account {
        if keys.iter().all(|key| key.fingerprint != record.fingerprint) {
            from_here(context, record)?;
        }
    }
    Ok(())
}

/// Moves `FILE` and `FILE.pub` aside, where they still hold this key, and forgets the record; the agent forgets the key where it
/// holds it. Gives the new name of the private key file. `None`: there was no file.
pub fn from_here(context: &Context, record: &Managed) -> Result<Option<PathBuf>, Error> {
    let key = ssh_key::PublicKey::from_openssh(&record.public_key).ok();
    if let (Some(socket), Some(key)) = (agent::socket(&SshConfig::default(), context), &key) {
        // An agent that does not hold it says no, which is as good.
        let _ = agent::remove(&socket, key);
    }
    // The name may be another key's by now: where the removal was interrupted behind this step.
    // What cannot be read is what was recorded.
    let moved = match holds(&record.file, &record.fingerprint) {
        Ok(false) => None,
        Ok(true) | Err(_) => aside(&record.file)?,
    };
    let other = |public: ssh_key::PublicKey| {
        key.as_ref()
            .is_some_and(|key| key.key_data() != public.key_data())
    };
    if !key_pair::public_beside(&record.file).is_some_and(other) {
        aside(&with_pub(&record.file))?;
    }
    record::update(context, |records| {
        records.forget_identity(&record.fingerprint);
    })?;
    Ok(moved)
}

/// `FILE.revoked`, `FILE.revoked-2`, …
fn aside(file: &Path) -> Result<Option<PathBuf>, Error> {
    if !file.exists() {
        return Ok(None);
    }
    for number in 1..1000 {
        let mut name = file.as_os_str().to_owned();
        name.push(".revoked");
        if number > 1 {
            name.push(format!("-{number}"));
        }
        let place = PathBuf::from(name);
        if !place.exists() {
            std::fs::rename(file, &place).map_err(|error| Error::unwritable(file, &error))?;
            return Ok(Some(place));
        }
    }
    Err(Error::Unwritable {
        path: file.to_owned(),
        why: "there is no free name to move it to".to_owned(),
    })
}
