//! `status --json`. The field names are a contract.

use serde_json::{Value, json};

use super::{StatusReport, key_type, provision, transport_name};
use crate::host_key::KnownFrom;
use crate::identity::{Candidate, Holder, Identity, Offer, State};
use crate::repository::SiteKind;
use crate::settings::Origin;

/// The report as one JSON object, indented, with a newline at the end.
///
/// `plan` lists identities in the order of use; those with the same `connection` (from 1) are
/// offered together. An entry with `new` has no `file` and `fingerprint` yet.
pub(super) fn json(report: &StatusReport) -> String {
    let plan: Vec<Value> = report
        .plan
        .candidates
        .iter()
        .enumerate()
        .flat_map(|(at, candidate)| entries(report, at + 1, candidate))
        .collect();
    let settings = &report.settings;
    let value = json!({
        "site": report.site.url,
        "kind": match report.site.kind {
            SiteKind::Cloud => "cloud",
            SiteKind::DataCenter => "datacenter",
        },
        "repository": report.repository.as_ref().map(|repository| json!({
            "workspace": repository.workspace,
            "slug": repository.slug,
            "url": repository.web_url(),
        })),
        "account": report.account().map(|account| &account.name),
        "user": crate::text::shown_user(&report.user),
        "endpoints": report.endpoints.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "transport": {
            "value": transport_name(settings.transport.value),
            "origin": json_origin(&settings.transport.origin),
        },
        "provision": {
            "value": provision(settings.provision.value),
            "origin": json_origin(&settings.provision.origin),
        },
        "plan": plan,
        "closed_by": report.plan.decided_by.map(|rank| rank as u8),
        "missing": report.plan.missing.iter().map(|missing| json!({
            "file": missing.value,
            "origin": json_origin(&missing.origin),
        })).collect::<Vec<_>>(),
        "passed_over": report.plan.skipped.iter().map(|passed| json!({
            "what": passed.what,
            "why": passed.why,
        })).collect::<Vec<_>>(),
        "ignored": report.settings.ignored.iter().map(|ignored| json!({
            "value": ignored.value,
            "why": ignored.why,
            "origin": json_origin(&ignored.origin),
        })).collect::<Vec<_>>(),
        "host_keys": report.host_keys.iter().map(|key| {
            let (source, line) = match &key.from {
                KnownFrom::Line(line) => ("known-hosts", Some(line)),
                KnownFrom::Authority(line) => ("cert-authority", Some(line)),
                KnownFrom::Published => ("published", None),
                KnownFrom::Site => ("site", None),
            };
            json!({
                "endpoint": key.endpoint.to_string(),
                "algorithm": key.algorithm,
                "fingerprint": key.fingerprint,
                "source": source,
                "file": line.map(|line| &line.file),
                "line": line.map(|line| line.number),
            })
        }).collect::<Vec<_>>(),
        "setup": {
            "git_calls_us": report.other_program.is_none(),
            "command": report.other_program.as_ref().map(|other| &other.command),
            "origin": report.other_program.as_ref().and_then(|other| other.place.as_ref()),
        },
        "next": report.next(),
    });
    crate::text::fence_json(&format!("{value:#}\n")).into_owned()
}

/// One entry for each identity of a candidate; a new key is one.
fn entries(report: &StatusReport, connection: usize, candidate: &Candidate) -> Vec<Value> {
    let account = candidate.account.as_ref().map(|account| &account.name);
    let entry = |identity: Option<&Identity>| {
        let file = identity.and_then(|identity| identity.file.as_ref());
        let managed = identity.and_then(|identity| identity.managed.as_ref());
        json!({
            "account": account,
            "file": file,
            "fingerprint": identity.and_then(Identity::fingerprint),
            "type": match identity {
                Some(identity) => identity
                    .public_key
                    .as_ref()
                    .map(|key| key.algorithm().to_string()),
                None => Some(key_type(report.settings.key_type.value)),
            },
            "holder": identity.map(|identity| match identity.holder {
                Holder::File(_) => "file",
                Holder::Agent => "agent",
            }),
            "new": identity.is_none(),
            "state": managed.map(|managed| state(managed.state)),
            "expires": managed.and_then(|managed| managed.expires).map(|time| time.to_string()),
            "certificates": identity.map_or(0, |identity| identity.certificates.len()),
            "reason": candidate.reason.text,
            "rank": candidate.reason.rank as u8,
            "origin": json_origin(&candidate.reason.origin),
            "connection": connection,
        })
    };
    match &candidate.offer {
        Offer::NewKey => vec![entry(None)],
        Offer::Identities(identities) => identities.iter().map(|one| entry(Some(one))).collect(),
    }
}

/// As in the records.
pub(super) fn state(state: State) -> &'static str {
    match state {
        State::Pending => "pending",
        State::Registered => "registered",
        State::Verified => "proved",
        State::Unconfirmed => "unverified",
        State::Removing => "leaving",
    }
}

/// For programs: an object whose `kind` says which fields follow.
fn json_origin(origin: &Origin) -> Value {
    match origin {
        Origin::CommandLine(option) => json!({"kind": "command-line", "option": option}),
        Origin::Environment(name) => json!({"kind": "environment", "name": name}),
        Origin::GitConfig {
            scope,
            file,
            line,
            key,
        } => json!({
            "kind": "git-config",
            "scope": scope.name(),
            "file": file,
            "line": line,
            "key": key,
        }),
        Origin::SshConfig(line) => json!({
            "kind": "ssh-config",
            "file": line.as_ref().map(|line| &line.file),
            "line": line.as_ref().map(|line| line.line),
        }),
        Origin::Default => json!({"kind": "default"}),
    }
}
