//! Ranks 6 and 7: the accounts known on this machine, where none is chosen. Also the key of an
//! account, which every rank that names an account uses.

use super::Draft;
use crate::identity::plan_inputs::{LastServed, PlanInputs};
use crate::identity::{
    AccountId, Candidate, Identity, ManagedKey, Offer, Rank, Reason, Skipped, State,
    UnresolvedAccount,
};
use crate::repository::SiteKind;
use crate::settings::{Origin, Provision, Sourced};

impl Draft<'_, '_> {
    /// Ranks 6 to 8: accounts that have a key here, then those that get a new one, then keys whose
    /// account is not known.
    pub(super) fn not_chosen(&mut self) -> Vec<Candidate> {
        let mut ready: Vec<Candidate> = Vec::new();
        let mut new: Vec<Candidate> = Vec::new();
        for (account, reason) in self.accounts_in_order() {
            let mut known = ready.iter().chain(&new);
            if known.any(|candidate| candidate.account.as_ref() == Some(&account)) {
                continue;
            }
            match self.candidate(&account, reason) {
                Some(candidate) if matches!(candidate.offer, Offer::NewKey) => {
                    if self.may_get_a_key(&account) {
                        new.push(candidate);
                    } else {
                        self.skip(
                            account.name,
                            "has no key on this machine and is not logged in",
                        );
                    }
                }
                Some(candidate) => ready.push(candidate),
                None => {}
            }
        }
        // A user name in the URL addresses one account, which goes first.
        let user = self.inputs.user;
        if user != "git" {
            let is_addressed = |candidate: &Candidate| {
                self.accounts_of_site().any(|account| {
                    candidate.account.as_ref() == Some(&account.account)
                        && account.user_name.as_deref() == Some(user)
                })
            };
            ready.sort_by_key(|candidate| !is_addressed(candidate));
            new.sort_by_key(|candidate| !is_addressed(candidate));
        }
        ready.append(&mut new);
        let fallback = self.fallback(&ready);
        ready.extend(fallback);
        ready
    }

    /// Ranks 6 and 7, each account once.
    pub(super) fn known_accounts(&self) -> Vec<(AccountId, Reason)> {
        let mut order: Vec<(AccountId, Reason)> = Vec::new();
        for (account, reason) in self.accounts_in_order() {
            if order.iter().all(|(known, _)| *known != account) {
                order.push((account, reason));
            }
        }
        order
    }

    /// Ranks 6 and 7, in order, with repetitions.
    fn accounts_in_order(&self) -> Vec<(AccountId, Reason)> {
        let inputs = self.inputs;
        let mut order = Vec::new();
        let mut push = |name: &str, rank, origin, text: &str| {
            let text = text.to_owned();
            order.push((self.account_id(name), Reason { rank, origin, text }));
        };
        for (served, text) in [
            (&inputs.history.repository, "last served this repository"),
            (&inputs.history.workspace, "last served this workspace"),
        ] {
            if let Some(LastServed::Account(name)) = served {
                push(name, Rank::History, Origin::Default, text);
            }
        }
        if let Some(name) = &inputs.accounts.environment {
            let origin = Origin::Environment("BITBUCKET_EMAIL");
            push(name, Rank::Accounts, origin, "set in the environment");
        }
        for account in self.accounts_of_site().filter(|account| account.logged_in) {
            let name = &account.account.name;
            push(name, Rank::Accounts, Origin::Default, "logged in");
        }
        for record in account_records(inputs) {
            let name = &record.account.name;
            push(
                name,
                Rank::Accounts,
                Origin::Default,
                "has a key on this machine",
            );
        }
        order
    }

    /// Whether a key is created for an account that is not chosen: only where it has a token, or
    /// where one was begun.
    fn may_get_a_key(&self, account: &AccountId) -> bool {
        let environment = self.inputs.accounts.environment.as_deref();
        environment.is_some_and(|name| name.eq_ignore_ascii_case(&account.name))
            || self
                .accounts_of_site()
                .any(|known| known.account == *account && known.logged_in)
            || account_records(self.inputs).any(|record| record.account == *account)
    }

    /// What an account offers: its newest managed key that is registered; else a key file or agent
    /// key that its key list shows; else a new key, where creating one is allowed.
    pub(super) fn candidate(&mut self, account: &AccountId, reason: Reason) -> Option<Candidate> {
        let inputs = self.inputs;
        let known = managed_key(inputs, account).or_else(|| listed_key(inputs, account));
        let offer = match known {
            Some(identity) => Offer::Identities(vec![identity.clone()]),
            None if inputs.configured.settings.provision.value == Provision::Never => {
                self.push_skipped(Skipped {
                    what: account.name.clone(),
                    why: "has no key on this machine, and bitbucket.provision is never".to_owned(),
                    file: None,
                    key_forbidden: true,
                });
                return None;
            }
            None => Offer::NewKey,
        };
        Some(Candidate {
            account: Some(account.clone()),
            offer,
            reason,
        })
    }
}

