//! Taking a key away: from the site, from the agent, and its files aside. Nothing is deleted that
//! cannot be put back: the files are renamed.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::key_file::{holds, with_pub};
use super::record::{self, Records};
use super::{Error, ssh_config_file};
use crate::bitbucket::{self, KeyId, KeyRegistry, RegisteredKey};
use crate::context::Context;
use crate::identity::{AccountId, ManagedKey, State, agent, key_file};
use crate::repository::Repository;
use crate::settings::SshConfig;
use crate::storage;

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
    account: &AccountId,
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
    record: &ManagedKey,
    remove: impl FnOnce() -> Result<(), Error>,
) -> Result<(), Error> {
    let is = |state| {
        record::update(context, |records| {
            records.set_state(&record.fingerprint, state);
        })
    };
    is(State::Removing)?;
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
    account: &AccountId,
    keys: &[RegisteredKey],
) -> Result<(), Error> {
    let records = Records::open(context)?;
    let of_account = records.identities().iter().filter(|record| {
        record.state == State::Removing && record.account == *account && record.repository.is_none()
    });
    for record in of_account {
        if keys.iter().all(|key| key.fingerprint != record.fingerprint) {
            from_here(context, record)?;
        }
    }
    Ok(())
}

/// What became of an old key of a rotation.
#[derive(Debug)]
pub enum RemovalOutcome {
    /// It has gone from the site; the new name of its private key file, where there was one.
    Renamed(Option<PathBuf>),
    /// It stays, there and here: the token may not delete. The site's words.
    Left(bitbucket::Error),
}

/// Takes away what a proved identity replaces, from the site and from here, and notes that the
/// rotation is done. What the token may not delete is left, on the site and here.
///
/// # Errors
///
/// The site cannot be asked, or the files cannot be moved: a later call goes on.
pub fn superseded(
    context: &Context,
    registry: &dyn KeyRegistry,
    new: &ManagedKey,
) -> Result<Vec<(ManagedKey, RemovalOutcome)>, Error> {
    let records = Records::open(context)?;
    let all = records.identities().iter();
    let old = all.filter(|one| new.replaces.contains(&one.fingerprint));
    let site_said = |error: bitbucket::Error| Error::Site {
        account: new.account.clone(),
        error,
    };
    let user = registry.user().map_err(site_said)?;
    let listed = registry.keys(&user).map_err(site_said)?;
    let mut fates = Vec::new();
    for record in old {
        let key = listed
            .iter()
            .find(|key| key.fingerprint == record.fingerprint);
        ssh_config_file::follow(context, &record.file, &new.file);
        let removed = key.map_or(Ok(()), |key| {
            begun(context, record, || {
                registry.remove(&user, &key.id).map_err(site_said)
            })
        });
        let fate = match removed {
            Ok(()) => RemovalOutcome::Renamed(from_here(context, record)?),
            Err(Error::Site { error, .. }) if may_not_delete(&error) => RemovalOutcome::Left(error),
            Err(error) => return Err(error),
        };
        fates.push((record.clone(), fate));
    }
    record::update(context, |records| records.rotation_done(&new.fingerprint))?;
    Ok(fates)
}

/// Whether the site says that this token may not do it, rather than that it cannot be done now.
fn may_not_delete(error: &bitbucket::Error) -> bool {
    matches!(
        error,
        bitbucket::Error::ScopeMissing { .. } | bitbucket::Error::Forbidden { .. }
    )
}

/// Moves `FILE` and `FILE.pub` aside, where they still hold this key, and forgets the record; the
/// agent forgets the key where it
/// holds it. Gives the new name of the private key file. `None`: there was no file.
pub fn from_here(context: &Context, record: &ManagedKey) -> Result<Option<PathBuf>, Error> {
    let key = ssh_key::PublicKey::from_openssh(&record.public_key).ok();
    if let (Some(socket), Some(key)) = (agent::socket(&SshConfig::default(), context), &key) {
        // An agent that does not hold it says no, which is as good.
        let _ = agent::remove(&socket, key);
    }
    // The name may be another key's by now: where the removal was interrupted behind this step.
    // What cannot be read is what was recorded.
    let moved = match holds(&record.file, &record.fingerprint) {
        Ok(false) => None,
        Ok(true) | Err(_) => rename_revoked(&record.file)?,
    };
    let other = |public: ssh_key::PublicKey| {
        key.as_ref()
            .is_some_and(|key| key.key_data() != public.key_data())
    };
    if !key_file::public_beside(&record.file).is_some_and(other) {
        rename_revoked(&with_pub(&record.file))?;
    }
    record::update(context, |records| {
        records.forget_identity(&record.fingerprint);
    })?;
    Ok(moved)
}

/// `FILE.revoked`, `FILE.revoked-2`, …
fn rename_revoked(file: &Path) -> Result<Option<PathBuf>, Error> {
    for number in 1..1000 {
        let mut name = file.as_os_str().to_owned();
        name.push(".revoked");
        if number > 1 {
            name.push(format!("-{number}"));
        }
        let place = PathBuf::from(name);
        match storage::rename_new(file, &place) {
            Ok(()) => return Ok(Some(place)),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(storage::Error::file(file, error).into()),
        }
    }
    let why = std::io::Error::other("there is no free name to move it to");
    Err(storage::Error::file(file, why).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_replaced_by_what_is_moved_aside() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key");
        assert_eq!(
            rename_revoked(&file).expect("no error"),
            None,
            "nothing is there"
        );
        for (number, name) in ["key.revoked", "key.revoked-2", "key.revoked-3"]
            .into_iter()
            .enumerate()
        {
            std::fs::write(&file, number.to_string()).expect("written");
            let moved = rename_revoked(&file).expect("moved").expect("a new name");
            assert_eq!(moved, folder.path().join(name));
            assert_eq!(
                std::fs::read_to_string(&moved).expect("there"),
                number.to_string()
            );
            assert!(!file.exists());
        }
    }
}
