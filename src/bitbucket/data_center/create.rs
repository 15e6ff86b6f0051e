//! A new repository.

use serde_json::{Value, json};

use super::DataCenter;
use super::refusal::check;
use crate::bitbucket::http::segment;
use crate::bitbucket::{Error, NewRepository};

/// The project is the repository's first part; private unless it is wished otherwise.
pub(super) fn create(site: &DataCenter, new: &NewRepository) -> Result<Option<String>, Error> {
    let body = json!({"name": new.repository.slug, "scmId": "git", "public": new.public});
    let path = format!(
        "/rest/api/latest/projects/{}/repos",
        segment(&new.repository.workspace)
    );
    let made = check(site.client.post(&path, &body)?)?.json()?;
    Ok(super::super::ssh_link(
        made.pointer("/links/clone").unwrap_or(&Value::Null),
    ))
}
