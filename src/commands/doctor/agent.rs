//! The agent: reachable, holds the key, not too many others.

use super::checkup::{Checkup, word};
use super::finding::{Finding, counted};
use crate::identity::{Holder, Identity, Offer, agent, key_file};

/// A server closes the connection after six tries (sshd_config(5), MaxAuthTries).
const MOST_KEYS: usize = 5;

/// Reachable, then what it holds.
pub(super) fn check(checkup: &Checkup<'_>) -> Vec<Finding> {
    let Ok(examined) = &checkup.examined else {
        return vec![Finding::skip("agent", "the settings cannot be read")];
    };
    let Some(socket) = agent::socket(&examined.config, checkup.context) else {
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
        format!("answers at {}", checkup.shown(&socket)),
    )];
    findings.extend(key(checkup, &held));
    let number = held.len();
    let chosen = examined.ours.plan.decided_by.is_some()
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
        .next(match checkup.account() {
            Some(account) => format!("git bitbucket use {} --global", word(&account)),
            None => "git bitbucket login".to_owned(),
        })
    });
    findings
}

/// Whether it holds the first identity of the plan.
fn key(checkup: &Checkup<'_>, held: &[Identity]) -> Option<Finding> {
    let check = "agent-key";
    let examined = checkup.examined.as_ref().ok()?;
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
    let shown = word(&checkup.shown(file));
    Some(match key_file::open(file, None) {
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
