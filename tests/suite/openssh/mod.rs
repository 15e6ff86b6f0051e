//! `bitbucket.transport = openssh`: the system's ssh connects, with the plan's first identity alone.

mod endpoints;
mod fallback;
mod new_keys;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use sandbox::Connection;

use crate::choice::{SITE, TOOLS, advertise, ask, count, logins, two_accounts, with_keys};
use crate::support::{ALICE, Agent, World};

fn by_openssh() -> World {
    let world = two_accounts();
    world.configure("bitbucket.transport", "openssh");
    world
}

fn last(world: &World) -> Connection {
    world.sandbox.connections().pop().unwrap()
}

#[test]
fn a_key_is_created_and_ssh_uses_it_alone() {
    let mut world = by_openssh();
    world.make_key("id_ed25519", "");
    world.make_key("other", "");
    let agent = Agent::start(&mut world);
    agent.add(&world, "other");
    fs::write(
        world.path("home/.ssh/config"),
        "Host *\n IdentityFile ~/.ssh/other\n ControlMaster auto\n ControlPath ~/.ssh/%C\n",
    )
    .unwrap();
    world.git(&["clone", "-q", SITE, "site"]).succeeds();
    let keys = world.sandbox.keys(ALICE);
    assert_eq!(keys.len(), 1);
    let connection = last(&world);
    assert!(
        connection.client.contains("OpenSSH"),
        "{:?}",
        connection.client
    );
    let offered: Vec<_> = connection
        .offers
        .iter()
        .map(|one| &one.fingerprint)
        .collect();
    assert!(offered.iter().all(|one| **one == keys[0].fingerprint));
    let protocol = ("GIT_PROTOCOL".to_owned(), "version=2".to_owned());
    assert!(connection.environment.contains(&protocol), "git's options");
    world
        .git(&["-C", "site", "commit", "-q", "--allow-empty", "-m", "x"])
        .succeeds();
    world.git(&["-C", "site", "push", "-q"]).succeeds();
    assert_eq!(last(&world).login.unwrap().account.as_deref(), Some(ALICE));
}

#[test]
fn no_other_identity_is_used_after_a_refusal() {
    let world = by_openssh();
    with_keys(&world);
    let before = count(&world);
    ask(&world, &["git@bitbucket.org", &advertise(TOOLS)])
        .fails_with(1)
        .says("repository access denied");
    assert_eq!(logins(&world, before), [ALICE]);
}

#[test]
fn an_identity_file_and_an_agent_key_are_used_alone() {
    let mut world = by_openssh();
    let work = world.make_key("work", "");
    world.sandbox.add_key(ALICE, &work, "work");
    world.make_key("other", "");
    let agent = Agent::start(&mut world);
    agent.add(&world, "other");
    agent.add(&world, "work");
    world.configure("bitbucket.identityFile", "~/.ssh/work");
    world.git(&["ls-remote", SITE]).succeeds();
    assert_eq!(last(&world).offers.len(), 1);
    fs::remove_file(world.path("home/.ssh/work")).unwrap();
    world
        .git(&[
            "config",
            "--global",
            "bitbucket.identityFile",
            "~/.ssh/work.pub",
        ])
        .succeeds();
    world.git(&["ls-remote", SITE]).succeeds();
    assert_eq!(last(&world).offers.len(), 1);
    world
        .git(&[
            "config",
            "--global",
            "bitbucket.identityFile",
            "~/.ssh/none",
        ])
        .succeeds();
    ask(&world, &["git@bitbucket.org", &advertise(SITE)])
        .fails_with(255)
        .says("git bitbucket key new --file");
}

#[test]
fn without_an_account_ssh_s_own_identities_are_used() {
    let mut world = World::new();
    world.unset("BITBUCKET_EMAIL");
    world.unset("BITBUCKET_API_TOKEN");
    world.configure("bitbucket.transport", "openssh");
    let line = world.make_key("id_ed25519", "");
    world.sandbox.add_key(ALICE, &line, "laptop");
    world.git(&["ls-remote", SITE]).succeeds();
    assert!(last(&world).client.contains("OpenSSH"));
    assert_eq!(world.sandbox.keys(ALICE).len(), 1, "nothing is provisioned");
}

#[test]
fn an_option_that_only_ssh_has_is_served_by_ssh_with_the_plan_s_identity() {
    let world = two_accounts();
    let host = [
        "-o",
        "BatchMode=yes",
        "-M",
        "-S",
        "none",
        "git@bitbucket.org",
    ];
    let words: Vec<&str> = host.into_iter().collect();
    let command = advertise(SITE);
    let words = [words.as_slice(), &[command.as_str()]].concat();
    ask(&world, &words).succeeds();
    assert!(last(&world).client.contains("OpenSSH"));
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
}

#[test]
fn an_unknown_host_key_is_still_unknown() {
    let world = by_openssh();
    with_keys(&world);
    fs::write(world.path("home/.ssh/known_hosts"), "").unwrap();
    ask(&world, &["git@bitbucket.org", &advertise(SITE)])
        .fails_with(255)
        .says("Host key verification failed");
}

