//! The servers, a key that they accept, and the two clients in turn.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use sandbox::{Permission, Sandbox, Visibility};

use crate::measure::Cost;

/// The clients, ssh(1) first.
const CLIENTS: [&str; 2] = ["/usr/bin/ssh", env!("CARGO_BIN_EXE_bitbucket-ssh")];

/// What is asked of which server.
pub struct Call {
    host: String,
    port: u16,
    command: String,
    input: usize,
}

impl Call {
    /// A command for the server on this port of 127.0.0.1.
    pub fn of(port: u16, command: &str) -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port,
            command: command.to_owned(),
            input: 0,
        }
    }

    /// The same, logged in as `git`.
    pub fn with_git_user(mut self) -> Self {
        "git@127.0.0.1".clone_into(&mut self.host);
        self
    }

    /// So many bytes for its stdin.
    pub fn with_input(mut self, bytes: usize) -> Self {
        self.input = bytes;
        self
    }
}

/// An sshd and a forge.
pub struct Stage {
    /// The forge: an SSH server that sends no hostkeys-00@openssh.com.
    pub sandbox: Sandbox,
    /// The sshd's.
    pub port: u16,
    sshd: Child,
    directory: tempfile::TempDir,
}

impl Stage {
    /// Starts both.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let home = directory.path().join("home");
        fs::create_dir_all(home.join(".ssh")).expect("a home");
        let key = home.join(".ssh/id_ed25519");
        for file in [&directory.path().join("host"), &key] {
            make_key(file);
        }
        let public = fs::read_to_string(key.with_extension("pub")).expect("a public key");
        fs::write(directory.path().join("authorized"), &public).expect("a file");
        let port = free_port();
        let sshd = sshd(directory.path(), port);
        fs::write(
            home.join(".ssh/config"),
            format!(
                "Host *\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  \
                 LogLevel ERROR\n  IdentityFile {}\n",
                key.display()
            ),
        )
        .expect("a file");
        let native = "[bitbucket]\n\totherHosts = native\n";
        fs::write(home.join(".gitconfig"), native).expect("a file");
        let sandbox = Sandbox::start();
        let alice = "alice@example.com";
        sandbox.add_account(alice, "alice");
        sandbox.add_repository("acme/site", Visibility::Private);
        sandbox.grant(alice, "acme/site", Some(Permission::Write));
        sandbox.add_key(alice, &public, "bench");
        // What ssh_config says is kept only of files that have not just been written.
        thread::sleep(Duration::from_secs(3));
        Self {
            sandbox,
            port,
            sshd,
            directory,
        }
    }

    fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    /// One row: both clients in turn, medians, ratio.
    pub fn compare(&self, name: &str, runs: usize, call: &Call, figure: impl Fn(&Cost) -> f64) {
        let mut costs: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
        for _ in 0..runs {
            for (client, costs) in CLIENTS.into_iter().zip(&mut costs) {
                costs.push(figure(&run(client, &self.home(), call)));
            }
        }
        row(name, costs);
    }

    /// git's `-G` probe: both on the null device.
    pub fn compare_probes(&self) {
        let mut costs: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
        for _ in 0..31 {
            for (client, costs) in CLIENTS.into_iter().zip(&mut costs) {
                let mut probe = Command::new(client);
                probe
                    .args(["-G", "-o", "SendEnv=GIT_PROTOCOL", "git@bitbucket.org"])
                    .env("HOME", self.home());
                costs.push(timed(&mut probe));
            }
        }
        row("git's `-G` probe, ms", costs);
    }

    /// A repository of 100 MB through sshd.
    pub fn compare_clones(&self) {
        let source = self.directory.path().join("source");
        let git = |arguments: &[&str]| {
            let mut git = Command::new("git");
            git.arg("-C").arg(&source).args(arguments);
            assert!(timed(&mut git) > 0.0);
        };
        fs::create_dir_all(&source).expect("a folder");
        git(&["init", "-q"]);
        let mut random = fastrand::Rng::with_seed(1);
        for number in 0..100 {
            let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..))
                .take(1_000_000)
                .collect();
            fs::write(source.join(format!("file{number}")), bytes).expect("a file");
        }
        git(&["add", "."]);
        let author = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        git(&[&author[..], &["commit", "-qm", "A hundred megabytes"]].concat());
        let url = format!("ssh://127.0.0.1:{}{}", self.port, source.display());
        let mut costs: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
        for _ in 0..5 {
            for (client, costs) in CLIENTS.into_iter().zip(&mut costs) {
                let copy = self.directory.path().join("copy");
                let config = self.home().join(".ssh/config");
                let mut clone = Command::new("git");
                clone
                    .args(["clone", "-q", "--bare", &url])
                    .arg(&copy)
                    .env("HOME", self.home())
                    .env(
                        "GIT_SSH_COMMAND",
                        format!("{client} -F {}", config.display()),
                    );
                costs.push(timed(&mut clone));
                fs::remove_dir_all(&copy).expect("the copy");
            }
        }
        row("100 MB clone, loopback, ms", costs);
    }

    /// A line below the table: what a crowd of rules, hosts and keys costs our start.
    pub fn weigh_a_crowd(&self) {
        let crowded = self.directory.path().join("crowded");
        fs::create_dir_all(crowded.join(".ssh")).expect("a home");
        for name in ["id_ed25519", "id_ed25519.pub"] {
            let file = format!(".ssh/{name}");
            fs::copy(self.home().join(&file), crowded.join(&file)).expect("a copy");
        }
        let mut rules = "[bitbucket]\n\totherHosts = native\n".to_owned();
        for number in 0..1_000 {
            let _ = write!(
                rules,
                "[bitbucket \"https://bitbucket.org/team{number}\"]\n\taccount = a{number}@example.com\n"
            );
        }
        fs::write(crowded.join(".gitconfig"), rules).expect("a file");
        let host = fs::read_to_string(self.directory.path().join("host.pub")).expect("a key");
        let mut known = String::new();
        for number in 0..100_000 {
            let _ = write!(known, "host{number}.example.com {host}");
        }
        let _ = write!(known, "[127.0.0.1]:{} {host}", self.port);
        fs::write(crowded.join(".ssh/known_hosts"), known).expect("a file");
        let agent = Agent::start(self.directory.path());
        let config = |home: &Path, more: &str| {
            let key = home.join(".ssh/id_ed25519");
            let text = format!("Host *\n  IdentityFile {}\n{more}", key.display());
            fs::write(home.join(".ssh/config"), text).expect("a file");
        };
        let lines = format!(
            "  IdentitiesOnly yes\n  IdentityAgent {}\n  UserKnownHostsFile {}\n",
            agent.socket.display(),
            crowded.join(".ssh/known_hosts").display()
        );
        config(&crowded, &lines);
        thread::sleep(Duration::from_secs(3));
        let call = Call::of(self.port, "echo x");
        let [mut alone, mut in_a_crowd] = [Vec::new(), Vec::new()];
        for _ in 0..31 {
            alone.push(run(CLIENTS[1], &self.home(), &call).first_byte);
            in_a_crowd.push(run(CLIENTS[1], &crowded, &call).first_byte);
        }
        println!(
            "\n1,000 URL rules, 100,000 lines of known_hosts and 50 keys in the agent: {:.1} ms more",
            median(in_a_crowd) - median(alone)
        );
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}

