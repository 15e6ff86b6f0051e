//! What the site stores: accounts with tokens and keys, repositories with permissions, workspaces.
//! One value behind one lock; `rest` and `ssh` read and change it.

mod account;
pub(crate) mod key;
mod repository;

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;

pub use account::{Account, Permission, SCOPES_ALL, SCOPES_MINIMUM, Visibility};
pub(crate) use account::{Member, Token};
pub use key::{DeployKey, Key};
pub(crate) use key::{KeyError, Submitted};
pub use repository::Refusals;
pub(crate) use repository::{AccessMode, LfsGrant, LfsLock, Principal, Repository};

/// How long a deleted key stays refused.
/// <https://support.atlassian.com/bitbucket-cloud/kb/why-am-i-not-able-to-add-an-ssh-key-in-bitbucket-cloud/>
const DELETED_KEYS_STAY: jiff::SignedDuration = jiff::SignedDuration::from_hours(30 * 24);

/// The whole site.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) members: Vec<Member>,
    pub(crate) repositories: Vec<Repository>,
    /// Workspace slug to UUID, and the e-mail addresses that may create repositories there.
    pub(crate) workspaces: BTreeMap<String, Workspace>,
    /// Fingerprints of deleted keys, and when.
    pub(crate) deleted: BTreeMap<String, Timestamp>,
    pub(crate) lfs_grants: BTreeMap<String, LfsGrant>,
    pub(crate) lfs_locks: Vec<LfsLock>,
    pub(crate) refusals: Refusals,
    /// What Data Center's SSH settings say instead of the real values.
    pub(crate) ssh_base_url: Option<String>,
    last_deploy_key: u64,
}

#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) uuid: String,
    pub(crate) administrators: Vec<String>,
}

impl Model {
    pub(crate) fn workspace(&mut self, slug: &str) -> &mut Workspace {
        self.workspaces
            .entry(slug.to_ascii_lowercase())
            .or_insert_with(|| Workspace {
                uuid: new_uuid(),
                administrators: Vec::new(),
            })
    }

    pub(crate) fn next_deploy_key(&mut self) -> u64 {
        self.last_deploy_key += 1;
        self.last_deploy_key
    }

    pub(crate) fn repository(&self, workspace: &str, slug: &str) -> Option<&Repository> {
        self.repositories.iter().find(|one| one.is(workspace, slug))
    }

    pub(crate) fn repository_mut(
        &mut self,
        workspace: &str,
        slug: &str,
    ) -> Option<&mut Repository> {
        self.repositories
            .iter_mut()
            .find(|one| one.is(workspace, slug))
    }

    pub(crate) fn add_repository(
        &mut self,
        workspace: &str,
        slug: &str,
        visibility: Visibility,
        path: PathBuf,
    ) {
        self.workspace(workspace);
        self.repositories.push(Repository {
            workspace: workspace.to_ascii_lowercase(),
            slug: slug.to_ascii_lowercase(),
            uuid: new_uuid(),
            visibility,
            grants: BTreeMap::new(),
            deploy_keys: Vec::new(),
            created_on: Timestamp::now(),
            path,
        });
    }

    pub(crate) fn member(&self, email: &str) -> Option<&Member> {
        self.members
            .iter()
            .find(|member| member.account.email.eq_ignore_ascii_case(email))
    }

    pub(crate) fn member_mut(&mut self, email: &str) -> Option<&mut Member> {
        self.members
            .iter_mut()
            .find(|member| member.account.email.eq_ignore_ascii_case(email))
    }
}

/// A UUID in braces, as the site shows every one.
pub(crate) fn new_uuid() -> String {
    let mut bytes = fastrand::u128(..).to_be_bytes();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    format!(
        "{{{}-{}-{}-{}-{}}}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}
