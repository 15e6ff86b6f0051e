//! The REST API of Bitbucket Cloud and Data Center: the user behind a token, keys, access keys,
//! repositories. Never sees a private key; `http` is the only file that imports the HTTP client.
//!
//! Uses `settings`, `repository` and the base modules.

mod cloud;
pub mod credential;
mod data_center;
mod http;
mod reach;
mod registered_key;
pub mod scopes;
#[cfg(test)]
mod testing;

use jiff::Timestamp;

use crate::context::Context;
use crate::repository::{Repository, Site, SiteKind};
use crate::settings::HttpSettings;
use crate::text::sanitise;
use http::Answer;

pub use credential::keyring;
pub use reach::{Reached, published_host_keys, reach};
pub use registered_key::{KeyId, RegisteredKey};

/// Who waits for a site's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// A git command, in the middle of which nobody expects to wait for lists.
    Git,
    /// A command of `git bitbucket`.
    Command,
}

/// The user behind a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// `{uuid}` on Cloud, the slug on Data Center: what addresses the user in paths.
    pub id: String,
    /// `username`, where the site has one.
    pub user_name: Option<String>,
    /// `nickname`, where the site has one. It is not unique.
    pub nickname: Option<String>,
    /// For messages.
    pub display_name: String,
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

/// A repository to create.
#[derive(Debug, Clone)]
pub struct NewRepository {
    /// Its name.
    pub repository: Repository,
    /// Key of the project it belongs to; on Data Center the workspace is the project.
    pub project: Option<String>,
    /// Whether everyone may read it.
    pub public: bool,
}

/// What a token sees of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Not there, or not accessible to this account.
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

    /// The repository's access keys, over all pages. Needs a token that administers the repository.
    fn access_keys(&self, repository: &Repository) -> Result<Vec<RegisteredKey>, Error>;

    /// Registers an access key of the repository. `writes`: it may push, where the site has such
    /// keys (Cloud has none: there every access key only reads). On any refusal the caller lists
    /// and compares.
    fn register_access_key(
        &self,
        repository: &Repository,
        key: &NewKey,
        writes: bool,
    ) -> Result<RegisteredKey, Error>;

    /// Removes one access key; a key that is not there counts as removed.
    fn remove_access_key(&self, repository: &Repository, id: &KeyId) -> Result<(), Error>;

    /// Creates a repository. The result is its SSH URL as the site gives it; `None`: it gives none.
    fn create_repository(&self, new: &NewRepository) -> Result<Option<String>, Error> {
        Err(Error::NotFound {
            message: format!("the site cannot create {}", new.repository),
        })
    }

    /// The scopes of the token, as the site's answers so far tell them. `None`: they do not.
    fn granted_scopes(&self) -> Option<Vec<String>> {
        None
    }

    /// Address and host key of the site's SSH server, read over the API's connection. `None`: the site
    /// does not tell (Cloud, for which they are built in).
    fn ssh_settings(&self) -> Result<Option<SshSettings>, Error> {
        Ok(None)
    }
}

/// A Data Center's SSH settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshSettings {
    /// Whether SSH is enabled.
    pub enabled: bool,
    /// Lower case. `None`: the site does not say; it is the web host then.
    pub host: Option<String>,
    /// 7999 where the site does not say.
    pub port: u16,
    /// `SHA256:…` of the host key. `None`: unknown, or not given as SHA-256.
    pub fingerprint: Option<String>,
}

/// The account's view of the site. Sends nothing yet.
///
/// # Errors
///
/// [`Error::Unreachable`] for an `apiUrl` that is no `https:` URL (plain `http:` only for a
/// loopback address), a URL that names no proxy, or certificates that cannot be read.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the caller keeps no copy of the token"
)]
pub fn connect(
    context: &Context,
    site: &Site,
    token: credential::Token,
    http: HttpSettings,
    caller: Caller,
) -> Result<Box<dyn KeyRegistry>, Error> {
    let authorization = match site.kind {
        SiteKind::Cloud => http::Authorization::basic(&token.account, &token.secret),
        SiteKind::DataCenter => data_center::authorization(&token),
    };
    let client = http::Client::new(
        context,
        &site.api_url,
        authorization,
        &http,
        http::Limits::of(caller),
    )?;
    Ok(match site.kind {
        SiteKind::Cloud => Box::new(cloud::Cloud::new(client)),
        SiteKind::DataCenter => Box::new(data_center::DataCenter::new(client)),
    })
}

/// What the site answers about a repository. `None`: it is not there, or not for this account.
fn visible(
    answer: Result<Answer, Error>,
    repository: &Repository,
) -> Result<Option<Answer>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(Error::Forbidden { message }) => {
            tracing::info!("{repository}: {message}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What is not there counts as removed.
fn removed(answer: Result<Answer, Error>) -> Result<(), Error> {
    match answer {
        Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The SSH URL of a repository.
fn ssh_link(repository: &serde_json::Value) -> Option<String> {
    let links = repository.pointer("/links/clone")?.as_array()?;
    let link = links.iter().find(|link| link["name"] == "ssh")?;
    link["href"].as_str().map(sanitise)
}

/// Why a call did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The token could not be read; nothing was sent.
    #[error(transparent)]
    Credential(#[from] credential::Error),
    /// 401: the token is not valid (expired, wrong address, no scopes).
    #[error("the site does not accept the API token: {message}")]
    TokenRefused {
        /// The site's message, sanitised.
        message: String,
    },
    /// 403 with the scopes that are required.
    #[error("the API token lacks scopes: {}", scopes::missing(required, granted).join(" "))]
    ScopeMissing {
        /// As the site names them.
        required: Vec<String>,
        /// As the site names them.
        granted: Vec<String>,
    },
    /// 403 otherwise.
    #[error("the site denied the request: {message}")]
    Forbidden {
        /// The site's message, sanitised.
        message: String,
    },
    /// 404.
    #[error("not found: {message}")]
    NotFound {
        /// The site's message, sanitised.
        message: String,
    },
    /// 400, 409 and other 4xx: the site does not accept what was sent.
    #[error("the site rejected the request: {message}")]
    Refused {
        /// The status.
        status: u16,
        /// The site's message with those of fields, sanitised.
        message: String,
    },
    /// 429, after the retries.
    #[error("the site received too many requests and asks to wait")]
    RateLimited {
        /// Seconds, from Retry-After where it was sent.
        retry_after: Option<u64>,
    },
    /// 5xx.
    #[error("the site failed with status {status}: {message}")]
    Server {
        /// The status.
        status: u16,
        /// The site's message, sanitised.
        message: String,
    },
    /// No answer: name, connection, TLS, time-out, a body that is too long or cut.
    #[error("cannot reach {host}: {why}")]
    Unreachable {
        /// The API's host.
        host: String,
        /// What the failing layer reports.
        why: String,
    },
    /// Not an answer of Bitbucket's: not JSON, a field missing.
    #[error("{host} does not answer like a Bitbucket site: {why}")]
    Unexpected {
        /// The API's host.
        host: String,
        /// What was wrong with it.
        why: String,
    },
    /// A redirect or paging link to another origin; nothing was sent there.
    #[error("{host} redirects to {target}, and the API token is not sent there")]
    ElsewhereRefused {
        /// The API's host.
        host: String,
        /// The origin it pointed to, sanitised.
        target: String,
    },
}
