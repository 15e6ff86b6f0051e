//! Rank 8: keys whose account is not known, from ssh_config, the agent and the default files.

use super::{Draft, KEYS_PER_CONNECTION};
use crate::identity::plan_inputs::LastServed;
use crate::identity::{Candidate, Identity, Offer, Rank, Reason};
use crate::settings::Origin;

/// Keys of unknown accounts that one git command offers.
const KEYS_PER_COMMAND: usize = 12;

impl Draft<'_, '_> {
    /// Rank 8, without the keys that are in the plan already. As with ssh(1), IdentitiesOnly leaves
    /// out the agent's keys, and an IdentityFile the default files.
    pub(super) fn fallback(&mut self, before: &[Candidate]) -> Vec<Candidate> {
        let inputs = self.inputs;
        let ssh_config = &inputs.ssh_config;
        let agent: &[Identity] = if ssh_config.identities_only {
            &[]
        } else {
            &inputs.keys.agent
        };
        let default_files: &[Identity] = if ssh_config.names_files {
            &[]
        } else {
            &inputs.keys.default_files
        };
        self.skip_unusable(Rank::SshConfigOnly);
        if !ssh_config.names_files {
            self.skip_unusable(Rank::Fallback);
        }
        let mut seen: Vec<String> = before
            .iter()
            .flat_map(|candidate| match &candidate.offer {
                Offer::Identities(identities) => identities.as_slice(),
                Offer::NewKey => &[],
            })
            .filter_map(Identity::fingerprint)
            .collect();
        let mut unknown: Vec<(&Identity, Reason)> = Vec::new();
        for (identities, text, origin) in [
            (ssh_config.files.as_slice(), "IdentityFile", None),
            (
                agent,
                "in the agent",
                Some(Origin::Environment("SSH_AUTH_SOCK")),
            ),
            (default_files, "default key file", Some(Origin::Default)),
        ] {
            for identity in identities {
                let fingerprint = identity.fingerprint();
                if fingerprint.as_ref().is_some_and(|one| seen.contains(one)) {
                    continue;
                }
                seen.extend(fingerprint);
                let reason = Reason {
                    rank: Rank::Fallback,
                    origin: origin
                        .clone()
                        .unwrap_or_else(|| ssh_config.origin(identity.file.as_deref())),
                    text: text.to_owned(),
                };
                unknown.push((identity, reason));
            }
        }
        if let Some(served) = self.served_key() {
            unknown.sort_by_key(|(identity, _)| identity.fingerprint().as_ref() != Some(served));
        }
        for (identity, _) in unknown.iter().skip(KEYS_PER_COMMAND) {
            self.skip(shown(identity), "more keys than one command offers");
        }
        unknown.truncate(KEYS_PER_COMMAND);
        unknown
            .chunks(KEYS_PER_CONNECTION)
            .map(|keys| Candidate {
                account: None,
                offer: Offer::Identities(keys.iter().map(|(key, _)| (*key).clone()).collect()),
                reason: keys[0].1.clone(),
            })
            .collect()
    }

    fn served_key(&self) -> Option<&String> {
        let history = &self.inputs.history;
        let mut served = [&history.repository, &history.workspace]
            .into_iter()
            .flatten();
        served.find_map(|served| match served {
            LastServed::Key(fingerprint) => Some(fingerprint),
            LastServed::Account(_) => None,
        })
    }
}

/// A key as its user knows it: its file, else its fingerprint.
fn shown(identity: &Identity) -> String {
    let file = identity.file.as_deref().map(std::path::Path::display);
    match (file, identity.fingerprint()) {
        (Some(file), _) => file.to_string(),
        (None, Some(fingerprint)) => fingerprint,
        (None, None) => "a key".to_owned(),
    }
}
