//! What the token sees of a repository.

use serde_json::Value;

use super::Cloud;
use crate::bitbucket::http::segment;
use crate::bitbucket::{Access, Error};
use crate::repository::Repository;

/// Scope `read:repository:bitbucket`. The repository itself says whether it may be read (403: it
/// is private and not for this account); the explicit grants say whether it may be written.
pub(super) fn access(cloud: &Cloud, repository: &Repository) -> Result<Access, Error> {
    let workspace = segment(&repository.workspace);
    let path = format!("/repositories/{workspace}/{}", segment(&repository.slug));
    let answer = match cloud.get(&path) {
        Ok(answer) => answer,
        Err(Error::NotFound { .. }) => return Ok(Access::None),
        Err(Error::Forbidden { message }) => {
            tracing::info!("{repository}: {message}");
            return Ok(Access::None);
        }
        Err(error) => return Err(error),
    };
    let object = answer.json()?;
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let (Some(name), Some(uuid)) = (text("name"), text("uuid")) else {
        return Err(answer.unexpected("a repository without name or uuid"));
    };
    // The filter knows names, not slugs; two repositories may have the same name.
    let filter = format!(
        "repository.name=\"{}\"",
        name.replace('\\', "\\\\").replace('"', "\\\"")
    );
    let path = format!(
        "/user/workspaces/{workspace}/permissions/repositories?pagelen=100&q={}",
        segment(&filter)
    );
    let writes = cloud.pages(&path)?.iter().any(|grant| {
        let permission = grant.get("permission").and_then(Value::as_str);
        grant.pointer("/repository/uuid").and_then(Value::as_str) == Some(uuid)
            && matches!(permission, Some("write" | "admin"))
    });
    Ok(if writes { Access::Write } else { Access::Read })
}
