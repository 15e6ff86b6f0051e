//! A new repository.

use serde_json::{Value, json};

use super::Cloud;
use super::refusal::check;
use crate::bitbucket::http::segment;
use crate::bitbucket::{Error, NewRepository};

/// Scope `admin:repository:bitbucket`; private unless it is wished otherwise.
pub(super) fn create(cloud: &Cloud, new: &NewRepository) -> Result<Option<String>, Error> {
    let mut body = json!({"scm": "git", "is_private": !new.public});
    if let Some(project) = &new.project {
        body["project"] = json!({"key": project});
    }
    let path = format!(
        "/repositories/{}/{}",
        segment(&new.repository.workspace),
        segment(&new.repository.slug)
    );
    let made = check(cloud.client.post(&path, &body)?)?.json()?;
    Ok(super::super::ssh_link(
        made.pointer("/links/clone").unwrap_or(&Value::Null),
    ))
}
