//! Ranks 1 to 5: what is chosen explicitly. The first rank that makes a choice decides.

use super::accounts::is_of_site;
use super::{Draft, merged};
use crate::identity::plan_inputs::{LastServed, NamedFile, PlanInputs};
use crate::identity::{AccountId, Candidate, Identity, Offer, Rank, Reason};
use crate::repository::Direction;
use crate::settings::{IdentitySettings, Origin, Sourced};

impl Draft<'_, '_> {
    /// Rank 1.
    pub(super) fn command_line(&mut self) -> Vec<Candidate> {
        let inputs = self.inputs;
        if let Some(files) = &inputs.command_line.files {
            self.plan.decided_by = Some(Rank::CommandLine);
            self.skip_unusable(Rank::CommandLine);
            let reason = Reason {
                rank: Rank::CommandLine,
                origin: Origin::CommandLine("-i".to_owned()),
                text: "named on the command line".to_owned(),
            };
            return self.by_account(files.iter().cloned(), &reason);
        }
        let Some(account) = &inputs.command_line.account else {
            return Vec::new();
        };
        if !self.is_of_site(account) {
            return Vec::new();
        }
        self.plan.decided_by = Some(Rank::CommandLine);
        let reason = reason(Rank::CommandLine, account, "chosen for this call");
        let id = self.account_id(&account.value);
        self.candidate(&id, reason).into_iter().collect()
    }

    /// Ranks 2, 3 and 5: files before accounts, what served this repository first.
    pub(super) fn configured(&mut self, rank: Rank) -> Vec<Candidate> {
        let chosen = identity_settings(self.inputs, rank);
        let mut candidates = self.configured_files(rank, chosen);
        for account in &chosen.accounts {
            if rank == Rank::Plain && !self.is_of_site(account) {
                continue;
            }
            self.plan.decided_by = Some(rank);
            let id = self.account_id(&account.value);
            candidates.extend(self.candidate(&id, reason(rank, account, "bitbucket.account")));
        }
        self.served_first(&mut candidates);
        candidates
    }

    /// The accounts of ranks 1, 2, 3 and 5 without their keys: that of a configured key file first,
    /// as for a connection with keys.
    pub(super) fn chosen_accounts(&self, rank: Rank) -> Vec<(AccountId, Reason)> {
        if rank == Rank::CommandLine {
            let account = self.inputs.command_line.account.as_ref();
            let account = account.filter(|account| is_of_site(self.inputs, &account.value));
            return account
                .map(|account| {
                    let reason = reason(rank, account, "chosen for this call");
                    (self.account_id(&account.value), reason)
                })
                .into_iter()
                .collect();
        }
        let chosen = identity_settings(self.inputs, rank);
        let files = chosen.identity_files.iter().filter_map(|file| {
            match self.inputs.configured.files.get(&file.value) {
                Some(NamedFile::Usable(identity)) => {
                    let account = self.account_of(identity)?;
                    Some((account, reason(rank, file, "bitbucket.identityFile")))
                }
                _ => None,
            }
        });
        let accounts = chosen
            .accounts
            .iter()
            .filter(|account| rank != Rank::Plain || is_of_site(self.inputs, &account.value))
            .map(|account| {
                let reason = reason(rank, account, "bitbucket.account");
                (self.account_id(&account.value), reason)
            });
        let mut order: Vec<(AccountId, Reason)> = Vec::new();
        for (account, reason) in files.chain(accounts) {
            if order.iter().all(|(known, _)| *known != account) {
                order.push((account, reason));
            }
        }
        order
    }

