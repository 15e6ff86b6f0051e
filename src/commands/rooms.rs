//! What commands take from the rooms below, in one place.
//!
//! A seam: with it every verb is tested whole, without a network, a keyring or an agent.

use std::path::Path;

use super::Error;
use super::accounts::Accounts;
use super::hook::PushTarget;
use super::status::StatusReport;
use crate::bitbucket::credential::Token;
use crate::bitbucket::{self, KeyRegistry};
use crate::connection::resolve::BitbucketTarget;
use crate::identity::{Account, AccountId, ManagedKey};
use crate::prompt::Prompt;
use crate::provision::ensure::AccessKey;
use crate::provision::record::SshPlace;
use crate::repository::{Direction, Site};
use crate::secret::{Secret, TokenPlace};
use crate::settings::KeyType;
use crate::settings::SshConfig;

/// A call to a site before it is made.
pub struct Examined {
    /// What the user's ssh_config says.
    pub config: SshConfig,
    /// Site, settings, endpoints, plan and records.
    pub ours: BitbucketTarget,
}

/// The rooms below, as commands see them.
pub trait Rooms {
    /// Sites of git config and recorded accounts (those that are logged in, and those of managed
    /// identities). Reads files.
    fn known(&self) -> Result<Accounts, Error>;

    /// Whether there is a keyring that can be used. Asks nobody.
    fn keyring(&self) -> bool;

    /// The site as seen with this token. Sends nothing yet.
    fn connect(
        &self,
        site: &Site,
        account: &str,
        secret: &Secret,
    ) -> Result<Box<dyn KeyRegistry>, bitbucket::Error>;

    /// Puts the token where it is said; an older one there is replaced.
    fn store(
        &self,
        site: &Site,
        account: &str,
        secret: &Secret,
        place: TokenPlace,
    ) -> Result<(), Error>;

    /// Removes the account's token wherever one lies, and says where that was.
    fn forget(&self, site: &Site, account: &str) -> Result<Vec<TokenPlace>, Error>;

    /// Records the account, in place of an earlier record of it.
    fn record(&self, account: Account) -> Result<(), Error>;

    /// Records where a Data Center speaks SSH, in place of an earlier record of it.
    fn record_ssh(&self, place: SshPlace) -> Result<(), Error>;

    /// Forgets what was recorded and learned of the account; its managed identities stay.
    fn erase(&self, account: &AccountId) -> Result<(), Error>;

    /// Where a URL goes and as whom: the account of the plan's first candidate. `None`: to no site
    /// of ours, or nobody known. Touches no network.
    fn going(&self, url: &str, direction: Direction) -> Result<Option<PushTarget>, Error>;

    /// What `status` shows of a URL. `None`: it belongs to no site of ours. Touches no network.
    fn status(&self, url: &str) -> Result<Option<StatusReport>, Error>;

    /// What a git command for a URL would meet; without a URL, what `ssh git@bitbucket.org` would.
    /// `None`: it belongs to no site of ours. Touches no network.
    fn examine(&self, url: Option<&str>) -> Result<Option<Examined>, Error>;

    /// The account's token, where any source has one. Asks nobody.
    fn token(&self, site: &Site, account: &str) -> Result<Option<Token>, Error>;

    /// Makes a further key pair for the account and registers it, or goes on with one that was
    /// begun; what is there stays.
    fn make(
        &self,
        site: &Site,
        account: &AccountId,
        new_key: NewKeyOptions<'_>,
        prompt: &dyn Prompt,
    ) -> Result<ManagedKey, Error>;

    /// Proves a key by a real session, waiting until the site's SSH servers know it, and records
    /// that.
    fn prove(&self, site: &Site, record: &ManagedKey, prompt: &dyn Prompt) -> Result<(), Error>;
}

/// How a further key is wished; what is not said comes from the settings.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewKeyOptions<'a> {
    /// Its file.
    pub file: Option<&'a Path>,
    /// Its type.
    pub key_type: Option<KeyType>,
    /// Days until the site refuses it.
    pub days: Option<u32>,
    /// An access key of a repository. `None`: a key of the account.
    pub access: Option<AccessKey<'a>>,
    /// Fingerprints of managed keys that go once it is proved.
    pub supersedes: &'a [String],
}
