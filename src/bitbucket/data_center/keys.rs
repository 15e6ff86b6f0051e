//! `/rest/ssh/latest/keys`: the caller's keys.

use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

use super::{DataCenter, refusal};
use crate::bitbucket::http::segment;
use crate::bitbucket::{Error, KeyId, NewKey, RegisteredKey, public_key, timestamp};

const COLLECTION: &str = "/rest/ssh/latest/keys";
const DAY: i64 = 24 * 60 * 60;

/// All keys of the caller.
pub(super) fn list(site: &DataCenter) -> Result<Vec<RegisteredKey>, Error> {
    let values = site.pages(COLLECTION)?;
    let keys = values.iter().filter_map(|value| {
        let key = read(value);
        if key.is_none() {
            tracing::info!("a key on the site's list is in no form known here; passed over");
        }
        key
    });
    Ok(keys.collect())
}

/// Registers it for the caller.
pub(super) fn register(site: &DataCenter, key: &NewKey) -> Result<RegisteredKey, Error> {
    let answer = refusal::check(site.client.post(COLLECTION, &body(site, key))?)?;
    read(&answer.json()?).ok_or_else(|| answer.unexpected("a key without id or text"))
}

/// A key as the site takes it. The expiry is given in whole days from now, never fewer than wished.
pub(super) fn body(site: &DataCenter, key: &NewKey) -> Value {
    let mut body = json!({"text": key.public_key, "label": key.label});
    if let Some(expires) = key.expires {
        let seconds = expires.as_second() - site.client.now().as_second();
        body["expiryDays"] = json!(((seconds + DAY - 1) / DAY).max(1));
    }
    body
}

/// By id, always: without one the site removes every key of the caller.
pub(super) fn remove(site: &DataCenter, id: &KeyId) -> Result<(), Error> {
    let path = format!("{COLLECTION}/{}", segment(id.as_str()));
    match refusal::check(site.client.delete(&path)?) {
        Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The site's object of a key. `None`: in no form known here.
pub(super) fn read(value: &Value) -> Option<RegisteredKey> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let time = |name: &str| value.get(name).and_then(timestamp::read);
    let id = match value.get("id")? {
        Value::Number(id) => id.to_string(),
        Value::String(id) => id.clone(),
        _ => return None,
    };
    let (public_key, fingerprint) = public_key::read(text("text")?)?;
    let created = time("createdDate");
    Some(RegisteredKey {
        id: KeyId::new(&id)?,
        public_key,
        fingerprint,
        label: text("label").unwrap_or_default().to_owned(),
        created,
        last_used: time("lastAuthenticated"),
        expires: created.and_then(|created| expiry(value, created)),
    })
}

/// `expiryDays` after the creation.
fn expiry(value: &Value, created: Timestamp) -> Option<Timestamp> {
    let days = value.get("expiryDays")?.as_i64()?;
    created.checked_add(days.checked_mul(24)?.hours()).ok()
}
