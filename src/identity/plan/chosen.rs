//! Ranks 1 to 5: what somebody said. The first that says anything closes the list.

use super::account_key::speaks_for;
use super::{Draft, merged};
use crate::identity::plan_inputs::{LastServed, NamedFile};
use crate::identity::{Candidate, Identity, Offer, Rank, Reason};
use crate::repository::Direction;
use crate::settings::{IdentitySettings, Origin, Sourced};

impl Draft<'_, '_> {
    /// Rank 1.
    pub(super) fn command_line(&mut self) -> Vec<Candidate> {
        let inputs = self.inputs;
        if let Some(files) = &inputs.command_line_files {
            self.plan.decided_by = Some(Rank::CommandLine);
            self.name_the_unusable(Rank::CommandLine);
            let reason = Reason {
                rank: Rank::CommandLine,
                origin: Origin::CommandLine("-i".to_owned()),
                text: "named on the command line".to_owned(),
            };
            return self.grouped(files.iter().cloned(), &reason);
        }
        let Some(account) = &inputs.command_line_account else {
            return Vec::new();
        };
        if !self.speaks_for_site(account) {
            return Vec::new();
        }
        self.plan.decided_by = Some(Rank::CommandLine);
        let name = self.account_name(&account.value);
        self.stands_for(
            &name,
            &reason_of(Rank::CommandLine, account, "chosen for this call"),
        )
        .into_iter()
        .collect()
    }

    /// Ranks 2, 3 and 5: files before accounts, what served this repository first.
    pub(super) fn statement(&mut self, rank: Rank) -> Vec<Candidate> {
        let inputs = self.inputs;
        let statement = match rank {
            Rank::RepositoryConfig => &inputs.settings.repository,
            Rank::ByUrl => &inputs.settings.by_url,
            _ => &inputs.settings.plain,
        };
        let mut found = self.files_of(rank, statement);
        for account in &statement.accounts {
            if rank == Rank::Plain && !self.speaks_for_site(account) {
                continue;
            }
            self.plan.decided_by = Some(rank);
            let name = self.account_name(&account.value);
            found.extend(self.stands_for(&name, &reason_of(rank, account, "bitbucket.account")));
        }
        self.served_first(&mut found);
        found
    }

    /// Rank 4. A managed identity's file is no statement of ssh_config unless the host is an alias.
    pub(super) fn ssh_config_only(&mut self) -> Vec<Candidate> {
        let inputs = self.inputs;
        if !(inputs.identities_only || inputs.alias) {
            return Vec::new();
        }
        // "This one and no other" holds as well where it cannot be used.
        if self.name_the_unusable(Rank::SshConfigOnly) {
            self.plan.decided_by = Some(Rank::SshConfigOnly);
        }
        let files = inputs
            .ssh_config_files
            .iter()
            .filter(|identity| inputs.alias || identity.managed.is_none())
            .cloned();
        let text = if inputs.alias {
            "IdentityFile of a host alias"
        } else {
            "IdentityFile with IdentitiesOnly"
        };
        self.grouped(
            files,
            &Reason {
                rank: Rank::SshConfigOnly,
                origin: Origin::SshConfig,
                text: text.to_owned(),
            },
        )
    }

    /// The key files a rank names. A missing one closes the list and is an error of the plan.
    fn files_of(&mut self, rank: Rank, statement: &IdentitySettings) -> Vec<Candidate> {
        let mut found = Vec::new();
        for file in &statement.identity_files {
            let shown = file.value.display().to_string();
            match self.inputs.named_files.get(&file.value) {
                Some(NamedFile::Usable(identity)) => {
                    if self.cannot_push(identity) {
                        self.pass_over(shown, "a read-only access key cannot push");
                        continue;
                    }
                    self.plan.decided_by = Some(rank);
                    let reason = reason_of(rank, file, "bitbucket.identityFile");
                    found.extend(self.grouped(std::iter::once((**identity).clone()), &reason));
                }
                Some(NamedFile::Unusable(why)) => {
                    self.plan.decided_by = Some(rank);
                    let why = why.clone();
                    self.pass_over_file(&why);
                }
                Some(NamedFile::Missing) | None => {
                    self.plan.decided_by = Some(rank);
                    self.pass_over(shown, "there is no such file");
                    self.plan.missing.push(file.clone());
                }
            }
        }
        merged(found)
    }

    fn cannot_push(&self, identity: &Identity) -> bool {
        let read_only = identity.managed.as_ref().is_some_and(|m| m.read_only);
        read_only && self.inputs.direction == Direction::Push
    }

    /// What served this repository before goes first within its rank, and a key also on the
    /// connection that it shares with others.
    fn served_first(&self, candidates: &mut [Candidate]) {
        let Some(served) = &self.inputs.served_repository else {
            return;
        };
        if let LastServed::Key(fingerprint) = served {
            for candidate in candidates.iter_mut() {
                if let Offer::Identities(keys) = &mut candidate.offer {
                    keys.sort_by_key(|key| key.fingerprint().as_ref() != Some(fingerprint));
                }
            }
        }
        let is_served = |candidate: &Candidate| match served {
            LastServed::Account(name) => candidate
                .account
                .as_ref()
                .is_some_and(|account| account.name.eq_ignore_ascii_case(name)),
            LastServed::Key(fingerprint) => match &candidate.offer {
                Offer::Identities(keys) => keys
                    .iter()
                    .any(|key| key.fingerprint().as_ref() == Some(fingerprint)),
                Offer::NewKey => false,
            },
        };
        candidates.sort_by_key(|candidate| !is_served(candidate));
    }

    /// An account said without a URL speaks for the sites that know it; known nowhere and with an
    /// `@`, for Cloud. Elsewhere it is passed over.
    fn speaks_for_site(&mut self, account: &Sourced<String>) -> bool {
        if speaks_for(self.inputs, &account.value) {
            return true;
        }
        self.pass_over(account.value.clone(), "is not known on this site");
        false
    }
}

fn reason_of<T>(rank: Rank, said: &Sourced<T>, text: &str) -> Reason {
    Reason {
        rank,
        origin: said.origin.clone(),
        text: text.to_owned(),
    }
}
