//! RevokedHostKeys: a list of public keys, or a key revocation list (KRL) as ssh-keygen(1) writes it
//! (OpenSSH, PROTOCOL.krl). If the file cannot be read, no key is accepted, as in ssh(1).
//!
//! Signatures in a KRL are not checked, as in ssh(1): whoever can write the file decides anyway.

use std::path::{Path, PathBuf};

use sha1::{Digest as _, Sha1};
use ssh_key::public::KeyData;
use ssh_key::{Certificate, HashAlg, PublicKey};

/// The content of the RevokedHostKeys file.
#[derive(Debug, Clone)]
pub enum RevokedKeys {
    /// The keys that must not be accepted.
    Keys {
        /// The file.
        file: PathBuf,
        /// In its order.
        keys: Vec<KeyData>,
    },
    /// A key revocation list.
    Krl {
        /// The file.
        file: PathBuf,
        /// Its content.
        list: Krl,
    },
    /// It cannot be read, so no key is accepted.
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        why: String,
    },
}

/// Reads the file.
pub fn load(file: &Path) -> RevokedKeys {
    let unreadable = |why: String| RevokedKeys::Unreadable {
        file: file.to_owned(),
        why,
    };
    let bytes = match crate::storage::read_file(file) {
        Ok(bytes) => bytes,
        Err(error) => return unreadable(crate::diagnostics::os_error_message(&error)),
    };
    if bytes.starts_with(MAGIC) {
        return match Krl::parse(&bytes) {
            Ok(list) => RevokedKeys::Krl {
                file: file.to_owned(),
                list,
            },
            Err(why) => unreadable(why.to_owned()),
        };
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut keys = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // A certificate stands for its key.
        let key = PublicKey::from_openssh(line).map(|key| key.key_data().clone());
        let key = key.or_else(|error| {
            let certificate = Certificate::from_openssh(line).map_err(|_| error)?;
            Ok::<_, ssh_key::Error>(certificate.public_key().clone())
        });
        match key {
            Ok(key) => keys.push(key),
            Err(error) => return unreadable(error.to_string()),
        }
    }
    RevokedKeys::Keys {
        file: file.to_owned(),
        keys,
    }
}

impl RevokedKeys {
    /// The reason, as one clause, why this list refuses the key; `None`: it does not.
    pub fn refuses(&self, key: &KeyData) -> Option<String> {
        let (file, refused) = match self {
            Self::Keys { file, keys } => (file, keys.contains(key)),
            Self::Krl { file, list } => (file, list.has(key)),
            Self::Unreadable { file, why } => {
                return Some(format!("in revoked keys file {}: {why}", file.display()));
            }
        };
        refused.then(|| format!("revoked by file {}", file.display()))
    }

    /// The reason, as one clause, why this list refuses the certificate itself, its key or its
    /// authority; `None`: it does not.
    pub(super) fn refuses_certificate(&self, certificate: &Certificate) -> Option<String> {
        let itself = match self {
            Self::Krl { file, list } if list.has_certificate(certificate) => {
                Some(format!("revoked by file {}", file.display()))
            }
            _ => None,
        };
        itself
            .or_else(|| self.refuses(certificate.public_key()))
            .or_else(|| self.refuses(certificate.signature_key()))
    }
}

/// What every KRL begins with.
const MAGIC: &[u8] = b"SSHKRL\n\0";

/// A key revocation list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Krl {
    /// In wire format.
    keys: Vec<Vec<u8>>,
    /// Of keys in wire format.
    sha1: Vec<Vec<u8>>,
    sha256: Vec<Vec<u8>>,
    certificates: Vec<Certificates>,
}

/// What is revoked of one authority's certificates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Certificates {
    /// Its key in wire format; empty: any authority.
    authority: Vec<u8>,
    /// First and last.
    serials: Vec<(u64, u64)>,
    ids: Vec<Vec<u8>>,
}

impl Krl {
    /// The error is one clause. A list with a part that is not understood is an error.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut reader = Reader(bytes);
        reader.take(MAGIC.len())?;
        if reader.number(4)? != 1 {
            return Err("KRL has a format that is not known");
        }
        // The list's number, its date and its flags.
        reader.take(3 * 8)?;
        let (_reserved, _comment) = (reader.string()?, reader.string()?);
        let mut krl = Self::default();
        while !reader.is_empty() {
            let kind = reader.number(1)?;
            let mut section = Reader(reader.string()?);
            match kind {
                1 => krl.certificates.push(Certificates::parse(&mut section)?),
                2 => krl.keys.extend(section.strings()?),
                3 => krl.sha1.extend(section.strings()?),
                // The signature's value stands behind the key; nothing but signatures follows.
                4 => drop(reader.string()?),
                5 => krl.sha256.extend(section.strings()?),
                255 => section.extension()?,
                _ => return Err("KRL has a section that is not known"),
            }
        }
        Ok(krl)
    }

    /// Whether it names the key.
    pub(super) fn has(&self, key: &KeyData) -> bool {
        let Some(blob) = blob(key) else {
            return true;
        };
        let sha256 = key.fingerprint(HashAlg::Sha256);
        self.keys.contains(&blob)
            || self.sha256.iter().any(|hash| hash == sha256.as_bytes())
            || self
                .sha1
                .iter()
                .any(|hash| hash[..] == Sha1::digest(&blob)[..])
    }

    /// Whether it names the certificate by its serial number or its identity.
    pub(super) fn has_certificate(&self, certificate: &Certificate) -> bool {
        let authority = blob(certificate.signature_key()).unwrap_or_default();
        let serial = certificate.serial();
        self.certificates
            .iter()
            .filter(|revoked| revoked.authority.is_empty() || revoked.authority == authority)
            .any(|revoked| {
                let mut serials = revoked.serials.iter();
                // A certificate without a number has 0.
                revoked
                    .ids
                    .iter()
                    .any(|id| id == certificate.key_id().as_bytes())
                    || serial != 0
                        && serials.any(|(first, last)| (*first..=*last).contains(&serial))
            })
    }
}

