//! `/rest/keys/latest/projects/{KEY}/repos/{slug}/ssh`: a repository's access keys, which may also
//! write.

use serde_json::{Value, json};

use super::{DataCenter, keys, refusal};
use crate::bitbucket::http::segment;
use crate::bitbucket::{Error, KeyId, NewKey, RegisteredKey};
use crate::repository::Repository;

/// Those of the repository alone, not those of its project.
pub(super) fn list(
    site: &DataCenter,
    repository: &Repository,
) -> Result<Vec<RegisteredKey>, Error> {
    let values = site.pages(&collection(repository))?;
    Ok(values.iter().filter_map(read).collect())
}

/// `writes`: the key may push.
pub(super) fn register(
    site: &DataCenter,
    repository: &Repository,
    key: &NewKey,
    writes: bool,
) -> Result<RegisteredKey, Error> {
    let permission = if writes { "REPO_WRITE" } else { "REPO_READ" };
    let body = json!({"key": keys::body(site, key), "permission": permission});
    let answer = refusal::check(site.client.post(&collection(repository), &body)?)?;
    read(&answer.json()?).ok_or_else(|| answer.unexpected("an access key without id or text"))
}

/// By id, always.
pub(super) fn remove(site: &DataCenter, repository: &Repository, id: &KeyId) -> Result<(), Error> {
    let path = format!("{}/{}", collection(repository), segment(id.as_str()));
    match refusal::check(site.client.delete(&path)?) {
        Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

fn collection(repository: &Repository) -> String {
    let (project, slug) = (segment(&repository.workspace), segment(&repository.slug));
    format!("/rest/keys/latest/projects/{project}/repos/{slug}/ssh")
}

fn read(value: &Value) -> Option<RegisteredKey> {
    keys::read(value.get("key")?)
}
