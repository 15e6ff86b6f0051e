//! [`Sandbox`]: starts both servers on free ports of 127.0.0.1, lets tests set up the site and
//! inspect it, and stops when it is dropped.

mod inspect;
mod setup;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::call_log::CallLog;
use crate::faults::Faults;
use crate::model::{Model, Refusals};
use crate::{rest, ssh};

/// What both servers share.
#[derive(Debug)]
pub(crate) struct Shared {
    model: Mutex<Model>,
    call_log: Mutex<CallLog>,
    pub(crate) faults: Faults,
    /// Origin of the REST server, `http://127.0.0.1:PORT`.
    pub(crate) origin: String,
    pub(crate) folder: PathBuf,
    pub(crate) host_keys: ssh::HostKeys,
    pub(crate) data_center: bool,
    pub(crate) ssh_port: u16,
}

impl Shared {
    pub(crate) fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn call_log(&self) -> MutexGuard<'_, CallLog> {
        self.call_log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is chosen before the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// An RSA host key (2048 bits) beside Ed25519 and ECDSA; takes a second or more to make.
    pub rsa_host_key: bool,
    /// Data Center in place of Cloud, below a context path. Accounts are named by their user name
    /// everywhere: `add_account("alice", "alice")`.
    pub data_center: bool,
}

/// A running Bitbucket. Every method that names an account, repository or key that does not exist
/// panics: it is the test that is wrong.
#[derive(Debug)]
pub struct Sandbox {
    shared: Arc<Shared>,
    ssh: SocketAddr,
    /// `None` only while dropped.
    runtime: Option<Runtime>,
    /// Removed after the servers have stopped.
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
        let (rest_listener, ssh_listener) = runtime
            .block_on(async {
                let rest_listener = TcpListener::bind(("127.0.0.1", 0)).await?;
                Ok::<_, std::io::Error>((rest_listener, TcpListener::bind(("127.0.0.1", 0)).await?))
            })
            .expect("loopback has free ports");
        let address = |listener: &TcpListener| {
            listener
                .local_addr()
                .expect("a bound socket has an address")
        };
        let ssh = address(&ssh_listener);
        let shared = Arc::new(Shared {
            model: Mutex::default(),
            call_log: Mutex::default(),
            faults: Faults::default(),
            origin: format!("http://{}", address(&rest_listener)),
            folder: folder.path().to_owned(),
            host_keys: ssh::HostKeys::generate(options.rsa_host_key),
            data_center: options.data_center,
            ssh_port: ssh.port(),
        });
        if options.data_center {
            shared.model().refusals = Refusals::of_data_center();
        }
        runtime.spawn(rest::serve(rest_listener, Arc::clone(&shared)));
        runtime.spawn(ssh::serve(ssh_listener, Arc::clone(&shared)));
        Self {
            shared,
            ssh,
            runtime: Some(runtime),
            _folder: folder,
        }
    }

    /// Starts an empty Data Center.
    pub fn start_data_center() -> Self {
        Self::start_with(Options {
            data_center: true,
            ..Options::default()
        })
    }

    /// Data Center's web address, with its context path: `http://127.0.0.1:PORT/bitbucket`.
    pub fn web_url(&self) -> String {
        format!("{}/{}", self.shared.origin, rest::CONTEXT)
    }

    /// What git over HTTPS clones (here over plain http): `http://127.0.0.1:PORT/acme/site.git`, on
    /// Data Center `http://127.0.0.1:PORT/bitbucket/scm/ACME/site.git`. `name` is `workspace/slug`.
    pub fn clone_url(&self, name: &str) -> String {
        let origin = &self.shared.origin;
        if self.shared.data_center {
            format!("{origin}/{}/scm/{name}.git", rest::CONTEXT)
        } else {
            format!("{origin}/{name}.git")
        }
    }

    /// `http://127.0.0.1:PORT`: the web address of Cloud, as `bitbucket.<url>.type` takes it.
    pub fn origin(&self) -> &str {
        &self.shared.origin
    }

    /// `SHA256:…` of the host key in Data Center's SSH settings.
    pub fn host_key_fingerprint(&self) -> String {
        self.shared.host_keys.fingerprint()
    }

    /// REST base of Cloud, as `bitbucket.<url>.apiUrl` takes it: `http://127.0.0.1:PORT/2.0`.
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
