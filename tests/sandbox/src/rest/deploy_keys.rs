//! `/repositories/{workspace}/{repo_slug}/deploy-keys…`: access keys of a repository.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::answer::{Answer, optional_time, time};
use super::request::Request;
use super::ssh_keys::{bad_request, refusal, submitted};
use super::{authority, paging};
use crate::model::{DeployKey, KeyError, Model, Permission, Repository};
use crate::sandbox::Shared;

const ADMIN: &str = "admin:repository:bitbucket";
const WRITE: &str = "write:ssh-key:bitbucket";
const DELETE: &str = "delete:ssh-key:bitbucket";

/// The repository that the path names.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) workspace: &'a str,
    pub(super) slug: &'a str,
}

pub(super) fn list(shared: &Shared, request: &Request, place: Place<'_>) -> Result<Answer, Answer> {
    let mut model = shared.model();
    let repository = administered(&mut model, request, place, &[ADMIN])?;
    let keys = repository.deploy_keys.iter();
    let values = keys
        .map(|key| object(&shared.origin, repository, key))
        .collect();
    Ok(paging::page(&shared.origin, request, 10, values))
}

pub(super) fn add(shared: &Shared, request: &Request, place: Place<'_>) -> Result<Answer, Answer> {
    let mut model = shared.model();
    administered(&mut model, request, place, &[ADMIN, WRITE])?;
    let (submitted, label) = submitted(request)?;
    model
        .may_be_deploy_key(&submitted.fingerprint)
        .map_err(refusal)?;
    let id = model.next_deploy_key();
    let repository = administered(&mut model, request, place, &[ADMIN, WRITE])?;
    let there = repository.deploy_keys.iter();
    if there
        .into_iter()
        .any(|key| key.fingerprint == submitted.fingerprint)
    {
        return Err(refusal(KeyError::RegisteredAsDeployKey));
    }
    let key = submitted.into_deploy_key(&label, id);
    let answer = Answer::json(200, &object(&shared.origin, repository, &key));
    repository.deploy_keys.push(key);
    Ok(answer)
}

pub(super) fn show(
    shared: &Shared,
    request: &Request,
    place: Place<'_>,
    id: &str,
) -> Result<Answer, Answer> {
    let mut model = shared.model();
    let repository = administered(&mut model, request, place, &[ADMIN])?;
    let key = &repository.deploy_keys[position(repository, id)?];
    Ok(Answer::json(200, &object(&shared.origin, repository, key)))
}

/// Changes label and comment; the body must carry the same key.
pub(super) fn change(
    shared: &Shared,
    request: &Request,
    place: Place<'_>,
    id: &str,
) -> Result<Answer, Answer> {
    let mut model = shared.model();
    let repository = administered(&mut model, request, place, &[ADMIN, WRITE])?;
    let position = position(repository, id)?;
    let (submitted, label) = submitted(request)?;
    let key = &mut repository.deploy_keys[position];
    if submitted.key != key.key {
        return Err(bad_request());
    }
    key.label = label;
    key.comment = submitted.comment;
    let key = &repository.deploy_keys[position];
    Ok(Answer::json(200, &object(&shared.origin, repository, key)))
}

pub(super) fn delete(
    shared: &Shared,
    request: &Request,
    place: Place<'_>,
    id: &str,
) -> Result<Answer, Answer> {
    let mut model = shared.model();
    let repository = administered(&mut model, request, place, &[ADMIN, DELETE])?;
    let position = position(repository, id)?;
    let key = repository.deploy_keys.remove(position);
    model.deleted.insert(key.fingerprint, Timestamp::now());
    Ok(Answer::empty(204))
}

fn administered<'a>(
    model: &'a mut Model,
    request: &Request,
    place: Place<'_>,
    scopes: &[&str],
) -> Result<&'a mut Repository, Answer> {
    let account = authority::require(model, request, scopes)?;
    let repository = model
        .repository_mut(place.workspace, place.slug)
        .ok_or_else(Answer::no_repository)?;
    match repository.permission(&account.email) {
        Some(Permission::Admin) => Ok(repository),
        _ => Err(Answer::no_access()),
    }
}

fn position(repository: &Repository, id: &str) -> Result<usize, Answer> {
    let wanted: Option<u64> = id.parse().ok();
    let mut keys = repository.deploy_keys.iter();
    keys.position(|key| Some(key.id) == wanted)
        .ok_or_else(|| Answer::not_found("Deploy key"))
}

fn object(origin: &str, repository: &Repository, key: &DeployKey) -> Value {
    let name = repository.full_name();
    json!({
        "type": "deploy_key", "id": key.id, "key": key.key, "label": key.label,
        "comment": key.comment, "created_on": time(key.created_on),
        "last_used": optional_time(key.last_used),
        "repository": {
            "type": "repository", "full_name": name, "name": repository.slug,
            "uuid": repository.uuid,
        },
        "links": {"self": {
            "href": format!("{origin}/2.0/repositories/{name}/deploy-keys/{}", key.id),
        }},
    })
}
