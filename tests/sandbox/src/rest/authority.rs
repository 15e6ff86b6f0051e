//! Authorization: the caller, and whether the token's scopes suffice. No scope implies another.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::json;

use super::answer::Answer;
use super::request::Request;
use crate::model::{Account, Member, Model, Token};

/// The account behind the request, whose token has every scope of `required`.
pub(super) fn require(
    model: &Model,
    request: &Request,
    required: &[&str],
) -> Result<Account, Answer> {
    let (account, token) = identify(model, request).ok_or_else(invalid_token)?;
    if required
        .iter()
        .all(|&scope| token.scopes.iter().any(|granted| granted == scope))
    {
        return Ok(account.clone());
    }
    Err(Answer::json(
        403,
        &json!({"type": "error", "error": {
            "message": "Your credentials lack one or more required privilege scopes.",
            "detail": {"granted": token.scopes, "required": required},
        }}),
    ))
}

/// For the record: the account whose e-mail address the request gives, whatever its token is.
pub(super) fn account_named(model: &Model, request: &Request) -> Option<String> {
    let member = match basic(request) {
        Some((email, _)) => model.member(&email)?,
        None => bearer(model, request)?.0,
    };
    Some(member.account.email.clone())
}

/// A wrong e-mail address, a wrong or expired token, one without scopes, or one sent as Bearer.
pub(super) fn invalid_token() -> Answer {
    Answer::error(
        401,
        "Token is invalid, expired, or not supported for this endpoint.",
    )
}

pub(super) fn not_by_this_mechanism() -> Answer {
    Answer::error(
        403,
        "This API is not accessible by this authentication mechanism",
    )
}

/// Every answer to an API token of Cloud tells the token's scopes.
pub(super) fn with_scopes(model: &Model, request: &Request, answer: Answer) -> Answer {
    match identify(model, request) {
        Some((_, token)) => answer
            .with_header("x-credential-type", "api_token")
            .with_header("x-oauth-scopes", &token.scopes.join(", ")),
        None => answer,
    }
}

fn identify<'a>(model: &'a Model, request: &Request) -> Option<(&'a Account, &'a Token)> {
    let (email, secret) = basic(request)?;
    let member = model.member(&email)?;
    let now = Timestamp::now();
    let mut tokens = member.tokens.iter();
    let token = tokens.find(|token| token.secret == secret && token.works(now))?;
    Some((&member.account, token))
}

/// The owner of a Data Center HTTP access token, sent as Bearer.
pub(super) fn bearer<'a>(model: &'a Model, request: &Request) -> Option<(&'a Member, &'a Token)> {
    let secret = request.authorization.as_deref()?.strip_prefix("Bearer ")?;
    model.members.iter().find_map(|member| {
        let mut tokens = member.tokens.iter();
        let token = tokens.find(|token| token.secret == secret && !token.is_password())?;
        Some((member, token))
    })
}

pub(super) fn basic(request: &Request) -> Option<(String, String)> {
    let value = request.authorization.as_deref()?.strip_prefix("Basic ")?;
    let pair = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
    let (name, secret) = pair.split_once(':')?;
    Some((name.to_owned(), secret.to_owned()))
}
