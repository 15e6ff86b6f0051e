//! `doctor`: everything that can keep git from Bitbucket, each with the next step.
//!
//! One file for each group of checks; a check looks and judges, and changes nothing. `fix` does
//! the steps that are safe. Touches the network unless `--offline` is given.

mod account;
mod agent;
mod finding;
mod fix;
mod git;
mod host_keys;
mod keys;
mod leftovers;
mod network;
mod patient;
mod print;
mod remotes;
mod session;
mod settings;
mod ssh_config;
#[cfg(test)]
#[cfg(unix)]
mod tests;

pub(super) use git::is_ours_command as is_ours;
pub(super) use remotes::names_the_old_host;

use std::time::{Duration, Instant};

use super::Error;
use super::arguments::Doctor;
use super::call::Call;
use finding::{Finding, Verdict};
use patient::Patient;

/// Looks, prints, and with `--fix` does what is safe. `false`: something FAILed, or a step was
/// left undone since nobody could be asked.
pub(super) fn doctor(call: &mut Call<'_>, options: &Doctor) -> Result<bool, Error> {
    let groups = look(call, options)?;
    if options.json {
        let list = print::json(&groups);
        call.say(serde_json::to_string_pretty(&list).unwrap_or_default());
    } else {
        print::text(call, &groups);
    }
    let well = |groups: &[Group]| {
        let mut all = groups.iter().flat_map(|group| &group.findings);
        all.all(|finding| finding.verdict != Verdict::Fail)
    };
    if !options.fix {
        return Ok(well(&groups));
    }
    let steps = groups
        .into_iter()
        .flat_map(|group| group.findings)
        .filter_map(|finding| finding.fix);
    let done = fix::all(call, steps.collect(), options.yes)?;
    // Judged anew: what was put right FAILs no more.
    Ok(done && well(&look(call, options)?))
}

fn look(call: &mut Call<'_>, options: &Doctor) -> Result<Vec<Group>, Error> {
    let patient = Patient::read(call, options.target.as_deref(), options.offline)?;
    let patient = &patient;
    let (rooms, prompt) = (call.rooms, call.prompt);
    Ok(vec![
        group(patient, "git", git::check),
        group(patient, "ssh_config", ssh_config::check),
        group(patient, "settings", settings::check),
        group(patient, "key files", keys::check),
        group(patient, "agent", agent::check),
        group(patient, "account", |patient| account::check(patient, rooms)),
        group(patient, "host keys", host_keys::check),
        group(patient, "network", network::check),
        group(patient, "session", |patient| {
            session::check(patient, prompt)
        }),
        group(patient, "remotes", remotes::check),
        group(patient, "leftovers", leftovers::check),
    ])
}

/// Checks of one kind, and how long they took together.
struct Group {
    name: &'static str,
    findings: Vec<Finding>,
    took: Duration,
}

fn group<'p>(
    patient: &'p Patient<'p>,
    name: &'static str,
    check: impl FnOnce(&'p Patient<'p>) -> Vec<Finding>,
) -> Group {
    let begun = Instant::now();
    let mut findings = check(patient);
    let took = begun.elapsed();
    for finding in &mut findings {
        finding.text = patient.without_home(&finding.text);
    }
    Group {
        name,
        findings,
        took,
    }
}
