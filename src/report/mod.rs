//! From an error to its message: what happened, hints and exit status. The matches are exhaustive,
//! so an error without a message does not compile.

pub mod commands;
pub mod connection;
mod provision;
mod rest;
mod session;

use crate::identity::AccountId;
use crate::repository;
use crate::text::{Pasted, fence_line};

/// The message about a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The first line (or lines, where OpenSSH has several).
    pub what: String,
    /// Each is printed as `hint: …`. A hint that is a command can be pasted as it stands.
    pub hints: Vec<String>,
    /// 255 for `bitbucket-ssh`; 1, 2 or 4 for `git bitbucket`.
    pub status: u8,
}

impl Explanation {
    /// For a failure of `bitbucket-ssh`: status 255. One line, whatever it quotes.
    fn new(what: impl AsRef<str>) -> Self {
        Self::lines(fence_line(what.as_ref(), false))
    }

    /// As [`Explanation::new`], for OpenSSH's texts of several lines. What they quote is sanitised.
    fn lines(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hints: Vec::new(),
            status: 255,
        }
    }

    /// Adds a hint: one line, whatever it quotes. Text from outside is a [`Pasted`] word of a command, or
    /// [`in_hint`](crate::text::in_hint).
    fn hint(self, hint: impl Into<String>) -> Self {
        self.hints([hint.into()])
    }

    fn hints(mut self, hints: impl IntoIterator<Item = String>) -> Self {
        let lines = hints.into_iter().map(|hint| fence_line(&hint, false));
        self.hints.extend(lines);
        self
    }
}

impl std::fmt::Display for Explanation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = Some(self.what.clone()).filter(|what| !what.is_empty());
        let hints = self.hints.iter().map(|hint| format!("hint: {hint}"));
        let lines: Vec<String> = what.into_iter().chain(hints).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// The command that logs in to an account.
fn login(account: &AccountId) -> String {
    let name = Pasted::new(&account.name);
    if account.site == repository::cloud().url {
        format!("git bitbucket login {name}")
    } else {
        let site = Pasted::new(&account.site);
        format!("git bitbucket login {name} --site {site}")
    }
}

/// The command that creates a key for an account.
fn new_key(account: &AccountId) -> String {
    format!(
        "git bitbucket key new --account {}",
        Pasted::new(&account.name)
    )
}

/// Hints for a machine without a key and a token: the login command, and the alternative.
fn login_or_environment(command: &str) -> [String; 2] {
    let other = format!(
        "or set BITBUCKET_EMAIL and BITBUCKET_API_TOKEN and repeat the command; create the token at {} with the scopes {TOKEN_SCOPES}",
        repository::token_page(&repository::cloud().url)
    );
    [command.to_owned(), other]
}

/// The scopes that an API token needs.
const TOKEN_SCOPES: &str = "read:user:bitbucket, read:ssh-key:bitbucket, write:ssh-key:bitbucket";
