//! What the token sees of a repository.

use serde_json::Value;

use super::DataCenter;
use crate::bitbucket::http::segment;
use crate::bitbucket::{Access, Error};
use crate::repository::Repository;

/// The repository itself says whether it may be read; the list of repositories that the caller
/// may write to says the rest.
pub(super) fn access(site: &DataCenter, repository: &Repository) -> Result<Access, Error> {
    let (project, slug) = (&repository.workspace, &repository.slug);
    let path = format!(
        "/rest/api/latest/projects/{}/repos/{}",
        segment(project),
        segment(slug)
    );
    let answer = match site.get(&path) {
        Ok(answer) => answer,
        Err(Error::NotFound { .. }) => return Ok(Access::None),
        Err(Error::Forbidden { message }) => {
            tracing::info!("{repository}: {message}");
            return Ok(Access::None);
        }
        Err(error) => return Err(error),
    };
    let object = answer.json()?;
    let Some(name) = object.get("name").and_then(Value::as_str) else {
        return Err(answer.unexpected("a repository without name"));
    };
    let path = format!(
        "/rest/api/latest/repos?permission=REPO_WRITE&name={}",
        segment(name)
    );
    let writes = site
        .pages(&path)?
        .iter()
        .any(|found| found.get("id") == object.get("id"));
    Ok(if writes { Access::Write } else { Access::Read })
}
