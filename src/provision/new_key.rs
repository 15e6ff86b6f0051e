//! A new key pair: its name, label and passphrase; recorded as pending before its files are written.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{Timestamp, ToSpan as _};
use rand_core::UnwrapErr;
use ssh_key::private::{KeypairData, RsaKeypair};
use ssh_key::{Algorithm, EcdsaCurve, HashAlg, PrivateKey, PublicKey};

use super::Error;
use super::records::{Records, machine_tag};
use super::request::KeyRequest;
use crate::bitbucket::keyring;
use crate::context::Context;
use crate::diagnostics;
use crate::identity::key_file::{self, Encryption, KeyFileError};
use crate::identity::{ManagedKey, PassphrasePlace, State};
use crate::repository::{Site, SiteKind};
use crate::secret::Secret;
use crate::settings::{KeyType, PassphraseStore};
use crate::storage;

/// A new key pair, recorded as pending, then written to its files.
pub(super) fn create(
    request: &KeyRequest<'_>,
    passphrase: &Passphrase,
) -> Result<ManagedKey, Error> {
    let context = request.at.context;
    let now = context.clock.now();
    let label = label(context, now, &machine_tag(context)?);
    let generating = diagnostics::waiting("generate", || "generating the key pair".to_owned());
    let key_type = request.at.settings.key_type.value;
    let pair = generate(key_type)?;
    drop(generating);
    let access = request.access();
    let record = ManagedKey {
        account: request.account.clone(),
        file: PathBuf::new(),
        public_key: one_line(pair.public_key()),
        fingerprint: pair.fingerprint(HashAlg::Sha256).to_string(),
        key_id: None,
        label,
        created: now,
        expires: expires(request, now),
        state: State::Pending,
        passphrase: passphrase.place,
        repository: access.map(|access| access.repository.web_url()),
        read_only: access.is_some_and(|access| access.read_only),
        replaces: request.replaces.to_vec(),
    };
    if let Some(file) = request.file() {
        create_directories(&file)?;
    }
    let record = Records::update(context, |records| {
        let file = free_file(request, records)?;
        let record = ManagedKey { file, ..record };
        records.set_identity(record.clone());
        Ok::<_, Error>(record)
    })??;
    if let Err(error) = keep_passphrase(context, passphrase, &record.fingerprint) {
        Records::forget(context, &record.fingerprint)?;
        return Err(error);
    }
    key_file::create(&record.file, &pair, passphrase.encryption(), &record.label)?;
    diagnostics::notice(&format!(
        "created an {} key pair for {}: {}",
        type_name(key_type),
        match access {
            Some(access) => access.repository.to_string(),
            None => request.account.to_string(),
        },
        context.shown(&record.file)
    ));
    Ok(record)
}

/// The missing directories above a file that is asked for (0700), each on disk before the next.
fn create_directories(file: &Path) -> Result<(), Error> {
    let above = file.ancestors().skip(1);
    let missing: Vec<&Path> = above.take_while(|directory| !directory.exists()).collect();
    for directory in missing.into_iter().rev() {
        storage::create_durably(directory).map_err(|why| storage::Error::file(directory, why))?;
    }
    Ok(())
}

/// The file that is asked for, or the first of the usual names that nothing has.
fn free_file(request: &KeyRequest<'_>, records: &Records) -> Result<PathBuf, Error> {
    let is_free = |file: &PathBuf| {
        let mut recorded = records.identities().iter();
        !key_file::is_taken(file)
            && !key_file::is_taken(&key_file::public_file(file))
            && !recorded.any(|known| known.file == *file)
    };
    if let Some(file) = request.file() {
        if is_free(&file) {
            return Ok(file);
        }
        return Err(KeyFileError::Exists { path: file }.into());
    }
    let directory = request.at.context.ssh_directory();
    let directory = directory.ok_or(storage::Error::NoHome)?;
    file_names(&directory, &file_name(request))
        .find(is_free)
        .ok_or_else(|| Error::Generate("no file name is free".to_owned()))
}

