//! SSH servers other than OpenSSH, each the real one, on a free port of loopback.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::accounts::{Accounts, PASSWORD};
use super::{World, run};

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Implementation {
    /// Of routers and small machines.
    Dropbear,
    /// Python's asyncssh.
    Asyncssh,
    /// Python's paramiko.
    Paramiko,
    /// golang.org/x/crypto/ssh, under Bitbucket Cloud's own server and many others.
    Go,
}

impl Implementation {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Dropbear, Self::Asyncssh, Self::Paramiko, Self::Go];
}

/// How a server is to be.
#[derive(Debug, Clone, Copy, Default)]
pub struct ServerOptions<'a> {
    /// ssh-keygen's arguments for its host key, `-t ed25519` if empty.
    pub host_key: &'a str,
    /// The user may come with [`PASSWORD`].
    pub password: bool,
    /// By keyboard-interactive: the password, and the code `42`. Not dropbear.
    pub keyboard: bool,
    /// It asks for new keys after so many bytes. paramiko and Go only: Debian's asyncssh then sends
    /// data behind its KEXINIT, which RFC 4253 section 7.1 forbids and russh does not take.
    pub rekey: Option<u32>,
    /// The only compression that is taken. asyncssh only.
    pub compression: &'a str,
}

/// Runs until dropped. The user is [`super::accounts::USER`]; commands run by `sh -c`; of the
/// variables `GIT_…` are taken, and the others refused.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// On 127.0.0.1.
    pub port: u16,
    authorized: PathBuf,
    public: String,
}

impl Server {
    /// Starts it.
    pub fn start(
        world: &World,
        implementation: Implementation,
        options: ServerOptions<'_>,
    ) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("server-")
            .tempdir_in(world.path("tmp"))
            .unwrap()
            .keep();
        let key = folder.join("host_key");
        let words = match options.host_key {
            "" => "-t ed25519",
            words => words,
        };
        let mut keygen = world.command("ssh-keygen");
        keygen.args(["-q", "-N", ""]).args(words.split(' '));
        run({
            keygen.arg("-f").arg(&key);
            keygen
        })
        .succeeds();
        let public = fs::read_to_string(folder.join("host_key.pub")).unwrap();
        let (child, port, authorized) = match implementation {
            Implementation::Dropbear => dropbear(world, &folder, &key, options),
            implementation => own(world, implementation, &folder, &key, options),
        };
        Self {
            child,
            port,
            authorized,
            public,
        }
    }

    /// Accepts this public key.
    pub fn authorize(&self, line: &str) {
        let known = fs::read_to_string(&self.authorized).unwrap_or_default();
        fs::write(&self.authorized, format!("{known}{}\n", line.trim())).unwrap();
    }

    /// A line of known_hosts for its host key.
    pub fn known_hosts(&self) -> String {
        format!("[127.0.0.1]:{} {}", self.port, self.public)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn dropbear(
    world: &World,
    folder: &Path,
    key: &Path,
    options: ServerOptions<'_>,
) -> (Child, u16, PathBuf) {
    let accounts = Accounts::new(world);
    let own_key = folder.join("dropbear_key");
    let mut convert = world.command("/usr/lib/dropbear/dropbearconvert");
    convert.args(["openssh", "dropbear"]).arg(key).arg(&own_key);
    run(convert).succeeds();
    let port = TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut command = world.command("/usr/sbin/dropbear");
    accounts.shown_to(&mut command);
    // The commands get the environment: without `-e` they would not have this world's PATH.
    command
        .args(["-F", "-E", "-e", "-p", &format!("127.0.0.1:{port}"), "-r"])
        .arg(&own_key)
        .arg("-P")
        .arg(folder.join("pid"));
    if !options.password {
        command.arg("-s");
    }
    let child = quiet(command, folder)
        .spawn()
        .expect("dropbear-bin is installed");
    let end = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "dropbear does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    (child, port, accounts.home().join(".ssh/authorized_keys"))
}

/// The servers in the folder `servers`, which say their port.
fn own(
    world: &World,
    implementation: Implementation,
    folder: &Path,
    key: &Path,
    options: ServerOptions<'_>,
) -> (Child, u16, PathBuf) {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/servers");
    let python = |name: &str| {
        // Debian's, where its packages of asyncssh and paramiko are.
        let mut command = world.command("/usr/bin/python3");
        command.arg("-B").arg(sources.join(name));
        command
    };
    let mut command = match implementation {
        Implementation::Asyncssh => python("asyncssh_server.py"),
        Implementation::Paramiko => python("paramiko_server.py"),
        _ => world.command(&go_server(&sources).to_string_lossy()),
    };
    let authorized = folder.join("authorized_keys");
    fs::write(&authorized, "").unwrap();
    command.arg("--host-key").arg(key);
    command.arg("--authorized").arg(&authorized);
    if options.password || options.keyboard {
        command.args(["--password", PASSWORD]);
    }
    if options.keyboard {
        command.arg("--keyboard");
    }
    if !options.compression.is_empty() {
        command.args(["--compression", options.compression]);
    }
    if let Some(bytes) = options.rekey {
        command.args(["--rekey", &bytes.to_string()]);
    }
    let mut command = quiet(command, folder);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut output = String::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    lines.read_line(&mut output).unwrap();
    let log = || fs::read_to_string(folder.join("log"));
    let port = output
        .trim()
        .parse()
        .unwrap_or_else(|_| panic!("{implementation:?} does not start: {:?}", log()));
    (child, port, authorized)
}

fn quiet(mut command: Command, folder: &Path) -> Command {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.join("log")).unwrap());
    command
}

/// Built once for all tests, from Debian's package of the library.
fn go_server(sources: &Path) -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let program = folder.join("go-server");
        let mut go = Command::new("go");
        go.env("GO111MODULE", "off")
            .env("GOPATH", "/usr/share/gocode")
            .env("GOCACHE", folder.join("go-cache"))
            .env("GOFLAGS", "")
            .args(["build", "-o"])
            .arg(&program)
            .arg("main.go")
            .current_dir(sources.join("go"));
        run(go).succeeds();
        program
    })
}
