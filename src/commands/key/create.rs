//! A further key pair of an account: created, registered, and proved by a login.

use std::path::Path;

use crate::commands::context::CommandContext;
use crate::commands::{Error, resolve};
use crate::connection::failure::Failure;
use crate::connection::managed_keys::ManagedKeys;
use crate::connection::verify_key::KeyVerifier;
use crate::identity::{AccountId, ManagedKey};
use crate::provision;
use crate::provision::{AccessKey, AdditionalKey};
use crate::repository::Site;
use crate::settings::{KeyType, Origin, Provision, Sourced};

/// What the command line asks of a new key; the settings decide the rest.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct NewKeyOptions<'a> {
    /// Its file.
    pub(super) file: Option<&'a Path>,
    /// Its type.
    pub(super) key_type: Option<KeyType>,
    /// Days until the site refuses it.
    pub(super) days: Option<u32>,
    /// An access key of a repository. `None`: a key of the account.
    pub(super) access: Option<AccessKey<'a>>,
    /// Fingerprints of managed keys that are removed once it is verified.
    pub(super) supersedes: &'a [String],
}

/// Creates a further key pair for the account and registers it, or continues with one that an
/// earlier call left unfinished. Existing keys stay.
pub(super) fn create_key(
    call: &CommandContext<'_>,
    site: &Site,
    account: &AccountId,
    new_key: NewKeyOptions<'_>,
) -> Result<ManagedKey, Error> {
    let git_config = resolve::git_config(call.context)?;
    let mut settings = git_config.settings(&git_config.sites(), site, None);
    let asked = || Origin::CommandLine("key new".to_owned());
    // bitbucket.provision is about keys that nobody asked for.
    settings.provision = Sourced::new(Provision::Auto, asked());
    if let Some(key_type) = new_key.key_type {
        settings.key_type = Sourced::new(key_type, asked());
    }
    if let Some(days) = new_key.days {
        settings.key_lifetime = Some(Sourced::new(days, asked()));
    }
    let key = AdditionalKey {
        file: new_key.file,
        access: new_key.access,
    };
    ManagedKeys::new(call.context, site, &settings, &git_config)
        .create_additional(account, call.prompt, key, new_key.supersedes)
        .map_err(|failure| match failure {
            Failure::Provision(provision::Error::NoToken { account }) => {
                Error::NotLoggedIn(format!("there is no API token for {}", account.name))
            }
            failure => failure.into(),
        })
}

/// Logs in with the key, waiting until the site's SSH servers know it, and records that.
pub(super) fn verify_key(
    call: &CommandContext<'_>,
    site: &Site,
    key: &ManagedKey,
) -> Result<(), Error> {
    let Some(resolved) = resolve::site(call.context, site)? else {
        return Err(Error::NoBitbucket(site.url.clone()));
    };
    let git_config = resolve::git_config(call.context)?;
    let keys = ManagedKeys::new(call.context, site, &resolved.target.settings, &git_config);
    let verifier = KeyVerifier {
        keys: &keys,
        config: &resolved.config,
        endpoints: &resolved.target.endpoints,
        site_fingerprints: resolved.target.site_fingerprints(),
        prompt: call.prompt,
    };
    Ok(verifier.verify(key)?)
}
