//! A real session: connect, log in, ask for the repository's refs and hang up.
//!
//! Makes no key and writes nothing on the site; the identities are tried in the plan's order.

use std::io::{Read as _, Seek as _, Write as _};
use std::time::Instant;

use super::checkup::{Checkup, word};
use super::finding::Finding;
use crate::commands::rooms::Examined;
use crate::connection::managed_keys::ManagedKeys;
use crate::identity::{Candidate, Identity, Offer};
use crate::prompt::Prompt;
use crate::report;
use crate::repository::Service;
use crate::text::sanitise;
use crate::transport::native::run_between;
use crate::transport::{Error, Outcome, Session, Streams};

/// The first candidate that is served ends it.
pub(super) fn check(checkup: &Checkup<'_>, prompt: &dyn Prompt) -> Vec<Finding> {
    let check = "session";
    if checkup.offline {
        return vec![Finding::skip(check, "--offline").next(checkup.again(""))];
    }
    let Ok(examined) = &checkup.examined else {
        return vec![Finding::skip(
            check,
            "not checked: the settings cannot be read",
        )];
    };
    let mut findings = Vec::new();
    let mut new_key = false;
    for candidate in &examined.ours.plan.candidates {
        let Offer::Identities(identities) = &candidate.offer else {
            new_key = true;
            continue;
        };
        let begun = Instant::now();
        let (finding, done) = one(checkup, examined, candidate, identities, prompt);
        findings.push(finding.took(begun.elapsed()));
        if done {
            return findings;
        }
    }
    if new_key {
        let text = "no existing key has access; the next fetch creates one";
        findings.push(Finding::warn(check, text).next(checkup.fetch()));
    } else if findings.is_empty() {
        let text = "no key to log in with";
        findings.push(Finding::fail(check, text).next("git bitbucket login"));
    }
    findings
}

/// One candidate's connection, and whether it ends the search.
fn one(
    checkup: &Checkup<'_>,
    examined: &Examined,
    candidate: &Candidate,
    identities: &[Identity],
    prompt: &dyn Prompt,
) -> (Finding, bool) {
    let check = "session";
    let who = candidate.account.as_ref().map_or_else(
        || "a key of an unknown account".to_owned(),
        ToString::to_string,
    );
    let ours = &examined.ours;
    let what = match &ours.located.repository {
        Some(repository) => repository.to_string(),
        None => ours.located.site.url.clone(),
    };
    match talk(checkup, examined, identities, prompt) {
        Ok(Outcome::Completed {
            identity, endpoint, ..
        }) => {
            let text = format!(
                "{who} has access to {what} with {identity} through {}",
                endpoint.address.host
            );
            (Finding::ok(check, text), true)
        }
        Ok(Outcome::ServedWithoutKey { .. }) => {
            let text = format!("{who} has access to {what} without a key");
            (Finding::ok(check, text), true)
        }
        Ok(Outcome::RepositoryDenied { stderr, .. }) => {
            let said = sanitise(String::from_utf8_lossy(&stderr).trim());
            let text = format!("logged in as {who}, which has no access to {what}: {said}");
            (
                Finding::fail(check, text).next(match checkup.target() {
                    Some(target) => format!("git bitbucket status {}", word(target)),
                    None => "git bitbucket status".to_owned(),
                }),
                false,
            )
        }
        Ok(Outcome::AuthenticationFailed(refusal)) => {
            let text = format!(
                "login as {who} failed (user {}): Permission denied",
                refusal.user
            );
            let next = match &candidate.account {
                Some(account) => format!("git bitbucket key new --account {}", word(&account.name)),
                None => "git bitbucket login".to_owned(),
            };
            (Finding::fail(check, text).next(next), false)
        }
        Err(error) => {
            let told = report::connection::explain(&error.into());
            let mut finding = Finding::fail(check, told.what.lines().last().unwrap_or_default());
            finding.next = told
                .hints
                .iter()
                .find_map(|hint| pasteable(hint))
                .or_else(|| Some(checkup.again("--offline")));
            (finding, true)
        }
    }
}

/// What a hint says to be typed: the hint, or what stands behind its words. `None`: only words.
fn pasteable(hint: &str) -> Option<String> {
    let behind = hint.split_once(": ").map(|(_, behind)| behind);
    let is_line = |text: &&str| {
        let program = text.split(' ').next().unwrap_or_default();
        matches!(program, "git" | "ssh" | "ssh-add" | "ssh-keygen" | "chmod")
    };
    let line = [Some(hint), behind].into_iter().flatten().find(is_line);
    line.map(str::to_owned)
}

/// `git-upload-pack` with a flush packet: the refs come, nothing is wanted. Without a repository
/// the site's greeting.
fn talk(
    checkup: &Checkup<'_>,
    examined: &Examined,
    identities: &[Identity],
    prompt: &dyn Prompt,
) -> Result<Outcome, Error> {
    let local = |error: std::io::Error| Error::Local(error.to_string());
    let mut flush = tempfile::tempfile_in(checkup.context.temporary_directory()).map_err(local)?;
    let ours = &examined.ours;
    let (command, service) = match &ours.located.repository {
        Some(repository) => {
            flush.write_all(b"0000").map_err(local)?;
            flush.rewind().map_err(local)?;
            let path = match ours.located.site.kind {
                crate::repository::SiteKind::Cloud => format!("{repository}.git"),
                crate::repository::SiteKind::DataCenter => format!("/{repository}.git"),
            };
            (
                Some(format!("git-upload-pack '{path}'").into_bytes()),
                Service::UploadPack,
            )
        }
        None => (None, Service::Other),
    };
    let folder = checkup.context.temporary_directory();
    let output = tempfile::tempfile_in(&folder).map_err(local)?;
    let mut errors = tempfile::tempfile_in(&folder).map_err(local)?;
    let Ok(git_config) = &checkup.git_config else {
        return Err(Error::Local(
            "git's configuration cannot be read".to_owned(),
        ));
    };
    let keys = ManagedKeys::new(
        checkup.context,
        &ours.located.site,
        &ours.settings,
        git_config,
    );
    let passphrase = |file: &std::path::Path| keys.passphrase(identities, file);
    let session = Session {
        endpoints: ours.endpoints.clone(),
        user: ours.user.clone(),
        typed_host: ours
            .endpoints
            .first()
            .map_or_else(String::new, |first| first.address.host.clone()),
        config: &examined.config,
        identities: identities.to_vec(),
        command,
        service,
        environment: Vec::new(),
        no_stdin: false,
        prompt,
        passphrase: &passphrase,
        site_fingerprints: ours.records.site_fingerprints(&ours.located.site.url),
        as_ssh: false,
        context: checkup.context,
    };
    let streams = Streams::of(Some(flush), output, errors.try_clone().map_err(local)?);
    let outcome = run_between(session, streams)?;
    let mut said = String::new();
    let _ = errors
        .rewind()
        .and_then(|()| errors.read_to_string(&mut said));
    tracing::debug!("session: {}", sanitise(said.trim()));
    Ok(outcome)
}
