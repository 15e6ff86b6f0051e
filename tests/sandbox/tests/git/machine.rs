//! A machine with the real tools, for the sandbox's own tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sandbox::{Permission, Sandbox, Visibility};
use tempfile::TempDir;

/// A machine with git and ssh, a key, and nothing of the caller's.
pub struct Machine {
    pub home: TempDir,
    pub sandbox: Sandbox,
}

pub const ALICE: &str = "alice@example.com";

impl Machine {
    /// `acme/site` for Alice, whose key is `key`.
    pub fn new() -> Self {
        let sandbox = Sandbox::start();
        let home = tempfile::tempdir().unwrap();
        sandbox.add_account(ALICE, "alice");
        sandbox.add_repository("acme/site", Visibility::Private);
        sandbox.grant(ALICE, "acme/site", Some(Permission::Write));
        fs::write(home.path().join("known_hosts"), sandbox.known_hosts()).unwrap();
        let machine = Self { home, sandbox };
        let line = machine.make_key("key");
        machine.sandbox.add_key(ALICE, &line, "laptop");
        machine
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A new key pair; returns the public line.
    pub fn make_key(&self, name: &str) -> String {
        let file = self.path(name);
        let made = self
            .tool("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&file)
            .output();
        assert!(made.unwrap().status.success());
        fs::read_to_string(file.with_extension("pub")).unwrap()
    }

    pub fn tool(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.home.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "A")
            .env("GIT_AUTHOR_EMAIL", ALICE)
            .env("GIT_COMMITTER_NAME", "A")
            .env("GIT_COMMITTER_EMAIL", ALICE)
            .env("GIT_SSH_COMMAND", self.ssh_command("key"))
            .env("GIT_SSH_VARIANT", "ssh")
            .current_dir(self.home.path());
        command
    }

    pub fn ssh_command(&self, key: &str) -> String {
        let home = self.home.path().display();
        format!(
            "ssh -F none -o BatchMode=yes -o IdentitiesOnly=yes -o IdentityAgent=none \
             -o UserKnownHostsFile={home}/known_hosts -i {home}/{key}"
        )
    }

    pub fn url(&self, name: &str) -> String {
        format!("ssh://git@{}/{name}.git", self.sandbox.ssh_host())
    }

    pub fn git(&self, arguments: &[&str]) -> Output {
        self.tool("git").args(arguments).output().unwrap()
    }

    pub fn ssh(&self, user: &str, command: &[&str]) -> Output {
        let words = self.ssh_command("key");
        let place = format!("-p {} {user}@127.0.0.1", self.sandbox.ssh_port());
        let words = format!("{words} {place}");
        let mut words = words.split(' ');
        self.tool(words.next().unwrap())
            .args(words)
            .args(command)
            .output()
            .unwrap()
    }
}

#[track_caller]
pub fn succeeded(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
pub fn refused(output: &Output, text: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "it succeeded: {stderr}");
    assert!(stderr.contains(text), "{text:?} is not in {stderr:?}");
}

pub fn write_noise(path: &Path, megabytes: usize) {
    let bytes: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..))
        .take(megabytes << 20)
        .collect();
    fs::write(path, bytes).unwrap();
}
