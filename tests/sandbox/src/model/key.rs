//! SSH keys: which are accepted, which are refused and with which message.
//!
//! The texts are those of <https://support.atlassian.com/bitbucket-cloud/kb/why-am-i-not-able-to-add-an-ssh-key-in-bitbucket-cloud/>
//! and of the web pages; the status of a refusal is not documented, 400 is what API 1.0 gave.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use ssh_key::public::KeyData;
use ssh_key::{Algorithm, HashAlg, PublicKey};

use super::{DELETED_KEYS_STAY, Model, new_uuid};

/// The next account key's number.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// A key of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// UUID in braces: its id on Cloud.
    pub uuid: String,
    /// Its id on Data Center.
    pub number: u64,
    /// Type and base64, without the comment.
    pub key: String,
    /// Third field of the submitted line.
    pub comment: String,
    /// Free text.
    pub label: String,
    /// SHA-256, base64, without prefix and padding.
    pub fingerprint: String,
    /// When it was registered.
    pub created_on: Timestamp,
    /// Last login with it.
    pub last_used: Option<Timestamp>,
    /// Refused from then on.
    pub expires_on: Option<Timestamp>,
    /// Refused over SSH before then: how long the news takes to spread.
    pub usable_from: Timestamp,
}

impl Key {
    pub(crate) fn works(&self, now: Timestamp) -> bool {
        self.usable_from <= now && self.expires_on.is_none_or(|end| now < end)
    }
}

/// An access key of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployKey {
    /// Number on the site.
    pub id: u64,
    /// It may push; never on Cloud.
    pub writable: bool,
    /// Type and base64, without the comment.
    pub key: String,
    /// Third field of the submitted line.
    pub comment: String,
    /// Free text.
    pub label: String,
    /// SHA-256, base64, without prefix and padding.
    pub fingerprint: String,
    /// When it was registered.
    pub created_on: Timestamp,
    /// Last login with it.
    pub last_used: Option<Timestamp>,
}

/// Why a key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyError {
    Invalid,
    TooShort,
    Registered,
    RegisteredAsDeployKey,
    DeletedLately,
}

impl KeyError {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Invalid => "That SSH key is invalid.",
            Self::TooShort => {
                "Key is not long enough. Bitbucket requires RSA keys be at least 2048 bits."
            }
            Self::Registered => "Someone has already registered that SSH key.",
            Self::RegisteredAsDeployKey => "Someone has already registered this as a deploy key.",
            Self::DeletedLately => {
                "SSH keys must be unique and deleted keys may take up to 30 days to be removed. \
                 Please use a unique SSH key."
            }
        }
    }
}

/// A submitted key line, parsed.
#[derive(Clone, Debug)]
pub(crate) struct Submitted {
    pub(crate) key: String,
    pub(crate) comment: String,
    pub(crate) fingerprint: String,
}

impl Submitted {
    /// One line in the format of authorized_keys, of a kind that the site takes.
    pub(crate) fn parse(line: &str) -> Result<Self, KeyError> {
        let line = line.trim();
        if line.contains(['\n', '\r']) {
            return Err(KeyError::Invalid);
        }
        let public = PublicKey::from_openssh(line).map_err(|_| KeyError::Invalid)?;
        match public.key_data() {
            KeyData::Ed25519(_) | KeyData::Ecdsa(_) => {}
            KeyData::Rsa(rsa) if rsa_bits(rsa) >= 2048 => {}
            KeyData::Rsa(_) => return Err(KeyError::TooShort),
            _ => return Err(KeyError::Invalid),
        }
        let mut fields = line.splitn(3, [' ', '\t']);
        let key = fields.by_ref().take(2).collect::<Vec<_>>().join(" ");
        Ok(Self {
            key,
            comment: fields.next().unwrap_or_default().trim().to_owned(),
            fingerprint: fingerprint(&public),
        })
    }

    /// As a key of an account.
    pub(crate) fn into_key(
        self,
        label: &str,
        expires_on: Option<Timestamp>,
        usable_from: Timestamp,
    ) -> Key {
        Key {
            uuid: new_uuid(),
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            key: self.key,
            comment: self.comment,
            label: label.to_owned(),
            fingerprint: self.fingerprint,
            created_on: Timestamp::now(),
            last_used: None,
            expires_on,
            usable_from,
        }
    }

    /// As an access key.
    pub(crate) fn into_deploy_key(self, label: &str, id: u64) -> DeployKey {
        DeployKey {
            id,
            writable: false,
            key: self.key,
            comment: self.comment,
            label: label.to_owned(),
            fingerprint: self.fingerprint,
            created_on: Timestamp::now(),
            last_used: None,
        }
    }
}

/// Whether the site drops the connection at the mere offer: RSA below 2048 bits.
pub(crate) fn unacceptable(public: &PublicKey) -> bool {
    matches!(public.algorithm(), Algorithm::Dsa)
        || matches!(public.key_data(), KeyData::Rsa(rsa) if rsa_bits(rsa) < 2048)
}

fn rsa_bits(rsa: &ssh_key::public::RsaPublicKey) -> usize {
    let modulus = rsa.n().as_positive_bytes().unwrap_or_default();
    let leading = modulus
        .first()
        .map_or(0, |byte| byte.leading_zeros() as usize);
    (modulus.len() * 8).saturating_sub(leading)
}

/// SHA-256, base64, without prefix and padding: as the site writes it.
pub(crate) fn fingerprint(public: &PublicKey) -> String {
    public
        .fingerprint(HashAlg::Sha256)
        .to_string()
        .trim_start_matches("SHA256:")
        .to_owned()
}

impl Model {
    /// Whether a key may become one of an account: it must be nowhere on the site.
    pub(crate) fn may_be_account_key(&self, fingerprint: &str) -> Result<(), KeyError> {
        if self.is_deploy_key(fingerprint) {
            return Err(KeyError::RegisteredAsDeployKey);
        }
        if self.is_account_key(fingerprint) {
            return Err(KeyError::Registered);
        }
        self.not_deleted_lately(fingerprint)
    }

    /// Whether a key may become an access key: it may be one of other repositories, of no account.
    pub(crate) fn may_be_deploy_key(&self, fingerprint: &str) -> Result<(), KeyError> {
        if self.is_account_key(fingerprint) {
            return Err(KeyError::Registered);
        }
        self.not_deleted_lately(fingerprint)
    }

    fn not_deleted_lately(&self, fingerprint: &str) -> Result<(), KeyError> {
        match self.deleted.get(fingerprint) {
            Some(&when) if Timestamp::now().duration_since(when) < DELETED_KEYS_STAY => {
                Err(KeyError::DeletedLately)
            }
            _ => Ok(()),
        }
    }

    fn is_account_key(&self, fingerprint: &str) -> bool {
        self.members
            .iter()
            .flat_map(|member| &member.keys)
            .any(|key| key.fingerprint == fingerprint)
    }

    fn is_deploy_key(&self, fingerprint: &str) -> bool {
        self.repositories
            .iter()
            .flat_map(|repository| &repository.deploy_keys)
            .any(|key| key.fingerprint == fingerprint)
    }
}
