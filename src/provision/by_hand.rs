//! A key that a person pastes into the site: made, and shown with the page to paste it.

use super::ensure::{ByHand, Made, Order};
use super::key_file::holds;
use super::new_pair::place_new;
use super::record::Records;
use super::{Error, guide, passphrase};
use crate::diagnostics;
use crate::identity::{Managed, State};
use crate::secret::Secret;

/// A new pair, or the one that was begun for the account; shown with the page to paste it. It
/// stays *pending* until a connection with it is let in.
pub(super) fn make(order: &Order<'_>, by_hand: ByHand) -> Result<Made, Error> {
    let records = Records::open(order.context)?;
    let mut begun = None;
    for record in records.identities().iter().filter(|record| {
        record.state == State::Pending
            && record.account == *order.account
            && record.repository.is_none()
    }) {
        if holds(&record.file, &record.fingerprint)? {
            begun = Some(record);
            break;
        }
    }
    let (record, passphrase) = match begun {
        Some(record) => (record.clone(), None),
        None => new(order)?,
    };
    diagnostics::say(&format!(
        "Add this public key to {}'s account at\n  {}\n\n{} {}\n",
        order.account,
        guide::key_page(order.site),
        record.public_key,
        record.label
    ));
    diagnostics::notice("waiting until the site accepts it (Ctrl-C ends; the key stays)");
    Ok(Made {
        record,
        passphrase,
        by_hand: Some(by_hand),
    })
}

/// Whoever pastes a key gives it its life: what is wished here cannot be told to the site.
fn new(order: &Order<'_>) -> Result<(Managed, Option<Secret>), Error> {
    let wished = order.settings.passphrase.value;
    let passphrase = passphrase::choose(order.context, wished, order.prompt)?;
    let record = place_new(order, &passphrase)?;
    Ok((record, passphrase.secret))
}
