//! What commands take from the rooms below, in one place.
//!
//! A seam: with it every verb is tested whole, without a network, a keyring or an agent.

use super::Error;
use super::hook::Going;
use super::known::Known;
use super::status::StatusReport;
use crate::bitbucket::{self, KeyRegistry};
use crate::identity::{Account, AccountName};
use crate::repository::{Direction, Site};
use crate::secret::{Secret, TokenPlace};

/// The rooms below, as commands see them.
pub trait Rooms {
    /// Sites of git config and recorded accounts (those that are logged in, and those of managed
    /// identities). Reads files.
    fn known(&self) -> Result<Known, Error>;

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

    /// Forgets what was recorded and learned of the account; its managed identities stay.
    fn erase(&self, account: &AccountName) -> Result<(), Error>;

    /// Where a URL goes and as whom: the account of the plan's first candidate. `None`: to no site
    /// of ours, or nobody known. Touches no network.
    fn going(&self, url: &str, direction: Direction) -> Result<Option<Going>, Error>;

    /// What `status` shows of a URL. `None`: it belongs to no site of ours. Touches no network.
    fn status(&self, url: &str) -> Result<Option<StatusReport>, Error>;
}
