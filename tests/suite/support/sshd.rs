//! A real sshd of OpenSSH on a free port of loopback, for what the sandbox's server does not do
//! (`hostkeys-00@openssh.com` among it).

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::{Accounts, World, run};

/// Runs until dropped. It accepts the authorized public keys for [`Sshd::user`]; every
/// command runs in the sandbox's folder of repositories.
#[derive(Debug)]
pub struct Sshd {
    child: Child,
    /// Port on 127.0.0.1.
    pub port: u16,
    /// The only user name it knows: that of the user who runs the tests.
    pub user: String,
    folder: PathBuf,
}

impl Sshd {
    /// Starts it; `further` are lines of sshd_config.
    pub fn start(world: &World, further: &str) -> Self {
        Self::start_among(world, further, None)
    }

    /// [`Self::start`], with users of its own, who may have passwords.
    pub fn start_among(world: &World, further: &str, accounts: Option<&Accounts>) -> Self {
        let port = free_port();
        let folder = world.path(&format!("sshd-{port}"));
        fs::create_dir_all(&folder).unwrap();
        make_host_key(world, &folder);
        fs::write(folder.join("authorized_keys"), "").unwrap();
        let repositories = world.sandbox.folder().join("repositories");
        let wrapper = format!(
            "cd '{}' || exit 1\nexec sh -c \"$SSH_ORIGINAL_COMMAND\"\n",
            repositories.display()
        );
        fs::write(folder.join("command"), wrapper).unwrap();
        let config = folder.join("sshd_config");
        fs::write(&config, settings(&folder, port, further)).unwrap();
        // Needed by an sshd that root starts; elsewhere it can neither be made nor matters.
        let _ = fs::create_dir_all("/run/sshd");
        let log = fs::File::create(folder.join("log")).unwrap();
        let mut command = world.command(&program());
        if let Some(accounts) = accounts {
            accounts.shown_to(&mut command);
        }
        let child = command
            .args(["-D", "-e", "-f"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("sshd is installed");
        let mut id = world.command("id");
        id.arg("-un");
        let sshd = Self {
            child,
            port,
            user: run(id).succeeds().stdout().trim().to_owned(),
            folder,
        };
        sshd.wait_for_the_port();
        sshd
    }

    /// Accepts this public key.
    pub fn authorize(&self, line: &str) {
        let file = self.folder.join("authorized_keys");
        let known = fs::read_to_string(&file).unwrap();
        fs::write(file, format!("{known}{}\n", line.trim())).unwrap();
    }

    /// A line of known_hosts for its host key.
    pub fn known_hosts(&self) -> String {
        let public = fs::read_to_string(self.folder.join("host_key.pub")).unwrap();
        format!("[127.0.0.1]:{} {public}", self.port)
    }

    fn wait_for_the_port(&self) {
        let end = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = || fs::read_to_string(self.folder.join("log"));
            assert!(Instant::now() < end, "sshd does not listen: {:?}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn settings(folder: &Path, port: u16, further: &str) -> String {
    let folder = folder.display();
    // Without SHLVL, a bash that sshd starts reads ~/.bashrc, whatever that runs (bash(1),
    // INVOCATION).
    format!(
        "ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host_key\n\
         AuthorizedKeysFile {folder}/authorized_keys\nForceCommand sh {folder}/command\n\
         PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
         KbdInteractiveAuthentication no\nPermitRootLogin yes\nAcceptEnv GIT_PROTOCOL\n\
         LogLevel VERBOSE\nSetEnv SHLVL=5\n{further}\n"
    )
}

fn make_host_key(world: &World, folder: &Path) {
    let mut keygen = world.command("ssh-keygen");
    keygen
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(folder.join("host_key"));
    run(keygen).succeeds();
}

fn free_port() -> u16 {
    let door = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    door.local_addr().unwrap().port()
}

/// sshd insists on an absolute path, and often lies outside of PATH.
fn program() -> String {
    [
        "/usr/sbin/sshd",
        "/usr/local/sbin/sshd",
        "/sbin/sshd",
        "/usr/bin/sshd",
    ]
    .into_iter()
    .find(|path| Path::new(path).exists())
    .expect("sshd is installed")
    .to_owned()
}
