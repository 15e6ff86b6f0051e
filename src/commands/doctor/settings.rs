//! Settings that do not count: misspelt, or standing where they may not.

use super::checkup::{Checkup, word};
use super::finding::Finding;
use super::{git, ssh_config};
use crate::settings::Origin;
use crate::text::sanitise;

/// One WARN for each setting that is ignored, one FAIL for each value that is none of its setting's.
pub(super) fn check(checkup: &Checkup<'_>) -> Vec<Finding> {
    let check = "settings";
    let examined = match &checkup.examined {
        Ok(examined) => examined,
        Err((why, hints)) => {
            let mut finding = Finding::fail(
                check,
                format!("they cannot be read: {}", why.trim().replace('\n', "; ")),
            );
            finding.next = if checkup.git_config.is_err() {
                Some(git::repair(checkup))
            } else {
                ssh_config::remedy(checkup, why).or_else(|| hints.first().cloned())
            };
            return vec![finding];
        }
    };
    let mut findings: Vec<_> = examined
        .ours
        .settings
        .ignored
        .iter()
        .map(|ignored| {
            let (key, next) = match &ignored.origin {
                Origin::GitConfig { file, key, .. } => {
                    (sanitise(key), unset(checkup, file.as_deref(), key))
                }
                Origin::Environment(name) => ((*name).to_owned(), Some(format!("unset {name}"))),
                Origin::CommandLine(_) | Origin::SshConfig | Origin::Default => {
                    (String::new(), None)
                }
            };
            let (value, why) = (sanitise(&ignored.value), sanitise(&ignored.why));
            let faults = &examined.ours.settings.invalid;
            let finding = if faults.values().any(|fault| fault == ignored) {
                Finding::fail(check, format!("'{value}' is not understood: {why}"))
            } else {
                Finding::warn(check, format!("{value} is ignored: {why}"))
            };
            let mut finding = finding.about(key);
            finding.next = next;
            finding
        })
        .collect();
    if findings.is_empty() {
        findings.push(Finding::ok(check, "none is misspelt or ignored"));
    }
    findings
}

fn unset(checkup: &Checkup<'_>, file: Option<&std::path::Path>, key: &str) -> Option<String> {
    let file = file?;
    if key.ends_with('*') {
        let folder = file.parent()?.parent()?;
        let folder = word(&checkup.shown(folder));
        return Some(format!("git config --global --add safe.directory {folder}"));
    }
    let file = word(&checkup.shown(file));
    Some(format!(
        "git config --file {file} --unset-all {}",
        word(key)
    ))
}
