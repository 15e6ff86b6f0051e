//! Inspecting the site: what is on it, and what clients did. A name that does not exist panics.

use std::path::PathBuf;

use super::{Sandbox, parts};
use crate::call_log::{Connection, Request};
use crate::model::{DeployKey, Key};

impl Sandbox {
    /// The bare repository's folder.
    pub fn repository_path(&self, name: &str) -> PathBuf {
        let (workspace, slug) = parts(name);
        let model = self.shared.model();
        let repository = model.repository(workspace, slug);
        repository.expect("the repository was added").path.clone()
    }

    /// The keys on the account, in the order they came.
    pub fn keys(&self, email: &str) -> Vec<Key> {
        let model = self.shared.model();
        let member = model.member(email);
        member.expect("the account was added").keys.clone()
    }

    /// The access keys of the repository.
    pub fn deploy_keys(&self, name: &str) -> Vec<DeployKey> {
        let (workspace, slug) = parts(name);
        let model = self.shared.model();
        let repository = model.repository(workspace, slug);
        repository
            .expect("the repository was added")
            .deploy_keys
            .clone()
    }

    /// Every REST request so far, LFS included.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.call_log().requests.clone()
    }

    /// Every SSH connection so far.
    pub fn connections(&self) -> Vec<Connection> {
        self.shared.call_log().connections.clone()
    }

    /// Every command line so far, over all connections.
    pub fn commands(&self) -> Vec<String> {
        let connections = self.connections();
        let commands = connections.into_iter().flat_map(|one| one.commands);
        commands.map(|command| command.line).collect()
    }
}
