//! A new key pair: recorded as pending before its files are placed.

use std::path::PathBuf;

use jiff::{Timestamp, ToSpan as _};
use ssh_key::HashAlg;

use super::ensure::KeyRequest;
use super::key_file::{is_taken, with_pub};
use super::passphrase::{self, Passphrase};
use super::record::{self, Records};
use super::{Error, generate, names};
use crate::diagnostics;
use crate::identity::{ManagedKey, State, key_file};
use crate::repository::SiteKind;
use crate::storage;

/// A new pair: recorded as pending, then its files placed.
pub(super) fn place_new(
    request: &KeyRequest<'_>,
    passphrase: &Passphrase,
) -> Result<ManagedKey, Error> {
    let context = request.context;
    let directory = context.ssh_directory().ok_or(storage::Error::NoHome)?;
    let now = context.clock.now();
    let label = names::label(context, now, &record::machine_tag(context)?);
    let generating = diagnostics::waiting("generate", || "generating the key pair".to_owned());
    let pair = generate::key_pair(request.settings.key_type.value)?;
    drop(generating);
    let fingerprint = pair.fingerprint(HashAlg::Sha256).to_string();
    let records = Records::open(context)?;
    let wished = request.file();
    let places: Vec<PathBuf> = match &wished {
        Some(file) => vec![file.clone()],
        None => names::places(&directory, &file_name(request)).collect(),
    };
    let file = places
        .into_iter()
        .find(|file| {
            let recorded = records.identities().iter().any(|known| known.file == *file);
            !is_taken(file) && !is_taken(&with_pub(file)) && !recorded
        })
        .ok_or_else(|| match wished {
            Some(file) => Error::KeyFile(key_file::KeyFileError::Exists { path: file }),
            None => Error::Generate("there is no free name for it".to_owned()),
        })?;
    let record = ManagedKey {
        account: request.account.clone(),
        file: file.clone(),
        public_key: one_line(pair.public_key()),
        fingerprint,
        key_id: None,
        label,
        created: now,
        expires: expires(request, now),
        state: State::Pending,
        passphrase: passphrase.place,
        repository: request.access.map(|access| access.repository.web_url()),
        read_only: request.access.is_some_and(|access| access.read_only),
        replaces: request.supersedes.to_vec(),
    };
    record::update(context, |records| records.set_identity(record.clone()))?;
    if let Err(error) = passphrase::keep(context, passphrase, &record.fingerprint) {
        record::update(context, |records| {
            records.forget_identity(&record.fingerprint);
        })?;
        return Err(error);
    }
    key_file::create(&file, &pair, passphrase.lock(), &record.label)?;
    diagnostics::notice(&format!(
        "made an {} key pair for {}: {}",
        generate::name(request.settings.key_type.value),
        match request.access {
            Some(access) => access.repository.to_string(),
            None => request.account.to_string(),
        },
        context.shown(&file)
    ));
    Ok(record)
}

pub(super) fn expires(request: &KeyRequest<'_>, now: Timestamp) -> Option<Timestamp> {
    if request.access.is_some() && request.site.kind == SiteKind::Cloud {
        // There an access key has no end that could be said.
        return None;
    }
    let days = request.settings.key_lifetime.as_ref()?.value;
    now.checked_add((i64::from(days) * 24).hours()).ok()
}

pub(super) fn file_name(request: &KeyRequest<'_>) -> String {
    let holder = match request.access {
        Some(access) => access.repository.to_string(),
        None => request.account.name.clone(),
    };
    names::file_name(request.site, &holder, request.settings.key_type.value)
}

pub(super) fn one_line(key: &ssh_key::PublicKey) -> String {
    let bare = ssh_key::PublicKey::new(key.key_data().clone(), "");
    bare.to_openssh()
        .map(|line| line.trim_end().to_owned())
        .unwrap_or_default()
}
