//! Routing.

use super::answer::Answer;
use super::request::Request;
use super::{authority, data_center, deploy_keys, lfs, repositories, ssh_keys, user};
use crate::sandbox::Shared;

pub(super) fn answer(shared: &Shared, request: &Request) -> Answer {
    if matches!(request.method.as_str(), "POST" | "PUT") && !request.has_length {
        return Answer::error(411, "Length Required");
    }
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    if shared.data_center {
        if let [data_center::CONTEXT, "rest", path @ ..] = segments.as_slice() {
            return data_center::answer(shared, request, path);
        }
    } else if let ["2.0", path @ ..] = segments.as_slice() {
        let path = path.strip_suffix(&[""]).unwrap_or(path);
        if is_removed(request, path) {
            return Answer::removed();
        }
        let answer = call(shared, request, path).unwrap_or_else(|refusal| refusal);
        return authority::with_scopes(&shared.model(), request, answer);
    }
    lfs::answer(shared, request)
}

/// Removed on 2026-04-14 (CHANGE-2770): listings across workspaces.
fn is_removed(request: &Request, path: &[&str]) -> bool {
    match path {
        ["repositories" | "workspaces"]
        | ["user", "permissions", "workspaces" | "repositories"] => true,
        ["repositories", _] => request.parameter("role").is_some(),
        _ => false,
    }
}

fn call(shared: &Shared, request: &Request, path: &[&str]) -> Result<Answer, Answer> {
    match (request.method.as_str(), path) {
        ("GET", ["user"]) => user::show(shared, request),
        ("GET", ["user", "emails"]) => user::emails(shared, request),
        ("GET", ["user", "workspaces"]) => user::workspaces(shared, request),
        (
            "GET",
            [
                "user",
                "workspaces",
                workspace,
                "permissions",
                "repositories",
            ],
        ) => user::repository_permissions(shared, request, workspace),
        ("GET", ["users", user, "ssh-keys"]) => ssh_keys::list(shared, request, user),
        ("POST", ["users", user, "ssh-keys"]) => ssh_keys::add(shared, request, user),
        ("GET", ["users", user, "ssh-keys", id]) => ssh_keys::show(shared, request, user, id),
        ("PUT", ["users", user, "ssh-keys", id]) => ssh_keys::change(shared, request, user, id),
        ("DELETE", ["users", user, "ssh-keys", id]) => ssh_keys::delete(shared, request, user, id),
        ("GET", ["repositories", workspace, slug]) => {
            repositories::show(shared, request, workspace, slug)
        }
        ("POST", ["repositories", workspace, slug]) => {
            repositories::create(shared, request, workspace, slug)
        }
        (method, ["repositories", workspace, slug, "deploy-keys", id @ ..]) => {
            let place = deploy_keys::Place { workspace, slug };
            match (method, id) {
                ("GET", []) => deploy_keys::list(shared, request, place),
                ("POST", []) => deploy_keys::add(shared, request, place),
                ("GET", [id]) => deploy_keys::show(shared, request, place, id),
                ("PUT", [id]) => deploy_keys::change(shared, request, place, id),
                ("DELETE", [id]) => deploy_keys::delete(shared, request, place, id),
                _ => Err(Answer::not_found("Resource")),
            }
        }
        _ => Err(Answer::not_found("Resource")),
    }
}
