//! What an account stands for on this machine. Pure; part of the plan.

use crate::identity::plan_inputs::PlanInputs;
use crate::identity::{Account, AccountId, Identity, State};
use crate::settings::Provision;

/// What an account stands for (interface section 4).
#[derive(Debug, Clone)]
pub enum AccountKey {
    /// Its managed identity, or a key here that its key list shows.
    Identity(Box<Identity>),
    /// A key that is still to be made (or whose making is still to be finished).
    NewKey,
    /// Nothing; one clause that says why.
    Nothing(String),
}

impl AccountKey {
    /// The newest managed identity that the site was told of; else a key file or agent key that
    /// the account's key list shows; else a new key, where making one is allowed.
    pub fn of(inputs: &PlanInputs<'_>, name: &AccountId) -> Self {
        if let Some(identity) = managed(inputs, name) {
            return Self::Identity(Box::new(identity.clone()));
        }
        if let Some(identity) = listed(inputs, name) {
            return Self::Identity(Box::new(identity.clone()));
        }
        if inputs.settings.provision.value == Provision::Never {
            return Self::Nothing("has no key here, and bitbucket.provision is never".to_owned());
        }
        Self::NewKey
    }
}

/// A pending record is not an identity yet: provisioning finishes it. One that is to replace
/// others goes before them only once it is proved.
fn managed<'s>(inputs: &'s PlanInputs<'_>, name: &AccountId) -> Option<&'s Identity> {
    let of_it = || {
        inputs.managed.iter().filter(|identity| {
            identity.managed.as_ref().is_some_and(|record| {
                record.account == *name
                    && record.repository.is_none()
                    && record.state != State::Pending
            })
        })
    };
    let first = of_it().next()?;
    let waits = first
        .managed
        .as_ref()
        .filter(|record| record.state == State::Registered);
    let old = waits.and_then(|record| {
        of_it().find(|identity| {
            let fingerprint = identity.managed.as_ref().map(|old| &old.fingerprint);
            fingerprint.is_some_and(|old| record.replaces.contains(old))
        })
    });
    old.or(Some(first))
}

fn listed<'s>(inputs: &'s PlanInputs<'_>, name: &AccountId) -> Option<&'s Identity> {
    let account = account(inputs, name)?;
    inputs
        .ssh_config_files
        .iter()
        .chain(&inputs.default_files)
        .chain(&inputs.agent)
        .find(|identity| {
            identity
                .fingerprint()
                .is_some_and(|print| account.key_fingerprints.contains(&print))
        })
}

fn account<'s>(inputs: &'s PlanInputs<'_>, name: &AccountId) -> Option<&'s Account> {
    let mut accounts = inputs.accounts.iter();
    accounts.find(|account| account.account == *name)
}

/// Whether an account that was named without a URL speaks for this site: it is recorded there or
/// stands in the environment for it; known nowhere and with an `@`, it speaks for Cloud.
pub fn speaks_for(inputs: &PlanInputs<'_>, name: &str) -> bool {
    let same = |other: &str| other.eq_ignore_ascii_case(name);
    if inputs.environment_account.as_deref().is_some_and(same) {
        return true;
    }
    let mut sites = inputs
        .accounts
        .iter()
        .filter(|account| same(&account.account.name))
        .map(|account| account.account.site.as_str())
        .peekable();
    if sites.peek().is_none() {
        let recorded = inputs.managed.iter().filter_map(|i| i.managed.as_ref());
        return recorded
            .into_iter()
            .any(|record| same(&record.account.name))
            || (name.contains('@') && inputs.site.kind == crate::repository::SiteKind::Cloud);
    }
    sites.any(|site| site == inputs.site.url)
}
