//! A requested key, and the key that results.

use std::path::{Path, PathBuf};

use super::Error;
use crate::bitbucket::KeyRegistry;
use crate::context::Context;
use crate::identity::{AccountId, Identity, ManagedKey};
use crate::prompt::{self, Prompt};
use crate::repository::{Repository, Site};
use crate::secret::Secret;
use crate::settings::Settings;
use crate::storage::Lock;

/// An account's view of the site.
pub type Registry = Box<dyn KeyRegistry>;

/// Where keys are created, for which site, and who can be asked.
#[derive(Clone, Copy)]
pub struct ProvisionContext<'a> {
    /// The captured process surroundings.
    pub context: &'a Context,
    /// The site that gets the key.
    pub site: &'a Site,
    /// Key type, lifetime, passphrase, and whether a key may be created.
    pub settings: &'a Settings,
    /// Asks the user.
    pub prompt: &'a dyn Prompt,
    /// Key pairs on this machine that no record names: one that the account's key list shows is used
    /// in the place of a new one.
    pub keys_here: &'a [Identity],
}

/// A key for an account.
#[derive(Clone, Copy)]
pub struct KeyRequest<'a> {
    /// Where, and with whom.
    pub at: ProvisionContext<'a>,
    /// The account.
    pub account: &'a AccountId,
    /// Which key.
    pub wanted: Wanted<'a>,
    /// Fingerprints of recorded keys that are removed once the new one is verified (a rotation).
    /// They are recorded with the new key from its beginning, so that any later run can finish the rotation.
    pub replaces: &'a [String],
    /// The account's view of the site. `None`: it has no token.
    pub registry: &'a dyn Fn() -> Result<Option<Registry>, Error>,
}

/// Which key is requested.
#[derive(Clone, Copy)]
pub enum Wanted<'a> {
    /// A key that works, be it one that another process has created meanwhile.
    Any,
    /// A key that was created after this one, which no longer works or expires soon.
    NewerThan(&'a ManagedKey),
    /// A further key. What the account has stays.
    Additional(AdditionalKey<'a>),
}

/// A further key.
#[derive(Debug, Clone, Copy, Default)]
pub struct AdditionalKey<'a> {
    /// Its private key file, which must not exist. `None`: the next free of the usual names.
    pub file: Option<&'a Path>,
    /// It is an access key, registered with the account's token. `None`: a key of the account.
    pub access: Option<AccessKey<'a>>,
}

/// An access key of a repository.
#[derive(Debug, Clone, Copy)]
pub struct AccessKey<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// It cannot push.
    pub read_only: bool,
}

impl<'a> KeyRequest<'a> {
    /// The old key of [`Wanted::NewerThan`].
    pub(super) fn newer_than(&self) -> Option<&'a ManagedKey> {
        match self.wanted {
            Wanted::NewerThan(old) => Some(old),
            Wanted::Any | Wanted::Additional(_) => None,
        }
    }

    /// The repository, where an access key is requested.
    pub(super) fn access(&self) -> Option<AccessKey<'a>> {
        match self.wanted {
            Wanted::Additional(key) => key.access,
            Wanted::Any | Wanted::NewerThan(_) => None,
        }
    }

    /// The file that is asked for, as a full path. `None`: any of the usual names.
    pub(super) fn file(&self) -> Option<PathBuf> {
        match self.wanted {
            Wanted::Additional(AdditionalKey { file, .. }) => {
                Some(self.at.context.directory.join(file?))
            }
            Wanted::Any | Wanted::NewerThan(_) => None,
        }
    }

    /// Whether a record is of the requested kind of key, for the same account.
    pub(super) fn matches(&self, record: &ManagedKey) -> bool {
        record.account == *self.account
            && match (self.access(), &record.repository) {
                (Some(access), Some(url)) => {
                    url.eq_ignore_ascii_case(&access.repository.web_url())
                        && record.read_only == access.read_only
                }
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            }
    }
}

/// A key that is requested where no account is known.
pub struct UnknownAccount<'a> {
    /// Where, and with whom.
    pub at: ProvisionContext<'a>,
    /// The keys on this machine were accepted and denied the repository. `None`: none was accepted.
    pub denied: Option<DeniedRepository<'a>>,
}

/// A repository that the keys on this machine cannot use.
#[derive(Clone, Copy)]
pub struct DeniedRepository<'a> {
    /// Shown before the question: which repository it is, and the server's message.
    pub summary: &'a str,
    /// Whether a key for this account, which has a token here, would help.
    pub may_help: &'a dyn Fn(&AccountId) -> Result<bool, prompt::Error>,
}

/// What an account's first key comes to.
#[derive(Debug)]
pub enum Ensured {
    /// A managed key.
    Managed(ProvisionedKey),
    /// A key pair of [`ProvisionContext::keys_here`], which stays as it is and is not recorded.
    Listed(Identity),
}

impl From<ProvisionedKey> for Ensured {
    fn from(key: ProvisionedKey) -> Self {
        Self::Managed(key)
    }
}

/// A key that is registered, or that the user is about to add on the web page.
#[derive(Debug)]
pub struct ProvisionedKey {
    /// Its record.
    pub record: ManagedKey,
    /// The passphrase that the user has just chosen for its file, so as not to ask again.
    pub passphrase: Option<Secret>,
    /// The user adds it on the web page; the site does not have it yet. Other processes wait until
    /// this is dropped.
    pub manual_registration: Option<Lock>,
}

impl From<ManagedKey> for ProvisionedKey {
    fn from(record: ManagedKey) -> Self {
        Self {
            record,
            passphrase: None,
            manual_registration: None,
        }
    }
}
