//! [`Sandbox`]: starts both doors on free ports of 127.0.0.1, lets tests set up and look, stops
//! when dropped.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::faults::Faults;
use crate::model::{
    Account, DeployKey, Key, Member, Model, Permission, Refusals, Submitted, Token, Visibility,
    new_uuid,
};
use crate::seen::{Connection, Request, Seen};
use crate::{rest, ssh};

/// What both doors share.
#[derive(Debug)]
pub(crate) struct Shared {
    model: Mutex<Model>,
    seen: Mutex<Seen>,
    pub(crate) faults: Faults,
    /// Origin of the REST door, `http://127.0.0.1:PORT`.
    pub(crate) origin: String,
    pub(crate) folder: PathBuf,
    pub(crate) host_keys: ssh::HostKeys,
}

impl Shared {
    pub(crate) fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is chosen before the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// An RSA host key (2048 bits) beside Ed25519 and ECDSA; takes a second or more to make.
    pub rsa_host_key: bool,
}

/// A running Bitbucket. Every method that names an account, repository or key that does not exist
/// panics: it is the test that is wrong.
#[derive(Debug)]
pub struct Sandbox {
    shared: Arc<Shared>,
    ssh: SocketAddr,
    /// `None` only while dropped.
    runtime: Option<Runtime>,
    /// Removed after the doors are shut.
    _folder: TempDir,
}

impl Sandbox {
    /// Starts an empty site.
    pub fn start() -> Self {
        Self::start_with(Options::default())
    }

    /// Starts an empty site with these options.
    pub fn start_with(options: Options) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("bitbucket-sandbox-")
            .tempdir()
            .expect("the folder for temporary files is writable");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("sandbox")
            .enable_all()
            .build()
            .expect("threads can be started");
        let (rest_door, ssh_door) = runtime
            .block_on(async {
                let rest_door = TcpListener::bind(("127.0.0.1", 0)).await?;
                Ok::<_, std::io::Error>((rest_door, TcpListener::bind(("127.0.0.1", 0)).await?))
            })
            .expect("loopback has free ports");
        let address =
            |door: &TcpListener| door.local_addr().expect("a bound socket has an address");
        let ssh = address(&ssh_door);
        let shared = Arc::new(Shared {
            model: Mutex::default(),
            seen: Mutex::default(),
            faults: Faults::default(),
            origin: format!("http://{}", address(&rest_door)),
            folder: folder.path().to_owned(),
            host_keys: ssh::HostKeys::generate(options.rsa_host_key),
        });
        runtime.spawn(rest::serve(rest_door, Arc::clone(&shared)));
        runtime.spawn(ssh::serve(ssh_door, Arc::clone(&shared)));
        Self {
            shared,
            ssh,
            runtime: Some(runtime),
            _folder: folder,
        }
    }

    /// REST base, as `bitbucket.<url>.apiUrl` takes it: `http://127.0.0.1:PORT/2.0`.
    pub fn api_url(&self) -> String {
        format!("{}/2.0", self.shared.origin)
    }

    /// SSH place, as `bitbucket.<url>.sshHost` takes it: `127.0.0.1:PORT`.
    pub fn ssh_host(&self) -> String {
        self.ssh.to_string()
    }

    /// The port of [`Sandbox::ssh_host`].
    pub fn ssh_port(&self) -> u16 {
        self.ssh.port()
    }

    /// Lines of known_hosts for the host keys, by the name `[127.0.0.1]:PORT`.
    pub fn known_hosts(&self) -> String {
        let name = format!("[127.0.0.1]:{}", self.ssh.port());
        self.shared.host_keys.known_hosts(&name)
    }

    /// Where the repositories lie.
    pub fn folder(&self) -> &Path {
        &self.shared.folder
    }

    /// What is to go wrong next.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

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

    /// Takes every token of the account away.
    pub fn revoke_tokens(&self, email: &str) {
        self.with_member(email, |member| member.tokens.clear());
    }

    /// A new repository with one commit on `main` (a file `README.md`), made by real git.
    /// `name` is `workspace/slug`.
    pub fn add_repository(&self, name: &str, visibility: Visibility) {
        self.add_empty_repository(name, visibility);
        crate::ssh::git::first_commit(&self.repository_path(name), name);
    }

    /// A new repository without a commit.
    pub fn add_empty_repository(&self, name: &str, visibility: Visibility) {
        let (workspace, slug) = parts(name);
        let path = crate::ssh::git::create(&self.shared.folder, workspace, slug);
        self.shared
            .model()
            .add_repository(workspace, slug, visibility, path);
    }

    /// The bare repository's folder.
    pub fn repository_path(&self, name: &str) -> PathBuf {
        let (workspace, slug) = parts(name);
        let model = self.shared.model();
        let repository = model.repository(workspace, slug);
        repository.expect("the repository was added").path.clone()
    }

    /// Grants (`Some`) or takes away (`None`) a right on a repository.
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

    /// Lets the account create repositories in this workspace, which is made if it is new.
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

    /// The keys on the account, in the order they came.
    pub fn keys(&self, email: &str) -> Vec<Key> {
        self.with_member(email, |member| member.keys.clone())
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

    /// Removes keys as their owner would on the web page. Where the fingerprint (without prefix)
    /// is `None`: all of the account.
    pub fn remove_keys(&self, email: &str, fingerprint: Option<&str>) {
        self.with_member(email, |member| {
            member
                .keys
                .retain(|key| fingerprint.is_some_and(|wanted| wanted != key.fingerprint));
        });
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

    /// Every REST request so far, LFS included.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.seen().requests.clone()
    }

    /// Every SSH connection so far.
    pub fn connections(&self) -> Vec<Connection> {
        self.shared.seen().connections.clone()
    }

    /// Every command line so far, over all connections.
    pub fn commands(&self) -> Vec<String> {
        let connections = self.connections();
        let commands = connections.into_iter().flat_map(|one| one.commands);
        commands.map(|command| command.line).collect()
    }

    fn with_member<T>(&self, email: &str, act: impl FnOnce(&mut Member) -> T) -> T {
        act(self
            .shared
            .model()
            .member_mut(email)
            .expect("the account was added"))
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(2));
        }
    }
}

fn parts(name: &str) -> (&str, &str) {
    name.split_once('/')
        .expect("a repository is named workspace/slug")
}
