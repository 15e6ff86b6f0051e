//! Paging: `pagelen` from 10 to 100, `next` on every page but the last.

use serde_json::{Value, json};

use super::answer::Answer;
use super::request::Request;

/// One page of `values`, as the request asks for it.
pub(super) fn page(
    origin: &str,
    request: &Request,
    usual_length: usize,
    values: Vec<Value>,
) -> Answer {
    let number = |name| {
        request
            .parameter(name)
            .and_then(|text| text.parse::<usize>().ok())
    };
    let length = number("pagelen").unwrap_or(usual_length).clamp(10, 100);
    let page = number("page").unwrap_or(1).max(1);
    let size = values.len();
    let first = (page - 1).saturating_mul(length);
    let shown: Vec<Value> = values.into_iter().skip(first).take(length).collect();
    let link = |page: usize| {
        let others: String = request
            .raw_query
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.starts_with("page"))
            .flat_map(|pair| [pair, "&"])
            .collect();
        format!(
            "{origin}{}?{others}pagelen={length}&page={page}",
            request.path
        )
    };
    let mut envelope = json!({"values": shown, "pagelen": length, "size": size, "page": page});
    if first.saturating_add(length) < size {
        envelope["next"] = json!(link(page + 1));
    }
    if page > 1 {
        envelope["previous"] = json!(link(page - 1));
    }
    Answer::json(200, &envelope)
}
