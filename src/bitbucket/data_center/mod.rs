//! Bitbucket Data Center, REST below `/rest/<module>/latest/`
//! (`https://developer.atlassian.com/server/bitbucket/rest/`).
//!
//! Keys are those of the caller: no call names a user.

#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use jiff::{Timestamp, ToSpan as _};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::credential::Token;
use super::http::{Answer, Authorization, Client, segment};
use super::registered_key::{self, Fields};
use super::{
    Access, Error, KeyId, KeyRegistry, NewKey, NewRepository, RegisteredKey, SshSettings, User,
    removed, ssh_link, visible,
};
use crate::repository::Repository;
use crate::text::sanitise;

/// The caller's keys.
const KEYS: &str = "/rest/ssh/latest/keys";

const DAY: i64 = 24 * 60 * 60;

/// One account's view of an instance.
pub(super) struct DataCenter {
    client: Client,
}

impl DataCenter {
    /// Sends nothing yet.
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    fn get(&self, path: &str) -> Result<Answer, Error> {
        check(self.client.get(path)?)
    }

    fn post(&self, path: &str, body: &Value) -> Result<Answer, Error> {
        check(self.client.post(path, body)?)
    }

    /// Always with an id: without one the site removes every key of the caller.
    fn delete(&self, collection: &str, id: &KeyId) -> Result<(), Error> {
        let path = format!("{collection}/{}", segment(id.as_str()));
        removed(self.client.delete(&path).and_then(check))
    }

    /// Every value of a paged list.
    fn pages(&self, path: &str) -> Result<Vec<Value>, Error> {
        let mut values = Vec::new();
        let mut start = 0;
        let join = if path.contains('?') { '&' } else { '?' };
        let mut budget = self.client.budget();
        loop {
            let answer = self.get(&format!("{path}{join}limit=100&start={start}"))?;
            let mut page = answer.page(&mut budget)?;
            let Some(Value::Array(more)) = page.get_mut("values").map(Value::take) else {
                return Err(answer.unexpected("a list without values"));
            };
            values.extend(more);
            if page.get("isLastPage").and_then(Value::as_bool) != Some(false) {
                return Ok(values);
            }
            match page.get("nextPageStart").and_then(Value::as_u64) {
                Some(next) if next > start => start = next,
                _ => return Err(answer.unexpected("too many pages")),
            }
        }
    }

