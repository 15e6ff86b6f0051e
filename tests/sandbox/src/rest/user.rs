//! `/user…`: the caller, and the permissions it has.

use serde_json::{Value, json};

use super::answer::{Answer, time};
use super::request::Request;
use super::{authority, paging};
use crate::model::Account;
use crate::sandbox::Shared;

const READ_USER: &str = "read:user:bitbucket";

pub(super) fn show(shared: &Shared, request: &Request) -> Result<Answer, Answer> {
    let account = authority::require(&shared.model(), request, &[READ_USER])?;
    let mut user = embedded(&shared.origin, &account);
    user["account_status"] = json!("active");
    user["created_on"] = time(account.created_on);
    user["has_2fa_enabled"] = json!(true);
    Ok(Answer::json(200, &user))
}

pub(super) fn emails(shared: &Shared, request: &Request) -> Result<Answer, Answer> {
    let account = authority::require(&shared.model(), request, &[READ_USER])?;
    let email = json!({
        "type": "email", "email": account.email, "is_primary": true, "is_confirmed": true,
        "links": {"self": {"href": format!("{}/2.0/user/emails/{}", shared.origin, account.email)}},
    });
    Ok(paging::page(&shared.origin, request, 10, vec![email]))
}

pub(super) fn workspaces(shared: &Shared, request: &Request) -> Result<Answer, Answer> {
    let model = shared.model();
    let account = authority::require(&model, request, &["read:workspace:bitbucket"])?;
    let email = account.email.to_ascii_lowercase();
    let only_administrator = request.parameter("administrator") == Some("true");
    let mut found: Vec<Value> = Vec::new();
    for (slug, workspace) in &model.workspaces {
        let administrator = workspace.administrators.contains(&email);
        let member = administrator
            || model
                .repositories
                .iter()
                .any(|one| &one.workspace == slug && one.grants.contains_key(&email));
        if !member || (only_administrator && !administrator) {
            continue;
        }
        found.push(json!({
            "type": "workspace_access", "administrator": administrator,
            "workspace": {
                "type": "workspace_base", "slug": slug, "uuid": workspace.uuid,
                "links": {"self": {"href": format!("{}/2.0/workspaces/{slug}", shared.origin)}},
            },
        }));
    }
    if request.parameter("sort") == Some("-slug") {
        found.reverse();
    }
    Ok(paging::page(&shared.origin, request, 25, found))
}

/// Explicit grants only: a public repository without one is absent.
pub(super) fn repository_permissions(
    shared: &Shared,
    request: &Request,
    workspace: &str,
) -> Result<Answer, Answer> {
    let model = shared.model();
    let account = authority::require(&model, request, &["read:repository:bitbucket"])?;
    let wanted = match request.parameter("q") {
        None => None,
        Some(query) => {
            let name = query
                .strip_prefix("repository.name=\"")
                .and_then(|rest| rest.strip_suffix('"'))
                .ok_or_else(|| Answer::error(400, "Invalid BBQL query"))?;
            Some(name.to_owned())
        }
    };
    let email = account.email.to_ascii_lowercase();
    let found = model
        .repositories
        .iter()
        .filter(|one| one.workspace.eq_ignore_ascii_case(workspace))
        .filter(|one| {
            wanted
                .as_ref()
                .is_none_or(|name| one.slug.eq_ignore_ascii_case(name))
        })
        .filter_map(|one| {
            let permission = one.grants.get(&email)?;
            Some(json!({
                "type": "repository_permission", "permission": permission.name(),
                "user": embedded(&shared.origin, &account),
                "repository": {
                    "type": "repository", "name": one.slug, "full_name": one.full_name(),
                    "uuid": one.uuid,
                },
            }))
        })
        .collect();
    Ok(paging::page(&shared.origin, request, 10, found))
}

/// The account as part of other objects.
pub(super) fn embedded(origin: &str, account: &Account) -> Value {
    let uuid = &account.uuid;
    json!({
        "type": "user", "uuid": uuid, "account_id": account.account_id,
        "display_name": account.username, "nickname": account.username,
        "username": account.username,
        "links": {
            "self": {"href": format!("{origin}/2.0/users/{uuid}")},
            "html": {"href": format!("https://bitbucket.org/{uuid}/")},
            "avatar": {"href": format!("https://bitbucket.org/account/{uuid}/avatar/32/")},
            "repositories": {"href": format!("{origin}/2.0/repositories/{uuid}")},
        },
    })
}
