//! A real sshd on a loopback port, and sessions between pipes.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::clock::SystemClock;
use crate::context::{Context, Environment};
use crate::identity::{Identity, key_file};
use crate::prompt::{self, Prompt};
use crate::repository::{Service, SshHost};
use crate::secret::Secret;
use crate::settings::{HostKeyConfig, SshConfig};
use crate::transport::{Endpoint, Error, ExecRequest, Outcome, Route, Session, Streams, run};

/// A program of the system's, in a cleared environment.
#[expect(
    clippy::disallowed_methods,
    reason = "servers and tools of a test, in a cleared environment"
)]
pub fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        .stdin(Stdio::null());
    command
}

pub fn ssh_keygen(arguments: &[&str]) {
    let output = program("ssh-keygen").args(arguments).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "ssh-keygen {arguments:?}: {message}"
    );
}

/// A key pair made by ssh-keygen.
pub fn new_key(path: &Path, kind: &str, passphrase: &str) -> Identity {
    let text = path.to_str().unwrap();
    ssh_keygen(&["-q", "-t", kind, "-N", passphrase, "-f", text]);
    key_file::identity(path).unwrap()
}

pub fn user() -> String {
    let output = program("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// sshd in a folder of its own, with one user key that it takes.
pub struct Server {
    child: Child,
    pub port: u16,
    pub folder: tempfile::TempDir,
    pub identity: Identity,
}

impl Server {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// `options` as `-o` takes them.
    pub fn start_with(options: &[&str]) -> Self {
        let _ = std::fs::create_dir_all("/run/sshd");
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        new_key(&path("host"), "ed25519", "");
        let identity = new_key(&path("id"), "ed25519", "");
        std::fs::copy(path("id.pub"), path("authorized_keys")).unwrap();
        let port = free_port();
        std::fs::write(
            path("sshd_config"),
            Self::config(folder.path(), port, options),
        )
        .unwrap();
        let log = File::create(path("log")).unwrap();
        let child = program("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(path("sshd_config"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Self {
            child,
            port,
            folder,
            identity,
        };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "{}",
                server.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn config(folder: &Path, port: u16, options: &[&str]) -> String {
        let folder = folder.display();
        let more = options.join("\n");
        // Without SHLVL, a bash that sshd starts reads ~/.bashrc, whatever that runs (bash(1),
        // INVOCATION).
        format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host\n\
             AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nUsePAM no\n\
             PidFile none\nMaxStartups 200\nPermitRootLogin yes\nAcceptEnv GIT_PROTOCOL\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nLogLevel VERBOSE\nSetEnv SHLVL=5\n{more}\n"
        )
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub fn endpoint(&self) -> Endpoint {
        endpoint(self.port)
    }

    /// Lets another key in.
    pub fn authorize(&self, identity: &Identity) {
        let mut file = File::options()
            .append(true)
            .open(self.path("authorized_keys"))
            .unwrap();
        let line = identity.public_key.as_ref().unwrap().to_openssh().unwrap();
        writeln!(file, "{line}").unwrap();
    }

    /// A known_hosts file with this server's key, and the configuration that names it.
    pub fn config_for(&self) -> SshConfig {
        let key = std::fs::read_to_string(self.path("host.pub")).unwrap();
        let known = self.path("known_hosts");
        if !known.exists() {
            std::fs::write(&known, format!("[127.0.0.1]:{} {key}", self.port)).unwrap();
        }
        SshConfig {
            host_keys: HostKeyConfig {
                user_known_hosts: Some(vec![known]),
                global_known_hosts: Some(Vec::new()),
                ..HostKeyConfig::default()
            },
            ..SshConfig::default()
        }
    }

    pub fn call(&self, command: &str) -> Call {
        Call {
            endpoints: vec![self.endpoint()],
            config: self.config_for(),
            identities: vec![self.identity.clone()],
            command: command.to_owned(),
            ..Call::default()
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn endpoint(port: u16) -> Endpoint {
    Endpoint {
        address: SshHost {
            host: "127.0.0.1".to_owned(),
            port,
        },
        published: false,
    }
}

/// A person who answers from a list, and remembers what was asked.
#[derive(Default)]
pub struct Person {
    pub answers: Mutex<Vec<&'static str>>,
    pub asked: Mutex<Vec<String>>,
}

impl Person {
    pub fn who_says(answers: &[&'static str]) -> Self {
        Self {
            answers: Mutex::new(answers.iter().rev().copied().collect()),
            asked: Mutex::default(),
        }
    }

    fn answer(&self, text: &str) -> Result<String, prompt::Error> {
        self.asked.lock().unwrap().push(text.to_owned());
        let answer = self.answers.lock().unwrap().pop();
        answer.map(str::to_owned).ok_or(prompt::Error::Unavailable)
    }

    pub fn questions(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Prompt for Person {
    fn available(&self) -> bool {
        true
    }

    fn terminal(&self) -> bool {
        true
    }

    fn secret(&self, text: &str) -> Result<Secret, prompt::Error> {
        self.answer(text).map(Secret::new)
    }

    fn line(&self, text: &str) -> Result<String, prompt::Error> {
        self.answer(text)
    }

    fn confirm(&self, text: &str) -> Result<bool, prompt::Error> {
        self.answer(text).map(|answer| answer == "yes")
    }
}

/// What a session is to do.
pub struct Call {
    pub endpoints: Vec<Endpoint>,
    pub config: SshConfig,
    pub identities: Vec<Identity>,
    pub command: String,
    pub service: Service,
    pub environment: Vec<(String, String)>,
    pub variables: Vec<(String, String)>,
    pub person: Person,
    pub kept: Option<&'static str>,
}

impl Default for Call {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            config: SshConfig::default(),
            identities: Vec::new(),
            command: String::new(),
            service: Service::Other,
            environment: Vec::new(),
            variables: Vec::new(),
            person: Person::default(),
            kept: None,
        }
    }
}

impl Call {
    /// Runs it between these streams.
    pub fn between(&self, streams: Streams) -> Result<Outcome, Error> {
        let variables = self.variables.iter();
        let context = Context {
            environment: Environment::new(
                variables.map(|(name, value)| (name.into(), value.into())),
            ),
            directory: "/".into(),
            program: "/nowhere/bitbucket-ssh".into(),
            clock: Arc::new(SystemClock),
        };
        run(
            Session {
                route: Route {
                    endpoints: self.endpoints.clone(),
                    user: user(),
                    typed_host: "127.0.0.1".to_owned(),
                    site_fingerprints: Vec::new(),
                },
                config: &self.config,
                context: &context,
                identities: self.identities.clone(),
                as_ssh: false,
                exec: ExecRequest {
                    command: Some(self.command.clone().into_bytes()),
                    service: self.service,
                    environment: self.environment.clone(),
                },
                prompt: &self.person,
                passphrase: &|_| self.kept.map(|text| Secret::new(text.to_owned())),
            },
            streams,
        )
    }

    /// Runs it with this input, read and written by other threads.
    pub fn run(&self, input: &[u8]) -> Ran {
        let (stdin, mut feed) = pipe();
        let (mut read_output, stdout) = pipe();
        let (mut read_errors, stderr) = pipe();
        let input = input.to_vec();
        let feeder = std::thread::spawn(move || feed.write_all(&input).is_ok());
        let collect = |file: &mut File| {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            bytes
        };
        let output = std::thread::spawn(move || collect(&mut read_output));
        let errors = std::thread::spawn(move || collect(&mut read_errors));
        let outcome = self.between(Streams::of(Some(stdin), stdout, stderr));
        feeder.join().unwrap();
        Ran {
            outcome,
            output: output.join().unwrap(),
            errors: String::from_utf8_lossy(&errors.join().unwrap()).into_owned(),
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Ran {
    pub outcome: Result<Outcome, Error>,
    pub output: Vec<u8>,
    pub errors: String,
}

impl Ran {
    /// The remote status of a session that was served.
    pub fn status(&self) -> u8 {
        match &self.outcome {
            Ok(Outcome::Completed { status, .. }) => status.0,
            other => panic!("not served: {other:?}"),
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }
}

/// Reading end, writing end.
pub fn pipe() -> (File, File) {
    let (reader, writer) = std::io::pipe().unwrap();
    (
        File::from(OwnedFd::from(reader)),
        File::from(OwnedFd::from(writer)),
    )
}

/// The messages logged at `-vv` and above while `act` runs on this thread.
pub fn logged<T>(act: impl FnOnce() -> T) -> (T, Vec<String>) {
    let messages = Arc::new(Mutex::new(Vec::new()));
    let result = tracing::subscriber::with_default(Collect(Arc::clone(&messages)), act);
    let messages = messages.lock().unwrap().clone();
    (result, messages)
}

struct Collect(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Collect {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("bitbucket_ssh")
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push(message.0);
    }

    fn new_span(&self, _span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _span: &tracing::span::Id, _values: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _span: &tracing::span::Id, _follows: &tracing::span::Id) {}

    fn enter(&self, _span: &tracing::span::Id) {}

    fn exit(&self, _span: &tracing::span::Id) {}
}

struct Message(String);

impl tracing::field::Visit for Message {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

/// A real ssh-agent.
pub struct RealAgent {
    child: Child,
    pub socket: PathBuf,
    _folder: tempfile::TempDir,
}

impl RealAgent {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent");
        let child = program("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        while std::os::unix::net::UnixStream::connect(&socket).is_err()
            && start.elapsed() < Duration::from_secs(10)
        {
            std::thread::sleep(Duration::from_millis(10));
        }
        Self {
            child,
            socket,
            _folder: folder,
        }
    }

    pub fn add(&self, file: &Path) {
        let added = program("ssh-add")
            .env("SSH_AUTH_SOCK", &self.socket)
            .arg("-q")
            .arg(file)
            .status()
            .unwrap();
        assert!(added.success(), "ssh-add {}", file.display());
    }

    /// Where a session finds it.
    pub fn variables(&self) -> Vec<(String, String)> {
        let socket = self.socket.to_str().unwrap().to_owned();
        vec![("SSH_AUTH_SOCK".to_owned(), socket)]
    }
}

impl Drop for RealAgent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
