//! Setting up the site: what tests may change. A name that does not exist panics.

use jiff::Timestamp;

use super::{Sandbox, parts};
use crate::model::{
    Account, DeployKey, Key, Member, Permission, Refusals, Submitted, Token, Visibility, new_uuid,
};
use crate::ssh::git;

impl Sandbox {
    /// A new account without token and key. `email` and `username` must be new.
    pub fn add_account(&self, email: &str, username: &str) -> Account {
        let account = Account {
            email: email.to_owned(),
            username: username.to_owned(),
            uuid: new_uuid(),
            account_id: format!("557058:{}", new_uuid().trim_matches(['{', '}'])),
            created_on: Timestamp::now(),
        };
        self.shared.model().members.push(Member {
            account: account.clone(),
            tokens: Vec::new(),
            keys: Vec::new(),
        });
        account
    }

    /// A new API token with these scopes (see [`crate::SCOPES_MINIMUM`]); returns the secret.
    pub fn add_token(&self, email: &str, scopes: &[&str]) -> String {
        self.add_expiring_token(email, scopes, None)
    }

    /// As [`Sandbox::add_token`], refused from `expires_on` on.
    pub fn add_expiring_token(
        &self,
        email: &str,
        scopes: &[&str],
        expires_on: Option<Timestamp>,
    ) -> String {
        let token = Token::new(scopes, expires_on);
        let secret = token.secret.clone();
        self.with_member(email, |member| member.tokens.push(token));
        secret
    }

    /// A password, for Data Center.
    pub fn add_password(&self, name: &str, password: &str) {
        self.with_member(name, |member| member.tokens.push(Token::password(password)));
    }

    /// A new HTTP access token of Data Center; returns the secret.
    pub fn add_http_access_token(&self, name: &str) -> String {
        let token = Token::http_access();
        let secret = token.secret.clone();
        self.with_member(name, |member| member.tokens.push(token));
        secret
    }

    /// Sets `baseUrl` of Data Center's SSH settings.
    pub fn set_ssh_base_url(&self, url: &str) {
        self.shared.model().ssh_base_url = Some(url.to_owned());
    }

    /// Revokes all tokens of the account.
    pub fn revoke_tokens(&self, email: &str) {
        self.with_member(email, |member| member.tokens.clear());
    }

    /// A new repository with one commit on `main` (a file `README.md`), made by real git.
    /// `name` is `workspace/slug`.
    pub fn add_repository(&self, name: &str, visibility: Visibility) {
        self.add_empty_repository(name, visibility);
        git::first_commit(&self.repository_path(name), name);
    }

    /// A new repository without a commit.
    pub fn add_empty_repository(&self, name: &str, visibility: Visibility) {
        let (workspace, slug) = parts(name);
        let path = git::create(&self.shared.folder, workspace, slug);
        self.shared
            .model()
            .add_repository(workspace, slug, visibility, path);
    }

    /// Grants (`Some`) or revokes (`None`) a permission on a repository.
    pub fn grant(&self, email: &str, name: &str, permission: Option<Permission>) {
        let (workspace, slug) = parts(name);
        let mut model = self.shared.model();
        let repository = model.repository_mut(workspace, slug);
        let grants = &mut repository.expect("the repository was added").grants;
        match permission {
            Some(permission) => grants.insert(email.to_ascii_lowercase(), permission),
            None => grants.remove(&email.to_ascii_lowercase()),
        };
    }

    /// Allows the account to create repositories in this workspace, which is created if it is new.
    pub fn add_administrator(&self, email: &str, workspace: &str) {
        let mut model = self.shared.model();
        let workspace = model.workspace(workspace);
        workspace.administrators.push(email.to_ascii_lowercase());
    }

    /// Registers a public key line as the web page would, whatever scopes there are.
    /// Works over SSH at once.
    pub fn add_key(&self, email: &str, line: &str, label: &str) -> Key {
        let submitted = Submitted::parse(line).expect("the test's key is one the site takes");
        let key = submitted.into_key(label, None, Timestamp::now());
        self.with_member(email, |member| member.keys.push(key.clone()));
        key
    }

    /// Registers an access key of the repository.
    pub fn add_deploy_key(&self, name: &str, line: &str, label: &str) -> DeployKey {
        let (workspace, slug) = parts(name);
        let submitted = Submitted::parse(line).expect("the test's key is one the site takes");
        let mut model = self.shared.model();
        let id = model.next_deploy_key();
        let key = submitted.into_deploy_key(label, id);
        let repository = model.repository_mut(workspace, slug);
        let keys = &mut repository.expect("the repository was added").deploy_keys;
        keys.push(key.clone());
        key
    }

    /// Removes keys as their owner would on the web page: the one with this fingerprint (without
    /// prefix), or with `None` all of the account. They stay refused for 30 days.
    pub fn remove_keys(&self, email: &str, fingerprint: Option<&str>) {
        let mut model = self.shared.model();
        let member = model.member_mut(email).expect("the account was added");
        let gone = |key: &mut Key| fingerprint.is_none_or(|wanted| wanted == key.fingerprint);
        let removed: Vec<Key> = member.keys.extract_if(.., gone).collect();
        for key in removed {
            model.deleted.insert(key.fingerprint, Timestamp::now());
        }
    }

    /// Gives every key of the account this expiry.
    pub fn set_expiry(&self, email: &str, expires_on: Option<Timestamp>) {
        self.with_member(email, |member| {
            for key in &mut member.keys {
                key.expires_on = expires_on;
            }
        });
    }

    /// How refusals over SSH are worded from now on.
    pub fn set_refusals(&self, refusals: Refusals) {
        self.shared.model().refusals = refusals;
    }

    fn with_member<T>(&self, email: &str, act: impl FnOnce(&mut Member) -> T) -> T {
        act(self
            .shared
            .model()
            .member_mut(email)
            .expect("the account was added"))
    }
}
