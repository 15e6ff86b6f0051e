//! Key revocation lists as ssh-keygen(1) makes them (OpenSSH, PROTOCOL.krl). Pure.
//!
//! Signatures in them are not looked at, as by ssh(1): whoever can write the file says what it says.

use sha1::{Digest as _, Sha1};
use ssh_key::public::KeyData;
use ssh_key::{Certificate, HashAlg};

/// What every list begins with.
pub(super) const MAGIC: &[u8] = b"SSHKRL\n\0";

/// A list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Krl {
    /// As they are sent.
    keys: Vec<Vec<u8>>,
    /// Of keys as they are sent.
    sha1: Vec<Vec<u8>>,
    sha256: Vec<Vec<u8>>,
    certificates: Vec<Certificates>,
}

/// What is revoked of one authority.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Certificates {
    /// Its key as it is sent; empty: any authority.
    authority: Vec<u8>,
    /// First and last.
    serials: Vec<(u64, u64)>,
    ids: Vec<Vec<u8>>,
}

impl Krl {
    /// The error is one clause. What is not understood makes the whole list unreadable.
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

/// A key as it is sent. `None`: one that cannot be written, which then counts as revoked.
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

    /// Only one that may be passed over.
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
mod tests;
