//! `/users/{uuid}/ssh-keys`: the account's keys.

use serde_json::{Value, json};

use super::{Cloud, refusal};
use crate::bitbucket::http::segment;
use crate::bitbucket::{Error, KeyId, NewKey, RegisteredKey, User, public_key, timestamp};

/// The most that a page may hold.
const PAGE: &str = "?pagelen=100";

/// Scope `read:ssh-key:bitbucket`.
pub(super) fn list(cloud: &Cloud, user: &User) -> Result<Vec<RegisteredKey>, Error> {
    let values = cloud.pages(&format!("{}{PAGE}", collection(user)))?;
    let keys = values.iter().filter_map(|value| {
        let key = read(value);
        if key.is_none() {
            tracing::info!("a key on the site's list is in no form known here; passed over");
        }
        key
    });
    Ok(keys.collect())
}

/// Scopes `read:` and `write:ssh-key:bitbucket`. The expiry stands in the query.
pub(super) fn register(cloud: &Cloud, user: &User, key: &NewKey) -> Result<RegisteredKey, Error> {
    let expiry = key.expires.map_or_else(String::new, |time| {
        format!("?expires_on={}", segment(&timestamp::iso(time)))
    });
    let path = format!("{}{expiry}", collection(user));
    let body = json!({"key": key.public_key, "label": key.label});
    let answer = refusal::check(cloud.client.post(&path, &body)?)?;
    read(&answer.json()?).ok_or_else(|| answer.unexpected("a key without uuid or key"))
}

/// Scope `delete:ssh-key:bitbucket`.
pub(super) fn remove(cloud: &Cloud, user: &User, id: &KeyId) -> Result<(), Error> {
    let path = format!("{}/{}", collection(user), segment(id.as_str()));
    match refusal::check(cloud.client.delete(&path)?) {
        Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

fn collection(user: &User) -> String {
    format!("/users/{}/ssh-keys", segment(&user.id))
}

fn read(value: &Value) -> Option<RegisteredKey> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let time = |name: &str| value.get(name).and_then(timestamp::read);
    let (public_key, fingerprint) = public_key::read(text("key")?)?;
    Some(RegisteredKey {
        id: KeyId::new(text("uuid")?)?,
        public_key,
        fingerprint,
        label: text("label").unwrap_or_default().to_owned(),
        created: time("created_on"),
        last_used: time("last_used"),
        expires: time("expires_on"),
    })
}
