//! The agent: reachable, holds the key, not too many others.

use super::finding::{Finding, counted};
use super::patient::{Patient, word};
use crate::identity::{Holder, Identity, Offer, agent, key_pair};

/// A server closes the connection after six tries (sshd_config(5), MaxAuthTries).
const MOST_KEYS: usize = 5;

/// Reachable, then what it holds.
pub(super) fn check(patient: &Patient<'_>) -> Vec<Finding> {
    let Ok(examined) = &patient.examined else {
        return vec![Finding::skip("agent", "the settings cannot be read")];
    };
    let Some(socket) = agent::socket(&examined.config, patient.context) else {
        return vec![
            Finding::skip("agent", "there is none, and none is needed")
                .next("eval \"$(ssh-agent)\""),
        ];
    };
    let held = match agent::identities(&socket) {
        Ok(held) => held,
        Err(error) => {
            return vec![Finding::fail("agent", error.to_string()).next("eval \"$(ssh-agent)\"")];
        }
    };
    let mut findings = vec![Finding::ok(
        "agent",
        format!("answers at {}", patient.shown(&socket)),
    )];
    findings.extend(key(patient, &held));
    let number = held.len();
    let chosen = examined.ours.plan.closed_by.is_some()
        || examined
            .ours
            .plan
            .candidates
            .first()
            .is_some_and(|first| first.account.is_some());
    findings.push(if number <= MOST_KEYS {
        Finding::ok("agent-keys", counted(number, "key"))
    } else if chosen {
        Finding::ok(
            "agent-keys",
            format!("{number} keys; only the chosen account's are offered"),
        )
    } else {
        Finding::warn(
            "agent-keys",
            format!(
                "{number} keys: servers hang up after six, so the right one may not be reached"
            ),
        )
        .next(match patient.account() {
            Some(account) => format!("git bitbucket use {} --global", word(&account)),
            None => "git bitbucket login".to_owned(),
        })
    });
    findings
}

/// Whether it holds the first identity of the plan.
fn key(patient: &Patient<'_>, held: &[Identity]) -> Option<Finding> {
    let check = "agent-key";
    let examined = patient.examined.as_ref().ok()?;
    let first =
        examined
            .ours
            .plan
            .candidates
            .iter()
            .find_map(|candidate| match &candidate.offer {
                Offer::Identities(identities) => identities.first(),
                Offer::NewKey => None,
            })?;
    let fingerprint = first.fingerprint()?;
    if held
        .iter()
        .any(|key| key.fingerprint().as_ref() == Some(&fingerprint))
    {
        return Some(Finding::ok(
            check,
            format!("holds {fingerprint}, which goes first"),
        ));
    }
    let Holder::File(file) = &first.holder else {
        return Some(Finding::fail(check, format!("does not hold {fingerprint}")).next("ssh-add"));
    };
    let shown = word(&patient.shown(file));
    Some(match key_pair::open(file, None) {
        Ok(_) => Finding::ok(
            check,
            "not needed: the key file that goes first has no passphrase",
        ),
        Err(_) => Finding::warn(
            check,
            "does not hold the key that goes first; its passphrase is asked for",
        )
        .next(format!("ssh-add {shown}")),
    })
}
