//! `key new` and `key add`: a further key for an account.

use super::create::{NewKeyOptions, create_key};
use super::{access, one, refused, registry};
use crate::bitbucket::NewKey;
use crate::commands::Error;
use crate::commands::arguments::{KeyAdd, KeyNew};
use crate::commands::context::CommandContext;
use crate::identity::key_file;
use crate::provision::Records;

/// Makes a key pair and registers it. It takes the place of the account's managed key in the plan;
/// the old file and its registration stay and are named.
pub(super) fn new(call: &mut CommandContext<'_>, options: &KeyNew) -> Result<(), Error> {
    if let Some(url) = &options.repository {
        return access::new(call, options, url);
    }
    let selection = one(
        call,
        options.which.account.as_deref(),
        options.which.site.as_deref(),
    )?;
    let before = Records::open(call.context)?;
    let before = before.usable(&selection.account, None).cloned();
    let new_key = NewKeyOptions {
        file: options.file.as_deref(),
        key_type: options.key_type,
        days: options.expires,
        access: None,
        supersedes: &[],
    };
    let made = create_key(call, &selection.site, &selection.account, new_key)?;
    call.say(format!(
        "{} is now the key of {} ({})",
        call.shown(&made.file),
        selection.account,
        made.fingerprint
    ));
    if let Some(before) = before {
        call.say(format!(
            "{} stays registered; to remove it: git bitbucket key revoke {}",
            call.shown(&before.file),
            before.fingerprint
        ));
    }
    Ok(())
}

/// Registers an existing public key; nothing is recorded of its file but that the account has it.
pub(super) fn add(call: &mut CommandContext<'_>, options: &KeyAdd) -> Result<(), Error> {
    let selection = one(
        call,
        options.which.account.as_deref(),
        options.which.site.as_deref(),
    )?;
    let file = call.context.directory.join(&options.file);
    let unusable = |what: String| Error::Other {
        what,
        hints: vec![format!("ssh-keygen -l -f '{}'", file.display())],
    };
    let identity = key_file::identity(&file).map_err(|error| unusable(error.to_string()))?;
    let key = identity
        .public_key
        .as_ref()
        .ok_or_else(|| unusable(format!("{} contains no public key", file.display())))?;
    let fingerprint = identity.fingerprint().unwrap_or_default();
    let registry = registry(call, &selection)?;
    let user = registry.user().map_err(|why| refused(why, &selection))?;
    let listed = registry
        .keys(&user)
        .map_err(|why| refused(why, &selection))?;
    if listed.iter().any(|known| known.fingerprint == fingerprint) {
        call.say(format!(
            "{fingerprint} is already registered for {}",
            selection.account
        ));
        return Ok(());
    }
    let bare = ssh_key::PublicKey::new(key.key_data().clone(), "");
    let label = key.comment().to_string();
    let new = NewKey {
        public_key: bare.to_openssh().unwrap_or_default().trim_end().to_owned(),
        label: if label.is_empty() {
            call.context
                .clock
                .now()
                .strftime("added %Y-%m-%d")
                .to_string()
        } else {
            label.chars().take(99).collect()
        },
        expires: None,
    };
    registry
        .register(&user, &new)
        .map_err(|why| refused(why, &selection))?;
    Records::update(call.context, |records| {
        if let Some(mut account) = records.account(&selection.account).cloned() {
            account.key_fingerprints.push(fingerprint.clone());
            records.set_account(account);
        }
    })?;
    call.say(format!(
        "registered {fingerprint} for {}",
        selection.account
    ));
    call.say(format!("to undo: git bitbucket key revoke {fingerprint}"));
    Ok(())
}
