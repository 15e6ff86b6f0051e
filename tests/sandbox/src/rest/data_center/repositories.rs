//! `/rest/api/…`: repositories, as the caller sees them.

use serde_json::{Value, json};

use super::{CONTEXT, Caller, not_permitted, page, refusal};
use crate::model::{Permission, Repository, Visibility};
use crate::rest::answer::Answer;
use crate::rest::request::Request;
use crate::sandbox::Shared;
use crate::ssh::git;

pub(super) fn show(
    shared: &Shared,
    caller: &Caller,
    project: &str,
    slug: &str,
) -> Result<Answer, Answer> {
    let model = shared.model();
    let found = model.repository(project, slug);
    let visible = found.filter(|one| one.permission(&caller.name).is_some());
    visible
        .map(|one| Answer::json(200, &object(&shared.origin, shared.ssh_port, one)))
        .ok_or_else(|| absent(project, slug))
}

/// Those of one project.
pub(super) fn list(shared: &Shared, request: &Request, caller: &Caller, project: &str) -> Answer {
    visible(shared, request, caller, |one| {
        one.workspace.eq_ignore_ascii_case(project)
    })
}

/// By `name` (a part of it) and `permission`.
pub(super) fn search(shared: &Shared, request: &Request, caller: &Caller) -> Answer {
    let name = request.parameter("name").unwrap_or_default().to_lowercase();
    let least = match request.parameter("permission") {
        Some("REPO_ADMIN") => Permission::Admin,
        Some("REPO_WRITE") => Permission::Write,
        _ => Permission::Read,
    };
    visible(shared, request, caller, |one| {
        one.slug.contains(&name) && one.permission(&caller.name) >= Some(least)
    })
}

/// In a project that the caller administers, or his own.
pub(super) fn create(
    shared: &Shared,
    request: &Request,
    caller: &Caller,
    project: &str,
) -> Result<Answer, Answer> {
    let body = request.json().unwrap_or_default();
    let Some(name) = body.get("name").and_then(Value::as_str) else {
        let text = "A repository has a name.";
        return Err(refusal(
            400,
            Some("name"),
            text,
            "validation.ArgumentException",
        ));
    };
    let mut model = shared.model();
    let administrators = &model.workspace(project).administrators;
    if !administrators.contains(&caller.name) && project != format!("~{}", caller.name) {
        return Err(not_permitted());
    }
    if model.repository(project, name).is_some() {
        let text = "This repository URL is already taken.";
        return Err(refusal(
            409,
            Some("name"),
            text,
            "repository.DuplicateException",
        ));
    }
    let path = git::create(&shared.folder, project, name);
    model.add_repository(project, name, Visibility::Private, path);
    let made = model
        .repository_mut(project, name)
        .ok_or_else(not_permitted)?;
    made.grants.insert(caller.name.clone(), Permission::Admin);
    Ok(Answer::json(
        201,
        &object(&shared.origin, shared.ssh_port, made),
    ))
}

fn visible(
    shared: &Shared,
    request: &Request,
    caller: &Caller,
    wanted: impl Fn(&Repository) -> bool,
) -> Answer {
    let model = shared.model();
    let found = model.repositories.iter();
    let found = found.filter(|one| one.permission(&caller.name).is_some() && wanted(one));
    let values = found.map(|one| object(&shared.origin, shared.ssh_port, one));
    page(request, values.collect())
}

pub(super) fn absent(project: &str, slug: &str) -> Answer {
    refusal(
        404,
        None,
        &format!("Repository {project}/{slug} does not exist."),
        "repository.NoSuchRepositoryException",
    )
}

/// Project keys are upper case; a personal one is `~user`.
pub(super) fn object(origin: &str, ssh_port: u16, repository: &Repository) -> Value {
    let project = if repository.workspace.starts_with('~') {
        repository.workspace.clone()
    } else {
        repository.workspace.to_uppercase()
    };
    let slug = &repository.slug;
    let id = i32::from_str_radix(&repository.uuid[1..8], 16).unwrap_or_default();
    json!({
        "id": id, "slug": slug, "name": slug, "scmId": "git", "state": "AVAILABLE",
        "public": repository.visibility == Visibility::Public,
        "project": {"key": project, "name": project, "public": false},
        "links": {"clone": [
            {"name": "http", "href": format!("{origin}/{CONTEXT}/scm/{project}/{slug}.git")},
            {"name": "ssh", "href": format!("ssh://git@127.0.0.1:{ssh_port}/{project}/{slug}.git")},
        ]},
    })
}
