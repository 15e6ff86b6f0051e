//! Which identities a connection uses, in which order, and why.
//!
//! Ranks 1 to 5 are explicit choices: the first rank that makes one decides, and no other identity
//! is used. Without a choice, ranks 6 to 8 apply: accounts that worked before, accounts known on
//! this machine, and last the keys whose account is not known. Nothing is read or asked here.

mod accounts;
mod chosen;
mod fallback;

use crate::identity::key_file::KeyFileError;
use crate::identity::plan_inputs::PlanInputs;
use crate::identity::{
    Account, AccountId, Candidate, Identity, Offer, Plan, Rank, Reason, Skipped, UnresolvedAccount,
};
use crate::settings::{FileLine, Origin};

/// Keys of unknown accounts that one connection offers; Go's servers end it after six.
const KEYS_PER_CONNECTION: usize = 5;

/// The ordered list of identities that this connection may use.
pub fn plan(inputs: &PlanInputs<'_>) -> Plan {
    let mut draft = Draft {
        inputs,
        plan: Plan::default(),
    };
    for record in &inputs.keys.lost {
        let file = record.file.display().to_string();
        draft.skip(file, "its private key file no longer exists");
    }
    for rank in [
        Rank::CommandLine,
        Rank::RepositoryConfig,
        Rank::ByUrl,
        Rank::SshConfigOnly,
        Rank::Plain,
    ] {
        let candidates = match rank {
            Rank::CommandLine => draft.command_line(),
            Rank::SshConfigOnly => draft.ssh_config_only(),
            _ => draft.configured(rank),
        };
        if !candidates.is_empty() || draft.plan.decided_by == Some(rank) {
            draft.plan.candidates = candidates;
            draft.plan.decided_by = Some(rank);
            return draft.plan;
        }
    }
    draft.plan.candidates = draft.not_chosen();
    draft.plan
}

/// The accounts with which git reaches a repository over HTTPS, in order.
#[derive(Debug, Clone, Default)]
pub struct AccountOrder {
    /// Each account with the reason for it. Empty: none is known.
    pub accounts: Vec<(AccountId, Reason)>,
    /// As [`Plan::unresolved`].
    pub unresolved: Option<UnresolvedAccount>,
    /// The rank whose choice leaves no other account. `None`: nothing is chosen.
    pub decided_by: Option<Rank>,
}

/// [`plan`] for a connection that needs an account and no key: the same ranks in the same order,
/// without those that name keys (4 and 8). A configured key file counts by the account it belongs to.
pub fn account_order(inputs: &PlanInputs<'_>) -> AccountOrder {
    let mut draft = Draft {
        inputs,
        plan: Plan::default(),
    };
    for rank in [
        Rank::CommandLine,
        Rank::RepositoryConfig,
        Rank::ByUrl,
        Rank::Plain,
    ] {
        let accounts = draft.chosen_accounts(rank);
        if !accounts.is_empty() || draft.plan.unresolved.is_some() {
            return AccountOrder {
                accounts,
                unresolved: draft.plan.unresolved,
                decided_by: Some(rank),
            };
        }
    }
    AccountOrder {
        accounts: draft.known_accounts(),
        unresolved: None,
        decided_by: None,
    }
}

/// A plan in the making.
struct Draft<'a, 'b> {
    inputs: &'a PlanInputs<'b>,
    plan: Plan,
}

impl Draft<'_, '_> {
    fn skip(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.push_skipped(Skipped {
            what: what.into(),
            why: why.into(),
            file: None,
            key_forbidden: false,
        });
    }

    /// A key file that exists and cannot be used.
    fn skip_file(&mut self, error: &KeyFileError) {
        let origin = self.inputs.ssh_config.origin(Some(error.path()));
        self.push_skipped(Skipped {
            what: error.path().display().to_string(),
            why: format!("{}{}", error.clause(), named_at(&origin)),
            file: Some(error.clone()),
            key_forbidden: false,
        });
    }

    /// The key files named by this rank that cannot be used. `false`: there is none.
    fn skip_unusable(&mut self, rank: Rank) -> bool {
        let unusable = self.inputs.keys.unusable.iter();
        let mut found = false;
        for (_, error) in unusable.filter(|(of, _)| *of == rank) {
            self.skip_file(error);
            found = true;
        }
        found
    }

    fn push_skipped(&mut self, skipped: Skipped) {
        if !self.plan.skipped.contains(&skipped) {
            self.plan.skipped.push(skipped);
        }
    }

    /// One candidate for each run of keys of one account; keys of unknown accounts together.
    fn by_account(
        &self,
        identities: impl Iterator<Item = Identity>,
        reason: &Reason,
    ) -> Vec<Candidate> {
        let single = identities.map(|identity| Candidate {
            account: self.account_of(&identity),
            offer: Offer::Identities(vec![identity]),
            reason: reason.clone(),
        });
        merged(single.collect())
    }

    /// The account that a key belongs to, by the records and the accounts' key lists.
    fn account_of(&self, identity: &Identity) -> Option<AccountId> {
        if identity.managed.is_some() {
            return identity.account().cloned();
        }
        let fingerprint = identity.fingerprint()?;
        self.accounts_of_site()
            .find(|account| account.key_fingerprints.contains(&fingerprint))
            .map(|account| account.account.clone())
    }

    fn accounts_of_site(&self) -> impl Iterator<Item = &Account> {
        let site = &self.inputs.site.url;
        let accounts = self.inputs.accounts.recorded.iter();
        accounts.filter(move |account| account.account.site == *site)
    }

    fn account_id(&self, name: &str) -> AccountId {
        AccountId {
            site: self.inputs.site.url.clone(),
            name: name.to_owned(),
        }
    }
}

/// ` (FILE:LINE)` for a line of ssh_config.
fn named_at(origin: &Origin) -> String {
    match origin {
        Origin::SshConfig(Some(FileLine { file, line })) => {
            format!(" ({}:{line})", file.display())
        }
        _ => String::new(),
    }
}

/// Puts neighbours of the same account, or of none, on one connection, up to what it may offer.
fn merged(candidates: Vec<Candidate>) -> Vec<Candidate> {
    let mut merged: Vec<Candidate> = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        if let Some(last) = merged.last_mut()
            && last.account == candidate.account
            && let Offer::Identities(before) = &mut last.offer
            && let Offer::Identities(keys) = &candidate.offer
            && before.len() + keys.len() <= KEYS_PER_CONNECTION
        {
            before.extend(keys.iter().cloned());
        } else {
            merged.push(candidate);
        }
    }
    merged
}

#[cfg(test)]
mod tests;