/// An ssh-agent with 50 keys.
struct Agent {
    child: Child,
    socket: PathBuf,
}

impl Agent {
    fn start(directory: &Path) -> Self {
        let socket = directory.join("agent");
        let mut child = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .stdout(Stdio::piped())
            .spawn()
            .expect("ssh-agent");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        output
            .read_line(&mut String::new())
            .expect("its first line");
        let agent = Self { child, socket };
        for number in 0..50 {
            let key = directory.join(format!("agent{number}"));
            make_key(&key);
            let mut add = Command::new("ssh-add");
            add.args(["-q"])
                .arg(&key)
                .env("SSH_AUTH_SOCK", &agent.socket);
            let _ = timed(&mut add);
        }
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(client: &str, home: &Path, call: &Call) -> Cost {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .arg("measure")
        .arg(call.input.to_string())
        .args([client, "-F"])
        .arg(home.join(".ssh/config"))
        .args(["-p", &call.port.to_string()])
        .args([&call.host, &call.command])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .stderr(Stdio::inherit())
        .output()
        .expect("a measuring process");
    Cost::of(&String::from_utf8_lossy(&output.stdout))
}

fn sshd(directory: &Path, port: u16) -> Child {
    // Without SHLVL, a bash that sshd starts reads ~/.bashrc, whatever that runs (bash(1),
    // INVOCATION).
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host\nAuthorizedKeysFile {0}/authorized\n\
         StrictModes no\nUsePAM no\nPidFile none\nMaxStartups 100\nLogLevel QUIET\nSetEnv SHLVL=5\n",
        directory.display()
    );
    fs::write(directory.join("sshd_config"), config).expect("a file");
    let _ = fs::create_dir_all("/run/sshd");
    let sshd = Command::new("/usr/sbin/sshd")
        .args(["-D", "-e", "-f"])
        .arg(directory.join("sshd_config"))
        .stderr(Stdio::null())
        .spawn()
        .expect("sshd");
    let end = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "sshd does not listen");
        thread::sleep(Duration::from_millis(25));
    }
    sshd
}

fn make_key(file: &Path) {
    let mut keygen = Command::new("ssh-keygen");
    keygen
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(file);
    let _ = timed(&mut keygen);
}

/// Runs a command that must succeed; ms.
fn timed(command: &mut Command) -> f64 {
    let begun = Instant::now();
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(status.is_ok_and(|status| status.success()), "{command:?}");
    begun.elapsed().as_secs_f64() * 1e3
}

fn row(name: &str, costs: [Vec<f64>; 2]) {
    let [theirs, ours] = costs.map(median);
    println!(
        "| {name} | {theirs:.1} | {ours:.1} | {:.2} |",
        ours / theirs
    );
    std::io::stdout().flush().expect("stdout");
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
