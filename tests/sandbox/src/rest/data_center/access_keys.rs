//! `/rest/keys/…/projects/{KEY}/repos/{slug}/ssh…`: access keys, which may be writable.

use serde_json::{Value, json};

use super::{Caller, keys, no_such_call, not_permitted, page, refusal, repositories};
use crate::model::{DeployKey, KeyError, Permission, Repository};
use crate::rest::answer::Answer;
use crate::rest::request::Request;
use crate::sandbox::Shared;

/// `place`: project and slug. `call`: method, and the path after `/ssh`.
pub(super) fn answer(
    shared: &Shared,
    request: &Request,
    caller: &Caller,
    place: (&str, &str),
    call: (&str, &[&str]),
) -> Result<Answer, Answer> {
    let mut model = shared.model();
    let id = model.next_deploy_key();
    let body = request.json().unwrap_or_default();
    let key = body.get("key").unwrap_or(&Value::Null);
    let submitted = match call {
        ("POST", []) => {
            let (submitted, label) = keys::submitted(key)?;
            if let Err(KeyError::Registered) = model.may_be_deploy_key(&submitted.fingerprint) {
                return Err(duplicate("This SSH key is already assigned to 'user'."));
            }
            Some((submitted, label))
        }
        _ => None,
    };
    let origin = &shared.origin;
    let port = shared.ssh_port;
    let repository = model
        .repository_mut(place.0, place.1)
        .filter(|one| one.permission(&caller.name).is_some())
        .ok_or_else(|| repositories::absent(place.0, place.1))?;
    if repository.permission(&caller.name) != Some(Permission::Admin) {
        return Err(not_permitted());
    }
    let object = |repository: &Repository, key: &DeployKey| {
        json!({
            "key": {"id": key.id, "text": format!("{} {}", key.key, key.comment).trim_end(),
                "label": key.label, "fingerprint": key.fingerprint,
                "createdDate": key.created_on.to_string()},
            "permission": if key.writable { "REPO_WRITE" } else { "REPO_READ" },
            "repository": repositories::object(origin, port, repository),
        })
    };
    let position = |repository: &Repository, id: &str| {
        let mut keys = repository.deploy_keys.iter();
        keys.position(|key| key.id.to_string() == id)
    };
    let no_key = || refusal(404, None, "No such access key.", "ssh.NoSuchKeyException");
    match (submitted, call) {
        (Some((submitted, label)), _) => {
            let mut there = repository.deploy_keys.iter();
            if there.any(|one| one.fingerprint == submitted.fingerprint) {
                return Err(duplicate(
                    "SSH key already provides access to this repository",
                ));
            }
            let mut key = submitted.into_deploy_key(&label, id);
            key.writable = body.get("permission") == Some(&json!("REPO_WRITE"));
            let answer = Answer::json(201, &object(repository, &key));
            repository.deploy_keys.push(key);
            Ok(answer)
        }
        (None, ("GET", [])) => {
            let keys = repository.deploy_keys.iter();
            let values = keys.map(|key| object(repository, key)).collect();
            Ok(page(request, values))
        }
        (None, ("GET", [id])) => {
            let at = position(repository, id).ok_or_else(no_key)?;
            let key = &repository.deploy_keys[at];
            Ok(Answer::json(200, &object(repository, key)))
        }
        (None, ("DELETE", [id])) => {
            if let Some(at) = position(repository, id) {
                repository.deploy_keys.remove(at);
            }
            Ok(Answer::empty(204))
        }
        (None, ("PUT", [id, "permission", permission @ ("REPO_READ" | "REPO_WRITE")])) => {
            let at = position(repository, id).ok_or_else(no_key)?;
            repository.deploy_keys[at].writable = *permission == "REPO_WRITE";
            let key = &repository.deploy_keys[at];
            Ok(Answer::json(200, &object(repository, key)))
        }
        _ => Err(no_such_call()),
    }
}

fn duplicate(message: &str) -> Answer {
    refusal(409, None, message, "ssh.DuplicateSshKeyException")
}
