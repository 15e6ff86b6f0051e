//! `/rest/ssh/…`: the caller's keys, and how SSH is reached.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Caller, not_permitted, page, refusal};
use crate::model::{Key, KeyError, Member, Submitted};
use crate::rest::answer::Answer;
use crate::rest::request::Request;
use crate::sandbox::Shared;

pub(super) fn settings(shared: &Shared) -> Answer {
    let usual = || format!("ssh://127.0.0.1:{}", shared.ssh_port);
    let base_url = shared.model().ssh_base_url.clone().unwrap_or_else(usual);
    let fingerprint = shared.host_keys.fingerprint();
    Answer::json(
        200,
        &json!({
            "enabled": true, "port": shared.ssh_port, "baseUrl": base_url,
            "accessKeysEnabled": true,
            "fingerprint": {
                "algorithm": "SHA-256", "value": fingerprint.trim_start_matches("SHA256:"),
            },
        }),
    )
}

pub(super) fn list(shared: &Shared, request: &Request, caller: &Caller) -> Result<Answer, Answer> {
    with(shared, caller, |member| {
        Ok(page(request, member.keys.iter().map(object).collect()))
    })
}

pub(super) fn show(shared: &Shared, caller: &Caller, id: &str) -> Result<Answer, Answer> {
    with(shared, caller, |member| {
        let mut keys = member.keys.iter();
        let key = keys.find(|key| key.number.to_string() == id);
        key.map(|key| Answer::json(200, &object(key)))
            .ok_or_else(|| refusal(404, None, "No such SSH key.", "ssh.NoSuchKeyException"))
    })
}

pub(super) fn add(shared: &Shared, request: &Request, caller: &Caller) -> Result<Answer, Answer> {
    if !caller.by_password {
        return Err(not_permitted());
    }
    let body = request.json().unwrap_or_default();
    let (submitted, label) = submitted(&body)?;
    let now = Timestamp::now();
    let lifetime = match body.get("expiryDays") {
        None | Some(Value::Null) => None,
        Some(days) => Some(days_of(days).ok_or_else(|| {
            let text = "The expiry must be a positive number of days.";
            refusal(
                400,
                Some("expiryDays"),
                text,
                "validation.ArgumentException",
            )
        })?),
    };
    free(shared, &submitted.fingerprint)?;
    let delay = SignedDuration::try_from(shared.faults.propagation()).unwrap_or_default();
    let usable_from = now.checked_add(delay).unwrap_or(Timestamp::MAX);
    let mut key = submitted.into_key(&label, None, usable_from);
    key.expires_on = lifetime.and_then(|days| key.created_on.checked_add(days).ok());
    let answer = Answer::json(201, &object(&key));
    with(shared, caller, |member| {
        member.keys.push(key);
        Ok(answer)
    })
}

/// A key that is not there counts as deleted.
pub(super) fn delete(shared: &Shared, caller: &Caller, id: &str) -> Result<Answer, Answer> {
    if !caller.by_password {
        return Err(not_permitted());
    }
    with(shared, caller, |member| {
        member.keys.retain(|key| key.number.to_string() != id);
        Ok(Answer::empty(204))
    })
}

/// Without an id, all keys of the caller are removed.
pub(super) fn delete_all(shared: &Shared, caller: &Caller) -> Result<Answer, Answer> {
    if !caller.by_password {
        return Err(not_permitted());
    }
    with(shared, caller, |member| {
        member.keys.clear();
        Ok(Answer::empty(204))
    })
}

/// Key and label of `{"text","label"}`, the label being the comment where there is none.
pub(super) fn submitted(key: &Value) -> Result<(Submitted, String), Answer> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let line = text("text").unwrap_or_default();
    let submitted = Submitted::parse(line)
        .map_err(|error| refusal(400, Some("text"), error.text(), "ssh.InvalidKeyException"))?;
    let label = text("label").unwrap_or(&submitted.comment).to_owned();
    Ok((submitted, label))
}

/// A key is personal or an access key, never both; deleted ones may come again.
fn free(shared: &Shared, fingerprint: &str) -> Result<(), Answer> {
    match shared.model().may_be_account_key(fingerprint) {
        Ok(()) | Err(KeyError::DeletedLately) => Ok(()),
        Err(_) => Err(refusal(
            409,
            None,
            "This SSH key is already assigned to 'user'.",
            "ssh.DuplicateSshKeyException",
        )),
    }
}

fn days_of(days: &Value) -> Option<SignedDuration> {
    let days = days.as_i64().filter(|days| *days > 0)?;
    Some(SignedDuration::from_hours(days.checked_mul(24)?))
}

fn with<T>(
    shared: &Shared,
    caller: &Caller,
    act: impl FnOnce(&mut Member) -> Result<T, Answer>,
) -> Result<T, Answer> {
    let mut model = shared.model();
    let member = model.member_mut(&caller.name).ok_or_else(not_permitted)?;
    act(member)
}

/// Without `lastAuthenticated` and `expiryDays` where there are none.
pub(super) fn object(key: &Key) -> Value {
    let mut object = json!({
        "id": key.number, "text": format!("{} {}", key.key, key.comment).trim_end(),
        "label": key.label, "fingerprint": key.fingerprint,
        "algorithmType": key.key.split(' ').next(), "bitLength": 256,
        "createdDate": key.created_on.to_string(),
    });
    if let Some(used) = key.last_used {
        object["lastAuthenticated"] = json!(used.as_millisecond().to_string());
    }
    if let Some(end) = key.expires_on {
        let days = end.duration_since(key.created_on).as_hours() / 24;
        object["expiryDays"] = json!(days);
    }
    object
}
