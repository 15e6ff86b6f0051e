//! Identities: key files, agent keys, managed keys, and the plan that orders them.
//!
//! [`plan`] decides which identities a connection uses; [`key_file`] reads and writes key files,
//! [`agent`] talks to ssh-agent, [`signer`] signs, [`history`] remembers what worked.

pub mod agent;
pub mod history;
pub mod key_file;
pub mod plan;
pub mod plan_inputs;
pub mod signer;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use ssh_key::{Certificate, PublicKey};

use crate::secret::TokenPlace;
use crate::settings::{Origin, Sourced};

/// An account of a site. Names are compared without case.
#[derive(Debug, Clone, Eq, Serialize, Deserialize)]
pub struct AccountId {
    /// [`crate::repository::Site::url`].
    pub site: String,
    /// The Atlassian e-mail address on Cloud, the user name on Data Center, as first typed.
    pub name: String,
}

impl PartialEq for AccountId {
    fn eq(&self, other: &Self) -> bool {
        self.site == other.site && self.name.eq_ignore_ascii_case(&other.name)
    }
}

impl std::fmt::Display for AccountId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// What is recorded of an account, whether it is logged in or only has a key here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Site and name.
    #[serde(flatten)]
    pub account: AccountId,
    /// Whether `login` stored a token that `logout` has not removed.
    pub logged_in: bool,
    /// The user name that the site reports, which a user other than `git` in a URL is compared with.
    /// `None`: it reports none.
    pub user_name: Option<String>,
    /// The nickname that Cloud reports; several accounts may have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nickname: Option<String>,
    /// The site's own id of the user: `{uuid}` on Cloud, the slug on Data Center.
    pub id: Option<String>,
    /// SHA-256 fingerprints (`SHA256:…`) of the account's keys when they were last listed.
    pub key_fingerprints: Vec<String>,
    /// Where `login` stored the token.
    pub store: Option<TokenPlace>,
    /// E-mail addresses of the account, for the author check.
    #[serde(default)]
    pub emails: Vec<String>,
}

impl Account {
    /// Whether this is its user name or nickname, without regard to case.
    pub fn is_called(&self, name: &str) -> bool {
        let mut names = self.user_name.iter().chain(&self.nickname);
        names.any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// How far a managed key has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Recorded. The key file may not exist yet, and the site may not have the key.
    Pending,
    /// The site has accepted it.
    Registered,
    /// A connection with it was authenticated.
    #[serde(rename = "proved")]
    Verified,
    /// Added on the web page by the user; no login has confirmed its account yet.
    #[serde(rename = "unverified")]
    Unconfirmed,
    /// Its removal has begun; the site may still have it.
    #[serde(rename = "leaving")]
    Removing,
}

/// A key that bitbucket-ssh created or adopted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagedKey {
    /// Its account.
    #[serde(flatten)]
    pub account: AccountId,
    /// The private key file, with `.pub` beside it.
    pub file: PathBuf,
    /// The public key in OpenSSH's one-line form, without comment.
    pub public_key: String,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// The site's id of the key; `None` until it is known.
    pub key_id: Option<String>,
    /// Its label on the site.
    pub label: String,
    /// When the key was created; for an adopted key, when it was adopted.
    pub created: jiff::Timestamp,
    /// When it expires on the site. `None`: never.
    pub expires: Option<jiff::Timestamp>,
    /// How far it has come.
    pub state: State,
    /// Where its passphrase is.
    #[serde(default)]
    pub passphrase: PassphrasePlace,
    /// For an access key: the repository's web URL. `None`: a key of the account.
    #[serde(default)]
    pub repository: Option<String>,
    /// For an access key: it cannot push.
    #[serde(default)]
    pub read_only: bool,
    /// Fingerprints of the recorded keys that a rotation replaces with this one: they are removed once
    /// it is verified. Empty: none, or that is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<String>,
}

/// Where a managed key's passphrase is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PassphrasePlace {
    /// The key file is not encrypted.
    #[default]
    None,
    /// The system's keyring, under the key's fingerprint.
    Keyring,
    /// The user knows it.
    Person,
}

/// What can be signed with.
#[derive(Debug, Clone)]
pub enum Holder {
    /// A private key file. It is opened only when the server wants a signature.
    File(PathBuf),
    /// A key in the agent.
    Agent,
}

