//! A key that is wanted: for whom, where, and how it is wished.

use std::path::{Path, PathBuf};

use super::Error;
use crate::bitbucket::KeyRegistry;
use crate::context::Context;
use crate::identity::{AccountId, ManagedKey};
use crate::prompt::Prompt;
use crate::repository::{Repository, Site};
use crate::settings::Settings;

/// A key that is wanted.
pub struct KeyRequest<'a> {
    /// The captured process surroundings.
    pub context: &'a Context,
    /// Where it is to be registered.
    pub site: &'a Site,
    /// For whom.
    pub account: &'a AccountId,
    /// Key type, lifetime, passphrase, and whether a key may be made.
    pub settings: &'a Settings,
    /// Who can be asked.
    pub prompt: &'a dyn Prompt,
    /// An identity that no longer serves: only one that was made after it counts as there.
    pub replaces: Option<&'a ManagedKey>,
    /// A further pair is wanted although one is there; what is there stays.
    pub further: Option<AdditionalKey<'a>>,
    /// Fingerprints of recorded identities that are to go once the new one is proved (a rotation):
    /// recorded with the new one from its beginning, so that any later run can go on.
    pub supersedes: &'a [String],
    /// An access key of a repository is wanted, registered by the account's token; only with
    /// [`KeyRequest::further`]. `None`: a key of the account.
    pub access: Option<AccessKey<'a>>,
    /// The account's view of the site. `None`: there is no token.
    pub registry: &'a dyn Fn() -> Result<Option<Box<dyn KeyRegistry>>, Error>,
}

/// What an access key is for.
#[derive(Debug, Clone, Copy)]
pub struct AccessKey<'a> {
    /// The repository that it opens.
    pub repository: &'a Repository,
    /// It cannot push.
    pub read_only: bool,
}

impl AccessKey<'_> {
    /// Whether this is the record of such a key.
    pub(super) fn is(&self, record: &ManagedKey) -> bool {
        let of = record.repository.as_deref();
        of.is_some_and(|url| url.eq_ignore_ascii_case(&self.repository.web_url()))
            && record.read_only == self.read_only
    }
}

impl KeyRequest<'_> {
    /// Whether a record is of the kind and for whom this is wanted.
    pub(super) fn is(&self, record: &ManagedKey) -> bool {
        record.account == *self.account
            && match &self.access {
                Some(access) => access.is(record),
                None => record.repository.is_none(),
            }
    }

    /// The file that was asked for, as a full path. `None`: any of the usual names.
    pub(super) fn file(&self) -> Option<PathBuf> {
        let file = self.further.and_then(|further| further.file)?;
        Some(self.context.directory.join(file))
    }
}

/// How a further pair is wished.
#[derive(Debug, Clone, Copy, Default)]
pub struct AdditionalKey<'a> {
    /// Its private key file, which must not exist. `None`: the next free of the usual names.
    pub file: Option<&'a Path>,
}
