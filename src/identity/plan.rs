//! The published order of identities (interface section 4), as one pure function.
//!
//! Ranks 1 to 5 are statements: the first that says anything closes the list. Ranks 6 to 8 are
//! what remains where nobody said anything. Reads nothing, asks nobody.

use std::path::Path;

use crate::identity::accounts::Standing;
use crate::identity::survey::{NamedFile, Served, Survey};
use crate::identity::{
    Account, AccountName, Candidate, Identity, Offer, PassedOver, Plan, Rank, Reason,
};
use crate::repository::Direction;
use crate::settings::{Origin, Sourced, Statement};

/// Keys of unknown accounts that one connection offers; Go's servers end it after six.
const KEYS_ON_A_CONNECTION: usize = 5;

/// Keys of unknown accounts that one git command offers.
const KEYS_OF_A_COMMAND: usize = 12;

/// The ordered list of identities that this connection may use.
pub fn plan(survey: &Survey<'_>) -> Plan {
    let mut draft = Draft {
        survey,
        plan: Plan::default(),
    };
    draft.name_the_lost();
    for rank in [
        Rank::CommandLine,
        Rank::Own,
        Rank::ByUrl,
        Rank::SshConfigOnly,
        Rank::Plain,
    ] {
        let found = match rank {
            Rank::CommandLine => draft.command_line(),
            Rank::SshConfigOnly => draft.ssh_config_only(),
            _ => draft.statement(rank),
        };
        if !found.is_empty() || draft.plan.closed_by == Some(rank) {
            draft.plan.candidates = found;
            draft.plan.closed_by = Some(rank);
            return draft.plan;
        }
    }
    draft.open_end();
    draft.plan
}

struct Draft<'a, 'b> {
    survey: &'a Survey<'b>,
    plan: Plan,
}

impl Draft<'_, '_> {
    fn pass_over(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.plan.passed_over.push(PassedOver {
            what: what.into(),
            why: why.into(),
        });
    }

    fn name_the_lost(&mut self) {
        for record in &self.survey.lost {
            let file = record.file.display().to_string();
            self.pass_over(file, "its private key is no longer here");
        }
    }

    /// Rank 1.
    fn command_line(&mut self) -> Vec<Candidate> {
        let survey = self.survey;
        if let Some(files) = &survey.command_line_files {
            self.plan.closed_by = Some(Rank::CommandLine);
            let reason = Reason {
                rank: Rank::CommandLine,
                origin: Origin::CommandLine("-i".to_owned()),
                text: "named on the command line".to_owned(),
            };
            return self.grouped(files.iter().cloned(), &reason);
        }
        let Some(account) = &survey.command_line_account else {
            return Vec::new();
        };
        if !self.speaks_for_site(account) {
            return Vec::new();
        }
        self.plan.closed_by = Some(Rank::CommandLine);
        let name = self.account_name(&account.value);
        self.stands_for(
            &name,
            &reason_of(Rank::CommandLine, account, "chosen for this call"),
        )
        .into_iter()
        .collect()
    }

    /// Ranks 2, 3 and 5: files before accounts, what served this repository first.
    fn statement(&mut self, rank: Rank) -> Vec<Candidate> {
        let survey = self.survey;
        let statement = match rank {
            Rank::Own => &survey.settings.own,
            Rank::ByUrl => &survey.settings.by_url,
            _ => &survey.settings.plain,
        };
        let mut found = self.files_of(rank, statement);
        for account in &statement.accounts {
            if rank == Rank::Plain && !self.speaks_for_site(account) {
                continue;
            }
            self.plan.closed_by = Some(rank);
            let name = self.account_name(&account.value);
            found.extend(self.stands_for(&name, &reason_of(rank, account, "bitbucket.account")));
        }
        self.served_first(&mut found);
        found
    }

