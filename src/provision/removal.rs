//! Removing a key: from the site, from the agent, and from this machine, where its files are renamed
//! and not deleted.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::key_status::is_own_label;
use super::records::Records;
use super::{Error, ssh_config_file};
use crate::bitbucket::{self, KeyId, KeyRegistry, RegisteredKey};
use crate::context::Context;
use crate::identity::{AccountId, ManagedKey, State, agent, key_file};
use crate::repository::Repository;
use crate::settings::SshConfig;
use crate::storage;

/// The list of the site that a key is on.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// The account's own keys.
    Account,
    /// A repository's access keys.
    Repository(&'a Repository),
}

/// Removes a key from a list of the site, with the account's token. One that is not on it counts as
/// removed.
pub fn remove_from_site(
    account: &AccountId,
    registry: &dyn KeyRegistry,
    place: Place<'_>,
    id: &KeyId,
) -> Result<(), Error> {
    let removed = match place {
        Place::Account => registry.user().and_then(|user| registry.remove(&user, id)),
        Place::Repository(repository) => registry.remove_access_key(repository, id),
    };
    removed.map_err(Error::site(account))
}

/// Calls `remove`, which removes the key from the site, while the record durably has the state
/// [`State::Removing`]: after a crash, it shows that the program itself removed the key. If the site
/// refuses, the record is as before; if its answer was lost, the state stays.
pub fn remove_recorded(
    context: &Context,
    record: &ManagedKey,
    remove: impl FnOnce() -> Result<(), Error>,
) -> Result<(), Error> {
    let set = |state| {
        Records::update(context, |records| {
            records.set_state(&record.fingerprint, state);
        })
    };
    set(State::Removing)?;
    let removed = remove();
    if let Err(Error::Site { error, .. }) = &removed
        && !matches!(
            error,
            bitbucket::Error::Unreachable { .. } | bitbucket::Error::Server { .. }
        )
    {
        set(record.state)?;
    }
    removed
}

/// Finishes removals that were interrupted: of keys that the account no longer lists.
pub(super) fn finish_removals(
    context: &Context,
    records: &Records,
    account: &AccountId,
    keys: &[RegisteredKey],
) -> Result<(), Error> {
    let of_account = records.identities().iter().filter(|record| {
        record.state == State::Removing && record.account == *account && record.repository.is_none()
    });
    for record in of_account {
        if keys.iter().all(|key| key.fingerprint != record.fingerprint) {
            remove_here(context, record)?;
        }
    }
    Ok(())
}

/// The result of removing the old key of a rotation.
#[derive(Debug)]
pub enum RemovalOutcome {
    /// It is removed from the site. The new name of its private key file, where there was one.
    Renamed(Option<PathBuf>),
    /// It stays on the site and here, because the token cannot delete keys. The site's answer.
    Left(bitbucket::Error),
}

/// Removes the keys that a verified key replaces, from the site and from here, and records that the
/// rotation is finished. A key that the token cannot delete stays. After an error, a later call
/// continues.
pub fn finish_rotation(
    context: &Context,
    registry: &dyn KeyRegistry,
    new: &ManagedKey,
) -> Result<Vec<(ManagedKey, RemovalOutcome)>, Error> {
    let records = Records::open(context)?;
    let all = records.identities().iter();
    let old = all.filter(|one| new.replaces.contains(&one.fingerprint));
    let site_error = Error::site(&new.account);
    let user = registry.user().map_err(site_error)?;
    let listed = registry.keys(&user).map_err(site_error)?;
    let mut outcomes = Vec::new();
    for record in old {
        let key = listed
            .iter()
            .find(|key| key.fingerprint == record.fingerprint);
        ssh_config_file::follow(context, &record.file, &new.file);
        let removed = key.map_or(Ok(()), |key| {
            remove_recorded(context, record, || {
                registry.remove(&user, &key.id).map_err(site_error)
            })
        });
        let outcome = match removed {
            Ok(()) => RemovalOutcome::Renamed(remove_here(context, record)?),
            Err(Error::Site { error, .. }) if cannot_delete(&error) => RemovalOutcome::Left(error),
            Err(error) => return Err(error),
        };
        outcomes.push((record.clone(), outcome));
    }
    Records::update(context, |records| records.rotation_done(&new.fingerprint))?;
    Ok(outcomes)
}

/// Records that a rotation is finished whose old keys stay on the site and here. Returns them.
pub fn finish_keeping(context: &Context, new: &ManagedKey) -> Result<Vec<ManagedKey>, Error> {
    let records = Records::open(context)?;
    let mut old = records.identities().to_vec();
    old.retain(|one| new.replaces.contains(&one.fingerprint));
    for record in &old {
        ssh_config_file::follow(context, &record.file, &new.file);
    }
    Records::update(context, |records| records.rotation_done(&new.fingerprint))?;
    Ok(old)
}

/// Whether this token cannot delete keys, rather than that it failed this time.
fn cannot_delete(error: &bitbucket::Error) -> bool {
    matches!(
        error,
        bitbucket::Error::ScopeMissing { .. } | bitbucket::Error::Forbidden { .. }
    )
}

/// Removes the key from the agent, renames `FILE` and `FILE.pub` where they still have this key, and
/// forgets the record. Returns the new name of the private key file. `None`: there was no file, or
/// the user made it; then it stays, in the agent too.
pub fn remove_here(context: &Context, record: &ManagedKey) -> Result<Option<PathBuf>, Error> {
    if !is_created(record) {
        Records::forget(context, &record.fingerprint)?;
        return Ok(None);
    }
    let key = ssh_key::PublicKey::from_openssh(&record.public_key).ok();
    if let (Some(socket), Some(key)) = (agent::socket(&SshConfig::default(), context), &key) {
        // Where the agent cannot be asked, the key stays there until the agent ends.
        let _ = agent::remove(&socket, key);
    }
    // Where an earlier removal was interrupted after this step, the name may be another key's now. A
    // file that cannot be read is taken for the recorded key.
    let moved = match key_file::holds(&record.file, &record.fingerprint) {
        Ok(false) => None,
        Ok(true) | Err(_) => rename_revoked(&record.file)?,
    };
    let other = |public: ssh_key::PublicKey| {
        key.as_ref()
            .is_some_and(|key| key.key_data() != public.key_data())
    };
    if !key_file::public_beside(&record.file).is_some_and(other) {
        rename_revoked(&key_file::public_file(&record.file))?;
    }
    Records::forget(context, &record.fingerprint)?;
    Ok(moved)
}

/// Whether the key was created by this program, and not only registered by `key add`: by its label,
/// or by the name of its file.
pub fn is_created(record: &ManagedKey) -> bool {
    let name = record.file.file_name();
    let name = name.is_some_and(|name| name.to_string_lossy().starts_with("bitbucket_"));
    name || record.repository.is_some() || is_own_label(&record.label)
}

/// Renames to `FILE.revoked`, `FILE.revoked-2`, …
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
    let why = std::io::Error::other("no name ending in .revoked is free");
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
