//! Why a call of the REST API did not work. `report` words the next step.

use super::credential;

/// Why a call did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The token could not be read; nothing was sent.
    #[error(transparent)]
    Credential(#[from] credential::Error),
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