    /// The key files a rank names. A missing one closes the list and is an error of the plan.
    fn files_of(&mut self, rank: Rank, statement: &Statement) -> Vec<Candidate> {
        let mut found = Vec::new();
        for file in &statement.identity_files {
            let shown = file.value.display().to_string();
            match self.survey.named_files.get(&file.value) {
                Some(NamedFile::Usable(identity)) => {
                    if self.cannot_push(identity) {
                        self.pass_over(shown, "a read-only access key cannot push");
                        continue;
                    }
                    self.plan.closed_by = Some(rank);
                    let reason = reason_of(rank, file, "bitbucket.identityFile");
                    found.extend(self.grouped(std::iter::once((**identity).clone()), &reason));
                }
                Some(NamedFile::Unusable(why)) => {
                    self.plan.closed_by = Some(rank);
                    let why = why.clone();
                    self.pass_over(shown, why);
                }
                Some(NamedFile::Missing) | None => {
                    self.plan.closed_by = Some(rank);
                    self.pass_over(shown, "there is no such file");
                    self.plan.missing.push(file.clone());
                }
            }
        }
        merged(found)
    }

    /// Rank 4. A managed identity's file is no statement of ssh_config unless the host is an alias.
    fn ssh_config_only(&mut self) -> Vec<Candidate> {
        let survey = self.survey;
        if !(survey.identities_only || survey.alias) {
            return Vec::new();
        }
        let files = survey
            .ssh_config_files
            .iter()
            .filter(|identity| survey.alias || identity.managed.is_none())
            .cloned();
        let text = if survey.alias {
            "IdentityFile of a host alias"
        } else {
            "IdentityFile with IdentitiesOnly"
        };
        self.grouped(files, &ssh_config_reason(Rank::SshConfigOnly, text))
    }

