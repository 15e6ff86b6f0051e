//! Data Center's error array: `{"errors":[{"context":…,"message":…,"exceptionName":…}]}`.

use serde_json::Value;

use super::user::signed_in;
use crate::bitbucket::Error;
use crate::bitbucket::http::Answer;
use crate::text::sanitise;

/// The answer where its status is a success, else what the site says. 401 stands for a missing
/// permission, too: there the site names the user it knows.
pub(super) fn check(answer: Answer) -> Result<Answer, Error> {
    let status = answer.status;
    if (200..300).contains(&status) {
        return Ok(answer);
    }
    let body = answer.json().unwrap_or_default();
    let message = message(&body).unwrap_or_else(|| answer.reason());
    Err(match status {
        401 if signed_in(&answer).is_none() => Error::TokenRefused { message },
        401 | 403 => Error::Forbidden { message },
        404 => Error::NotFound { message },
        400..500 => Error::Refused { status, message },
        500.. => Error::Server { status, message },
        _ => answer.unexpected("no such answer"),
    })
}

fn message(body: &Value) -> Option<String> {
    let mut texts = Vec::new();
    for error in body.get("errors")?.as_array()? {
        let text = error
            .get("message")
            .and_then(Value::as_str)
            .unwrap_or_default();
        match error.get("context").and_then(Value::as_str) {
            Some(field) => texts.push(format!("{field}: {text}")),
            None => texts.push(text.to_owned()),
        }
    }
    (!texts.is_empty()).then(|| sanitise(&texts.join(" ")))
}