/// When a key that is registered now expires.
pub(super) fn expires(request: &KeyRequest<'_>, now: Timestamp) -> Option<Timestamp> {
    if request.access().is_some() && request.at.site.kind == SiteKind::Cloud {
        // Access keys do not expire there.
        return None;
    }
    let days = request.at.settings.key_lifetime.as_ref()?.value;
    now.checked_add((i64::from(days) * 24).hours()).ok()
}

/// The name of the key's file.
pub(super) fn file_name(request: &KeyRequest<'_>) -> String {
    let holder = match request.access() {
        Some(access) => access.repository.to_string(),
        None => request.account.name.clone(),
    };
    let key_type = request.at.settings.key_type.value;
    file_name_of(request.at.site, &holder, key_type)
}

/// A public key in one line, without comment.
pub(super) fn one_line(key: &PublicKey) -> String {
    let bare = PublicKey::new(key.key_data().clone(), "");
    bare.to_openssh()
        .map(|line| line.trim_end().to_owned())
        .unwrap_or_default()
}

/// A new key pair from the system's random source.
fn generate(key_type: KeyType) -> Result<PrivateKey, Error> {
    // Where one read succeeds, the next ones do, too.
    getrandom::u32().map_err(|error| Error::Generate(error.to_string()))?;
    let mut random = UnwrapErr(getrandom::SysRng);
    let pair = match key_type {
        KeyType::Ed25519 => PrivateKey::random(&mut random, Algorithm::Ed25519),
        KeyType::Ecdsa => {
            let curve = EcdsaCurve::NistP256;
            PrivateKey::random(&mut random, Algorithm::Ecdsa { curve })
        }
        KeyType::Rsa(bits) => RsaKeypair::random(&mut random, bits as usize)
            .and_then(|pair| PrivateKey::new(KeypairData::Rsa(pair), "")),
    };
    pair.map_err(|error| Error::Generate(error.to_string()))
}

/// The key type as people write it.
fn type_name(key_type: KeyType) -> &'static str {
    match key_type {
        KeyType::Ed25519 => "ed25519",
        KeyType::Ecdsa => "ECDSA",
        KeyType::Rsa(_) => "RSA",
    }
}

/// The longest label, in bytes.
const MAX_LABEL: usize = 99;

/// `bitbucket_ACCOUNT_TYPE`, on Data Center `bitbucket_ACCOUNT_HOST[_PORT][_CONTEXT]_TYPE`. The name
/// of an access key has `WORKSPACE/SLUG`, escaped, in the place of the account.
fn file_name_of(site: &Site, holder: &str, key_type: KeyType) -> String {
    let mut name = format!("bitbucket_{}", escaped(&holder.to_lowercase()));
    if site.kind == SiteKind::DataCenter {
        let place = site.address();
        for part in place.split([':', '/']).filter(|part| !part.is_empty()) {
            let _ = write!(name, "_{}", escaped(&part.to_lowercase()));
        }
    }
    let kind = match key_type {
        KeyType::Ed25519 => "ed25519",
        KeyType::Ecdsa => "ecdsa",
        KeyType::Rsa(_) => "rsa",
    };
    let _ = write!(name, "_{kind}");
    name
}

/// Bytes outside `a-z0-9@+._-` become `=XX`, so that an account cannot name another directory.
fn escaped(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"@+._-".contains(&byte) {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "={byte:02X}");
        }
    }
    name
}

/// `NAME`, `NAME-2`, `NAME-3`, …
pub(super) fn file_names<'a>(
    directory: &'a Path,
    name: &'a str,
) -> impl Iterator<Item = PathBuf> + 'a {
    let further = (2..1000).map(move |number| directory.join(format!("{name}-{number}")));
    std::iter::once(directory.join(name)).chain(further)
}

/// `bitbucket-ssh USER@MACHINE DATE TAG`.
fn label(context: &Context, now: Timestamp, tag: &str) -> String {
    let user = context.login_name();
    label_of(
        user.as_deref().unwrap_or("somebody"),
        &machine(context),
        now,
        tag,
    )
}

