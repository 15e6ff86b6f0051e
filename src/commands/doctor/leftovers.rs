//! What an interrupted provisioning left behind.

use std::fs;

use super::checkup::{Checkup, word};
use super::finding::{Finding, Fix, counted};
use crate::identity::State;
use crate::identity::key_file::DRAFT;

/// Unfinished files and unfinished records.
pub(super) fn check(checkup: &Checkup<'_>) -> Vec<Finding> {
    let check = "leftovers";
    let mut findings = Vec::new();
    let context = checkup.context;
    for folder in [context.ssh_directory(), context.records_directory()]
        .into_iter()
        .flatten()
    {
        let drafts = fs::read_dir(&folder).into_iter().flatten().flatten();
        let drafts = drafts.filter(|entry| entry.file_name().to_string_lossy().starts_with(DRAFT));
        let mut names: Vec<_> = drafts.map(|entry| entry.path()).collect();
        names.sort();
        if !names.is_empty() {
            let words = names.iter().map(|file| word(&checkup.shown(file)));
            let next = words.fold("rm".to_owned(), |line, name| line + " " + &name);
            findings.push(
                Finding::warn(check, counted(names.len(), "unfinished file"))
                    .about(checkup.shown(&folder))
                    .next(next)
                    .fix(Fix::Sweep(folder)),
            );
        }
    }
    let records = match &checkup.examined {
        Ok(examined) => examined.ours.records.identities(),
        Err(_) => &[],
    };
    for record in records {
        if record.state != State::Pending && !checkup.uses(record) {
            continue;
        }
        let fetch = checkup.fetch();
        let file = checkup.shown(&record.file);
        let finding = match (record.state, record.file.exists()) {
            (State::Pending, false) => {
                Finding::warn(check, "a key pair was begun and never placed")
                    .next(checkup.again("--fix --yes"))
                    .fix(Fix::Forget(record.fingerprint.clone()))
            }
            (State::Pending | State::Registered, true) if record.repository.is_some() => {
                let url = record.repository.as_deref().unwrap_or_default();
                let may = if record.read_only { " --read-only" } else { "" };
                Finding::warn(check, "an access key was begun and is not in use yet").next(format!(
                    "git bitbucket key new --repository {}{may}",
                    super::checkup::word(url)
                ))
            }
            (State::Pending, true) => Finding::warn(
                check,
                "a key pair was begun and not registered; a fetch finishes it",
            )
            .next(fetch),
            (State::Registered, true) => {
                Finding::warn(check, "registered, and no connection has proved it yet").next(fetch)
            }
            (State::Unverified, true) => {
                Finding::warn(check, "no login has confirmed whose key it is").next(format!(
                    "git bitbucket login {}",
                    word(&record.account.name)
                ))
            }
            (State::Removing, _) => Finding::warn(check, "its removal was begun and not finished")
                .next(format!("git bitbucket key revoke {}", record.fingerprint)),
            (State::Verified, _) | (State::Registered | State::Unverified, false) => continue,
        };
        findings.push(finding.about(file));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(check, "no interrupted provisioning"));
    }
    findings
}
