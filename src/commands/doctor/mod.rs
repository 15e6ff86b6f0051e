//! `doctor`: everything that can keep git from Bitbucket, each with the next step.
//!
//! A check reads and judges, and changes nothing; `fix` does the steps that are safe. Uses the
//! network unless `--offline` is given.

mod account;
mod checkup;
mod finding;
mod fix;
pub(in crate::commands) mod git;
mod host_keys;
mod keys;
mod network;
mod ssh_config;
#[cfg(test)]
#[cfg(unix)]
mod tests;

pub(super) use git::names_the_old_host;
pub(super) use git::runs_bitbucket_ssh;

use std::time::{Duration, Instant};

use checkup::Checkup;
use finding::{Finding, Verdict};

use super::Error;
use super::arguments::Doctor;
use super::context::CommandContext;

/// Prints what every check found, and with `--fix` does the steps that are safe. `false`: a check
/// FAILed, or nobody could be asked about a step.
pub(super) fn doctor(call: &mut CommandContext<'_>, options: &Doctor) -> Result<bool, Error> {
    let groups = examine(call, options)?;
    if options.json {
        call.say_json(&finding::json(&groups));
    } else {
        finding::text(call, &groups);
    }
    let healthy = |groups: &[Group]| {
        let mut all = groups.iter().flat_map(|group| &group.findings);
        all.all(|finding| finding.verdict != Verdict::Fail)
    };
    if !options.fix {
        return Ok(healthy(&groups));
    }
    let findings = groups.into_iter().flat_map(|group| group.findings);
    let steps: Vec<_> = findings.filter_map(|finding| finding.fix).collect();
    let repairs = steps.len();
    let done = fix::all(call, steps, options.yes)?;
    // What was repaired FAILs no more.
    let after = examine(call, options)?;
    if done && repairs > 0 && !options.json {
        call.say("after --fix:");
        finding::tally(call, &after);
    }
    Ok(done && healthy(&after))
}

fn examine(call: &CommandContext<'_>, options: &Doctor) -> Result<Vec<Group>, Error> {
    let checkup = &Checkup::read(call, options.target.as_deref(), options.offline)?;
    let account = || checkup.with_settings("token", |seen| account::check(checkup, seen));
    let host_keys = || checkup.with_settings("host-keys", |seen| host_keys::check(checkup, seen));
    let agent = || checkup.with_settings("agent", |seen| keys::agent(checkup, seen));
    Ok(vec![
        group(checkup, "git", || git::check(checkup)),
        group(checkup, "ssh_config", || ssh_config::check(checkup)),
        group(checkup, "settings", || git::settings(checkup)),
        group(checkup, "key files", || keys::files(checkup)),
        group(checkup, "agent", agent),
        group(checkup, "account", account),
        group(checkup, "host keys", host_keys),
        group(checkup, "network", || network::check(checkup)),
        group(checkup, "session", || {
            network::session(checkup, call.prompt)
        }),
        group(checkup, "remotes", || git::remotes(checkup)),
        group(checkup, "leftovers", || keys::leftovers(checkup)),
    ])
}

/// Checks of one kind, and how long they took together.
struct Group {
    name: &'static str,
    findings: Vec<Finding>,
    took: Duration,
}

fn group(checkup: &Checkup<'_>, name: &'static str, check: impl FnOnce() -> Vec<Finding>) -> Group {
    let start = Instant::now();
    let mut findings = check();
    let took = start.elapsed();
    for finding in &mut findings {
        finding.text = checkup.without_home(&finding.text);
    }
    Group {
        name,
        findings,
        took,
    }
}
