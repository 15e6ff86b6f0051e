//! What the commands say for people and for programs.

use sandbox::{SCOPES_ALL, SCOPES_MINIMUM};

use super::Transcript;
use crate::support::{ALICE, Agent, World};

const URL: &str = "git@bitbucket.org:acme/site.git";
const SITE: &str = "https://bitbucket.org";

/// Alice with a token that may do everything; every question about passphrases is settled.
fn machine() -> World {
    let mut world = World::new();
    let token = world.sandbox.add_token(ALICE, SCOPES_ALL);
    world.set("BITBUCKET_API_TOKEN", &token);
    world.configure("bitbucket.passphrase", "none");
    world
}

/// The same with a clone, and so with a key.
fn with_a_clone() -> World {
    let world = machine();
    world.git(&["clone", "-q", URL, "site"]).succeeds();
    world
}

fn newcomer() -> World {
    let mut world = World::new();
    world.unset("BITBUCKET_EMAIL");
    world.unset("BITBUCKET_API_TOKEN");
    world.configure("bitbucket.passphrase", "none");
    world
}

fn fingerprint(world: &World, number: usize) -> String {
    format!("SHA256:{}", world.sandbox.keys(ALICE)[number].fingerprint)
}

#[test]
fn status() {
    let world = with_a_clone();
    let mut said = Transcript::new(&world);
    said.runs("site", &["status"]);
    said.runs("site", &["status", "--json"]);
    said.runs("", &["status", "git@example.com:a/b.git"]);
    said.matches_snapshot("status.txt");
    let world = newcomer();
    let mut said = Transcript::new(&world);
    said.runs("", &["status", URL]);
    said.runs("", &["status", URL, "--json"]);
    said.matches_snapshot("status-no-account.txt");
}

#[test]
fn doctor() {
    let world = with_a_clone();
    let mut said = Transcript::new(&world);
    said.runs("site", &["doctor", "--offline"]);
    said.runs("site", &["doctor", "--offline", "--json"]);
    said.matches_snapshot("doctor.txt");
    let world = newcomer();
    let mut said = Transcript::new(&world);
    said.runs("", &["doctor", "--offline"]);
    said.matches_snapshot("doctor-no-account.txt");
}

#[test]
fn keys() {
    let mut world = with_a_clone();
    let _agent = Agent::start(&mut world);
    let foreign = world.make_key("laptop", "");
    world.sandbox.add_key(ALICE, &foreign, "my old laptop");
    let mut said = Transcript::new(&world);
    said.runs("", &["key", "list"]);
    said.runs("", &["key", "list", "--json"]);
    said.runs("", &["key", "new", "--type", "ecdsa", "--expires", "30"]);
    let laptop = world.path("home/.ssh/laptop.pub");
    said.runs("", &["key", "add", laptop.to_str().unwrap()]);
    said.runs("", &["key", "load"]);
    said.runs("", &["key", "unload"]);
    let (first, made) = (fingerprint(&world, 0), fingerprint(&world, 2));
    said.runs("", &["key", "revoke", &made]);
    said.runs("", &["key", "revoke", &made]);
    said.runs("", &["key", "rotate", "--dry-run"]);
    said.runs("", &["key", "rotate"]);
    said.runs("", &["key", "rotate", "--yes"]);
    said.runs("", &["key", "revoke", "--compromised", &first]);
    let now = fingerprint(&world, 1);
    said.runs("", &["key", "revoke", "--compromised", &now]);
    said.runs("", &["key", "prune", "--dry-run"]);
    said.matches_snapshot("keys.txt");
}

#[test]
fn prune() {
    let world = with_a_clone();
    for name in world.ssh_files() {
        if name.starts_with("bitbucket_") {
            std::fs::remove_file(world.path("home/.ssh").join(name)).unwrap();
        }
    }
    let label = world.sandbox.keys(ALICE)[0].label.clone();
    let mut said = Transcript::new(&world);
    said.runs("", &["key", "prune", "--dry-run"]);
    said.runs("", &["key", "prune"]);
    said.runs("", &["key", "prune", "--unused", "40", "--dry-run"]);
    // The label is needed to make the text everybody's.
    let text = super::normalise::normalise(&world, &said.text);
    assert!(!text.contains(&label), "{text}");
    said.matches_snapshot("prune.txt");
    world.git_bitbucket(&["key", "prune", "--yes"]).succeeds();
    assert!(world.sandbox.keys(ALICE).is_empty());
}