    /// A key as the site takes it. The expiry is given in whole days from now, rounded up.
    fn body(&self, key: &NewKey) -> Value {
        let mut body = json!({"text": key.public_key, "label": key.label});
        if let Some(expires) = key.expires {
            let seconds = expires.as_second() - self.client.now().as_second();
            body["expiryDays"] = json!(((seconds + DAY - 1) / DAY).max(1));
        }
        body
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
    /// No call names the user behind a token; a header of every authenticated answer does. This is the
    /// cheapest call with that header; it is answered without authentication, too.
    fn user(&self) -> Result<User, Error> {
        let answer = self.get("/rest/api/latest/application-properties")?;
        let object = answer.json()?;
        if object.get("version").is_none() {
            return Err(answer.unexpected("no application properties"));
        }
        let name = signed_in(&answer).ok_or_else(|| Error::TokenRefused {
            message: "the site answers as if no token had been sent".to_owned(),
        })?;
        Ok(User {
            id: name.clone(),
            display_name: sanitise(&name),
            user_name: Some(name),
            nickname: None,
        })
    }

    fn keys(&self, _user: &User) -> Result<Vec<RegisteredKey>, Error> {
        Ok(registered_key::list(&self.pages(KEYS)?, read_key))
    }

    fn register(&self, _user: &User, key: &NewKey) -> Result<RegisteredKey, Error> {
        let answer = self.post(KEYS, &self.body(key))?;
        read_key(&answer.json()?).ok_or_else(|| answer.unexpected("a key without id or text"))
    }

    fn remove(&self, _user: &User, id: &KeyId) -> Result<(), Error> {
        self.delete(KEYS, id)
    }

    /// Those of the repository alone, not those of its project.
    fn access_keys(&self, repository: &Repository) -> Result<Vec<RegisteredKey>, Error> {
        let values = self.pages(&access_keys(repository))?;
        Ok(registered_key::list(&values, read_access_key))
    }

    fn register_access_key(
        &self,
        repository: &Repository,
        key: &NewKey,
        writes: bool,
    ) -> Result<RegisteredKey, Error> {
        let permission = if writes { "REPO_WRITE" } else { "REPO_READ" };
        let body = json!({"key": self.body(key), "permission": permission});
        let answer = self.post(&access_keys(repository), &body)?;
        read_access_key(&answer.json()?)
            .ok_or_else(|| answer.unexpected("an access key without id or text"))
    }

    fn remove_access_key(&self, repository: &Repository, id: &KeyId) -> Result<(), Error> {
        self.delete(&access_keys(repository), id)
    }

    /// The project is the repository's first part; private unless `new` makes it public.
    fn create_repository(&self, new: &NewRepository) -> Result<Option<String>, Error> {
        let body = json!({"name": new.repository.slug, "scmId": "git", "public": new.public});
        let project = segment(&new.repository.workspace);
        let path = format!("/rest/api/latest/projects/{project}/repos");
        Ok(ssh_link(&self.post(&path, &body)?.json()?))
    }

    /// The repository itself says whether it may be read; the list of repositories that the caller
    /// may write to says the rest.
    fn access(&self, repository: &Repository) -> Result<Access, Error> {
        let path = format!("/rest/api/latest/{}", repository_path(repository));
        let Some(answer) = visible(self.get(&path), repository)? else {
            return Ok(Access::None);
        };
        let object = answer.json()?;
        let Some(name) = Fields(&object).text("name") else {
            return Err(answer.unexpected("a repository without name"));
        };
        let path = format!(
            "/rest/api/latest/repos?permission=REPO_WRITE&name={}",
            segment(name)
        );
        let writes = self
            .pages(&path)?
            .iter()
            .any(|found| found.get("id") == object.get("id"));
        Ok(if writes { Access::Write } else { Access::Read })
    }

    /// `{"enabled","port","baseUrl":"ssh://host[:port]","fingerprint":{"algorithm","value"}}`.
    fn ssh_settings(&self) -> Result<Option<SshSettings>, Error> {
        let answer = self.get("/rest/ssh/latest/settings")?;
        let object = answer.json()?;
        let Some(enabled) = object.get("enabled").and_then(Value::as_bool) else {
            return Err(answer.unexpected("SSH settings without enabled"));
        };
        let (host, url_port) = Fields(&object)
            .text("baseUrl")
            .map_or((None, None), ssh_base_url);
        let port = object.get("port").and_then(Value::as_u64);
        let port = port
            .and_then(|port| u16::try_from(port).ok())
            .filter(|port| *port != 0);
        Ok(Some(SshSettings {
            enabled,
            host,
            port: url_port.or(port).unwrap_or(7999),
            fingerprint: object.get("fingerprint").and_then(ssh_fingerprint),
        }))
    }
}

fn repository_path(repository: &Repository) -> String {
    let (project, slug) = (segment(&repository.workspace), segment(&repository.slug));
    format!("projects/{project}/repos/{slug}")
}

fn access_keys(repository: &Repository) -> String {
    format!("/rest/keys/latest/{}/ssh", repository_path(repository))
}

fn read_access_key(value: &Value) -> Option<RegisteredKey> {
    read_key(value.get("key")?)
}

fn read_key(value: &Value) -> Option<RegisteredKey> {
    let fields = Fields(value);
    let id = match value.get("id")? {
        Value::Number(id) => id.to_string(),
        Value::String(id) => id.clone(),
        _ => return None,
    };
    let mut key = fields.key(KeyId::new(&id)?, fields.text("text")?)?;
    key.created = fields.time("createdDate");
    key.last_used = fields.time("lastAuthenticated");
    key.expires = key.created.and_then(|created| expiry(value, created));
    Some(key)
}

/// `expiryDays` after the creation.
fn expiry(value: &Value, created: Timestamp) -> Option<Timestamp> {
    let days = value.get("expiryDays")?.as_i64()?;
    created.checked_add(days.checked_mul(24)?.hours()).ok()
}

/// Host and port. The base URL's port wins over the one that the site listens on: a proxy in front
/// may forward it.
fn ssh_base_url(base_url: &str) -> (Option<String>, Option<u16>) {
    let authority = base_url.strip_prefix("ssh://").unwrap_or(base_url);
    let authority = authority.split('/').next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()),
        _ => (authority, None),
    };
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_ascii_lowercase();
    let fits = !host.is_empty()
        && !host.starts_with('-')
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte));
    (fits.then_some(host), port)
}

/// As OpenSSH writes it. `None`: of another algorithm (MD5 in old versions).
fn ssh_fingerprint(value: &Value) -> Option<String> {
    let text = Fields(value).text("value")?.trim_end_matches('=');
    let text = text.strip_prefix("SHA256:").unwrap_or(text);
    // 32 bytes in base64 without padding; MD5 is written in hexadecimal with colons.
    let fits = text.len() == 43
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte));
    fits.then(|| format!("SHA256:{text}"))
}

/// `X-AUSERNAME`; `None`: absent or `anonymous`.
fn signed_in(answer: &Answer) -> Option<String> {
    let name = answer.header("x-ausername")?.trim();
    let name = percent_decode_str(name).decode_utf8_lossy().into_owned();
    (!name.is_empty() && name != "anonymous").then_some(name)
}

/// The answer where its status is a success, else the site's refusal:
/// `{"errors":[{"context":…,"message":…,"exceptionName":…}]}`. 401 also stands for a missing
/// permission; then the site names the user that it knows.
fn check(answer: Answer) -> Result<Answer, Error> {
    if (200..300).contains(&answer.status) {
        return Ok(answer);
    }
    let body = answer.json().unwrap_or_default();
    let message = message(&body).unwrap_or_else(|| answer.reason());
    Err(match answer.status {
        401 if signed_in(&answer).is_none() => Error::TokenRefused { message },
        401 => Error::Forbidden { message },
        _ => answer.refusal(message),
    })
}

fn message(body: &Value) -> Option<String> {
    let errors = body.get("errors")?.as_array()?;
    let texts: Vec<String> = errors
        .iter()
        .map(|error| {
            let text = Fields(error).text("message").unwrap_or_default();
            match Fields(error).text("context") {
                Some(field) => format!("{field}: {text}"),
                None => text.to_owned(),
            }
        })
        .collect();
    (!texts.is_empty()).then(|| sanitise(&texts.join(" ")))
}
