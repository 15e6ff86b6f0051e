//! `doctor`: everything that can keep git from Bitbucket, each with the next step.
//!
//! One file for each group of checks; a check looks and judges, and changes nothing. `fix` does
//! the steps that are safe. Touches the network unless `--offline` is given.

mod account;
mod checkup;
mod finding;
mod fix;
mod git;
mod host_keys;
mod keys;
mod network;
mod session;
mod ssh_config;
#[cfg(test)]
#[cfg(unix)]
mod tests;

pub(super) use git::is_ours_command as is_ours;
pub(super) use git::names_the_old_host;

use std::time::{Duration, Instant};

use checkup::Checkup;
use finding::{Finding, Verdict};

use super::Error;
use super::arguments::Doctor;
use super::context::CommandContext;

/// Looks, prints, and with `--fix` does what is safe. `false`: something FAILed, or a step was
/// left undone since nobody could be asked.
pub(super) fn doctor(call: &mut CommandContext<'_>, options: &Doctor) -> Result<bool, Error> {
    let groups = look(call, options)?;
    if options.json {
        let list = finding::json(&groups);
        call.say(crate::text::fence_json(&format!("{list:#}")));
    } else {
        finding::text(call, &groups);
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

fn look(call: &mut CommandContext<'_>, options: &Doctor) -> Result<Vec<Group>, Error> {
    let checkup = Checkup::read(call, options.target.as_deref(), options.offline)?;
    let checkup = &checkup;
    let (rooms, prompt) = (call.rooms, call.prompt);
    Ok(vec![
        group(checkup, "git", git::check),
        group(checkup, "ssh_config", ssh_config::check),
        group(checkup, "settings", git::settings),
        group(checkup, "key files", keys::files),
        group(checkup, "agent", keys::agent),
        group(checkup, "account", |checkup| account::check(checkup, rooms)),
        group(checkup, "host keys", host_keys::check),
        group(checkup, "network", network::check),
        group(checkup, "session", |checkup| {
            session::check(checkup, prompt)
        }),
        group(checkup, "remotes", git::remotes),
        group(checkup, "leftovers", keys::leftovers),
    ])
}

/// Checks of one kind, and how long they took together.
struct Group {
    name: &'static str,
    findings: Vec<Finding>,
    took: Duration,
}

fn group<'p>(
    checkup: &'p Checkup<'p>,
    name: &'static str,
    check: impl FnOnce(&'p Checkup<'p>) -> Vec<Finding>,
) -> Group {
    let begun = Instant::now();
    let mut findings = check(checkup);
    let took = begun.elapsed();
    for finding in &mut findings {
        finding.text = checkup.without_home(&finding.text);
    }
    Group {
        name,
        findings,
        took,
    }
}
