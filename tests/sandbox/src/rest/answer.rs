//! Answers, and the shapes that many of them share.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value, json};

/// What the site says of a repository that is not there or not visible.
const NO_REPOSITORY: &str = "The requested repository either does not exist or you do not have \
    access. If you believe this repository exists and you have access, make sure you're \
    authenticated.";

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    body: Bytes,
    headers: Vec<(&'static str, String)>,
}

impl Answer {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::raw(status, &body.to_string())
    }

    pub(super) fn raw(status: u16, body: &str) -> Self {
        Self {
            status,
            body: Bytes::copy_from_slice(body.as_bytes()),
            headers: vec![("content-type", "application/json; charset=utf-8".to_owned())],
        }
    }

    pub(super) fn bytes(status: u16, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            body: body.into(),
            headers: vec![("content-type", "application/octet-stream".to_owned())],
        }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self {
            status,
            body: Bytes::new(),
            headers: Vec::new(),
        }
    }

    pub(super) fn error(status: u16, message: &str) -> Self {
        Self::json(
            status,
            &json!({"type": "error", "error": {"message": message}}),
        )
    }

    /// An error that names the field it is about.
    pub(super) fn field_error(field: &str, message: &str) -> Self {
        let error = json!({"message": message, "fields": {field: [message]}});
        Self::json(400, &json!({"type": "error", "error": error}))
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::error(404, &format!("{what} not found"))
    }

    pub(super) fn no_repository() -> Self {
        Self::error(404, NO_REPOSITORY)
    }

    pub(super) fn no_access() -> Self {
        Self::error(
            403,
            "You may not have access to this repository or it no longer exists in this workspace",
        )
    }

    pub(super) fn removed() -> Self {
        Self::error(410, "This endpoint has been removed (CHANGE-2770).")
    }

    pub(super) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// With this media type in place of its own.
    pub(super) fn with_type(mut self, media_type: &str) -> Self {
        self.headers.retain(|(name, _)| *name != "content-type");
        self.with_header("content-type", media_type)
    }

    /// With another `next` in a paging envelope; other bodies stay as they are.
    pub(super) fn with_next(self, address: &str) -> Self {
        let Ok(mut page) = serde_json::from_slice::<Value>(&self.body) else {
            return self;
        };
        if page.get("values").is_none() {
            return self;
        }
        page["next"] = json!(address);
        Self {
            body: Bytes::from(page.to_string()),
            ..self
        }
    }

    /// An error of Cloud's form in Data Center's: `{"errors": […]}`.
    pub(super) fn with_error_array(self) -> Self {
        let body = serde_json::from_slice::<Value>(&self.body).unwrap_or_default();
        let Some(message) = body.pointer("/error/message") else {
            return self;
        };
        let errors = json!({"errors": [{
            "context": body.pointer("/error/context"), "message": message,
            "exceptionName": body.pointer("/error/exception"),
        }]});
        Self {
            body: Bytes::from(errors.to_string()),
            ..self
        }
    }

    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers {
            let value = header::HeaderValue::from_str(&value);
            response
                .headers_mut()
                .append(name, value.unwrap_or(header::HeaderValue::from_static("")));
        }
        response
    }
}

/// As the site writes times: microseconds, UTC with `+00:00`.
pub(super) fn time(when: Timestamp) -> Value {
    json!(when.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string())
}

/// `null` where there is none.
pub(super) fn optional_time(when: Option<Timestamp>) -> Value {
    when.map_or(Value::Null, time)
}