#[test]
fn the_generated_files_are_the_user_s_alone_and_do_not_grow() {
    let world = by_openssh();
    for _ in 0..3 {
        world.git(&["ls-remote", SITE]).succeeds();
    }
    let folder = world.path("home/.local/state/bitbucket-ssh/openssh");
    assert_eq!(
        fs::metadata(&folder).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let files: Vec<_> = fs::read_dir(&folder).unwrap().flatten().collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let mode = files[0].metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// A child that ends with the test.
pub struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const PASSWORD: &[u8] = b"password of the keyring";

/// Locks that keyring.
pub fn lock(world: &World) {
    let mut lock = world.command("dbus-send");
    lock.args(["--print-reply", "--dest=org.freedesktop.secrets"])
        .args([
            "/org/freedesktop/secrets",
            "org.freedesktop.Secret.Service.Lock",
        ])
        .arg("array:objpath:/org/freedesktop/secrets/collection/login");
    crate::support::run(lock).succeeds();
}

/// A bus and an unlocked gnome-keyring of this machine's own.
pub fn keyring(world: &mut World) -> [Daemon; 2] {
    let folder = world.path("tmp");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    let socket = folder.join("bus");
    let config = folder.join("bus.conf");
    let text = format!(
        "<busconfig><type>session</type><listen>unix:path={}</listen>\
         <policy context=\"default\"><allow send_destination=\"*\"/><allow own=\"*\"/>\
         <allow receive_sender=\"*\"/></policy></busconfig>",
        socket.display()
    );
    fs::write(&config, text).unwrap();
    let mut bus = world.command("dbus-daemon");
    bus.args(["--nofork", "--nosyslog"])
        .arg(format!("--config-file={}", config.display()))
        .stdin(Stdio::null());
    let bus = Daemon(bus.spawn().unwrap());
    until(|| socket.exists());
    world.set(
        "DBUS_SESSION_BUS_ADDRESS",
        &format!("unix:path={}", socket.display()),
    );
    let daemon = unlocked(world);
    [bus, daemon]
}

/// A gnome-keyring on the world's bus, unlocked as a login does.
pub fn unlocked(world: &World) -> Daemon {
    let mut daemon = world.command("gnome-keyring-daemon");
    daemon
        .args(["--foreground", "--components=secrets", "--unlock"])
        .env("XDG_RUNTIME_DIR", world.path("tmp"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut daemon = Daemon(daemon.spawn().unwrap());
    let mut stdin = daemon.0.stdin.take().unwrap();
    stdin.write_all(PASSWORD).unwrap();
    drop(stdin);
    until(|| {
        let mut ask = world.command("dbus-send");
        ask.args(["--print-reply", "--dest=org.freedesktop.DBus", "/"])
            .arg("org.freedesktop.DBus.NameHasOwner")
            .arg("string:org.freedesktop.secrets");
        crate::support::run(ask).stdout().contains("true")
    });
    daemon
}

fn until(condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < end, "it does not come up");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_keyring_s_passphrase_is_answered_and_other_questions_are_passed_on() {
    let mut world = World::new();
    let _daemons = keyring(&mut world);
    world.configure("bitbucket.transport", "openssh");
    world.git(&["ls-remote", SITE]).succeeds();
    let files = world.ssh_files();
    let key = files
        .iter()
        .find(|name| name.ends_with("_ed25519"))
        .unwrap();
    let mut keygen = world.command("ssh-keygen");
    let path = world.path("home/.ssh").join(key);
    keygen.args(["-y", "-P", "", "-f"]).arg(&path);
    assert_ne!(
        crate::support::run(keygen).status,
        Some(0),
        "the key file is locked"
    );
    // Another question is passed to the program that would have been asked.
    fs::write(world.path("home/.ssh/known_hosts"), "").unwrap();
    let program = world.path("tmp/ask");
    let asked = world.path("tmp/asked");
    let script = format!(
        "#!/bin/sh\necho \"$1\" >> '{}'\necho yes\n",
        asked.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    world.set("SSH_ASKPASS", &program);
    world.set("SSH_ASKPASS_REQUIRE", "force");
    world.git(&["ls-remote", SITE]).succeeds();
    let asked = fs::read_to_string(asked).unwrap();
    assert!(asked.contains("continue connecting"), "{asked}");
    assert!(!asked.contains("passphrase"), "{asked}");
    // One question for the key of the call is answered, and no second one.
    let ticket = world.path("tmp/ticket");
    fs::write(&ticket, "").unwrap();
    let question = format!("Enter passphrase for key '{}': ", path.display());
    let answer = || {
        let mut askpass = world.command(env!("CARGO_BIN_EXE_bitbucket-ssh"));
        askpass
            .arg(&question)
            .env("BITBUCKET_SSH_ASKPASS_KEY", &path)
            .env("BITBUCKET_SSH_ASKPASS_TICKET", &ticket)
            .env("BITBUCKET_SSH_ASKPASS_NEXT", &program)
            .env("BITBUCKET_SSH_ASKPASS_NEXT_REQUIRE", "force");
        crate::support::run(askpass).succeeds().stdout()
    };
    assert_ne!(answer(), "yes\n", "the passphrase");
    assert!(!ticket.exists());
    assert_eq!(answer(), "yes\n", "the next program answers");
    // Locked, it is an error of its own, and ssh does not go.
    let mut lock = world.command("dbus-send");
    lock.args(["--print-reply", "--dest=org.freedesktop.secrets"])
        .arg("/org/freedesktop/secrets")
        .arg("org.freedesktop.Secret.Service.Lock")
        .arg("array:objpath:/org/freedesktop/secrets/collection/login");
    crate::support::run(lock).succeeds();
    let before = count(&world);
    ask(&world, &["git@bitbucket.org", &advertise(SITE)])
        .fails_with(255)
        .says("the system's keyring is locked")
        .says("hint: unlock the keyring and repeat the command");
    assert_eq!(count(&world), before);
}