/// Records of managed keys of accounts, not of repositories.
fn account_records<'s>(inputs: &'s PlanInputs<'_>) -> impl Iterator<Item = &'s ManagedKey> {
    let managed = inputs.keys.managed.iter();
    let records = managed.filter_map(|identity| identity.managed.as_ref());
    records.filter(|record| record.repository.is_none())
}

/// A pending key is not one yet: provisioning finishes it. While a key that replaces others is not
/// verified, the old one is used.
fn managed_key<'s>(inputs: &'s PlanInputs<'_>, account: &AccountId) -> Option<&'s Identity> {
    let keys = || {
        let managed = inputs.keys.managed.iter();
        managed.filter_map(|identity| {
            let record = identity.managed.as_ref()?;
            let usable = record.account == *account
                && record.repository.is_none()
                && record.state != State::Pending;
            usable.then_some((identity, record))
        })
    };
    let (newest, record) = keys().next()?;
    let old = keys().find(|(_, old)| {
        record.state == State::Registered && record.replaces.contains(&old.fingerprint)
    });
    Some(old.map_or(newest, |(identity, _)| identity))
}

fn listed_key<'s>(inputs: &'s PlanInputs<'_>, account: &AccountId) -> Option<&'s Identity> {
    let mut accounts = inputs.accounts.recorded.iter();
    let known = accounts.find(|known| known.account == *account)?;
    inputs
        .ssh_config
        .files
        .iter()
        .chain(&inputs.keys.default_files)
        .chain(&inputs.keys.agent)
        .chain(&inputs.keys.other_files)
        .find(|identity| {
            identity
                .fingerprint()
                .is_some_and(|print| known.key_fingerprints.contains(&print))
        })
}

/// What a configured account name stands for.
pub(super) enum Named {
    /// This account of the site, which may be new.
    Here(AccountId),
    /// An account of another site, or of none here, for the reason given.
    Elsewhere(&'static str),
    /// No account, or several.
    Unresolved(UnresolvedAccount),
}

/// The account that a name stands for: an account of the site by its name, else by its user name or
/// nickname. A name that is set for a URL of the site (`of_site`) and is not known there is a new
/// account; set without a URL it may be one of another site.
pub(super) fn named(inputs: &PlanInputs<'_>, setting: &Sourced<String>, of_site: bool) -> Named {
    let name = setting.value.as_str();
    let site = inputs.site.url.as_str();
    let here = |name: &str| {
        Named::Here(AccountId {
            site: site.to_owned(),
            name: name.to_owned(),
        })
    };
    let is_it = |account: &&AccountId| account.name.eq_ignore_ascii_case(name);
    let recorded = || inputs.accounts.recorded.iter();
    let keyed = inputs.keys.managed.iter();
    let keyed = keyed.filter_map(|key| key.managed.as_ref());
    let keyed = keyed.chain(&inputs.keys.lost).map(|key| &key.account);
    let environment = inputs.accounts.environment.iter();
    if let Some(same) = environment
        .clone()
        .find(|known| known.eq_ignore_ascii_case(name))
    {
        return here(same);
    }
    let mut with_name = recorded().map(|known| &known.account).chain(keyed.clone());
    if let Some(same) = with_name.find(|account| account.site == site && is_it(account)) {
        return here(&same.name);
    }
    let called = recorded().filter(|known| known.is_called(name));
    let (called, called_elsewhere): (Vec<_>, Vec<_>) = called
        .map(|known| &known.account)
        .partition(|account| account.site == site);
    let elsewhere = || {
        let recorded = recorded().map(|known| &known.account);
        recorded.chain(&inputs.accounts.elsewhere)
    };
    match called.as_slice() {
        [only] => return here(&only.name),
        [] if of_site => return here(name),
        [] if !called_elsewhere.is_empty() || elsewhere().any(|account| is_it(&account)) => {
            return Named::Elsewhere("is an account of another site");
        }
        [] if name.contains('@') => {
            return match inputs.site.kind {
                SiteKind::Cloud => here(name),
                SiteKind::DataCenter => {
                    Named::Elsewhere("is not known here, so it is an account of bitbucket.org")
                }
            };
        }
        _ => {}
    }
    let mut known: Vec<AccountId> = Vec::new();
    let of_environment = environment.map(|name| AccountId {
        site: site.to_owned(),
        name: name.clone(),
    });
    for account in of_environment.chain(elsewhere().chain(keyed).cloned()) {
        if !known.contains(&account) {
            known.push(account);
        }
    }
    Named::Unresolved(UnresolvedAccount {
        account: setting.clone(),
        meant: called.into_iter().cloned().collect(),
        known,
    })
}