fn label_of(user: &str, machine: &str, now: Timestamp, tag: &str) -> String {
    let date = now.strftime("%Y-%m-%d");
    let user = plain(user);
    let machine = plain(machine);
    let fixed = format!("bitbucket-ssh @ {date} {tag}").len();
    let room = MAX_LABEL.saturating_sub(fixed);
    let user: String = user.chars().take(room / 2).collect();
    let machine: String = machine.chars().take(room - user.len()).collect();
    format!("bitbucket-ssh {user}@{machine} {date} {tag}")
}

/// Printable ASCII without spaces.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_graphic() { c } else { '_' })
        .collect()
}

/// The machine's own name, without its domain.
fn machine(context: &Context) -> String {
    #[cfg(unix)]
    let name = nix::unistd::gethostname().ok();
    #[cfg(unix)]
    let name = name.and_then(|name| name.into_string().ok());
    #[cfg(not(unix))]
    let name = context.environment.text("COMPUTERNAME").map(str::to_owned);
    #[cfg(unix)]
    let _ = context;
    let name = name.unwrap_or_default();
    let short = name.split('.').next().unwrap_or_default();
    if short.is_empty() { "machine" } else { short }.to_owned()
}

/// 192 bits, which cannot be guessed, so the key file needs no slow derivation.
const RANDOM_BYTES: usize = 24;

/// A passphrase and where it is kept.
#[derive(Debug)]
pub(super) struct Passphrase {
    place: PassphrasePlace,
    /// `None`: the file is not encrypted.
    pub(super) secret: Option<Secret>,
}

impl Passphrase {
    fn none() -> Self {
        Self {
            place: PassphrasePlace::None,
            secret: None,
        }
    }

    /// How the key file is encrypted.
    fn encryption(&self) -> Option<Encryption<'_>> {
        let secret = self.secret.as_ref()?;
        Some(match self.place {
            PassphrasePlace::Keyring => Encryption::random(secret),
            _ => Encryption::chosen(secret),
        })
    }
}

/// The passphrase of a new key, chosen (and asked for) before the key is created. Fails for
/// `keyring` without a keyring, for a locked keyring, and for `ask` where the user cannot be asked.
pub(super) fn choose_passphrase(request: &KeyRequest<'_>) -> Result<Passphrase, Error> {
    let (context, prompt) = (request.at.context, request.at.prompt);
    match request.at.settings.passphrase.value {
        PassphraseStore::None => Ok(Passphrase::none()),
        PassphraseStore::Ask => ask_passphrase(request),
        PassphraseStore::Keyring => random_passphrase(),
        PassphraseStore::Auto if keyring::available(context) => random_passphrase(),
        PassphraseStore::Auto if prompt.terminal() => ask_passphrase(request),
        PassphraseStore::Auto => {
            diagnostics::notice(
                "no keyring available: only its file permissions protect the private key",
            );
            Ok(Passphrase::none())
        }
    }
}

/// Stores a random passphrase in the keyring and reads it back, before the key file is written.
fn keep_passphrase(
    context: &Context,
    passphrase: &Passphrase,
    fingerprint: &str,
) -> Result<(), Error> {
    match (passphrase.place, &passphrase.secret) {
        (PassphrasePlace::Keyring, Some(secret)) => {
            Ok(keyring::store_key_passphrase(context, fingerprint, secret)?)
        }
        _ => Ok(()),
    }
}

/// Removes the passphrase of a key that was never completed from the keyring. Never fails.
pub(super) fn forget_passphrase(context: &Context, record: &ManagedKey) {
    if record.passphrase == PassphrasePlace::Keyring
        && let Err(error) = keyring::forget_key_passphrase(context, &record.fingerprint)
    {
        tracing::info!("{error}");
    }
}

