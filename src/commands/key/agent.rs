//! `key load` and `key unload`: managed keys in the agent.

use super::selection;
use crate::bitbucket::keyring;
use crate::commands::Error;
use crate::commands::arguments::KeyOf;
use crate::commands::context::CommandContext;
use crate::identity::key_file::{self, KeyFileError};
use crate::identity::{ManagedKey, PassphrasePlace, agent};
use crate::provision::Records;
use crate::secret::Secret;
use crate::settings::SshConfig;

fn socket(call: &CommandContext<'_>) -> Result<std::path::PathBuf, Error> {
    agent::socket(&SshConfig::default(), call.context).ok_or_else(|| Error::Other {
        what: "no ssh-agent: SSH_AUTH_SOCK is not set".to_owned(),
        hints: vec!["eval \"$(ssh-agent -s)\"".to_owned()],
    })
}

/// The managed keys of the accounts that are selection whose files are here.
fn managed(call: &CommandContext<'_>, options: &KeyOf) -> Result<Vec<ManagedKey>, Error> {
    let records = Records::open(call.context)?;
    let selection = selection(call, options.account.as_deref(), options.site.as_deref())?;
    let of = |record: &&ManagedKey| {
        let whose = selection
            .iter()
            .any(|selection| selection.account == record.account);
        // An access key in the agent would be offered for repositories that it does not open.
        whose && record.repository.is_none()
    };
    let found: Vec<_> = records.identities().iter().filter(of).cloned().collect();
    if found.is_empty() {
        return Err(Error::Other {
            what: "no managed keys on this machine".to_owned(),
            hints: vec!["git bitbucket key new".to_owned()],
        });
    }
    Ok(found)
}

/// Puts the keys into the agent; a passphrase comes from the keyring, else from a person.
pub(super) fn load(call: &mut CommandContext<'_>, options: &KeyOf) -> Result<(), Error> {
    let socket = socket(call)?;
    for record in managed(call, options)? {
        let key = opened(call, &record)?;
        let entry = agent::NewKey {
            key: &key,
            comment: &key_file::comment(&record.file, &key),
            lifetime: None,
            confirm: false,
        };
        agent::add(&socket, entry).map_err(|error| broken(&error))?;
        call.say(format!("loaded {}", call.shown(&record.file)));
    }
    Ok(())
}

/// Takes them out again; others are left alone.
pub(super) fn unload(call: &mut CommandContext<'_>, options: &KeyOf) -> Result<(), Error> {
    let socket = socket(call)?;
    let held = agent::identities(&socket).map_err(|error| broken(&error))?;
    for record in managed(call, options)? {
        let found = held
            .iter()
            .find(|key| key.fingerprint().as_deref() == Some(record.fingerprint.as_str()));
        if let Some(key) = found.and_then(|identity| identity.public_key.as_ref()) {
            agent::remove(&socket, key).map_err(|error| broken(&error))?;
            call.say(format!("unloaded {}", call.shown(&record.file)));
        }
    }
    Ok(())
}

fn opened(call: &CommandContext<'_>, record: &ManagedKey) -> Result<ssh_key::PrivateKey, Error> {
    let unusable = |error: KeyFileError| Error::Other {
        what: error.to_string(),
        hints: Vec::new(),
    };
    let passphrase: Option<Secret> = match record.passphrase {
        PassphrasePlace::None => None,
        PassphrasePlace::Keyring => keyring::key_passphrase(call.context, &record.fingerprint)
            .map_err(|error| Error::Other {
                what: error.to_string(),
                hints: Vec::new(),
            })?,
        PassphrasePlace::Person => {
            let text = format!("Enter passphrase for key '{}': ", record.file.display());
            Some(call.prompt.secret(&text).map_err(Error::Unanswered)?)
        }
    };
    key_file::open(&record.file, passphrase.as_ref()).map_err(unusable)
}

fn broken(error: &agent::Error) -> Error {
    Error::Other {
        what: error.to_string(),
        hints: vec!["ssh-add -l".to_owned()],
    }
}
