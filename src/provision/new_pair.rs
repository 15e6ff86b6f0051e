//! A new key pair: recorded as pending before its files are placed.

use std::path::PathBuf;

use jiff::{Timestamp, ToSpan as _};
use ssh_key::HashAlg;

use super::ensure::Order;
use super::key_file::{is_taken, shown, with_pub};
use super::passphrase::{self, Passphrase};
use super::record::{self, Records};
use super::{Error, generate, names};
use crate::diagnostics;
use crate::identity::{Managed, State, key_pair};

/// A new pair: recorded as pending, then its files placed.
pub(super) fn place_new(order: &Order<'_>, passphrase: &Passphrase) -> Result<Managed, Error> {
    let context = order.context;
    let directory = context.ssh_directory().ok_or(Error::NoHome)?;
    let now = context.clock.now();
    let label = names::label(context, now, &record::machine_tag(context)?);
    let pair = generate::key_pair(order.settings.key_type.value)?;
    let fingerprint = pair.fingerprint(HashAlg::Sha256).to_string();
    let records = Records::open(context)?;
    let wished = order.further.and_then(|further| further.file);
    let places: Vec<PathBuf> = match wished {
        Some(file) => vec![context.directory.join(file)],
        None => names::places(&directory, &file_name(order)).collect(),
    };
    let file = places
        .into_iter()
        .find(|file| {
            let recorded = records.identities().iter().any(|known| known.file == *file);
            !is_taken(file) && !is_taken(&with_pub(file)) && !recorded
        })
        .ok_or_else(|| match wished {
            Some(file) => Error::KeyFile(key_pair::KeyFileError::Exists {
                path: file.to_owned(),
            }),
            None => Error::Generate("there is no free name for it".to_owned()),
        })?;
    let record = Managed {
        account: order.account.clone(),
        file: file.clone(),
        public_key: one_line(pair.public_key()),
        fingerprint,
        key_id: None,
        label,
        created: now,
        expires: expires(order, now),
        state: State::Pending,
        passphrase: passphrase.place,
        repository: None,
        read_only: false,
    };
    record::update(context, |records| records.set_identity(record.clone()))?;
    if let Err(error) = passphrase::keep(context, passphrase, &record.fingerprint) {
        record::update(context, |records| {
            records.forget_identity(&record.fingerprint);
        })?;
        return Err(error);
    }
    key_pair::place(&file, &pair, passphrase.lock(), &record.label)?;
    diagnostics::notice(&format!(
        "made an {} key pair for {}: {}",
        generate::name(order.settings.key_type.value),
        order.account,
        shown(context, &file)
    ));
    Ok(record)
}

pub(super) fn expires(order: &Order<'_>, now: Timestamp) -> Option<Timestamp> {
    let days = order.settings.key_lifetime.as_ref()?.value;
    now.checked_add((i64::from(days) * 24).hours()).ok()
}

pub(super) fn file_name(order: &Order<'_>) -> String {
    names::file_name(order.site, order.account, order.settings.key_type.value)
}

pub(super) fn one_line(key: &ssh_key::PublicKey) -> String {
    let bare = ssh_key::PublicKey::new(key.key_data().clone(), "");
    bare.to_openssh()
        .map(|line| line.trim_end().to_owned())
        .unwrap_or_default()
}
