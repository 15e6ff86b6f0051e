//! Who may go: key files, agent keys, managed identities, and the plan that orders them.
//!
//! `plan` is pure; `key_pair` reads and writes key files; `agent` and `signer` are, beside
//! `transport`, the only files that import russh. Asks nobody: a passphrase is asked for through
//! a closure when the server has accepted the public key. Knows `settings`, `repository`.

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

/// An account of a site. Equal where site and name (without regard to case) are.
#[derive(Debug, Clone, Eq, Serialize, Deserialize)]
pub struct AccountId {
    /// [`crate::repository::Site::url`].
    pub site: String,
    /// Atlassian e-mail address on Cloud, user name on Data Center. As first typed.
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

/// What is recorded of an account, whether logged in or only served by an identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Site and name.
    #[serde(flatten)]
    pub account: AccountId,
    /// Whether a token was stored by `login` and not forgotten since.
    pub logged_in: bool,
    /// The user name read from the site (`username`, else `nickname`, on Cloud): a URL's user
    /// other than `git` is compared with it. `None`: the site told none.
    pub user_name: Option<String>,
    /// The site's own id of the user: `{uuid}` on Cloud, the slug on Data Center.
    pub id: Option<String>,
    /// SHA-256 fingerprints (`SHA256:…`) of the account's keys, as last listed.
    pub key_fingerprints: Vec<String>,
    /// Where `login` stored the token.
    pub store: Option<TokenPlace>,
    /// Addresses of the account, for the author check; the name itself on Cloud.
    #[serde(default)]
    pub emails: Vec<String>,
}

/// How far a managed identity has come (interface section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Recorded; the key file may not be there yet, the site may not know it.
    Pending,
    /// The site said yes.
    Registered,
    /// A connection with it was let in.
    #[serde(rename = "proved")]
    Verified,
    /// Pasted by a person; no login has confirmed whose it is.
    Unverified,
    /// Its removal was begun: the site may know it still. When it does no longer, that was us.
    #[serde(rename = "leaving")]
    Removing,
}

/// An identity this program made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagedKey {
    /// Whose it is.
    #[serde(flatten)]
    pub account: AccountId,
    /// The private key file; `.pub` stands beside it.
    pub file: PathBuf,
    /// The public key in OpenSSH's one-line form, without comment.
    pub public_key: String,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// The site's id of the key; `None` until it is known.
    pub key_id: Option<String>,
    /// The label given to the site.
    pub label: String,
    /// When the pair was made; for an adopted key, when it was adopted.
    pub created: jiff::Timestamp,
    /// The expiry given to the site. `None`: it does not expire.
    pub expires: Option<jiff::Timestamp>,
    /// How far it has come.
    pub state: State,
    /// Where the passphrase lies: `None` no passphrase, else keyring or the person's head.
    #[serde(default)]
    pub passphrase: PassphrasePlace,
    /// For an access key: the repository's web URL. `None`: a key of the account.
    #[serde(default)]
    pub repository: Option<String>,
    /// For an access key: it cannot push.
    #[serde(default)]
    pub read_only: bool,
    /// Fingerprints of recorded identities that go once this one is proved: a rotation that was
    /// begun. Empty: none, or it is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<String>,
}

/// Where a managed key's passphrase lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PassphrasePlace {
    /// The key file is not encrypted.
    #[default]
    None,
    /// The system's keyring, under the key's fingerprint.
    Keyring,
    /// A person knows it.
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
    /// Who signs.
    pub holder: Holder,
    /// The public half. `None`: the file is in a format that shows it only when opened (encrypted
    /// PEM or PKCS#8 without `.pub`).
    pub public_key: Option<PublicKey>,
    /// User certificates to try before the bare key.
    pub certificates: Vec<Certificate>,
    /// The file it is known by: the private key file, or the `.pub` that named an agent key.
    pub file: Option<PathBuf>,
    /// The record, where this program made it.
    pub managed: Option<ManagedKey>,
}

impl Identity {
    /// The account that it lets in, as recorded. `None`: not known, or an access key, which lets
    /// no account in.
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

/// The rank of interface section 4 that put a candidate into the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// 1: command line or `BITBUCKET_ACCOUNT`.
    CommandLine = 1,
    /// 2: the repository's own configuration.
    RepositoryConfig = 2,
    /// 3: the most specific URL.
    ByUrl = 3,
    /// 4: ssh_config with IdentitiesOnly, or an alias.
    SshConfigOnly = 4,
    /// 5: plain settings.
    Plain = 5,
    /// 6: what was learned.
    History = 6,
    /// 7: environment's account, accounts logged in, accounts recorded.
    Accounts = 7,
    /// 8: ssh_config's other files, agent, default files.
    Fallback = 8,
}

/// Why a candidate stands where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The rank.
    pub rank: Rank,
    /// Where it was said.
    pub origin: Origin,
    /// One clause for people: `bitbucket.account`, `last served this repository`, `in the agent`.
    pub text: String,
}

/// What a candidate offers on its connection.
#[derive(Debug, Clone)]
pub enum Offer {
    /// These key pairs, in order; of one account, or (rank 8) of unknown ones.
    Identities(Vec<Identity>),
    /// A key pair that provisioning is to make (or find) first.
    NewKey,
}

/// One entry of the plan: one connection.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Whose identity it is; `None`: not known (a key file, rank 8).
    pub account: Option<AccountId>,
    /// What it offers.
    pub offer: Offer,
    /// Why it is here.
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

/// Something that was considered and left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Account or file, in words.
    pub what: String,
    /// One clause.
    pub why: String,
    /// The key file that is there and cannot be used. `None`: it was left out for another reason.
    pub file: Option<key_file::KeyFileError>,
    /// An account without a key, for which `bitbucket.provision` lets none be made.
    pub key_forbidden: bool,
}

/// The ordered list of identities that one connection may use.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// In order. Empty: nobody may go.
    pub candidates: Vec<Candidate>,
    /// What was left out, with its reason.
    pub skipped: Vec<Skipped>,
    /// Key files that the closing rank names and that do not exist: an error before connecting.
    pub missing: Vec<Sourced<PathBuf>>,
    /// The rank that closed the list; `None`: open to rank 8.
    pub decided_by: Option<Rank>,
}