/// Where the passphrase of an existing key file is.
pub(super) fn passphrase_place(
    context: &Context,
    file: &Path,
    fingerprint: &str,
) -> Result<PassphrasePlace, Error> {
    match key_file::open(file, None) {
        Ok(_) => Ok(PassphrasePlace::None),
        Err(KeyFileError::Encrypted { .. }) => {
            match keyring::key_passphrase(context, fingerprint) {
                // It is reported as locked only where it has the passphrase.
                Ok(Some(_)) | Err(keyring::Error::Locked) => Ok(PassphrasePlace::Keyring),
                Ok(None) => Ok(PassphrasePlace::Person),
                Err(error) => Err(error.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

fn random_passphrase() -> Result<Passphrase, Error> {
    let mut bytes = zeroize::Zeroizing::new([0u8; RANDOM_BYTES]);
    getrandom::fill(bytes.as_mut()).map_err(|error| Error::Generate(error.to_string()))?;
    Ok(Passphrase {
        place: PassphrasePlace::Keyring,
        secret: Some(Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_ref()))),
    })
}

/// Asks as ssh-keygen does.
fn ask_passphrase(request: &KeyRequest<'_>) -> Result<Passphrase, Error> {
    let (account, prompt) = (request.account, request.at.prompt);
    let question = format!("Passphrase for the new key of {account} (empty for none): ");
    loop {
        let secret = prompt.secret(&question)?;
        if secret.is_empty() {
            return Ok(Passphrase::none());
        }
        if prompt.secret("Enter same passphrase again: ")? == secret {
            return Ok(Passphrase {
                place: PassphrasePlace::Person,
                secret: Some(secret),
            });
        }
        diagnostics::notice("the passphrases do not match, try again");
    }
}

#[cfg(test)]
mod tests {
    use super::{escaped, file_name_of, label_of};
    use crate::repository::{Site, SiteKind};
    use crate::settings::KeyType;

    #[test]
    fn no_account_reaches_a_path_as_it_is() {
        for (account, expected, why) in [
            (
                "you@example.com",
                "you@example.com",
                "an address stays readable",
            ),
            ("../../etc/x", "..=2F..=2Fetc=2Fx", "no slash"),
            ("a b\n", "a=20b=0A", "no blank, no newline"),
            ("Ünal", "=C3=9Cnal", "bytes, not characters"),
        ] {
            assert_eq!(escaped(account), expected, "{why}");
        }
    }

    #[test]
    fn a_label_is_short_and_plain() {
        let now = "2026-11-24T23:59:59Z".parse().expect("a time");
        let label = |user: &str, machine: &str| label_of(user, machine, now, "koluduli");
        assert_eq!(
            label("ada", "engine"),
            "bitbucket-ssh ada@engine 2026-11-24 koluduli"
        );
        let long = "x".repeat(300);
        for (user, machine, why) in [
            (long.as_str(), "engine", "a long user"),
            ("ada", long.as_str(), "a long machine"),
            (long.as_str(), long.as_str(), "both"),
            ("Ünal\u{1b}[31m", "ma chine\n", "no blank, no control"),
            ("", "", "nothing"),
        ] {
            let label = label(user, machine);
            assert!(label.len() < 100, "{why}: {label}");
            assert!(label.ends_with(" 2026-11-24 koluduli"), "{why}: {label}");
            assert_eq!(label.split(' ').count(), 4, "{why}: {label}");
            let plain = label.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
            assert!(plain, "{why}: {label}");
        }
    }

    #[test]
    fn a_data_center_s_file_names_its_site() {
        for (kind, url, expected) in [
            (
                SiteKind::Cloud,
                "https://bitbucket.org",
                "bitbucket_me@x_ed25519",
            ),
            (
                SiteKind::DataCenter,
                "https://git.example.com:8443/ctx",
                "bitbucket_me@x_git.example.com_8443_ctx_ed25519",
            ),
        ] {
            let site = Site {
                kind,
                url: url.to_owned(),
                api_url: String::new(),
                ssh_hosts: Vec::new(),
            };
            assert_eq!(file_name_of(&site, "Me@X", KeyType::Ed25519), expected);
            let access_key = expected.replace("me@x", "acme=2Fsite");
            assert_eq!(
                file_name_of(&site, "Acme/site", KeyType::Ed25519),
                access_key
            );
        }
    }
}
