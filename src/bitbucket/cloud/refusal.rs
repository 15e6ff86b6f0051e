//! Cloud's error object, told apart by status and structure.
//!
//! `{"type":"error","error":{"message":…,"detail":… or an object,"fields":{…}}}`; only `message`
//! is always there, and scope errors send an object as `detail`.

use serde_json::Value;

use crate::bitbucket::Error;
use crate::bitbucket::http::Answer;
use crate::text::sanitise;

/// The answer where its status is a success, else what the site says.
pub(super) fn check(answer: Answer) -> Result<Answer, Error> {
    let status = answer.status;
    if (200..300).contains(&status) {
        return Ok(answer);
    }
    let body = answer.json().unwrap_or_default();
    let error = body.get("error").unwrap_or(&Value::Null);
    let detail = error.get("detail").unwrap_or(&Value::Null);
    let message = message(error).unwrap_or_else(|| answer.reason());
    if matches!(status, 401 | 403)
        && let Some(required) = scopes(detail, "required")
    {
        let granted = scopes(detail, "granted").unwrap_or_default();
        return Err(Error::ScopeMissing { required, granted });
    }
    Err(match status {
        401 => Error::TokenRefused { message },
        403 => Error::Forbidden { message },
        404 => Error::NotFound { message },
        400..500 => Error::Refused { status, message },
        500.. => Error::Server { status, message },
        _ => answer.unexpected("no such answer"),
    })
}

fn scopes(detail: &Value, name: &str) -> Option<Vec<String>> {
    let list = detail.get(name)?.as_array()?;
    let names = list.iter().filter_map(Value::as_str).map(sanitise);
    Some(names.collect())
}

/// The site's words, with `detail` and the messages of fields.
fn message(error: &Value) -> Option<String> {
    let mut text = error.get("message")?.as_str()?.trim().to_owned();
    if let Some(detail) = error.get("detail").and_then(Value::as_str)
        && !detail.is_empty()
    {
        text = format!("{text} {detail}");
    }
    for (name, words) in error
        .get("fields")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let words = match words {
            Value::Array(list) => list
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join(" "),
            Value::String(words) => words.clone(),
            _ => continue,
        };
        text = format!("{text} ({name}: {words})");
    }
    Some(sanitise(&text))
}
