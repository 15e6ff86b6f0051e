//! `key load` and `key unload`: managed keys in the agent.

use std::path::PathBuf;

use super::select;
use crate::bitbucket::keyring;
use crate::commands::Error;
use crate::commands::arguments::KeyOf;
use crate::commands::context::CommandContext;
use crate::identity::{ManagedKey, PassphrasePlace, agent, key_file};
use crate::provision::Records;
use crate::settings::SshConfig;

/// Adds the keys to the agent. A passphrase is read from the keyring, else asked for.
pub(super) fn load(call: &mut CommandContext<'_>, options: &KeyOf) -> Result<(), Error> {
    let socket = socket(call)?;
    for record in managed(call, options)? {
        let key = open(call, &record)?;
        let entry = agent::NewKey {
            key: &key,
            comment: &key_file::comment(&record.file, &key),
            lifetime: None,
            confirm: false,
        };
        agent::add(&socket, entry).map_err(|error| agent_failed(&error))?;
        call.say(format!("loaded {}", call.shown(&record.file)));
    }
    Ok(())
}

/// Removes the keys from the agent; its other keys stay.
pub(super) fn unload(call: &mut CommandContext<'_>, options: &KeyOf) -> Result<(), Error> {
    let socket = socket(call)?;
    let held = agent::identities(&socket).map_err(|error| agent_failed(&error))?;
    for record in managed(call, options)? {
        let mut held = held.iter();
        let found = held.find(|key| key.fingerprint().as_ref() == Some(&record.fingerprint));
        if let Some(key) = found.and_then(|identity| identity.public_key.as_ref()) {
            agent::remove(&socket, key).map_err(|error| agent_failed(&error))?;
            call.say(format!("unloaded {}", call.shown(&record.file)));
        }
    }
    Ok(())
}

fn socket(call: &CommandContext<'_>) -> Result<PathBuf, Error> {
    agent::socket(&SshConfig::default(), call.context).ok_or_else(|| Error::Other {
        what: "no ssh-agent: SSH_AUTH_SOCK is not set".to_owned(),
        hints: vec!["eval \"$(ssh-agent -s)\"".to_owned()],
    })
}

/// The managed keys of the selected accounts. Access keys are left out: the agent would offer them
/// for every repository.
fn managed(call: &CommandContext<'_>, options: &KeyOf) -> Result<Vec<ManagedKey>, Error> {
    let records = Records::open(call.context)?;
    let accounts = select(call, options)?;
    let mut found = records.identities().to_vec();
    found.retain(|record| {
        let mut accounts = accounts.iter();
        record.repository.is_none() && accounts.any(|one| one.account == record.account)
    });
    if found.is_empty() {
        return Err(Error::Other {
            what: "no managed keys on this machine".to_owned(),
            hints: vec!["git bitbucket key new".to_owned()],
        });
    }
    Ok(found)
}

fn open(call: &CommandContext<'_>, record: &ManagedKey) -> Result<ssh_key::PrivateKey, Error> {
    let other = |what: String| Error::Other {
        what,
        hints: Vec::new(),
    };
    let passphrase = match record.passphrase {
        PassphrasePlace::None => None,
        PassphrasePlace::Keyring => keyring::key_passphrase(call.context, &record.fingerprint)
            .map_err(|error| other(error.to_string()))?,
        PassphrasePlace::Person => {
            let text = format!("Enter passphrase for key '{}': ", record.file.display());
            Some(call.prompt.secret(&text).map_err(Error::Unanswered)?)
        }
    };
    key_file::open(&record.file, passphrase.as_ref()).map_err(|error| other(error.to_string()))
}

fn agent_failed(error: &agent::Error) -> Error {
    Error::Other {
        what: error.to_string(),
        hints: vec!["ssh-add -l".to_owned()],
    }
}