impl Certificates {
    fn parse(section: &mut Reader<'_>) -> Result<Self, &'static str> {
        let mut revoked = Self {
            authority: section.string()?.to_vec(),
            ..Self::default()
        };
        let _reserved = section.string()?;
        while !section.is_empty() {
            let kind = section.number(1)?;
            let mut part = Reader(section.string()?);
            match kind {
                0x20 => {
                    while !part.is_empty() {
                        let serial = part.number(8)?;
                        revoked.serials.push((serial, serial));
                    }
                }
                0x21 => revoked.serials.push((part.number(8)?, part.number(8)?)),
                0x22 => {
                    let first = part.number(8)?;
                    let bits = part.string()?;
                    revoked.serials.extend(bitmap(first, bits));
                }
                0x23 => revoked.ids.extend(part.strings()?),
                0x39 => part.extension()?,
                _ => return Err("KRL has a section that is not known"),
            }
        }
        Ok(revoked)
    }
}

/// A number whose lowest bit stands for `first`.
fn bitmap(first: u64, bytes: &[u8]) -> impl Iterator<Item = (u64, u64)> {
    let bits = bytes.iter().rev().zip(0_u64..).flat_map(|(byte, number)| {
        (0..8_u64).filter_map(move |bit| (byte >> bit & 1 == 1).then_some(number * 8 + bit))
    });
    bits.filter_map(move |bit| {
        let serial = first.checked_add(bit)?;
        Some((serial, serial))
    })
}

/// A key in wire format. `None`: it cannot be encoded; it then counts as revoked.
fn blob(key: &KeyData) -> Option<Vec<u8>> {
    ssh_key::PublicKey::from(key.clone()).to_bytes().ok()
}

struct Reader<'a>(&'a [u8]);

const SHORT: &str = "KRL ends too early";

impl<'a> Reader<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(SHORT)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Of at most eight bytes, the highest first.
    fn number(&mut self, bytes: usize) -> Result<u64, &'static str> {
        let bytes = self.take(bytes)?;
        Ok(bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn string(&mut self) -> Result<&'a [u8], &'static str> {
        let length = usize::try_from(self.number(4)?).map_err(|_| SHORT)?;
        self.take(length)
    }

    fn strings(&mut self) -> Result<Vec<Vec<u8>>, &'static str> {
        let mut strings = Vec::new();
        while !self.is_empty() {
            strings.push(self.string()?.to_vec());
        }
        Ok(strings)
    }

    /// An extension that may be ignored.
    fn extension(&mut self) -> Result<(), &'static str> {
        self.string()?;
        if self.number(1)? != 0 {
            return Err("KRL has a critical extension that is not known");
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "krl_tests.rs"]
mod krl_tests;

#[cfg(test)]
mod tests {
    use super::load;
    use crate::host_key::published;

    #[test]
    fn a_list_that_cannot_be_read_refuses_every_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("revoked");
        let [one, another, _] = published::keys() else {
            panic!("three keys are published")
        };
        let listed = one.to_openssh().expect("a key");
        let by_list = format!("revoked by file {}", file.display());
        let unread = format!(
            "in revoked keys file {}: KRL ends too early",
            file.display()
        );
        for (text, refused_one, refused_another, why) in [
            ("# nothing\n\n".to_owned(), None, None, "an empty list"),
            (
                format!("# old\n\t{listed} a comment\n"),
                Some(&by_list),
                None,
                "a plain list",
            ),
            (
                "SSHKRL\n\0\u{1}".to_owned(),
                Some(&unread),
                Some(&unread),
                "a KRL that was cut off",
            ),
        ] {
            std::fs::write(&file, text).expect("a file");
            let list = load(&file);
            let refuses = |key: &ssh_key::PublicKey| list.refuses(key.key_data());
            assert_eq!(refuses(one).as_ref(), refused_one, "{why}");
            assert_eq!(refuses(another).as_ref(), refused_another, "{why}");
        }
        std::fs::write(&file, "no key at all\n").expect("a file");
        assert!(
            load(&file).refuses(one.key_data()).is_some(),
            "a broken line"
        );
        let missing = load(&folder.path().join("missing"));
        let by = missing.refuses(one.key_data()).expect("refused");
        assert!(by.ends_with("No such file or directory"), "{by}");
    }
}
