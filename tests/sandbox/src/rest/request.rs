//! A REST request, parsed once.

use bytes::Bytes;
use hyper::header;
use hyper::http::request::Parts;
use percent_encoding::percent_decode_str;
use serde_json::Value;

#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// As it came.
    pub(super) path: String,
    /// Path components, decoded.
    pub(super) segments: Vec<String>,
    pub(super) raw_query: String,
    /// Decoded pairs; `+` means a space.
    pub(super) query: Vec<(String, String)>,
    pub(super) authorization: Option<String>,
    pub(super) has_length: bool,
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) git_protocol: Option<String>,
    /// Filled in after the head was looked at.
    pub(super) body: Bytes,
}

impl Request {
    pub(super) fn new(parts: &Parts) -> Self {
        let path = parts.uri.path().to_owned();
        let raw_query = parts.uri.query().unwrap_or_default().to_owned();
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let field = |name: &str| {
            let value = parts.headers.get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        Self {
            method: parts.method.to_string(),
            segments: path.split('/').skip(1).map(decoded).collect(),
            query: raw_query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| (decoded(name), decoded(&value.replace('+', " "))))
                .collect(),
            authorization: field(header::AUTHORIZATION.as_str()),
            content_type: field(header::CONTENT_TYPE.as_str()),
            content_encoding: field(header::CONTENT_ENCODING.as_str()),
            git_protocol: field("git-protocol"),
            has_length: parts.headers.contains_key(header::CONTENT_LENGTH),
            body: Bytes::new(),
            path,
            raw_query,
        }
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let mut pairs = self.query.iter();
        pairs
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as a JSON object; `None`: it is none.
    pub(super) fn json(&self) -> Option<Value> {
        let value: Value = serde_json::from_slice(&self.body).ok()?;
        value.is_object().then_some(value)
    }
}
