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
use crate::repository::SiteKind;

/// A new pair: recorded as pending, then its files placed.
pub(super) fn place_new(order: &Order<'_>, passphrase: &Passphrase) -> Result<Managed, Error> {
    let context = order.context;
    let directory = context.ssh_directory().ok_or(Error::NoHome)?;
    let now = context.clock.now();
    let label = names::label(context, now, &record::machine_tag(context)?);
    let generating = diagnostics::waiting("generate", || "generating the key pair".to_owned());
    let pair = generate::key_pair(order.settings.key_type.value)?;
    drop(generating);
    let fingerprint = pair.fingerprint(HashAlg::Sha256).to_string();
    let records = Records::open(context)?;
    let wished = order.file();
    let places: Vec<PathBuf> = match &wished {
        Some(file) => vec![file.clone()],
        None => names::places(&directory, &file_name(order)).collect(),
    };
    let file = places
        .into_iter()
        .find(|file| {
            let recorded = records.identities().iter().any(|known| known.file == *file);
            !is_taken(file) && !is_taken(&with_pub(file)) && !recorded
        })
        .ok_or_else(|| match wished {
            Some(file) => Error::KeyFile(key_pair::KeyFileError::Exists { path: file }),
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
        repository: order.access.map(|access| access.repository.web_url()),
        read_only: order.access.is_some_and(|access| access.read_only),
        replaces: order.supersedes.to_vec(),
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
        match order.access {
            Some(access) => access.repository.to_string(),
            None => order.account.to_string(),
        },
        shown(context, &file)
    ));
    Ok(record)
}

pub(super) fn expires(order: &Order<'_>, now: Timestamp) -> Option<Timestamp> {
    if order.access.is_some() && order.site.kind == SiteKind::Cloud {
        // There an access key has no end that could be said.
        return None;
    }
    let days = order.settings.key_lifetime.as_ref()?.value;
    now.checked_add((i64::from(days) * 24).hours()).ok()
}

pub(super) fn file_name(order: &Order<'_>) -> String {
    let holder = match order.access {
        Some(access) => access.repository.to_string(),
        None => order.account.name.clone(),
    };
    names::file_name(order.site, &holder, order.settings.key_type.value)
}

pub(super) fn one_line(key: &ssh_key::PublicKey) -> String {
    let bare = ssh_key::PublicKey::new(key.key_data().clone(), "");
    bare.to_openssh()
        .map(|line| line.trim_end().to_owned())
        .unwrap_or_default()
}
