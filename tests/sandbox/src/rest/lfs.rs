//! A Git LFS server: batch API with basic transfers, and locks; asked with what
//! `git-lfs-authenticate` handed out, or with the credential of git over HTTPS.
//! <https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md>

use std::path::PathBuf;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::answer::Answer;
use super::request::Request;
use super::{data_center, git_http};
use crate::model::{AccessMode, LfsLock, Permission, new_uuid};
use crate::sandbox::Shared;

const MEDIA_TYPE: &str = "application/vnd.git-lfs+json";

/// Everything but the objects themselves: `/{ws}/{slug}.git/info/lfs/…`.
pub(super) fn answer(shared: &Shared, request: &Request) -> Answer {
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    let [workspace, slug, "info", "lfs", call @ ..] = below_context(&segments) else {
        return Answer::not_found("Resource");
    };
    let Some(mode) = granted(shared, request, workspace, slug) else {
        return unauthorized(shared);
    };
    match (request.method.as_str(), call) {
        ("POST", ["objects", "batch"]) => batch(shared, request, mode),
        (method, ["locks", call @ ..]) => {
            let repository = format!("{workspace}/{}", slug.trim_end_matches(".git"));
            let owner = match git_http::sender(&shared.model(), request, shared.data_center) {
                Some(sender) => sender.email,
                None => "somebody".to_owned(),
            };
            locks(shared, request, mode, (&repository, &owner), (method, call))
        }
        _ => said(404, &json!({"message": "Not found"})),
    }
}

/// Data Center's paths begin with its context path and `scm`.
fn below_context<'a, 'b>(segments: &'b [&'a str]) -> &'b [&'a str] {
    match segments {
        [data_center::CONTEXT, "scm", rest @ ..] => rest,
        segments => segments,
    }
}

fn unauthorized(shared: &Shared) -> Answer {
    git_http::unauthorized(shared.data_center).with_type(MEDIA_TYPE)
}

/// <https://github.com/git-lfs/git-lfs/blob/main/docs/api/locking.md>
fn locks(
    shared: &Shared,
    request: &Request,
    mode: AccessMode,
    (repository, owner): (&str, &str),
    call: (&str, &[&str]),
) -> Answer {
    let body = request.json().unwrap_or_default();
    let mut model = shared.model();
    let locks = &mut model.lfs_locks;
    let of_it = |lock: &&LfsLock| lock.repository.eq_ignore_ascii_case(repository);
    match call {
        ("GET", []) => {
            let path = request.parameter("path");
            let listed = locks.iter().filter(of_it);
            let listed = listed.filter(|lock| path.is_none_or(|path| path == lock.path));
            let listed: Vec<Value> = listed.map(lock_json).collect();
            said(200, &json!({"locks": listed, "next_cursor": ""}))
        }
        ("POST", ["verify"]) => {
            let (ours, theirs): (Vec<&LfsLock>, Vec<&LfsLock>) = locks
                .iter()
                .filter(of_it)
                .partition(|lock| lock.owner == owner);
            let listed =
                |locks: Vec<&LfsLock>| locks.into_iter().map(lock_json).collect::<Vec<_>>();
            said(
                200,
                &json!({"ours": listed(ours), "theirs": listed(theirs), "next_cursor": ""}),
            )
        }
        _ if mode != AccessMode::Write => said(403, &json!({"message": "Not allowed to lock"})),
        ("POST", []) => {
            let path = body["path"].as_str().unwrap_or_default();
            if let Some(held) = locks.iter().filter(of_it).find(|lock| lock.path == path) {
                let message = "already created lock";
                return said(409, &json!({"lock": lock_json(held), "message": message}));
            }
            let lock = LfsLock {
                id: new_uuid().trim_matches(['{', '}']).to_owned(),
                repository: repository.to_owned(),
                path: path.to_owned(),
                owner: owner.to_owned(),
                locked_at: jiff::Timestamp::now(),
            };
            let answer = said(201, &json!({"lock": lock_json(&lock)}));
            locks.push(lock);
            answer
        }
        ("POST", [id, "unlock"]) => {
            match locks.iter().position(|lock| of_it(&lock) && lock.id == *id) {
                Some(at) => {
                    let lock = locks.remove(at);
                    said(200, &json!({"lock": lock_json(&lock)}))
                }
                None => said(404, &json!({"message": "No such lock"})),
            }
        }
        _ => said(404, &json!({"message": "Not found"})),
    }
}

