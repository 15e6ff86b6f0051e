//! Bitbucket Cloud, REST 2.0 (`https://developer.atlassian.com/cloud/bitbucket/rest/`).
//!
//! Answers are read by the names of their fields; what is not known is ignored. Refusals are told
//! apart by status and structure, never by text: texts may be localised.

mod access;
mod access_keys;
mod create;
mod keys;
mod refusal;
#[cfg(test)]
mod tests;
mod user;

use std::collections::HashSet;

use serde_json::Value;

use super::http::{Answer, Client};
use super::{Access, Error, KeyId, KeyRegistry, NewKey, NewRepository, RegisteredKey, User};
use crate::repository::Repository;

/// More pages than any account has keys; a server that never ends is left.
const MOST_PAGES: usize = 1000;

/// One account's view of Cloud.
pub(super) struct Cloud {
    client: Client,
}

impl Cloud {
    /// Sends nothing yet.
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    /// GET, or what the site says against it.
    fn get(&self, path: &str) -> Result<Answer, Error> {
        refusal::check(self.client.get(path)?)
    }

    /// Every value of a paged list. `next` is followed as it stands, within the API's origin.
    fn pages(&self, path: &str) -> Result<Vec<Value>, Error> {
        let mut values = Vec::new();
        let mut seen = HashSet::new();
        let mut answer = self.get(path)?;
        loop {
            let mut page = answer.json()?;
            let Some(Value::Array(more)) = page.get_mut("values").map(Value::take) else {
                return Err(answer.unexpected("a list without values"));
            };
            values.extend(more);
            let Some(next) = page.get("next").and_then(Value::as_str) else {
                return Ok(values);
            };
            if seen.len() == MOST_PAGES || !seen.insert(next.to_owned()) {
                return Err(answer.unexpected("pages without end"));
            }
            answer = refusal::check(self.client.follow(&answer, next)?)?;
        }
    }
}

impl KeyRegistry for Cloud {
    fn user(&self) -> Result<User, Error> {
        user::user(self)
    }

    fn keys(&self, user: &User) -> Result<Vec<RegisteredKey>, Error> {
        keys::list(self, user)
    }

    fn register(&self, user: &User, key: &NewKey) -> Result<RegisteredKey, Error> {
        keys::register(self, user, key)
    }

    fn remove(&self, user: &User, id: &KeyId) -> Result<(), Error> {
        keys::remove(self, user, id)
    }

    fn access_keys(&self, repository: &Repository) -> Result<Vec<RegisteredKey>, Error> {
        access_keys::list(self, repository)
    }

    fn register_access_key(
        &self,
        repository: &Repository,
        key: &NewKey,
        _writes: bool,
    ) -> Result<RegisteredKey, Error> {
        access_keys::register(self, repository, key)
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
}
