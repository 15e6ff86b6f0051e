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
    let well = |groups: &[(&str, Vec<Finding>)]| {
        let mut all = groups.iter().flat_map(|(_, findings)| findings);
        all.all(|finding| finding.verdict != Verdict::Fail)
    };
    if !options.fix {
        return Ok(well(&groups));
    }
    let steps = groups
        .into_iter()
        .flat_map(|(_, findings)| findings)
        .filter_map(|finding| finding.fix);
    let done = fix::all(call, steps.collect(), options.yes)?;
    // Judged anew: what was put right FAILs no more.
    Ok(done && well(&look(call, options)?))
}

fn look(call: &mut Call<'_>, options: &Doctor) -> Result<Vec<(&'static str, Vec<Finding>)>, Error> {
    let patient = Patient::read(call, options.target.as_deref(), options.offline)?;
    Ok(vec![
        ("git", git::check(&patient)),
        ("ssh_config", ssh_config::check(&patient)),
        ("settings", settings::check(&patient)),
        ("key files", keys::check(&patient)),
        ("agent", agent::check(&patient)),
        ("account", account::check(&patient, call.rooms)),
        ("host keys", host_keys::check(&patient)),
        ("network", network::check(&patient)),
        ("session", session::check(&patient, call.prompt)),
        ("remotes", remotes::check(&patient)),
        ("leftovers", leftovers::check(&patient)),
    ])
}
