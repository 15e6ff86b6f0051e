//! `/rest/…` of Data Center, below a context path
//! (<https://developer.atlassian.com/server/bitbucket/rest/>).
//!
//! Passwords come as Basic, HTTP access tokens as Bearer. A token may not change its user's account.

mod access_keys;
mod keys;
mod repositories;

use serde_json::{Value, json};

use super::answer::Answer;
use super::authority;
use super::request::Request;
use crate::model::Model;
use crate::sandbox::Shared;

/// The context path.
pub(crate) const CONTEXT: &str = "bitbucket";

/// The caller.
#[derive(Clone, Debug)]
struct Caller {
    name: String,
    /// By password: may change the own account.
    by_password: bool,
}

/// The answer to `/rest/MODULE/VERSION/…`; `path` begins with the module.
pub(super) fn answer(shared: &Shared, request: &Request, path: &[&str]) -> Answer {
    let caller = caller(&shared.model(), request);
    let answer = match (&caller, path) {
        // Wrong credentials are refused everywhere.
        (None, _) if request.authorization.is_some() => Err(not_signed_in()),
        (_, ["api", "latest" | "1.0", "application-properties"]) => Ok(properties()),
        (None, _) => Err(not_signed_in()),
        (Some(caller), [module, "latest" | "1.0", path @ ..]) => {
            call(shared, request, caller, module, path)
        }
        _ => Err(no_such_call()),
    };
    let answer = answer.unwrap_or_else(|refusal| refusal);
    match caller {
        Some(caller) => answer
            .with_header("x-ausername", &caller.name)
            .with_header("x-auserid", "1"),
        None => answer,
    }
}

fn call(
    shared: &Shared,
    request: &Request,
    caller: &Caller,
    module: &str,
    path: &[&str],
) -> Result<Answer, Answer> {
    match (request.method.as_str(), module, path) {
        ("GET", "ssh", ["settings"]) => Ok(keys::settings(shared)),
        ("GET", "ssh", ["keys"]) => keys::list(shared, request, caller),
        ("POST", "ssh", ["keys"]) => keys::add(shared, request, caller),
        ("DELETE", "ssh", ["keys"]) => keys::delete_all(shared, caller),
        ("GET", "ssh", ["keys", id]) => keys::show(shared, caller, id),
        ("DELETE", "ssh", ["keys", id]) => keys::delete(shared, caller, id),
        (method, "keys", ["projects", project, "repos", slug, "ssh", rest @ ..]) => {
            access_keys::answer(shared, request, caller, (project, slug), (method, rest))
        }
        ("GET", "api", ["repos"]) => Ok(repositories::search(shared, request, caller)),
        ("GET", "api", ["projects", project, "repos"]) => {
            Ok(repositories::list(shared, request, caller, project))
        }
        ("POST", "api", ["projects", project, "repos"]) => {
            repositories::create(shared, request, caller, project)
        }
        ("GET", "api", ["projects", project, "repos", slug]) => {
            repositories::show(shared, caller, project, slug)
        }
        _ => Err(no_such_call()),
    }
}

fn caller(model: &Model, request: &Request) -> Option<Caller> {
    if let Some((member, _)) = authority::bearer(model, request) {
        return Some(Caller {
            name: member.account.username.clone(),
            by_password: false,
        });
    }
    let (name, secret) = authority::basic(request)?;
    let member = model.member(&name)?;
    let mut secrets = member.tokens.iter();
    secrets
        .any(|token| token.is_password() && token.secret == secret)
        .then(|| Caller {
            name: member.account.username.clone(),
            by_password: true,
        })
}

fn properties() -> Answer {
    Answer::json(
        200,
        &json!({"version": "9.4.0", "buildNumber": "9004000", "buildDate": "1733000000000",
            "displayName": "Bitbucket"}),
    )
}

/// `{"values","size","start","limit","isLastPage","nextPageStart"}`.
fn page(request: &Request, values: Vec<Value>) -> Answer {
    let number = |name: &str, usual: usize| {
        let given = request.parameter(name);
        given.and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let (start, limit) = (number("start", 0), number("limit", 25).clamp(1, 1000));
    let all = values.len();
    let values: Vec<Value> = values.into_iter().skip(start).take(limit).collect();
    let mut page = json!({
        "size": values.len(), "start": start, "limit": limit, "values": values,
        "isLastPage": start + limit >= all,
    });
    if start + limit < all {
        page["nextPageStart"] = json!(start + limit);
    }
    Answer::json(200, &page)
}

/// One error of the array. `field`: what it is about.
fn refusal(status: u16, field: Option<&str>, message: &str, exception: &str) -> Answer {
    let exception = format!("com.atlassian.bitbucket.{exception}");
    let error = json!({"context": field, "message": message, "exceptionName": exception});
    Answer::json(status, &json!({"errors": [error]}))
}

fn not_signed_in() -> Answer {
    refusal(
        401,
        None,
        "Authentication failed. Please check your credentials and try again.",
        "auth.IncorrectPasswordAuthenticationException",
    )
}

/// A missing permission is 401, too.
fn not_permitted() -> Answer {
    refusal(
        401,
        None,
        "You are not permitted to access this resource",
        "AuthorisationException",
    )
}

fn no_such_call() -> Answer {
    refusal(404, None, "HTTP 404 Not Found", "rest.NotFoundException")
}