    /// Ranks 6 to 8: accounts that have an identity, new ones, then everything else.
    fn open_end(&mut self) {
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
        let user = self.survey.user;
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

    /// Nobody named the account: a key is made only where a token is known to be, or finished
    /// where one was begun.
    fn may_get_a_key(&self, name: &AccountName) -> bool {
        let survey = self.survey;
        let of_environment = survey.environment_account.as_deref();
        of_environment.is_some_and(|account| account.eq_ignore_ascii_case(&name.name))
            || self
                .accounts_here()
                .any(|account| account.account == *name && account.logged_in)
            || survey
                .managed
                .iter()
                .filter_map(|identity| identity.managed.as_ref())
                .any(|record| record.account == *name && record.repository.is_none())
    }

    /// Ranks 6 and 7, in order, with repetitions.
    fn accounts_in_order(&mut self) -> Vec<(AccountName, Reason)> {
        let survey = self.survey;
        let mut order = Vec::new();
        for (served, text) in [
            (&survey.served_repository, "last served this repository"),
            (&survey.served_workspace, "last served this workspace"),
        ] {
            if let Some(Served::Account(name)) = served {
                order.push((name.clone(), Rank::Learned, Origin::Default, text));
            }
        }
        if let Some(name) = &survey.environment_account {
            let origin = Origin::Environment("BITBUCKET_EMAIL");
            order.push((name.clone(), Rank::Accounts, origin, "of the environment"));
        }
        for account in self.accounts_here().filter(|account| account.logged_in) {
            let name = account.account.name.clone();
            order.push((name, Rank::Accounts, Origin::Default, "logged in"));
        }
        for identity in &survey.managed {
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

    /// Rank 8, without what stands in the plan already.
    fn rest(&mut self, before: &[Candidate]) -> Vec<Candidate> {
        let survey = self.survey;
        if survey.identities_only {
            return Vec::new();
        }
        let offered: Vec<String> = before
            .iter()
            .flat_map(|candidate| match &candidate.offer {
                Offer::Identities(identities) => identities.as_slice(),
                Offer::NewKey => &[],
            })
            .filter_map(Identity::fingerprint)
            .collect();
        let sources = [
            (&survey.ssh_config_files, "IdentityFile", Origin::SshConfig),
            (
                &survey.agent,
                "in the agent",
                Origin::Environment("SSH_AUTH_SOCK"),
            ),
            (&survey.default_files, "default key file", Origin::Default),
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
                    rank: Rank::Rest,
                    origin: origin.clone(),
                    text: text.to_owned(),
                };
                unknown.push((identity.clone(), reason));
            }
        }
        if let Some(served) = served_key(survey) {
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

    /// What an account stands for: its managed identity; else a key here that its list shows;
    /// else a new key, where that is allowed. `None`: nothing, and the plan says why.
    fn stands_for(&mut self, name: &AccountName, reason: &Reason) -> Option<Candidate> {
        match Standing::of(self.survey, name) {
            Standing::Identity(identity) => Some(Candidate {
                account: Some(name.clone()),
                offer: Offer::Identities(vec![*identity]),
                reason: reason.clone(),
            }),
            Standing::NewKey => Some(Candidate {
                account: Some(name.clone()),
                offer: Offer::NewKey,
                reason: reason.clone(),
            }),
            Standing::Nothing(why) => {
                self.pass_over(name.name.clone(), why);
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
    fn owner(&self, identity: &Identity) -> Option<AccountName> {
        if let Some(record) = &identity.managed {
            return Some(record.account.clone());
        }
        let fingerprint = identity.fingerprint()?;
        self.accounts_here()
            .find(|account| account.key_fingerprints.contains(&fingerprint))
            .map(|account| account.account.clone())
    }

    fn cannot_push(&self, identity: &Identity) -> bool {
        let read_only = identity.managed.as_ref().is_some_and(|m| m.read_only);
        read_only && self.survey.direction == Direction::Push
    }

    fn accounts_here(&self) -> impl Iterator<Item = &Account> {
        let site = &self.survey.site.url;
        let accounts = self.survey.accounts.iter();
        accounts.filter(move |account| account.account.site == *site)
    }

    fn account_name(&self, name: &str) -> AccountName {
        AccountName {
            site: self.survey.site.url.clone(),
            name: name.to_owned(),
        }
    }

    fn bears_user_name(&self, name: &AccountName, user: &str) -> bool {
        self.accounts_here()
            .any(|account| account.account == *name && account.user_name.as_deref() == Some(user))
    }

    /// An account said without a URL speaks for the sites that know it; known nowhere and with an
    /// `@`, for Cloud. Elsewhere it is passed over.
    fn speaks_for_site(&mut self, account: &Sourced<String>) -> bool {
        if crate::identity::accounts::speaks_for(self.survey, &account.value) {
            return true;
        }
        self.pass_over(account.value.clone(), "is not known on this site");
        false
    }

    /// What served this repository before goes first within its rank.
    fn served_first(&self, candidates: &mut [Candidate]) {
        let Some(served) = &self.survey.served_repository else {
            return;
        };
        let is_served = |candidate: &Candidate| match served {
            Served::Account(name) => candidate
                .account
                .as_ref()
                .is_some_and(|account| account.name.eq_ignore_ascii_case(name)),
            Served::Key(fingerprint) => match &candidate.offer {
                Offer::Identities(keys) => keys
                    .iter()
                    .any(|key| key.fingerprint().as_ref() == Some(fingerprint)),
                Offer::NewKey => false,
            },
        };
        candidates.sort_by_key(|candidate| !is_served(candidate));
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

fn reason_of<T>(rank: Rank, said: &Sourced<T>, text: &str) -> Reason {
    Reason {
        rank,
        origin: said.origin.clone(),
        text: text.to_owned(),
    }
}

fn ssh_config_reason(rank: Rank, text: &str) -> Reason {
    Reason {
        rank,
        origin: Origin::SshConfig,
        text: text.to_owned(),
    }
}

fn served_key<'s>(survey: &'s Survey<'_>) -> Option<&'s String> {
    [&survey.served_repository, &survey.served_workspace]
        .into_iter()
        .flatten()
        .find_map(|served| match served {
            Served::Key(fingerprint) => Some(fingerprint),
            Served::Account(_) => None,
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

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
