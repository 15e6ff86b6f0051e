//! [`World`]: a machine with a Bitbucket on loopback.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Once};

use jiff::{Timestamp, ToSpan as _};
use sandbox::{Permission, SCOPES_ALL, SCOPES_MINIMUM, Sandbox, Visibility};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use tempfile::TempDir;

use super::process::{Output, run};

/// The account whose token is in the environment.
pub const ALICE: &str = "alice@example.com";

/// A machine. At first: git set up with `core.sshCommand = bitbucket-ssh`, the sandbox's host keys
/// in `~/.ssh/known_hosts`, no key; on the site the account [`ALICE`] (user name `alice`), who may
/// push to the private repository `acme/site`, with a token of the minimum scopes in the
/// environment.
#[derive(Debug)]
pub struct World {
    /// The site. Declared first, so that it is stopped before the folder is removed.
    pub sandbox: Sandbox,
    environment: BTreeMap<OsString, OsString>,
    root: TempDir,
}

impl World {
    /// A fresh machine and a fresh site.
    pub fn new() -> Self {
        signals_reach_children();
        let sandbox = Sandbox::start();
        sandbox.add_account(ALICE, "alice");
        sandbox.add_repository("acme/site", Visibility::Private);
        sandbox.grant(ALICE, "acme/site", Some(Permission::Write));
        let token = sandbox.add_token(ALICE, SCOPES_MINIMUM);

        let root = tempfile::Builder::new().prefix("world-").tempdir().unwrap();
        let mut world = Self {
            sandbox,
            environment: BTreeMap::new(),
            root,
        };
        for folder in ["home/.ssh", "work", "tmp"] {
            fs::create_dir_all(world.path(folder)).unwrap();
        }
        let ssh = world.path("home/.ssh");
        fs::set_permissions(&ssh, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(ssh.join("known_hosts"), world.sandbox.known_hosts()).unwrap();
        fs::write(world.path("home/.gitconfig"), world.git_config()).unwrap();
        world.set("PATH", &search_path());
        world.set("HOME", &world.path("home"));
        world.set("TMPDIR", &world.path("tmp"));
        world.set("LC_ALL", "C");
        world.set("GIT_CONFIG_NOSYSTEM", "1");
        world.set("BITBUCKET_EMAIL", ALICE);
        world.set("BITBUCKET_API_TOKEN", &token);
        world
    }

    /// A fresh machine on which [`ALICE`]'s key was made on the way, with a token that may do
    /// everything.
    pub fn with_a_key() -> Self {
        let mut world = Self::new();
        let token = world.sandbox.add_token(ALICE, SCOPES_ALL);
        world.set("BITBUCKET_API_TOKEN", &token);
        world
            .git(&["ls-remote", "-q", "git@bitbucket.org:acme/site.git"])
            .succeeds();
        world
    }

    /// As if [`ALICE`]'s key had been made 99 days ago, with one day left.
    pub fn age_the_key(&self) {
        let end = Timestamp::now() + 24.hours();
        self.sandbox.set_expiry(ALICE, Some(end));
        let file = self.path("home/.ssh/bitbucket-ssh/records.json");
        let mut records: serde_json::Value =
            serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let record = &mut records["identities"][0];
        record["created"] = (end - (100 * 24).hours()).to_string().into();
        record["expires"] = end.to_string().into();
        fs::write(&file, serde_json::to_vec(&records).unwrap()).unwrap();
    }

    /// Puts these SSH places in front of the sandbox's own.
    pub fn put_in_front(&self, places: &[String]) {
        let key = "bitbucket.https://bitbucket.org.sshHost";
        self.git(&["config", "--global", "--unset-all", key])
            .succeeds();
        for place in places {
            self.configure(key, place);
        }
        self.configure(key, &self.sandbox.ssh_host());
    }

    /// Commits a file in the clone `site` by git-lfs and pushes it.
    pub fn push_by_lfs(&self, name: &str, content: &[u8]) {
        let site = |arguments: &[&str]| {
            let mut all = vec!["-C", "site"];
            all.extend(arguments);
            self.git(&all).succeeds();
        };
        site(&["lfs", "install", "--local"]);
        site(&["lfs", "track", "*.bin"]);
        fs::write(self.path("work/site").join(name), content).unwrap();
        site(&["add", "-A"]);
        site(&["commit", "-qm", name]);
        site(&["push", "-q", "origin", "main"]);
    }

    fn git_config(&self) -> String {
        format!(
            "[user]\n\tname = Alice\n\temail = {ALICE}\n\
             [init]\n\tdefaultBranch = main\n\
             [core]\n\tsshCommand = bitbucket-ssh\n\
             [bitbucket \"https://bitbucket.org\"]\n\tapiUrl = {}\n\tsshHost = {}\n",
            self.sandbox.api_url(),
            self.sandbox.ssh_host()
        )
    }

    /// A place of this machine, by its path from the root: `home/.ssh`, `work/site`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The names in `~/.ssh`, sorted.
    pub fn ssh_files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("home/.ssh")).unwrap();
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = entries
            .map(|entry| name(entry).to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// Sets a variable for everything started from now on.
    pub fn set(&mut self, name: &str, value: &(impl AsRef<std::ffi::OsStr> + ?Sized)) {
        self.environment
            .insert(name.into(), value.as_ref().to_owned());
    }

    /// Unsets a variable.
    pub fn unset(&mut self, name: &str) {
        self.environment.remove(std::ffi::OsStr::new(name));
    }

    /// The value of a variable that everything started from now on has.
    pub fn variable(&self, name: &str) -> Option<&std::ffi::OsStr> {
        let value = self.environment.get(std::ffi::OsStr::new(name));
        value.map(OsString::as_os_str)
    }

    /// Adds a line to `~/.gitconfig`: `world.configure("bitbucket.account", "bob@example.com")`.
    pub fn configure(&self, key: &str, value: &str) {
        self.git(&["config", "--global", "--add", key, value])
            .succeeds();
    }

    /// A new key pair `~/.ssh/NAME` by ssh-keygen, without a passphrase where it is empty; returns
    /// the public line.
    pub fn make_key(&self, name: &str, passphrase: &str) -> String {
        let file = self.path("home/.ssh").join(name);
        let mut keygen = self.command("ssh-keygen");
        keygen
            .args(["-q", "-t", "ed25519", "-C", name, "-N", passphrase, "-f"])
            .arg(&file);
        run(keygen).succeeds();
        fs::read_to_string(self.path("home/.ssh").join(format!("{name}.pub"))).unwrap()
    }

    /// [`Self::make_key`] without a passphrase, in place of one that may be there.
    pub fn make_key_anew(&self, name: &str) -> String {
        let _ = fs::remove_file(self.path("home/.ssh").join(name));
        self.make_key(name, "")
    }

    /// A program of this machine, started in `work` with this machine's environment alone.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(&self.environment)
            .current_dir(self.path("work"));
        command
    }

