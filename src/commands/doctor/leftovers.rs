//! What an interrupted provisioning left behind.

use std::fs;

use super::finding::{Finding, Fix};
use super::patient::Patient;
use crate::identity::State;
use crate::identity::key_pair::DRAFT;

/// Unfinished files and unfinished records.
pub(super) fn check(patient: &Patient<'_>) -> Vec<Finding> {
    let check = "leftovers";
    let mut findings = Vec::new();
    let context = patient.context;
    for folder in [context.ssh_directory(), context.records_directory()]
        .into_iter()
        .flatten()
    {
        let drafts = fs::read_dir(&folder).into_iter().flatten().flatten();
        let drafts = drafts.filter(|entry| entry.file_name().to_string_lossy().starts_with(DRAFT));
        let count = drafts.count();
        if count > 0 {
            findings.push(
                Finding::warn(check, format!("{count} unfinished files"))
                    .about(patient.shown(&folder))
                    .next("git bitbucket doctor --fix")
                    .fix(Fix::Sweep(folder)),
            );
        }
    }
    let records = match &patient.examined {
        Ok(examined) => examined.ours.records.identities(),
        Err(_) => &[],
    };
    for record in records {
        let file = patient.shown(&record.file);
        let finding = match (record.state, record.file.exists()) {
            (State::Pending, false) => {
                Finding::warn(check, "a key pair was begun and never placed")
                    .next("git bitbucket doctor --fix")
                    .fix(Fix::Forget(record.fingerprint.clone()))
            }
            (State::Pending, true) => Finding::warn(
                check,
                "a key pair was begun and not registered; a fetch finishes it",
            )
            .next("git fetch"),
            (State::Registered, true) => {
                Finding::warn(check, "registered, and no connection has proved it yet")
                    .next("git fetch")
            }
            (State::Unverified, true) => {
                Finding::warn(check, "no login has confirmed whose key it is").next(format!(
                    "git bitbucket login {}",
                    super::patient::word(&record.account.name)
                ))
            }
            (State::Proved, _) | (State::Registered | State::Unverified, false) => continue,
        };
        findings.push(finding.about(file));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(check, "no interrupted provisioning"));
    }
    findings
}
