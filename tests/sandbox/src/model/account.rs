//! Accounts and their API tokens.

use jiff::Timestamp;

use super::Key;

/// The least that `bitbucket-ssh` needs to make a key.
pub const SCOPES_MINIMUM: &[&str] = &[
    "read:user:bitbucket",
    "read:ssh-key:bitbucket",
    "write:ssh-key:bitbucket",
];

/// Every scope that some call of the sandbox asks for. No scope implies another.
pub const SCOPES_ALL: &[&str] = &[
    "read:user:bitbucket",
    "read:ssh-key:bitbucket",
    "write:ssh-key:bitbucket",
    "delete:ssh-key:bitbucket",
    "read:repository:bitbucket",
    "write:repository:bitbucket",
    "admin:repository:bitbucket",
    "read:workspace:bitbucket",
];

/// What a secret of Data Center is, in the place of scopes.
const PASSWORD: &str = "password";
const HTTP_ACCESS: &str = "http access token";

/// A user of the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Atlassian e-mail address: user name of the token over REST.
    pub email: String,
    /// Bitbucket user name: SSH user name, never a key of REST.
    pub username: String,
    /// UUID in braces.
    pub uuid: String,
    /// Atlassian account ID, `557058:…`.
    pub account_id: String,
    /// When it was made.
    pub created_on: Timestamp,
}

/// What an account may do with a repository; the greater contains the smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Fetch.
    Read,
    /// Fetch and push.
    Write,
    /// Also access keys and settings.
    Admin,
}

impl Permission {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

/// The visibility of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Every account may read.
    Public,
    /// Only accounts with a permission.
    Private,
}

/// An account with its secrets.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) account: Account,
    pub(crate) tokens: Vec<Token>,
    pub(crate) keys: Vec<Key>,
}

#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) secret: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) expires_on: Option<Timestamp>,
}

impl Token {
    /// Begins as the tokens of the site do, so that redaction by prefix can be tested.
    pub(crate) fn new(scopes: &[&str], expires_on: Option<Timestamp>) -> Self {
        let tail: String = std::iter::repeat_with(fastrand::alphanumeric)
            .take(60)
            .collect();
        Self {
            secret: format!("ATATT3x{tail}"),
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            expires_on,
        }
    }

    /// A password of Data Center.
    pub(crate) fn password(secret: &str) -> Self {
        Self {
            secret: secret.to_owned(),
            scopes: vec![PASSWORD.to_owned()],
            expires_on: None,
        }
    }

    /// An HTTP access token of Data Center, which begins as those do.
    pub(crate) fn http_access() -> Self {
        let tail: String = std::iter::repeat_with(fastrand::alphanumeric)
            .take(40)
            .collect();
        Self {
            secret: format!("BBDC-{tail}"),
            scopes: vec![HTTP_ACCESS.to_owned()],
            expires_on: None,
        }
    }

    pub(crate) fn is_password(&self) -> bool {
        self.scopes == [PASSWORD]
    }

    /// A token without scopes is one of another product.
    pub(crate) fn works(&self, now: Timestamp) -> bool {
        !self.scopes.is_empty() && self.expires_on.is_none_or(|end| now < end)
    }
}
