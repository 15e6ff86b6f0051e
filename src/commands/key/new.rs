//! `key new` and `key add`: a further key of an account.

use std::path::{Path, PathBuf};

use super::{SelectedAccount, select_one};
use crate::bitbucket;
use crate::commands::arguments::{KeyAdd, KeyNew};
use crate::commands::context::CommandContext;
use crate::commands::{Error, resolve};
use crate::connection::failure::Failure;
use crate::connection::managed_keys::ManagedKeys;
use crate::connection::verify_key::KeyVerifier;
use crate::identity::{AccountId, ManagedKey, key_file};
use crate::provision::{self, AccessKey, AdditionalKey, Records};
use crate::settings::{KeyType, Origin, Provision, Sourced};
use crate::text::{Pasted, sanitise};

/// Creates a key pair of an account and registers it. In the plan it takes the place of the account's managed key;
/// the old file and its registration stay and are named.
pub(super) fn new(call: &mut CommandContext<'_>, options: &KeyNew) -> Result<(), Error> {
    let selected = select_one(call, &options.which)?;
    let previous = Records::open(call.context)?;
    let previous = previous.usable(&selected.account, None).cloned();
    let created = create_key(call, &selected, NewKeyOptions::of(options))?;
    call.say(format!(
        "{} is now the key of {} ({})",
        call.shown(&created.file),
        selected.account,
        created.fingerprint
    ));
    if let Some(previous) = previous {
        let (file, fingerprint) = (call.shown(&previous.file), previous.fingerprint);
        call.say(format!(
            "{file} stays registered; to remove it: git bitbucket key revoke {fingerprint}"
        ));
    }
    Ok(())
}

/// Registers an existing public key. Where its private half is here, it is recorded as a key of this
/// machine, in the plan behind keys that were created for the account.
pub(super) fn add(call: &mut CommandContext<'_>, options: &KeyAdd) -> Result<(), Error> {
    let selected = select_one(call, &options.which)?;
    let account = &selected.account;
    let file = call.context.directory.join(&options.file);
    let unusable = |what: String| Error::Other {
        what,
        hints: vec![format!("ssh-keygen -l -f {}", Pasted::quoted(&file))],
    };
    let identity = key_file::identity(&file).map_err(|error| unusable(error.to_string()))?;
    let Some(key) = &identity.public_key else {
        return Err(unusable(format!(
            "{} contains no public key",
            file.display()
        )));
    };
    let fingerprint = identity.fingerprint().unwrap_or_default();
    let refused = |why| selected.refused(why);
    let registry = selected.registry(call)?;
    let user = registry.user().map_err(refused)?;
    let listed = registry.keys(&user).map_err(refused)?;
    let file = private_half(&file, &fingerprint);
    if let Some(known) = listed.iter().find(|known| known.fingerprint == fingerprint) {
        call.say(format!("{fingerprint} is already registered for {account}"));
        return record(call, account, file.as_deref(), known);
    }
    let bare = ssh_key::PublicKey::new(key.key_data().clone(), "");
    let new = bitbucket::NewKey {
        public_key: bare.to_openssh().unwrap_or_default().trim_end().to_owned(),
        label: label(call, options, key),
        expires: None,
    };
    let registered = registry.register(&user, &new).map_err(refused)?;
    Records::update(call.context, |records| {
        if let Some(mut account) = records.account(account).cloned() {
            account.key_fingerprints.push(fingerprint.clone());
            records.set_account(account);
        }
    })?;
    call.say(format!(
        "registered {fingerprint} for {account} as \"{}\"",
        sanitise(&new.label)
    ));
    record(call, account, file.as_deref(), &registered)?;
    call.say(format!("to undo: git bitbucket key revoke {fingerprint}"));
    Ok(())
}

/// As asked for, else the comment of the key file, which the `.pub` beside an encrypted key shows,
/// else the date. Below 100 bytes.
fn label(call: &CommandContext<'_>, options: &KeyAdd, key: &ssh_key::PublicKey) -> String {
    let file = call.context.directory.join(&options.file);
    let beside = || key_file::public_beside(&file);
    let beside = || beside().filter(|public| public.key_data() == key.key_data());
    let comment = Some(key.comment().to_string()).filter(|comment| !comment.is_empty());
    let comment = comment.or_else(|| beside().map(|public| public.comment().to_string()));
    let label = options.title.clone().or(comment).unwrap_or_default();
    let label: String = sanitise(label.trim()).chars().take(99).collect();
    if label.is_empty() {
        let now = call.context.clock.now();
        return now.strftime("added %Y-%m-%d").to_string();
    }
    let end = (0..=label.len().min(99))
        .rev()
        .find(|&end| label.is_char_boundary(end));
    label[..end.unwrap_or_default()].to_owned()
}

