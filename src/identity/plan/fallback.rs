//! Rank 8: keys of unknown accounts, from ssh_config, the agent and the default files.

use std::path::Path;

use super::{Draft, KEYS_ON_A_CONNECTION};
use crate::identity::plan_inputs::{LastServed, PlanInputs};
use crate::identity::{Candidate, Identity, Offer, Rank, Reason};
use crate::settings::Origin;

/// Keys of unknown accounts that one git command offers.
const KEYS_OF_A_COMMAND: usize = 12;

impl Draft<'_, '_> {
    /// Rank 8, without what stands in the plan already.
    pub(super) fn rest(&mut self, before: &[Candidate]) -> Vec<Candidate> {
        let inputs = self.inputs;
        if inputs.identities_only {
            return Vec::new();
        }
        self.name_the_unusable(Rank::SshConfigOnly);
        self.name_the_unusable(Rank::Fallback);
        let offered: Vec<String> = before
            .iter()
            .flat_map(|candidate| match &candidate.offer {
                Offer::Identities(identities) => identities.as_slice(),
                Offer::NewKey => &[],
            })
            .filter_map(Identity::fingerprint)
            .collect();
        let sources = [
            (&inputs.ssh_config_files, "IdentityFile", Origin::SshConfig),
            (
                &inputs.agent,
                "in the agent",
                Origin::Environment("SSH_AUTH_SOCK"),
            ),
            (&inputs.default_files, "default key file", Origin::Default),
        ];
        let mut seen = offered;
        let mut unknown: Vec<(Identity, Reason)> = Vec::new();
        for (identities, text, origin) in sources {
            for identity in identities {
                let fingerprint = identity.fingerprint();
                if fingerprint
                    .as_ref()
                    .is_some_and(|print| seen.contains(print))
                {
                    continue;
                }
                seen.extend(fingerprint);
                let reason = Reason {
                    rank: Rank::Fallback,
                    origin: origin.clone(),
                    text: text.to_owned(),
                };
                unknown.push((identity.clone(), reason));
            }
        }
        if let Some(served) = served_key(inputs) {
            unknown.sort_by_key(|(identity, _)| identity.fingerprint().as_ref() != Some(served));
        }
        for (identity, _) in unknown.iter().skip(KEYS_OF_A_COMMAND) {
            let what = shown(identity);
            self.pass_over(what, "more keys than one command offers");
        }
        unknown.truncate(KEYS_OF_A_COMMAND);
        unknown
            .chunks(KEYS_ON_A_CONNECTION)
            .map(|keys| Candidate {
                account: None,
                offer: Offer::Identities(keys.iter().map(|(key, _)| key.clone()).collect()),
                reason: keys[0].1.clone(),
            })
            .collect()
    }
}

fn served_key<'s>(inputs: &'s PlanInputs<'_>) -> Option<&'s String> {
    [&inputs.served_repository, &inputs.served_workspace]
        .into_iter()
        .flatten()
        .find_map(|served| match served {
            LastServed::Key(fingerprint) => Some(fingerprint),
            LastServed::Account(_) => None,
        })
}

/// A key as people know it: its file, else its fingerprint.
fn shown(identity: &Identity) -> String {
    let file = identity.file.as_deref().map(Path::display);
    match (file, identity.fingerprint()) {
        (Some(file), _) => file.to_string(),
        (None, Some(fingerprint)) => fingerprint,
        (None, None) => "a key".to_owned(),
    }
}
