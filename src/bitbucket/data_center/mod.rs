//! Bitbucket Data Center, REST below `/rest/<module>/latest/`
//! (`https://developer.atlassian.com/server/bitbucket/rest/`).
//!
//! Keys are those of the caller: no call names a user.

mod access;
mod access_keys;
mod create;
mod keys;
mod refusal;
mod ssh;
#[cfg(test)]
mod tests;
mod user;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::Value;

use super::credential::Token;
use super::http::{Answer, Authorization, Client};
use super::{
    Access, Error, KeyId, KeyRegistry, NewKey, NewRepository, RegisteredKey, SshSettings, User,
};
use crate::repository::Repository;

/// More pages than any account has keys; a server that never ends is left.
const MOST_PAGES: usize = 1000;

/// One account's view of an instance.
pub(super) struct DataCenter {
    client: Client,
}

impl DataCenter {
    /// Sends nothing yet.
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    /// GET, or what the site says against it.
    fn get(&self, path: &str) -> Result<Answer, Error> {
        refusal::check(self.client.get(path)?)
    }

    /// Every value of a paged list.
    fn pages(&self, path: &str) -> Result<Vec<Value>, Error> {
        let mut values = Vec::new();
        let mut start = 0;
        let join = if path.contains('?') { '&' } else { '?' };
        for _ in 0..MOST_PAGES {
            let answer = self.get(&format!("{path}{join}limit=100&start={start}"))?;
            let mut page = answer.json()?;
            let Some(Value::Array(more)) = page.get_mut("values").map(Value::take) else {
                return Err(answer.unexpected("a list without values"));
            };
            values.extend(more);
            if page.get("isLastPage").and_then(Value::as_bool) != Some(false) {
                return Ok(values);
            }
            match page.get("nextPageStart").and_then(Value::as_u64) {
                Some(next) if next > start => start = next,
                _ => return Err(answer.unexpected("pages without end")),
            }
        }
        Err(Error::Unexpected {
            host: self.client.host(),
            why: "pages without end".to_owned(),
        })
    }
}

/// Bearer for an HTTP access token, Basic for a password. Tokens are known by `BBDC-`, or by the
/// form of older ones: base64 of a number, a colon and random bytes.
pub(super) fn authorization(token: &Token) -> Authorization {
    let text = token.secret.reveal();
    let decoded = STANDARD
        .decode(text)
        .or_else(|_| STANDARD_NO_PAD.decode(text));
    let numbered = decoded.is_ok_and(|bytes| {
        let digits = bytes
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        digits >= 6 && bytes.get(digits) == Some(&b':')
    });
    if text.starts_with("BBDC-") || numbered {
        Authorization::bearer(&token.secret)
    } else {
        Authorization::basic(&token.account, &token.secret)
    }
}

impl KeyRegistry for DataCenter {
    fn user(&self) -> Result<User, Error> {
        user::user(self)
    }

    fn keys(&self, _user: &User) -> Result<Vec<RegisteredKey>, Error> {
        keys::list(self)
    }

    fn register(&self, _user: &User, key: &NewKey) -> Result<RegisteredKey, Error> {
        keys::register(self, key)
    }

    fn remove(&self, _user: &User, id: &KeyId) -> Result<(), Error> {
        keys::remove(self, id)
    }

    fn access_keys(&self, repository: &Repository) -> Result<Vec<RegisteredKey>, Error> {
        access_keys::list(self, repository)
    }

    fn register_access_key(
        &self,
        repository: &Repository,
        key: &NewKey,
        writes: bool,
    ) -> Result<RegisteredKey, Error> {
        access_keys::register(self, repository, key, writes)
    }

    fn remove_access_key(&self, repository: &Repository, id: &KeyId) -> Result<(), Error> {
        access_keys::remove(self, repository, id)
    }

    fn create_repository(&self, new: &NewRepository) -> Result<Option<String>, Error> {
        create::create(self, new)
    }

    fn access(&self, repository: &Repository) -> Result<Access, Error> {
        access::access(self, repository)
    }

    fn ssh_settings(&self) -> Result<Option<SshSettings>, Error> {
        ssh::settings(self).map(Some)
    }
}