    /// Rank 4. The file of a managed key in ssh_config is no choice unless the host is an alias.
    pub(super) fn ssh_config_only(&mut self) -> Vec<Candidate> {
        let ssh_config = &self.inputs.ssh_config;
        if !(ssh_config.identities_only || ssh_config.alias) {
            return Vec::new();
        }
        // "This key and no other" also holds for a key that cannot be used.
        if self.skip_unusable(Rank::SshConfigOnly) {
            self.plan.decided_by = Some(Rank::SshConfigOnly);
        }
        let files = ssh_config
            .files
            .iter()
            .filter(|identity| ssh_config.alias || identity.managed.is_none())
            .cloned();
        let text = if ssh_config.alias {
            "IdentityFile of a host alias"
        } else {
            "IdentityFile with IdentitiesOnly"
        };
        let reason = Reason {
            rank: Rank::SshConfigOnly,
            origin: Origin::SshConfig,
            text: text.to_owned(),
        };
        self.by_account(files, &reason)
    }

    /// The key files that a rank names. A missing one decides, too, and is an error of the plan.
    fn configured_files(&mut self, rank: Rank, chosen: &IdentitySettings) -> Vec<Candidate> {
        let inputs = self.inputs;
        let mut candidates = Vec::new();
        for file in &chosen.identity_files {
            let shown = file.value.display().to_string();
            match inputs.configured.files.get(&file.value) {
                Some(NamedFile::Usable(identity)) => {
                    if self.cannot_push(identity) {
                        self.skip(shown, "a read-only access key cannot push");
                        continue;
                    }
                    let reason = reason(rank, file, "bitbucket.identityFile");
                    let key = Identity::clone(identity);
                    candidates.extend(self.by_account(std::iter::once(key), &reason));
                }
                Some(NamedFile::Unusable(why)) => self.skip_file(why),
                Some(NamedFile::Missing) | None => {
                    self.skip(shown, "there is no such file");
                    self.plan.missing.push(file.clone());
                }
            }
            self.plan.decided_by = Some(rank);
        }
        merged(candidates)
    }

    fn cannot_push(&self, identity: &Identity) -> bool {
        let read_only = identity.managed.as_ref().is_some_and(|m| m.read_only);
        read_only && self.inputs.direction == Direction::Push
    }

    /// What served this repository before goes first within its rank; a key also on the connection
    /// that it shares with others.
    fn served_first(&self, candidates: &mut [Candidate]) {
        let is_key =
            |key: &Identity, fingerprint: &String| key.fingerprint().as_ref() == Some(fingerprint);
        match &self.inputs.history.repository {
            None => {}
            Some(LastServed::Account(name)) => candidates.sort_by_key(|candidate| {
                let account = candidate.account.as_ref();
                !account.is_some_and(|account| account.name.eq_ignore_ascii_case(name))
            }),
            Some(LastServed::Key(fingerprint)) => {
                for candidate in candidates.iter_mut() {
                    if let Offer::Identities(keys) = &mut candidate.offer {
                        keys.sort_by_key(|key| !is_key(key, fingerprint));
                    }
                }
                candidates.sort_by_key(|candidate| match &candidate.offer {
                    Offer::Identities(keys) => !keys.iter().any(|key| is_key(key, fingerprint)),
                    Offer::NewKey => true,
                });
            }
        }
    }

    /// An account that is named without a URL counts only on the sites that it may belong to.
    fn is_of_site(&mut self, account: &Sourced<String>) -> bool {
        let known = is_of_site(self.inputs, &account.value);
        if !known {
            self.skip(account.value.clone(), "is not known on this site");
        }
        known
    }
}

/// What git config says at rank 2, 3 or 5.
fn identity_settings<'a>(inputs: &'a PlanInputs<'_>, rank: Rank) -> &'a IdentitySettings {
    let settings = inputs.configured.settings;
    match rank {
        Rank::RepositoryConfig => &settings.repository,
        Rank::ByUrl => &settings.by_url,
        _ => &settings.plain,
    }
}

fn reason<T>(rank: Rank, setting: &Sourced<T>, text: &str) -> Reason {
    Reason {
        rank,
        origin: setting.origin.clone(),
        text: text.to_owned(),
    }
}
