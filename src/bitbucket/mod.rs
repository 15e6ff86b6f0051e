//! The REST API: who am I, the account's keys, access keys, repositories; on Cloud and Data
//! Center. Never sees a private key. `http` is the only file that imports the HTTP client.
//!
//! Knows `repository` and the ground floor.

mod cloud;
pub mod credential;
mod data_center;
mod error;
mod http;
pub mod keyring;
mod public_key;
mod reach;
mod timestamp;

#[cfg(test)]
mod testing;

use std::path::PathBuf;

use jiff::Timestamp;

use crate::context::Context;
use crate::repository::{Repository, Site, SiteKind};

pub use error::Error;
pub use reach::{Reached, published_host_keys, reach};

/// What git's configuration says about HTTP, for the URL of a site's API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpSettings {
    /// `http.proxy`, as git takes it. Empty: no proxy, whatever the environment says. `None`:
    /// nothing was said, the usual variables count.
    pub proxy: Option<String>,
    /// `http.sslCAInfo`: a PEM file whose certificates are the roots. `None`: `SSL_CERT_FILE`,
    /// else the system's roots.
    pub ssl_ca_info: Option<PathBuf>,
}

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

/// A repository that is to be made.
#[derive(Debug, Clone)]
pub struct NewRepository {
    /// Where.
    pub repository: Repository,
    /// Key of the project it belongs to; on Data Center the workspace is the project.
    pub project: Option<String>,
    /// Whether everybody may read it.
    pub public: bool,
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

    /// The repository's access keys, over all pages. Read by whoever administers the repository.
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

    /// Makes a repository. The result is its SSH URL as the site gives it; `None`: it gives none.
    fn create_repository(&self, new: &NewRepository) -> Result<Option<String>, Error> {
        Err(Error::NotFound {
            message: format!("no repository {} can be made here", new.repository),
        })
    }

    /// How the site's SSH is reached and which host key it has, read over the API's connection.
    /// `None`: the site does not tell (Cloud: what is built in counts).
    fn ssh_settings(&self) -> Result<Option<SshSettings>, Error> {
        Ok(None)
    }
}

/// A Data Center's SSH settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshSettings {
    /// Whether SSH is switched on.
    pub enabled: bool,
    /// Lower case. `None`: the site does not say; the web host counts.
    pub host: Option<String>,
    /// 7999 where the site does not say.
    pub port: u16,
    /// `SHA256:…` of the host key. `None`: not told, or not as SHA-256.
    pub fingerprint: Option<String>,
}

/// The account's view of the site. Sends nothing yet.
///
/// # Errors
///
/// [`Error::Unreachable`] for an `apiUrl` that is no `https:` URL (plain `http:` only for a
/// loopback address), a proxy that is none, or certificates that cannot be read.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the caller keeps no copy of the token"
)]
pub fn connect(
    context: &Context,
    site: &Site,
    token: credential::Token,
    http: HttpSettings,
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
        http::Limits::default(),
    )?;
    Ok(match site.kind {
        SiteKind::Cloud => Box::new(cloud::Cloud::new(client)),
        SiteKind::DataCenter => Box::new(data_center::DataCenter::new(client)),
    })
}

/// The SSH URL among a repository's clone links.
fn ssh_link(links: &serde_json::Value) -> Option<String> {
    let link = links
        .as_array()?
        .iter()
        .find(|link| link["name"] == "ssh")?;
    let url = link["href"].as_str()?;
    Some(crate::text::sanitise(url))
}