#[test]
fn accounts() {
    let world = newcomer();
    world.git(&["init", "-q", "site"]).succeeds();
    let token = world.sandbox.add_token(ALICE, SCOPES_MINIMUM);
    let poor = world.sandbox.add_token(ALICE, &["read:user:bitbucket"]);
    let login = ["login", ALICE, "--with-token", "--site", SITE];
    let mut said = Transcript::new(&world);
    said.runs("", &["login", ALICE]);
    said.reads("", &login, "ATATT-wrong\n");
    said.reads("", &login, &format!("{poor}\n"));
    said.reads("", &login, &format!("{token}\n"));
    said.runs("site", &["use", ALICE]);
    said.runs("site", &["use", "--unset"]);
    said.runs("site", &["use", ALICE, "--workspace", "acme"]);
    said.runs("site", &["use", ALICE, "--global"]);
    said.runs("site", &["use", "--unset", "--global"]);
    said.runs("", &["logout", ALICE]);
    said.runs("", &["logout", ALICE]);
    said.runs("", &["key", "list"]);
    said.matches_snapshot("accounts.txt");
}

#[test]
fn setting_up() {
    let world = machine();
    world
        .git(&["config", "--global", "--unset-all", "core.sshCommand"])
        .succeeds();
    let mut said = Transcript::new(&world);
    said.runs("", &["setup"]);
    said.runs("", &["setup"]);
    said.runs("", &["unsetup"]);
    said.runs("", &["unsetup"]);
    let shim = world.path("work/shim");
    std::fs::create_dir(&shim).unwrap();
    let shim = shim.to_str().unwrap();
    said.runs("", &["setup", "--rewrite-https", "--shim", shim]);
    said.runs("", &["unsetup"]);
    said.matches_snapshot("setup.txt");
}

#[test]
fn ssh_config() {
    let world = with_a_clone();
    let mut said = Transcript::new(&world);
    said.runs("", &["ssh-config"]);
    said.runs("", &["ssh-config", "--write"]);
    said.runs("", &["ssh-config", "--remove"]);
    said.runs("", &["ssh-config", "--remove"]);
    said.matches_snapshot("ssh-config.txt");
}

#[test]
fn migrate() {
    let world = with_a_clone();
    world.make_key("work", "");
    let block = "Host bitbucket.org-work\n  HostName bitbucket.org\n  User git\n  \
                 IdentityFile ~/.ssh/work\n";
    std::fs::write(world.path("home/.ssh/config"), block).unwrap();
    let alias = "git@bitbucket.org-work:acme/site.git";
    world
        .git(&["-C", "site", "remote", "set-url", "origin", alias])
        .succeeds();
    let mut said = Transcript::new(&world);
    said.runs("site", &["migrate", "--dry-run"]);
    said.runs("site", &["migrate"]);
    said.runs("site", &["migrate", "--yes"]);
    said.runs("site", &["migrate", "--yes"]);
    said.runs("site", &["migrate", "--undo"]);
    said.runs("site", &["migrate", "--undo"]);
    said.matches_snapshot("migrate.txt");
}

#[test]
fn hooks() {
    let world = with_a_clone();
    let mut said = Transcript::new(&world);
    said.runs("site", &["hooks", "install"]);
    said.runs("site", &["hooks", "install"]);
    said.runs("site", &["hooks", "uninstall"]);
    said.runs("site", &["hooks", "uninstall"]);
    said.runs("", &["hooks", "install"]);
    said.matches_snapshot("hooks.txt");
}

#[test]
fn repositories() {
    let world = with_a_clone();
    world.git(&["init", "-q", "new"]).succeeds();
    let mut said = Transcript::new(&world);
    said.runs("", &["repo", "clone", "acme/site", "again"]);
    said.runs("", &["repo", "clone", "acme/nothing"]);
    said.runs("new", &["repo", "create", "acme/new"]);
    world.sandbox.add_administrator(ALICE, "acme");
    said.runs("new", &["repo", "create", "acme/new"]);
    said.runs("new", &["repo", "create", "acme/new"]);
    said.matches_snapshot("repositories.txt");
}
