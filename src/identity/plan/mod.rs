//! The published order of identities (interface section 4), as one pure function.
//!
//! Ranks 1 to 5 are statements: the first that says anything closes the list. Ranks 6 to 8 are
//! what remains where nobody said anything. Reads nothing, asks nobody.

mod account_key;
mod accounts;
mod chosen;
mod fallback;

use crate::identity::key_file::KeyFileError;
use crate::identity::plan_inputs::PlanInputs;
use crate::identity::{
    Account, AccountId, Candidate, Identity, Offer, Plan, Rank, Reason, Skipped,
};
use account_key::AccountKey;

/// Keys of unknown accounts that one connection offers; Go's servers end it after six.
const KEYS_ON_A_CONNECTION: usize = 5;

/// The ordered list of identities that this connection may use.
pub fn plan(inputs: &PlanInputs<'_>) -> Plan {
    let mut draft = Draft {
        inputs,
        plan: Plan::default(),
    };
    draft.name_the_lost();
    for rank in [
        Rank::CommandLine,
        Rank::RepositoryConfig,
        Rank::ByUrl,
        Rank::SshConfigOnly,
        Rank::Plain,
    ] {
        let found = match rank {
            Rank::CommandLine => draft.command_line(),
            Rank::SshConfigOnly => draft.ssh_config_only(),
            _ => draft.statement(rank),
        };
        if !found.is_empty() || draft.plan.decided_by == Some(rank) {
            draft.plan.candidates = found;
            draft.plan.decided_by = Some(rank);
            return draft.plan;
        }
    }
    draft.open_end();
    draft.plan
}

struct Draft<'a, 'b> {
    inputs: &'a PlanInputs<'b>,
    plan: Plan,
}

impl Draft<'_, '_> {
    fn name_the_lost(&mut self) {
        for record in &self.inputs.lost {
            let file = record.file.display().to_string();
            self.pass_over(file, "its private key is no longer here");
        }
    }

    fn pass_over(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.leave_out(Skipped {
            what: what.into(),
            why: why.into(),
            file: None,
            key_forbidden: false,
        });
    }

    /// A key file that is there and cannot be used.
    fn pass_over_file(&mut self, error: &KeyFileError) {
        self.leave_out(Skipped {
            what: error.path().display().to_string(),
            why: error.clause(),
            file: Some(error.clone()),
            key_forbidden: false,
        });
    }

    /// Those that this rank names. Whether there is one.
    fn name_the_unusable(&mut self, of: Rank) -> bool {
        let unusable = self.inputs.unusable.iter();
        let mut found = false;
        for (_, error) in unusable.filter(|(rank, _)| *rank == of) {
            self.pass_over_file(error);
            found = true;
        }
        found
    }

    fn leave_out(&mut self, skipped: Skipped) {
        if !self.plan.skipped.contains(&skipped) {
            self.plan.skipped.push(skipped);
        }
    }

    /// What an account stands for: its managed identity; else a key here that its list shows;
    /// else a new key, where that is allowed. `None`: nothing, and the plan says why.
    fn stands_for(&mut self, name: &AccountId, reason: &Reason) -> Option<Candidate> {
        match AccountKey::of(self.inputs, name) {
            AccountKey::Identity(identity) => Some(Candidate {
                account: Some(name.clone()),
                offer: Offer::Identities(vec![*identity]),
                reason: reason.clone(),
            }),
            AccountKey::NewKey => Some(Candidate {
                account: Some(name.clone()),
                offer: Offer::NewKey,
                reason: reason.clone(),
            }),
            AccountKey::Nothing(why) => {
                self.leave_out(Skipped {
                    what: name.name.clone(),
                    why,
                    file: None,
                    key_forbidden: true,
                });
                None
            }
        }
    }

    /// One candidate for each run of keys of one account; keys of unknown accounts together.
    fn grouped(
        &self,
        identities: impl Iterator<Item = Identity>,
        reason: &Reason,
    ) -> Vec<Candidate> {
        let single = identities.map(|identity| Candidate {
            account: self.owner(&identity),
            offer: Offer::Identities(vec![identity]),
            reason: reason.clone(),
        });
        merged(single.collect())
    }

    /// Whose key it is, as far as records and key lists tell.
    fn owner(&self, identity: &Identity) -> Option<AccountId> {
        if identity.managed.is_some() {
            return identity.account().cloned();
        }
        let fingerprint = identity.fingerprint()?;
        self.accounts_here()
            .find(|account| account.key_fingerprints.contains(&fingerprint))
            .map(|account| account.account.clone())
    }

    fn accounts_here(&self) -> impl Iterator<Item = &Account> {
        let site = &self.inputs.site.url;
        let accounts = self.inputs.accounts.iter();
        accounts.filter(move |account| account.account.site == *site)
    }

    fn account_name(&self, name: &str) -> AccountId {
        AccountId {
            site: self.inputs.site.url.clone(),
            name: name.to_owned(),
        }
    }
}

/// Neighbours of the same account, or of none, on one connection; never more than it may offer.
fn merged(candidates: Vec<Candidate>) -> Vec<Candidate> {
    let mut merged: Vec<Candidate> = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        match (merged.last_mut(), &candidate.offer) {
            (Some(last), Offer::Identities(keys)) if last.account == candidate.account => {
                match &mut last.offer {
                    Offer::Identities(before)
                        if before.len() + keys.len() <= KEYS_ON_A_CONNECTION =>
                    {
                        before.extend(keys.iter().cloned());
                    }
                    _ => merged.push(candidate),
                }
            }
            _ => merged.push(candidate),
        }
    }
    merged
}

#[cfg(test)]
mod tests;