fn lock_json(lock: &LfsLock) -> Value {
    json!({
        "id": lock.id, "path": lock.path, "owner": {"name": lock.owner},
        "locked_at": lock.locked_at.to_string(),
    })
}

fn batch(shared: &Shared, request: &Request, mode: AccessMode) -> Answer {
    let Some(body) = request.json() else {
        return said(422, &json!({"message": "Malformed batch request"}));
    };
    let upload = body.get("operation").and_then(Value::as_str) == Some("upload");
    if upload && mode != AccessMode::Write {
        return said(403, &json!({"message": "Not allowed to write"}));
    }
    let base = request.path.trim_end_matches("/batch");
    let header = json!({"Authorization": request.authorization.clone().unwrap_or_default()});
    let wanted = body
        .get("objects")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let objects: Vec<Value> = wanted
        .into_iter()
        .map(|mut object| {
            let id = object
                .get("oid")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            let there = is_id(&id) && path(shared, &id).is_file();
            let action = json!({"href": format!("{}{base}/{id}", shared.origin), "header": header});
            object["authenticated"] = json!(true);
            match (upload, there) {
                (true, true) => {}
                (true, false) => object["actions"] = json!({"upload": action}),
                (false, true) => object["actions"] = json!({"download": action}),
                (false, false) => {
                    object["error"] = json!({"code": 404, "message": "Object does not exist"});
                }
            }
            object
        })
        .collect();
    said(
        200,
        &json!({"transfer": "basic", "objects": objects, "hash_algo": "sha256"}),
    )
}

/// Whether the request moves an object; its body is streamed then.
pub(super) fn is_object(request: &Request) -> bool {
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    matches!(below_context(&segments), [_, _, "info", "lfs", "objects", id] if is_id(id))
}

/// PUT or GET of one object.
pub(super) async fn transfer(shared: &Shared, request: &Request, body: Incoming) -> Answer {
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    let [workspace, slug, .., id] = below_context(&segments) else {
        return Answer::not_found("Object");
    };
    let mode = granted(shared, request, workspace, slug);
    let path = path(shared, id);
    match (request.method.as_str(), mode) {
        (_, None) => unauthorized(shared),
        ("GET", Some(_)) => match tokio::fs::read(&path).await {
            Ok(bytes) => Answer::bytes(200, bytes),
            Err(_) => Answer::not_found("Object"),
        },
        ("PUT", Some(AccessMode::Write)) => match store(&path, body).await {
            Ok(()) => Answer::empty(200),
            Err(_) => Answer::error(500, "The object could not be stored"),
        },
        _ => said(403, &json!({"message": "Not allowed"})),
    }
}

async fn store(path: &PathBuf, mut body: Incoming) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder).await?;
    }
    let unfinished = path.with_extension("part");
    let mut file = tokio::fs::File::create(&unfinished).await?;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(std::io::Error::other)?;
        if let Some(data) = frame.data_ref() {
            file.write_all(data).await?;
        }
    }
    file.flush().await?;
    tokio::fs::rename(&unfinished, path).await
}

/// What the request's credential allows for this repository: what `git-lfs-authenticate` gave, or
/// one of git over HTTPS.
fn granted(shared: &Shared, request: &Request, workspace: &str, slug: &str) -> Option<AccessMode> {
    let slug = slug.trim_end_matches(".git");
    let model = shared.model();
    let secret = request.authorization.as_deref()?.strip_prefix("Bearer ");
    if let Some(grant) = secret.and_then(|secret| model.lfs_grants.get(secret)) {
        let name = format!("{workspace}/{slug}");
        return grant
            .full_name
            .eq_ignore_ascii_case(&name)
            .then_some(grant.mode);
    }
    let sender = git_http::sender(&model, request, shared.data_center)?;
    let permission = model
        .repository(workspace, slug)?
        .permission(&sender.email)?;
    if permission >= Permission::Write && sender.writes {
        return Some(AccessMode::Write);
    }
    sender.reads.then_some(AccessMode::Read)
}

fn path(shared: &Shared, id: &str) -> PathBuf {
    shared.folder.join("lfs").join(id)
}

/// SHA-256 in lower-case hex; nothing else becomes a file name.
fn is_id(id: &str) -> bool {
    id.len() == 64
        && id
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn said(status: u16, body: &Value) -> Answer {
    Answer::bytes(status, body.to_string()).with_type(MEDIA_TYPE)
}
