//! What clients did, for tests to inspect. Secrets are never kept.

/// One REST request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path as it came, without the query.
    pub path: String,
    /// Query as it came; empty where there was none.
    pub query: String,
    /// Whether an `Authorization` header came with it.
    pub authorized: bool,
    /// E-mail address of the account whose token it was.
    pub account: Option<String>,
    /// Status of the answer; `None`: none was given (yet).
    pub status: Option<u16>,
}

/// One SSH connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// The client's version line; empty before authentication.
    pub client: String,
    /// Public keys in the order they were offered.
    pub offers: Vec<Offer>,
    /// The login.
    pub login: Option<Login>,
    /// Variables sent, also those that were refused.
    pub environment: Vec<(String, String)>,
    /// Commands asked for.
    pub commands: Vec<Command>,
}

/// A public key that was offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// SSH user name.
    pub user: String,
    /// SHA-256, base64, without prefix and padding.
    pub fingerprint: String,
    /// Whether the site would take it.
    pub accepted: bool,
}

/// A successful authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// SSH user name.
    pub user: String,
    /// SHA-256, base64, without prefix and padding.
    pub fingerprint: String,
    /// E-mail address of the account; `None`: an access key.
    pub account: Option<String>,
}

/// A command, a shell counting as the empty one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// As it was sent.
    pub line: String,
    /// Exit status given; `None`: none yet, or the connection was cut.
    pub status: Option<u32>,
}

#[derive(Debug, Default)]
pub(crate) struct CallLog {
    pub(crate) requests: Vec<Request>,
    pub(crate) connections: Vec<Connection>,
}