/// A key pair that may be offered.
#[derive(Debug, Clone)]
pub struct Identity {
    /// What signs.
    pub holder: Holder,
    /// The public half. `None`: the file's format shows it only when opened (encrypted PEM or PKCS#8
    /// without `.pub`).
    pub public_key: Option<PublicKey>,
    /// User certificates to try before the bare key.
    pub certificates: Vec<Certificate>,
    /// The file it is known by: the private key file, or the `.pub` that named an agent key.
    pub file: Option<PathBuf>,
    /// The record of a managed key.
    pub managed: Option<ManagedKey>,
}

impl Identity {
    /// The account that it authenticates, as recorded. `None`: not known, or an access key, which
    /// authenticates none.
    pub fn account(&self) -> Option<&AccountId> {
        let record = self.managed.as_ref();
        let record = record.filter(|record| record.repository.is_none());
        record.map(|record| &record.account)
    }

    /// `SHA256:…`, where the public half is known.
    pub fn fingerprint(&self) -> Option<String> {
        self.public_key
            .as_ref()
            .map(|key| key.fingerprint(ssh_key::HashAlg::Sha256).to_string())
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.file, self.fingerprint()) {
            (Some(file), Some(fingerprint)) => write!(f, "{} {fingerprint}", file.display()),
            (Some(file), None) => write!(f, "{}", file.display()),
            (None, Some(fingerprint)) => write!(f, "agent {fingerprint}"),
            (None, None) => f.write_str("a key"),
        }
    }
}

/// The source of a candidate. The first of the ranks 1 to 5 that names something decides; without
/// one, 6 to 8 follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// 1: command line or `BITBUCKET_ACCOUNT`.
    CommandLine = 1,
    /// 2: the repository's own git config.
    RepositoryConfig = 2,
    /// 3: settings for a URL, the most specific one.
    ByUrl = 3,
    /// 4: ssh_config with IdentitiesOnly, or an alias.
    SshConfigOnly = 4,
    /// 5: settings without a URL.
    Plain = 5,
    /// 6: what served before.
    History = 6,
    /// 7: the environment's account, accounts logged in, accounts with a managed key.
    Accounts = 7,
    /// 8: ssh_config's other files, agent, default files.
    Fallback = 8,
}

/// Why a candidate is in the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The rank.
    pub rank: Rank,
    /// Where it is set.
    pub origin: Origin,
    /// One clause: `bitbucket.account`, `last served this repository`, `in the agent`.
    pub text: String,
}

/// What a candidate offers on its connection.
#[derive(Debug, Clone)]
pub enum Offer {
    /// These key pairs, in order, of one account or (rank 8) of unknown ones.
    Identities(Vec<Identity>),
    /// A key pair that provisioning creates, or finds, first.
    NewKey,
}

/// One entry of the plan, and one connection.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The account of its identities. `None`: not known.
    pub account: Option<AccountId>,
    /// What it offers.
    pub offer: Offer,
    /// Why it is in the plan.
    pub reason: Reason,
}

impl std::fmt::Display for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(account) = &self.account {
            write!(f, "{account}: ")?;
        }
        match &self.offer {
            Offer::NewKey => f.write_str("a new key")?,
            Offer::Identities(identities) => {
                for (number, identity) in identities.iter().enumerate() {
                    if number > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{identity}")?;
                }
            }
        }
        write!(f, " ({})", self.reason.text)
    }
}

/// Why a push skips an access key.
pub const CANNOT_PUSH: &str = "is a read-only access key, which cannot push";

/// Something that was considered and skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The account or file.
    pub what: String,
    /// The reason, as one clause.
    pub why: String,
    /// Why the key file cannot be used. `None`: it was skipped for another reason.
    pub file: Option<key_file::KeyFileError>,
    /// An account without a key, for which `bitbucket.provision` does not allow creating one.
    pub key_forbidden: bool,
}

/// The ordered list of identities that one connection may use.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// In order. Empty: no identity can be used.
    pub candidates: Vec<Candidate>,
    /// What was skipped, with the reasons.
    pub skipped: Vec<Skipped>,
    /// Key files that the deciding rank names and that do not exist, which is an error before
    /// connecting.
    pub missing: Vec<Sourced<PathBuf>>,
    /// A name of the deciding rank that stands for no account, or for several, which is an error
    /// before connecting.
    pub unresolved: Option<UnresolvedAccount>,
    /// The rank that decided. `None`: none of the ranks 1 to 5 did.
    pub decided_by: Option<Rank>,
}

/// A name that stands for no account, or for several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnresolvedAccount {
    /// The name, and where it is set.
    pub account: Sourced<String>,
    /// The accounts of the site with this user name or nickname. Empty: no account has it.
    pub meant: Vec<AccountId>,
    /// Every account of this machine.
    pub known: Vec<AccountId>,
}
