//! `/repositories/{workspace}/{repo_slug}`.

use serde_json::{Value, json};

use super::answer::{Answer, time};
use super::authority;
use super::request::Request;
use super::ssh_keys::bad_request;
use crate::model::{Permission, Repository, Visibility};
use crate::sandbox::Shared;

pub(super) fn show(
    shared: &Shared,
    request: &Request,
    workspace: &str,
    slug: &str,
) -> Result<Answer, Answer> {
    let model = shared.model();
    let repository = model.repository(workspace, slug);
    if request.authorization.is_none() {
        return match repository {
            Some(one) if one.visibility == Visibility::Public => {
                Ok(Answer::json(200, &object(&shared.origin, one)))
            }
            _ => Err(Answer::no_repository()),
        };
    }
    let account = authority::require(&model, request, &["read:repository:bitbucket"])?;
    let repository = repository.ok_or_else(Answer::no_repository)?;
    match repository.permission(&account.email) {
        Some(_) => Ok(Answer::json(200, &object(&shared.origin, repository))),
        None => Err(Answer::no_access()),
    }
}

/// Needs a workspace that the caller administers.
pub(super) fn create(
    shared: &Shared,
    request: &Request,
    workspace: &str,
    slug: &str,
) -> Result<Answer, Answer> {
    let mut model = shared.model();
    let account = authority::require(&model, request, &["admin:repository:bitbucket"])?;
    let body = if request.body.is_empty() {
        json!({})
    } else {
        request.json().ok_or_else(bad_request)?
    };
    let email = account.email.to_ascii_lowercase();
    let allowed = model
        .workspaces
        .get(&workspace.to_ascii_lowercase())
        .is_some_and(|one| one.administrators.contains(&email));
    if !allowed {
        return Err(Answer::error(
            400,
            "You cannot administer other users' repositories.",
        ));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if slug.is_empty() || slug.starts_with('.') || !slug.chars().all(plain) {
        return Err(Answer::field_error("name", "Invalid slug."));
    }
    if model.repository(workspace, slug).is_some() {
        return Err(Answer::field_error(
            "name",
            "Repository with this Slug and Owner already exists.",
        ));
    }
    let visibility = match body.get("is_private").and_then(Value::as_bool) {
        Some(false) => Visibility::Public,
        _ => Visibility::Private,
    };
    let path = crate::ssh::git::create(&shared.folder, workspace, slug);
    model.add_repository(workspace, slug, visibility, path);
    let made = model
        .repository_mut(workspace, slug)
        .ok_or_else(Answer::no_repository)?;
    made.grants.insert(email, Permission::Admin);
    Ok(Answer::json(200, &object(&shared.origin, made)))
}

fn object(origin: &str, repository: &Repository) -> Value {
    let name = repository.full_name();
    let api = format!("{origin}/2.0/repositories/{name}");
    json!({
        "type": "repository", "uuid": repository.uuid, "full_name": name,
        "name": repository.slug, "slug": repository.slug, "scm": "git",
        "is_private": repository.visibility == Visibility::Private,
        "created_on": time(repository.created_on), "updated_on": time(repository.created_on),
        "mainbranch": {"type": "branch", "name": "main"},
        "links": {
            "self": {"href": api},
            "html": {"href": format!("https://bitbucket.org/{name}")},
            "clone": [
                {"name": "https", "href": format!("https://bitbucket.org/{name}.git")},
                {"name": "ssh", "href": format!("git@bitbucket.org:{name}.git")},
            ],
        },
    })
}