/// The file with the private half: the one that is named, or `FILE` for `FILE.pub`.
fn private_half(file: &Path, fingerprint: &str) -> Option<PathBuf> {
    let beside = file.extension().is_some_and(|extension| extension == "pub");
    let beside = beside.then(|| file.with_extension(""));
    let files = [Some(file.to_owned()), beside].into_iter().flatten();
    files
        .into_iter()
        .find(|file| matches!(key_file::holds(file, fingerprint), Ok(true)))
}

/// Records the file as this machine's. `None`: the private half is not here.
fn record(
    call: &mut CommandContext<'_>,
    account: &AccountId,
    file: Option<&Path>,
    listed: &bitbucket::RegisteredKey,
) -> Result<(), Error> {
    let Some(file) = file else { return Ok(()) };
    if provision::record_existing(call.context, account, file, listed)? {
        call.say(format!(
            "recorded {} as a key of this machine",
            call.shown(file)
        ));
    }
    Ok(())
}

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
    pub(super) replaces: &'a [String],
}

impl<'a> NewKeyOptions<'a> {
    /// A key of the account, as `key new` was asked for it.
    pub(super) fn of(options: &'a KeyNew) -> Self {
        Self {
            file: options.file.as_deref(),
            key_type: options.key_type,
            days: options.expires,
            ..Self::default()
        }
    }
}

/// Creates a further key pair for the account and registers it, or continues with one that an
/// earlier call left unfinished. Existing keys stay.
pub(super) fn create_key(
    call: &CommandContext<'_>,
    selected: &SelectedAccount,
    new_key: NewKeyOptions<'_>,
) -> Result<ManagedKey, Error> {
    let git_config = resolve::git_config(call.context)?;
    let site = &selected.site;
    let mut settings = git_config.settings(&git_config.sites(), site, None);
    let asked = || Origin::CommandLine("key new".to_owned());
    // bitbucket.provision is about keys that are created without a request for one.
    settings.provision = Sourced::new(Provision::Auto, asked());
    if let Some(key_type) = new_key.key_type {
        settings.key_type = Sourced::new(key_type, asked());
    }
    if let Some(days) = new_key.days {
        settings.key_lifetime = Some(Sourced::new(days, asked()));
    }
    let keys = ManagedKeys::new(call.context, site, &settings, &git_config);
    let key = AdditionalKey {
        file: new_key.file,
        access: new_key.access,
    };
    let (account, replaces) = (&selected.account, new_key.replaces);
    let created = keys.create_additional(account, call.prompt, key, replaces);
    created.map_err(|failure| match failure {
        Failure::Provision(provision::Error::NoToken { account }) => {
            Error::NotLoggedIn(format!("no API token for {}", account.name))
        }
        failure => failure.into(),
    })
}

/// Logs in with the key, waiting until the site's SSH servers know it, and records that.
pub(super) fn verify_key(
    call: &CommandContext<'_>,
    selected: &SelectedAccount,
    key: &ManagedKey,
) -> Result<(), Error> {
    let site = &selected.site;
    let Some(resolved) = resolve::site(call.context, site)? else {
        return Err(Error::NoBitbucket(site.url.clone()));
    };
    let settings = &resolved.target.settings;
    let keys = ManagedKeys::new(call.context, site, settings, &resolved.git_config);
    let verifier = KeyVerifier {
        keys: &keys,
        config: &resolved.config,
        route: &resolved.target.route,
        prompt: call.prompt,
    };
    Ok(verifier.verify(key)?)
}

/// Creates and verifies the account's next key, which replaces these.
pub(super) fn replace(
    call: &mut CommandContext<'_>,
    selected: &SelectedAccount,
    replaces: &[String],
) -> Result<ManagedKey, Error> {
    let new_key = NewKeyOptions {
        replaces,
        ..NewKeyOptions::default()
    };
    let created = create_key(call, selected, new_key)?;
    verify_key(call, selected, &created)?;
    call.say(format!(
        "{} is now the key of {}",
        call.shown(&created.file),
        selected.account
    ));
    Ok(created)
}
