//! `GET /user`: who the token speaks for.

use serde_json::Value;

use super::Cloud;
use crate::bitbucket::{Error, User};
use crate::text::sanitise;

/// Scope `read:user:bitbucket`. Only the UUID addresses a user in paths: `username` may be absent
/// and is not accepted there, `nickname` is not unique.
pub(super) fn user(cloud: &Cloud) -> Result<User, Error> {
    let answer = cloud.get("/user")?;
    let object = answer.json()?;
    let text = |name: &str| {
        object
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let id = text("uuid").ok_or_else(|| answer.unexpected("a user without uuid"))?;
    let display_name = text("display_name")
        .or(text("nickname"))
        .or(text("username"));
    Ok(User {
        id: id.to_owned(),
        user_name: text("username").map(str::to_owned),
        display_name: sanitise(display_name.unwrap_or(id)),
    })
}
