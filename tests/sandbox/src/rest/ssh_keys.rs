//! `/users/{selected_user}/ssh-keys…`. A user is a UUID in braces or an account ID, never a name.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::answer::{Answer, optional_time, time};
use super::request::Request;
use super::{authority, paging, user};
use crate::model::{Account, Key, KeyError, Model, Submitted};
use crate::sandbox::Shared;

const READ: &str = "read:ssh-key:bitbucket";
const WRITE: &str = "write:ssh-key:bitbucket";
const DELETE: &str = "delete:ssh-key:bitbucket";

pub(super) fn list(shared: &Shared, request: &Request, user: &str) -> Result<Answer, Answer> {
    let model = shared.model();
    let account = owner(&model, request, user, &[READ])?;
    let keys = keys(&model, &account);
    let values = keys
        .iter()
        .map(|key| object(&shared.origin, &account, key))
        .collect();
    Ok(paging::page(&shared.origin, request, 10, values))
}

pub(super) fn add(shared: &Shared, request: &Request, user: &str) -> Result<Answer, Answer> {
    let mut model = shared.model();
    let account = owner(&model, request, user, &[READ, WRITE])?;
    let now = Timestamp::now();
    let expires_on = match request.parameter("expires_on") {
        None => None,
        Some(text) => Some(expiry(text, now).ok_or_else(|| {
            Answer::field_error("expires_on", "expires_on must be a date in the future.")
        })?),
    };
    let (submitted, label) = submitted(request)?;
    let allowed = model.may_be_account_key(&submitted.fingerprint);
    allowed.map_err(refusal)?;
    let delay = SignedDuration::try_from(shared.faults.propagation()).unwrap_or_default();
    let usable_from = now.checked_add(delay).unwrap_or(Timestamp::MAX);
    let key = submitted.into_key(&label, expires_on, usable_from);
    let answer = Answer::json(201, &object(&shared.origin, &account, &key));
    if let Some(member) = model.member_mut(&account.email) {
        member.keys.push(key);
    }
    Ok(answer)
}

pub(super) fn show(
    shared: &Shared,
    request: &Request,
    user: &str,
    id: &str,
) -> Result<Answer, Answer> {
    let model = shared.model();
    let account = owner(&model, request, user, &[READ])?;
    let keys = keys(&model, &account);
    let key = keys.iter().find(|key| is(key, id)).ok_or_else(no_key)?;
    Ok(Answer::json(200, &object(&shared.origin, &account, key)))
}

/// Changes the label; key and expiry stay.
pub(super) fn change(
    shared: &Shared,
    request: &Request,
    user: &str,
    id: &str,
) -> Result<Answer, Answer> {
    let mut model = shared.model();
    let account = owner(&model, request, user, &[READ, WRITE])?;
    let body = request.json().ok_or_else(bad_request)?;
    let member = model.member_mut(&account.email).ok_or_else(no_key)?;
    let key = member
        .keys
        .iter_mut()
        .find(|key| is(key, id))
        .ok_or_else(no_key)?;
    if let Some(label) = body.get("label").and_then(Value::as_str) {
        label.clone_into(&mut key.label);
    }
    Ok(Answer::json(200, &object(&shared.origin, &account, key)))
}

pub(super) fn delete(
    shared: &Shared,
    request: &Request,
    user: &str,
    id: &str,
) -> Result<Answer, Answer> {
    let mut model = shared.model();
    let account = owner(&model, request, user, &[DELETE])?;
    let member = model.member_mut(&account.email).ok_or_else(no_key)?;
    let position = member
        .keys
        .iter()
        .position(|key| is(key, id))
        .ok_or_else(no_key)?;
    let key = member.keys.remove(position);
    model.deleted.insert(key.fingerprint, Timestamp::now());
    Ok(Answer::empty(204))
}

/// Key and label of the body, the key being one that the site takes.
pub(super) fn submitted(request: &Request) -> Result<(Submitted, String), Answer> {
    let body = request.json().ok_or_else(bad_request)?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let line = text("key").ok_or_else(|| Answer::field_error("key", "This field is required."))?;
    let submitted = Submitted::parse(line).map_err(refusal)?;
    Ok((submitted, text("label").unwrap_or_default().to_owned()))
}

pub(super) fn refusal(error: KeyError) -> Answer {
    Answer::field_error("key", error.text())
}

pub(super) fn bad_request() -> Answer {
    Answer::error(400, "Bad request")
}

/// The caller, who must be the user of the path.
fn owner(model: &Model, request: &Request, user: &str, scopes: &[&str]) -> Result<Account, Answer> {
    let caller = authority::require(model, request, scopes)?;
    let mut members = model.members.iter().map(|member| &member.account);
    let named = members.find(|account| account.uuid == user || account.account_id == user);
    match named {
        None => Err(Answer::error(404, user)),
        Some(account) if *account == caller => Ok(caller),
        Some(_) => Err(Answer::error(
            403,
            "You do not have access to this account's keys.",
        )),
    }
}

fn keys<'a>(model: &'a Model, account: &Account) -> &'a [Key] {
    model
        .member(&account.email)
        .map_or(&[], |member| &member.keys)
}

/// With or without braces.
fn is(key: &Key, id: &str) -> bool {
    key.uuid.trim_matches(['{', '}']) == id.trim_matches(['{', '}'])
}

fn no_key() -> Answer {
    Answer::not_found("SSH key")
}

/// A date (its first moment in UTC) or a date-time, in the future.
fn expiry(text: &str, now: Timestamp) -> Option<Timestamp> {
    let date_time = text.parse::<Timestamp>().ok();
    let date = || {
        let date = text.parse::<Date>().ok()?;
        Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    date_time.or_else(date).filter(|&when| when > now)
}

fn object(origin: &str, account: &Account, key: &Key) -> Value {
    let bare = key.uuid.trim_matches(['{', '}']);
    json!({
        "type": "ssh_key", "uuid": key.uuid, "key": key.key, "comment": key.comment,
        "label": key.label, "fingerprint": key.fingerprint,
        "created_on": time(key.created_on), "last_used": optional_time(key.last_used),
        "expires_on": optional_time(key.expires_on),
        "links": {"self": {
            "href": format!("{origin}/2.0/users/{}/ssh-keys/{bare}", account.uuid),
        }},
        "owner": user::embedded(origin, account),
    })
}
