//! Who the token speaks for: no call tells it, a header of every signed-in answer does.

use percent_encoding::percent_decode_str;

use super::DataCenter;
use crate::bitbucket::http::Answer;
use crate::bitbucket::{Error, User};
use crate::text::sanitise;

/// The cheapest call with that header; it answers without a login, too.
pub(super) fn user(site: &DataCenter) -> Result<User, Error> {
    let answer = site.get("/rest/api/latest/application-properties")?;
    let object = answer.json()?;
    if object.get("version").is_none() {
        return Err(answer.unexpected("no application properties"));
    }
    let name = signed_in(&answer).ok_or_else(|| Error::TokenRefused {
        message: "the site takes the call for one without a login".to_owned(),
    })?;
    Ok(User {
        id: name.clone(),
        display_name: sanitise(&name),
        user_name: Some(name),
    })
}

/// `X-AUSERNAME`; `None`: absent or `anonymous`.
pub(super) fn signed_in(answer: &Answer) -> Option<String> {
    let name = answer.header("x-ausername")?.trim();
    let name = percent_decode_str(name).decode_utf8_lossy().into_owned();
    (!name.is_empty() && name != "anonymous").then_some(name)
}
