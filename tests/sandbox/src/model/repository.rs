//! Repositories, and the permissions of accounts and access keys over SSH.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;

use super::{DeployKey, Model, Permission, Visibility};

#[derive(Debug)]
pub(crate) struct Repository {
    pub(crate) workspace: String,
    pub(crate) slug: String,
    pub(crate) uuid: String,
    pub(crate) visibility: Visibility,
    /// Explicit grants by e-mail address in lower case.
    pub(crate) grants: BTreeMap<String, Permission>,
    pub(crate) deploy_keys: Vec<DeployKey>,
    pub(crate) created_on: Timestamp,
    pub(crate) path: PathBuf,
}

impl Repository {
    pub(crate) fn is(&self, workspace: &str, slug: &str) -> bool {
        let slug_matches = self.slug.eq_ignore_ascii_case(slug) || self.uuid == slug;
        slug_matches && (self.workspace.eq_ignore_ascii_case(workspace) || workspace == "{}")
    }

    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.workspace, self.slug)
    }

    /// The explicit grant, else read for a public repository. `None`: it is not visible.
    pub(crate) fn permission(&self, email: &str) -> Option<Permission> {
        let granted = self.grants.get(&email.to_ascii_lowercase()).copied();
        granted.or((self.visibility == Visibility::Public).then_some(Permission::Read))
    }
}

/// The principal of an authenticated SSH connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Principal {
    /// E-mail address of the account.
    Account(String),
    /// Fingerprint of the access key.
    AccessKey(String),
}

/// What a command wants of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccessMode {
    Read,
    Write,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    NoSuchRepository,
    NoAccess,
    AccessKeyReadsOnly,
    AccessKeyOfAnother,
}

/// What `git-lfs-authenticate` handed out.
#[derive(Clone, Debug)]
pub(crate) struct LfsGrant {
    pub(crate) full_name: String,
    pub(crate) mode: AccessMode,
}

/// A lock of Git LFS.
#[derive(Clone, Debug)]
pub(crate) struct LfsLock {
    pub(crate) id: String,
    pub(crate) repository: String,
    pub(crate) path: String,
    pub(crate) owner: String,
    pub(crate) locked_at: Timestamp,
}

/// The site's message for a repository that is denied over SSH. The defaults are those of the `conq` server;
/// `Forbidden` and `Unauthorized` are newer wordings of the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusals {
    /// The account has no right.
    pub access_denied: String,
    /// No such repository.
    pub does_not_exist: String,
    /// A push with an access key.
    pub access_key_reads_only: String,
    /// An access key of another repository.
    pub access_key_of_another: String,
    /// The exit status with them.
    pub status: u32,
    /// As a first packet `ERR …` on standard output in place of a line on standard error.
    pub as_packet: bool,
    /// HTTP status of git over HTTPS for a good credential whose account does not see the repository.
    pub https_status: u16,
}

impl Default for Refusals {
    fn default() -> Self {
        Self {
            access_denied: "conq: repository access denied.".to_owned(),
            does_not_exist: "conq: repository does not exist.".to_owned(),
            access_key_reads_only:
                "repository access denied. access via a deployment key is read-only.".to_owned(),
            access_key_of_another: "repository access denied. deployment key is not associated \
                                    with the requested repository."
                .to_owned(),
            status: 1,
            as_packet: false,
            https_status: 404,
        }
    }
}

/// Data Center's message for all of them (<https://confluence.atlassian.com/bitbucketserverkb>).
const DATA_CENTER: &str = "Repository not found\nThe requested repository does not exist, or you do \
    not have permission to access it.";

impl Refusals {
    /// Those of Data Center.
    pub(crate) fn of_data_center() -> Self {
        Self {
            access_denied: DATA_CENTER.to_owned(),
            does_not_exist: DATA_CENTER.to_owned(),
            access_key_reads_only: DATA_CENTER.to_owned(),
            access_key_of_another: DATA_CENTER.to_owned(),
            status: 1,
            as_packet: false,
            https_status: 404,
        }
    }

    pub(crate) fn text(&self, denied: Denied) -> &str {
        match denied {
            Denied::NoSuchRepository => &self.does_not_exist,
            Denied::NoAccess => &self.access_denied,
            Denied::AccessKeyReadsOnly => &self.access_key_reads_only,
            Denied::AccessKeyOfAnother => &self.access_key_of_another,
        }
    }
}

impl Model {
    /// Who a key is. User `git`: any account's or access key; another user name: that account's
    /// alone. An expired key, and one the news of which has not spread, is unknown.
    pub(crate) fn principal(&self, user: &str, fingerprint: &str) -> Option<Principal> {
        let now = Timestamp::now();
        let holder = self
            .members
            .iter()
            .filter(|member| user == "git" || member.account.username == user)
            .find(|member| {
                member
                    .keys
                    .iter()
                    .any(|key| key.fingerprint == fingerprint && key.works(now))
            });
        if let Some(member) = holder {
            return Some(Principal::Account(member.account.email.clone()));
        }
        let is_access_key = user == "git"
            && self
                .repositories
                .iter()
                .flat_map(|repository| &repository.deploy_keys)
                .any(|key| key.fingerprint == fingerprint);
        is_access_key.then(|| Principal::AccessKey(fingerprint.to_owned()))
    }

    /// Notes a login in `last_used`.
    pub(crate) fn used(&mut self, fingerprint: &str) {
        let now = Some(Timestamp::now());
        for key in self.members.iter_mut().flat_map(|member| &mut member.keys) {
            if key.fingerprint == fingerprint {
                key.last_used = now;
            }
        }
        for key in self
            .repositories
            .iter_mut()
            .flat_map(|one| &mut one.deploy_keys)
        {
            if key.fingerprint == fingerprint {
                key.last_used = now;
            }
        }
    }

    /// The repository's folder, if this principal may do that with it.
    pub(crate) fn access(
        &self,
        principal: &Principal,
        workspace: &str,
        slug: &str,
        mode: AccessMode,
    ) -> Result<&Repository, Denied> {
        let repository = self
            .repository(workspace, slug)
            .ok_or(Denied::NoSuchRepository)?;
        match principal {
            Principal::Account(email) => match (repository.permission(email), mode) {
                (None, _) | (Some(Permission::Read), AccessMode::Write) => Err(Denied::NoAccess),
                (Some(_), _) => Ok(repository),
            },
            Principal::AccessKey(fingerprint) => {
                let mut keys = repository.deploy_keys.iter();
                let of_this = keys.find(|key| &key.fingerprint == fingerprint);
                match (of_this, mode) {
                    (None, _) => Err(Denied::AccessKeyOfAnother),
                    (Some(key), AccessMode::Write) if !key.writable => {
                        Err(Denied::AccessKeyReadsOnly)
                    }
                    (Some(_), _) => Ok(repository),
                }
            }
        }
    }
}
