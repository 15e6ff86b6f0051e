//! `/repositories/{workspace}/{slug}/deploy-keys`: a repository's access keys, which only read.

use serde_json::{Value, json};

use super::{Cloud, refusal};
use crate::bitbucket::http::segment;
use crate::bitbucket::{Error, KeyId, NewKey, RegisteredKey, public_key, timestamp};
use crate::repository::Repository;

/// Scope `admin:repository:bitbucket`.
pub(super) fn list(cloud: &Cloud, repository: &Repository) -> Result<Vec<RegisteredKey>, Error> {
    let values = cloud.pages(&format!("{}?pagelen=100", collection(repository)))?;
    Ok(values.iter().filter_map(read).collect())
}

/// Scopes `admin:repository:` and `write:ssh-key:bitbucket`. Such a key has no expiry.
pub(super) fn register(
    cloud: &Cloud,
    repository: &Repository,
    key: &NewKey,
) -> Result<RegisteredKey, Error> {
    let body = json!({"key": key.public_key, "label": key.label});
    let answer = refusal::check(cloud.client.post(&collection(repository), &body)?)?;
    read(&answer.json()?).ok_or_else(|| answer.unexpected("an access key without id or key"))
}

/// Scopes `admin:repository:` and `delete:ssh-key:bitbucket`.
pub(super) fn remove(cloud: &Cloud, repository: &Repository, id: &KeyId) -> Result<(), Error> {
    let path = format!("{}/{}", collection(repository), segment(id.as_str()));
    match refusal::check(cloud.client.delete(&path)?) {
        Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

fn collection(repository: &Repository) -> String {
    let (workspace, slug) = (segment(&repository.workspace), segment(&repository.slug));
    format!("/repositories/{workspace}/{slug}/deploy-keys")
}

/// The id is a number. The schema names the time `added_on`, answers name it `created_on`.
fn read(value: &Value) -> Option<RegisteredKey> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let time = |name: &str| value.get(name).and_then(timestamp::read);
    let (public_key, fingerprint) = public_key::read(text("key")?)?;
    Some(RegisteredKey {
        id: KeyId::new(&value.get("id")?.as_u64()?.to_string())?,
        public_key,
        fingerprint,
        label: text("label").unwrap_or_default().to_owned(),
        created: time("created_on").or_else(|| time("added_on")),
        last_used: time("last_used"),
        expires: None,
    })
}
