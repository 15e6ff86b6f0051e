//! Ranks 1 to 5: what is chosen explicitly. The first rank that makes a choice decides.

use super::accounts::{Named, named};
use super::{Draft, merged, named_at};
use crate::identity::plan_inputs::{LastServed, NamedFile, PlanInputs};
use crate::identity::{AccountId, CANNOT_PUSH, Candidate, Identity, Offer, Rank, Reason};
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
        let Some(id) = self.named(Rank::CommandLine, account) else {
            return Vec::new();
        };
        let reason = reason(Rank::CommandLine, account, "chosen for this call");
        self.candidate(&id, reason).into_iter().collect()
    }

    /// Ranks 2, 3 and 5: files before accounts, what served this repository first.
    pub(super) fn configured(&mut self, rank: Rank) -> Vec<Candidate> {
        let chosen = identity_settings(self.inputs, rank);
        let mut candidates = self.configured_files(rank, chosen);
        for account in &chosen.accounts {
            if let Some(id) = self.named(rank, account) {
                candidates.extend(self.candidate(&id, reason(rank, account, "bitbucket.account")));
            }
        }
        self.served_first(&mut candidates);
        candidates
    }

    /// The accounts of ranks 1, 2, 3 and 5 without their keys: that of a configured key file first,
    /// as for a connection with keys.
    pub(super) fn chosen_accounts(&mut self, rank: Rank) -> Vec<(AccountId, Reason)> {
        let inputs = self.inputs;
        let mut order: Vec<(AccountId, Reason)> = Vec::new();
        if rank == Rank::CommandLine {
            if let Some(account) = &inputs.command_line.account
                && let Some(id) = self.named(rank, account)
            {
                order.push((id, reason(rank, account, "chosen for this call")));
            }
            return order;
        }
        let chosen = identity_settings(inputs, rank);
        for file in &chosen.identity_files {
            if let Some(NamedFile::Usable(identity)) = inputs.configured.files.get(&file.value)
                && let Some(account) = self.account_of(identity)
            {
                order.push((account, reason(rank, file, "bitbucket.identityFile")));
            }
        }
        for account in &chosen.accounts {
            if let Some(id) = self.named(rank, account) {
                order.push((id, reason(rank, account, "bitbucket.account")));
            }
        }
        let mut known: Vec<AccountId> = Vec::new();
        order.retain(|(account, _)| {
            let first = !known.contains(account);
            if first {
                known.push(account.clone());
            }
            first
        });
        order
    }

    /// Rank 4. The file of a managed key in ssh_config is no choice unless the host is an alias.
    pub(super) fn ssh_config_only(&mut self) -> Vec<Candidate> {
        let ssh_config = &self.inputs.ssh_config;
        if !(ssh_config.identities_only || ssh_config.alias) {
            return Vec::new();
        }
        // "This key and no other" also holds for a key that is missing or cannot be used.
        if self.skip_unusable(Rank::SshConfigOnly) {
            self.plan.decided_by = Some(Rank::SshConfigOnly);
        }
        for file in &ssh_config.missing {
            let origin = ssh_config.origin(Some(file));
            let why = format!("does not exist{}", named_at(&origin));
            self.skip(file.display().to_string(), why);
            self.plan.decided_by = Some(Rank::SshConfigOnly);
        }
        let files: Vec<_> = ssh_config
            .files
            .iter()
            .filter(|identity| ssh_config.alias || identity.managed.is_none())
            .cloned()
            .collect();
        // As with ssh(1), one of several may be missing.
        if files.is_empty() {
            let missing = ssh_config.missing.iter();
            let missing = missing.map(|file| {
                let origin = ssh_config.origin(Some(file));
                Sourced::new(file.clone(), origin)
            });
            self.plan.missing.extend(missing);
        }
        let text = if ssh_config.alias {
            "IdentityFile of a host alias"
        } else {
            "IdentityFile with IdentitiesOnly"
        };
        let first = files.first().and_then(|first| first.file.as_deref());
        let reason = Reason {
            rank: Rank::SshConfigOnly,
            origin: ssh_config.origin(first),
            text: text.to_owned(),
        };
        self.by_account(files.into_iter(), &reason)
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
                        self.skip(shown, CANNOT_PUSH);
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

    /// The account that a rank names. `None`: it is passed over, or is an error of the plan.
    fn named(&mut self, rank: Rank, account: &Sourced<String>) -> Option<AccountId> {
        let id = match named(self.inputs, account, is_for_url(&account.origin)) {
            Named::Here(id) => Some(id),
            Named::Elsewhere(why) => {
                self.skip(account.value.clone(), why);
                return None;
            }
            Named::Unresolved(unresolved) => {
                self.plan.unresolved.get_or_insert(unresolved);
                None
            }
        };
        self.plan.decided_by = Some(rank);
        id
    }
}

/// Whether a setting is `bitbucket.<url>.…`, so that it speaks of one site.
fn is_for_url(origin: &Origin) -> bool {
    match origin {
        Origin::GitConfig { key, .. } => !key.eq_ignore_ascii_case("bitbucket.account"),
        _ => false,
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
