//! Bitbucket Cloud, REST 2.0 (`https://developer.atlassian.com/cloud/bitbucket/rest/`).
//!
//! Answers are read by the names of their fields; unknown fields are ignored. Refusals are told apart
//! by status and structure, never by text: texts may be localised.

#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::collections::HashSet;

use serde_json::{Value, json};

use super::http::{Answer, Client, segment};
use super::registered_key::{self, Fields};
use super::{
    Access, Error, KeyId, KeyRegistry, NewKey, NewRepository, RegisteredKey, User, removed, scopes,
    ssh_link, visible,
};
use crate::repository::Repository;
use crate::text::sanitise;

/// One account's view of Cloud.
pub(super) struct Cloud {
    client: Client,
    /// As the first answer that tells them does.
    granted_scopes: OnceCell<Vec<String>>,
}

impl Cloud {
    /// Sends nothing yet.
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            granted_scopes: OnceCell::new(),
        }
    }

    fn get(&self, path: &str) -> Result<Answer, Error> {
        self.check(self.client.get(path)?)
    }

    fn post(&self, path: &str, body: &Value) -> Result<Answer, Error> {
        self.check(self.client.post(path, body)?)
    }

    fn delete(&self, collection: &str, id: &KeyId) -> Result<(), Error> {
        let path = format!("{collection}/{}", segment(id.as_str()));
        removed(
            self.client
                .delete(&path)
                .and_then(|answer| self.check(answer)),
        )
    }

    /// As [`check`]; notes the scopes that the answer tells.
    fn check(&self, answer: Answer) -> Result<Answer, Error> {
        if let Some(granted) = granted(&answer) {
            self.granted_scopes.get_or_init(|| granted);
        }
        check(answer)
    }

    /// Every value of a paged list. `next` is followed as it is given, within the API's origin.
    fn pages(&self, path: &str) -> Result<Vec<Value>, Error> {
        let mut values = Vec::new();
        let mut seen = HashSet::new();
        let mut budget = self.client.budget();
        let mut answer = self.get(path)?;
        loop {
            let mut page = answer.page(&mut budget)?;
            let Some(Value::Array(more)) = page.get_mut("values").map(Value::take) else {
                return Err(answer.unexpected("a list without values"));
            };
            values.extend(more);
            let Some(next) = page.get("next").and_then(Value::as_str) else {
                return Ok(values);
            };
            if !seen.insert(next.to_owned()) {
                return Err(answer.unexpected("too many pages"));
            }
            answer = self.check(self.client.follow(&answer, next)?)?;
        }
    }
}

impl KeyRegistry for Cloud {
    /// Scope `read:user:bitbucket`. Only the UUID addresses a user in paths: `username` may be absent
    /// and is not accepted there, `nickname` is not unique.
    fn user(&self) -> Result<User, Error> {
        let answer = self.get("/user")?;
        let object = answer.json()?;
        let text = |name: &str| Fields(&object).text(name).filter(|text| !text.is_empty());
        let id = text("uuid").ok_or_else(|| answer.unexpected("a user without uuid"))?;
        let display_name = text("display_name")
            .or(text("nickname"))
            .or(text("username"));
        Ok(User {
            id: id.to_owned(),
            user_name: text("username").map(str::to_owned),
            nickname: text("nickname").map(str::to_owned),
            display_name: sanitise(display_name.unwrap_or(id)),
        })
    }

    /// Scope `read:ssh-key:bitbucket`.
    fn keys(&self, user: &User) -> Result<Vec<RegisteredKey>, Error> {
        let values = self.pages(&format!("{}?pagelen=100", keys(user)))?;
        Ok(registered_key::list(&values, read_key))
    }

    /// Scopes `read:` and `write:ssh-key:bitbucket`. The expiry is part of the query.
    fn register(&self, user: &User, key: &NewKey) -> Result<RegisteredKey, Error> {
        let expiry = key.expires.map_or_else(String::new, |time| {
            format!("?expires_on={}", segment(&registered_key::iso(time)))
        });
        let answer = self.post(&format!("{}{expiry}", keys(user)), &body(key))?;
        read_key(&answer.json()?).ok_or_else(|| answer.unexpected("a key without uuid or key"))
    }

    /// Scope `delete:ssh-key:bitbucket`.
    fn remove(&self, user: &User, id: &KeyId) -> Result<(), Error> {
        self.delete(&keys(user), id)
    }

    /// Scope `admin:repository:bitbucket`.
    fn access_keys(&self, repository: &Repository) -> Result<Vec<RegisteredKey>, Error> {
        let values = self.pages(&format!("{}?pagelen=100", access_keys(repository)))?;
        Ok(registered_key::list(&values, read_access_key))
    }

    /// Scopes `admin:repository:` and `write:ssh-key:bitbucket`. Such a key only reads and does not
    /// expire.
    fn register_access_key(
        &self,
        repository: &Repository,
        key: &NewKey,
        _writes: bool,
    ) -> Result<RegisteredKey, Error> {
        let answer = self.post(&access_keys(repository), &body(key))?;
        read_access_key(&answer.json()?)
            .ok_or_else(|| answer.unexpected("an access key without id or key"))
    }

    /// Scopes `admin:repository:` and `delete:ssh-key:bitbucket`.
    fn remove_access_key(&self, repository: &Repository, id: &KeyId) -> Result<(), Error> {
        self.delete(&access_keys(repository), id)
    }