    /// `git …` in `work`.
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> Output {
        let mut git = self.command("git");
        git.args(arguments);
        run(git)
    }

    /// `bitbucket-ssh …`.
    #[track_caller]
    pub fn bitbucket_ssh(&self, arguments: &[&str]) -> Output {
        let mut program = self.command(env!("CARGO_BIN_EXE_bitbucket-ssh"));
        program.args(arguments);
        run(program)
    }

    /// `git bitbucket …`, by way of git.
    #[track_caller]
    pub fn git_bitbucket(&self, arguments: &[&str]) -> Output {
        let mut git = self.command("git");
        git.arg("bitbucket").args(arguments);
        run(git)
    }
}

/// The programs under test first.
fn search_path() -> OsString {
    let programs = Path::new(env!("CARGO_BIN_EXE_bitbucket-ssh"))
        .parent()
        .unwrap();
    assert!(Path::new(env!("CARGO_BIN_EXE_git-bitbucket")).starts_with(programs));
    let callers = std::env::var_os("PATH").unwrap_or_default();
    let callers = std::env::split_paths(&callers);
    std::env::join_paths(std::iter::once(programs.to_owned()).chain(callers)).unwrap()
}

/// Started in the background of a shell, the tests would hand on that Ctrl-C is ignored. What is
/// handled and not ignored is reset in a child (execve(2)).
fn signals_reach_children() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for signal in [SIGINT, SIGQUIT, SIGTERM, SIGHUP] {
            let always = Arc::new(AtomicBool::new(true));
            signal_hook::flag::register_conditional_default(signal, always).unwrap();
        }
    });
}
