//! Ranks 6 and 7: the accounts of this machine, where nobody said anything; rank 8 behind them.

use super::Draft;
use crate::identity::plan_inputs::LastServed;
use crate::identity::{AccountId, Candidate, Offer, Rank, Reason};
use crate::settings::Origin;

impl Draft<'_, '_> {
    /// Ranks 6 to 8: accounts that have an identity, new ones, then everything else.
    pub(super) fn open_end(&mut self) {
        let mut ready: Vec<Candidate> = Vec::new();
        let mut new: Vec<Candidate> = Vec::new();
        for (name, reason) in self.accounts_in_order() {
            let known = ready
                .iter()
                .chain(&new)
                .any(|candidate| candidate.account.as_ref() == Some(&name));
            if known {
                continue;
            }
            match self.stands_for(&name, &reason) {
                Some(candidate) if matches!(candidate.offer, Offer::NewKey) => {
                    if self.may_get_a_key(&name) {
                        new.push(candidate);
                    } else {
                        self.pass_over(name.name, "has no key here and is not logged in");
                    }
                }
                Some(candidate) => ready.push(candidate),
                None => {}
            }
        }
        // A URL's own user name addresses one account: those that bear it go first.
        let user = self.inputs.user;
        if user != "git" {
            let bears = |candidate: &Candidate| {
                let account = candidate.account.as_ref();
                account.is_some_and(|name| self.bears_user_name(name, user))
            };
            ready.sort_by_key(|candidate| !bears(candidate));
            new.sort_by_key(|candidate| !bears(candidate));
        }
        let mut candidates = ready;
        candidates.extend(new);
        let rest = self.rest(&candidates);
        candidates.extend(rest);
        self.plan.candidates = candidates;
    }

    /// Ranks 6 and 7, in order, with repetitions.
    fn accounts_in_order(&mut self) -> Vec<(AccountId, Reason)> {
        let inputs = self.inputs;
        let mut order = Vec::new();
        for (served, text) in [
            (&inputs.served_repository, "last served this repository"),
            (&inputs.served_workspace, "last served this workspace"),
        ] {
            if let Some(LastServed::Account(name)) = served {
                order.push((name.clone(), Rank::History, Origin::Default, text));
            }
        }
        if let Some(name) = &inputs.environment_account {
            let origin = Origin::Environment("BITBUCKET_EMAIL");
            order.push((name.clone(), Rank::Accounts, origin, "of the environment"));
        }
        for account in self.accounts_here().filter(|account| account.logged_in) {
            let name = account.account.name.clone();
            order.push((name, Rank::Accounts, Origin::Default, "logged in"));
        }
        for identity in &inputs.managed {
            if let Some(record) = identity.managed.as_ref().filter(|m| m.repository.is_none()) {
                let name = record.account.name.clone();
                order.push((
                    name,
                    Rank::Accounts,
                    Origin::Default,
                    "has an identity here",
                ));
            }
        }
        order
            .into_iter()
            .map(|(name, rank, origin, text)| {
                let text = text.to_owned();
                (self.account_name(&name), Reason { rank, origin, text })
            })
            .collect()
    }

    /// Nobody named the account: a key is made only where a token is known to be, or finished
    /// where one was begun.
    fn may_get_a_key(&self, name: &AccountId) -> bool {
        let inputs = self.inputs;
        let of_environment = inputs.environment_account.as_deref();
        of_environment.is_some_and(|account| account.eq_ignore_ascii_case(&name.name))
            || self
                .accounts_here()
                .any(|account| account.account == *name && account.logged_in)
            || inputs
                .managed
                .iter()
                .filter_map(|identity| identity.managed.as_ref())
                .any(|record| record.account == *name && record.repository.is_none())
    }

    fn bears_user_name(&self, name: &AccountId, user: &str) -> bool {
        self.accounts_here()
            .any(|account| account.account == *name && account.user_name.as_deref() == Some(user))
    }
}
