//! A key that a person pastes into the site: made, and shown with the page to paste it.

use super::ensure::{KeyRequest, ManualLock, ProvisionedKey};
use super::key_file::holds;
use super::new_pair::place_new;
use super::record::Records;
use super::{Error, passphrase};
use crate::diagnostics;
use crate::identity::{ManagedKey, State};
use crate::repository::key_page;
use crate::secret::Secret;

/// A new pair, or the one that was begun for the account; shown with the page to paste it. It
/// stays *pending* until a connection with it is let in.
pub(super) fn make(
    request: &KeyRequest<'_>,
    manual_registration: ManualLock,
) -> Result<ProvisionedKey, Error> {
    let records = Records::open(request.context)?;
    let mut begun = None;
    for record in records.identities().iter().filter(|record| {
        record.state == State::Pending
            && record.account == *request.account
            && record.repository.is_none()
    }) {
        if holds(&record.file, &record.fingerprint)? {
            begun = Some(record);
            break;
        }
    }
    let (record, passphrase) = match begun {
        Some(record) => (record.clone(), None),
        None => new(request)?,
    };
    diagnostics::say(&format!(
        "Add this public key to {}'s account at\n  {}\n\n{} {}\n",
        request.account,
        key_page(&request.site.url),
        record.public_key,
        record.label
    ));
    diagnostics::notice("waiting until the site accepts it (Ctrl-C ends; the key stays)");
    Ok(ProvisionedKey {
        record,
        passphrase,
        manual_registration: Some(manual_registration),
    })
}

/// Whoever pastes a key gives it its life: what is wished here cannot be told to the site.
fn new(request: &KeyRequest<'_>) -> Result<(ManagedKey, Option<Secret>), Error> {
    let wished = request.settings.passphrase.value;
    let passphrase = passphrase::choose(request.context, wished, request.prompt)?;
    let record = place_new(request, &passphrase)?;
    Ok((record, passphrase.secret))
}
