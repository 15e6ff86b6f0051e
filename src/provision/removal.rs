//! Taking a key away: from the site, from the agent, and its files aside. Nothing is deleted that
//! cannot be put back: the files are renamed.

use std::path::{Path, PathBuf};

use super::{Error, record};
use crate::bitbucket::{self, KeyId, KeyRegistry};
use crate::context::Context;
use crate::identity::{AccountName, Managed, agent};
use crate::settings::SshConfig;

/// Removes the key from the account's list; one that is not there counts as removed.
pub fn from_site(
    account: &AccountName,
    registry: &dyn KeyRegistry,
    id: &KeyId,
) -> Result<(), Error> {
    let site_said = |error: bitbucket::Error| Error::Site {
        account: account.clone(),
        error,
    };
    let user = registry.user().map_err(site_said)?;
    registry.remove(&user, id).map_err(site_said)
}

/// Moves `FILE` and `FILE.pub` aside and forgets the record; the agent forgets the key where it
/// holds it. Gives the new name of the private key file. `None`: there was no file.
pub fn from_here(context: &Context, record: &Managed) -> Result<Option<PathBuf>, Error> {
    if let (Some(socket), Ok(key)) = (
        agent::socket(&SshConfig::default(), context),
        ssh_key::PublicKey::from_openssh(&record.public_key),
    ) {
        // An agent that does not hold it says no, which is as good.
        let _ = agent::remove(&socket, &key);
    }
    let moved = aside(&record.file)?;
    let mut public = record.file.clone().into_os_string();
    public.push(".pub");
    aside(Path::new(&public))?;
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
