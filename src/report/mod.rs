//! Every error → what happened, hint lines, exit status; exhaustive, so that an error without
//! its partner does not compile. The only place with words for failures.

pub mod commands;
pub mod connection;
mod provision;
mod rest;
mod session;

/// What is printed about a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The first line (or lines, where OpenSSH has several).
    pub what: String,
    /// Each printed as `hint: …`; a command in it can be pasted.
    pub hints: Vec<String>,
    /// 255 for `bitbucket-ssh`; 1, 2 or 4 for `git bitbucket`.
    pub status: u8,
}

impl Explanation {
    /// A failure of `bitbucket-ssh`: status 255.
    fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hints: Vec::new(),
            status: 255,
        }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
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

/// Hints for who has no key here and no token: one line to paste, and the other way.
fn log_in(command: &str) -> [String; 2] {
    let other = format!(
        "or set BITBUCKET_EMAIL and BITBUCKET_API_TOKEN, and repeat the command; a token has the scopes {TOKEN_SCOPES}: {}",
        crate::repository::token_page(&crate::repository::cloud().url)
    );
    [command.to_owned(), other]
}

/// The scopes that an API token needs at least.
const TOKEN_SCOPES: &str = "read:user:bitbucket, read:ssh-key:bitbucket, write:ssh-key:bitbucket";
