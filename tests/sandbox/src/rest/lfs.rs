//! A Git LFS server: batch API with basic transfers, and no locks.
//! <https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md>

use std::path::PathBuf;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::answer::Answer;
use super::request::Request;
use crate::model::AccessMode;
use crate::sandbox::Shared;

const MEDIA_TYPE: &str = "application/vnd.git-lfs+json";

/// Everything but the objects themselves: `/{ws}/{slug}.git/info/lfs/…`.
pub(super) fn answer(shared: &Shared, request: &Request) -> Answer {
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    let [workspace, slug, "info", "lfs", call @ ..] = segments.as_slice() else {
        return Answer::not_found("Resource");
    };
    let Some(mode) = granted(shared, request, workspace, slug) else {
        return said(401, &json!({"message": "Credentials needed"}));
    };
    match (request.method.as_str(), call) {
        ("POST", ["objects", "batch"]) => batch(shared, request, mode),
        ("POST", ["locks", "verify"]) => {
            said(200, &json!({"ours": [], "theirs": [], "next_cursor": ""}))
        }
        ("GET", ["locks"]) => said(200, &json!({"locks": [], "next_cursor": ""})),
        _ => said(404, &json!({"message": "Not found"})),
    }
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
    matches!(segments.as_slice(), [_, _, "info", "lfs", "objects", id] if is_id(id))
}

/// PUT or GET of one object.
pub(super) async fn transfer(shared: &Shared, request: &Request, body: Incoming) -> Answer {
    let [workspace, slug, .., id] = request.segments.as_slice() else {
        return Answer::not_found("Object");
    };
    let mode = granted(shared, request, workspace, slug);
    let path = path(shared, id);
    match (request.method.as_str(), mode) {
        (_, None) => said(401, &json!({"message": "Credentials needed"})),
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

/// What the header that `git-lfs-authenticate` gave allows for this repository.
fn granted(shared: &Shared, request: &Request, workspace: &str, slug: &str) -> Option<AccessMode> {
    let secret = request.authorization.as_deref()?.strip_prefix("Bearer ")?;
    let model = shared.model();
    let grant = model.lfs_grants.get(secret)?;
    let name = format!("{workspace}/{}", slug.trim_end_matches(".git"));
    grant
        .full_name
        .eq_ignore_ascii_case(&name)
        .then_some(grant.mode)
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
