//! The REST API: who am I, the account's keys, access keys, repositories; on Cloud and Data
//! Center. Never sees a private key. `http` is the only file that imports the HTTP client.
//!
//! Knows `repository` and the ground floor.

use jiff::Timestamp;

use crate::repository::Repository;

/// The site's id of a key; never empty, so that `DELETE …/keys` without an id (which removes
/// every key of the user on Data Center) cannot be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyId(String);

impl KeyId {
    /// `None` for an empty or blank id.
    pub fn new(id: &str) -> Option<Self> {
        let id = id.trim();
        (!id.is_empty()).then(|| Self(id.to_owned()))
    }

    /// As the site writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The user behind a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// `{uuid}` on Cloud, the slug on Data Center: what addresses the user in paths.
    pub id: String,
    /// `username` where the site tells one.
    pub user_name: Option<String>,
    /// For people.
    pub display_name: String,
}

/// A key as the site lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredKey {
    /// Its id.
    pub id: KeyId,
    /// OpenSSH's one-line form, without comment.
    pub public_key: String,
    /// `SHA256:…`, computed from the key itself.
    pub fingerprint: String,
    /// As the site has it.
    pub label: String,
    /// `None`: the site does not say.
    pub created: Option<Timestamp>,
    /// `None`: never, or the site does not say.
    pub last_used: Option<Timestamp>,
    /// `None`: it does not expire.
    pub expires: Option<Timestamp>,
}

/// A key to register.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// OpenSSH's one-line form, without comment.
    pub public_key: String,
    /// Below 100 bytes.
    pub label: String,
    /// `None`: it does not expire.
    pub expires: Option<Timestamp>,
}

/// What a token sees of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Not there, or not for this account.
    None,
    /// It may read.
    Read,
    /// It may write.
    Write,
}

/// One account's view of a site, by its token. Both kinds of site implement it.
pub trait KeyRegistry {
    /// The user behind the token.
    fn user(&self) -> Result<User, Error>;

    /// All keys of the account, over all pages.
    fn keys(&self, user: &User) -> Result<Vec<RegisteredKey>, Error>;

    /// Registers a key for the account. On any refusal the caller lists and compares.
    fn register(&self, user: &User, key: &NewKey) -> Result<RegisteredKey, Error>;

    /// Removes one key; a key that is not there counts as removed.
    fn remove(&self, user: &User, id: &KeyId) -> Result<(), Error>;

    /// What the token sees of a repository. For [`Access::Write`] explicit permission is read;
    /// where it cannot be read this is the error.
    fn access(&self, repository: &Repository) -> Result<Access, Error>;
}

/// Why a call did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// 401: the token is not valid (expired, wrong address, no scopes).
    #[error("the site does not accept the API token: {message}")]
    TokenRefused {
        /// The site's words, sanitised.
        message: String,
    },
    /// 403 with the scopes that are required.
    #[error("the API token lacks scopes: {}", required.join(" "))]
    ScopeMissing {
        /// As the site names them.
        required: Vec<String>,
        /// As the site names them.
        granted: Vec<String>,
    },
    /// 403 otherwise.
    #[error("the site refuses this: {message}")]
    Forbidden {
        /// The site's words, sanitised.
        message: String,
    },
    /// 404.
    #[error("not found: {message}")]
    NotFound {
        /// The site's words, sanitised.
        message: String,
    },
    /// 400, 409 and other 4xx: the site does not take what was sent.
    #[error("the site refuses the key: {message}")]
    Refused {
        /// The status.
        status: u16,
        /// The site's words with its field messages, sanitised.
        message: String,
    },
    /// 429, after the retries.
    #[error("the site asks to wait")]
    RateLimited {
        /// Seconds, from Retry-After where it was sent.
        retry_after: Option<u64>,
    },
    /// 5xx.
    #[error("the site failed with status {status}: {message}")]
    Server {
        /// The status.
        status: u16,
        /// The site's words, sanitised.
        message: String,
    },
    /// No answer: name, connection, TLS, time-out, a body that is too long or cut.
    #[error("cannot reach {host}: {why}")]
    Unreachable {
        /// The API's host.
        host: String,
        /// The words of the failing layer.
        why: String,
    },
    /// An answer that is none: not JSON, a field missing.
    #[error("{host} answers something that is no Bitbucket: {why}")]
    Unexpected {
        /// The API's host.
        host: String,
        /// What was wrong with it.
        why: String,
    },
    /// A redirect or paging link to another origin; nothing was sent there.
    #[error("{host} points to another place ({target}), where no token is sent")]
    ElsewhereRefused {
        /// The API's host.
        host: String,
        /// The origin it pointed to, sanitised.
        target: String,
    },
}