    /// Scope `admin:repository:bitbucket`; private unless `new` makes it public.
    fn create_repository(&self, new: &NewRepository) -> Result<Option<String>, Error> {
        let mut body = json!({"scm": "git", "is_private": !new.public});
        if let Some(project) = &new.project {
            body["project"] = json!({"key": project});
        }
        let created = self.post(&repository_path(&new.repository), &body)?;
        Ok(ssh_link(&created.json()?))
    }

    fn granted_scopes(&self) -> Option<Vec<String>> {
        self.granted_scopes.get().cloned()
    }

    /// Scope `read:repository:bitbucket`. The repository itself says whether it may be read (403: it
    /// is private and not for this account); the explicit grants say whether it may be written.
    fn access(&self, repository: &Repository) -> Result<Access, Error> {
        let path = repository_path(repository);
        let Some(answer) = visible(self.get(&path), repository)? else {
            return Ok(Access::None);
        };
        let object = answer.json()?;
        let fields = Fields(&object);
        let (Some(name), Some(uuid)) = (fields.text("name"), fields.text("uuid")) else {
            return Err(answer.unexpected("a repository without name or uuid"));
        };
        // The filter knows names, not slugs; two repositories may have the same name.
        let filter = format!(
            "repository.name=\"{}\"",
            name.replace('\\', "\\\\").replace('"', "\\\"")
        );
        let path = format!(
            "/user/workspaces/{}/permissions/repositories?pagelen=100&q={}",
            segment(&repository.workspace),
            segment(&filter)
        );
        let writes = self.pages(&path)?.iter().any(|grant| {
            let permission = Fields(grant).text("permission");
            grant.pointer("/repository/uuid").and_then(Value::as_str) == Some(uuid)
                && matches!(permission, Some("write" | "admin"))
        });
        Ok(if writes { Access::Write } else { Access::Read })
    }
}

fn keys(user: &User) -> String {
    format!("/users/{}/ssh-keys", segment(&user.id))
}

fn repository_path(repository: &Repository) -> String {
    let (workspace, slug) = (segment(&repository.workspace), segment(&repository.slug));
    format!("/repositories/{workspace}/{slug}")
}

fn access_keys(repository: &Repository) -> String {
    format!("{}/deploy-keys", repository_path(repository))
}

fn body(key: &NewKey) -> Value {
    json!({"key": key.public_key, "label": key.label})
}

fn read_key(value: &Value) -> Option<RegisteredKey> {
    let fields = Fields(value);
    let id = KeyId::new(fields.text("uuid")?)?;
    let mut key = fields.key(id, fields.text("key")?)?;
    key.created = fields.time("created_on");
    key.last_used = fields.time("last_used");
    key.expires = fields.time("expires_on");
    Some(key)
}

/// The id is a number. The schema calls the time `added_on`, answers call it `created_on`.
fn read_access_key(value: &Value) -> Option<RegisteredKey> {
    let fields = Fields(value);
    let id = KeyId::new(&value.get("id")?.as_u64()?.to_string())?;
    let mut key = fields.key(id, fields.text("key")?)?;
    key.created = fields
        .time("created_on")
        .or_else(|| fields.time("added_on"));
    key.last_used = fields.time("last_used");
    Some(key)
}

/// The answer where its status is a success, else the site's refusal.
///
/// `{"type":"error","error":{"message":…,"detail":… or an object,"fields":{…}}}`: only `message` is
/// always there, and a missing scope makes `detail` an object.
fn check(answer: Answer) -> Result<Answer, Error> {
    let status = answer.status;
    if (200..300).contains(&status) {
        return Ok(answer);
    }
    let body = answer.json().unwrap_or_default();
    let error = body.get("error").unwrap_or(&Value::Null);
    let detail = error.get("detail").unwrap_or(&Value::Null);
    let message = message(error).unwrap_or_else(|| answer.reason());
    if matches!(status, 401 | 403)
        && let Some(required) = scope_list(detail, "required")
    {
        let granted = granted(&answer).or_else(|| scope_list(detail, "granted"));
        let granted = granted.unwrap_or_default();
        return Err(Error::ScopeMissing { required, granted });
    }
    if status == 401 {
        return Err(Error::TokenRefused { message });
    }
    Err(answer.refusal(message))
}

/// Every answer to an API token tells its scopes, a refusal too.
fn granted(answer: &Answer) -> Option<Vec<String>> {
    let names = scopes::of_header(answer.header("x-oauth-scopes")?)?;
    Some(names.iter().map(|name| sanitise(name)).collect())
}

fn scope_list(detail: &Value, name: &str) -> Option<Vec<String>> {
    let list = detail.get(name)?.as_array()?;
    let names = list.iter().filter_map(Value::as_str).map(sanitise);
    Some(names.collect())
}

/// The site's message, with `detail` and the messages of fields.
fn message(error: &Value) -> Option<String> {
    let mut text = Fields(error).text("message")?.trim().to_owned();
    if let Some(detail) = Fields(error).text("detail").filter(|text| !text.is_empty()) {
        text = format!("{text} {detail}");
    }
    let fields = error.get("fields").and_then(Value::as_object);
    for (name, problem) in fields.into_iter().flatten() {
        let problem = match problem {
            Value::Array(list) => list
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join(" "),
            Value::String(problem) => problem.clone(),
            _ => continue,
        };
        text = format!("{text} ({name}: {problem})");
    }
    Some(sanitise(&text))
}
