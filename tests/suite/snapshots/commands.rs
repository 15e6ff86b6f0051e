//! What the commands print, as text and as JSON.

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

fn without_login() -> World {
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
    let mut output = Transcript::new(&world);
    output.runs("site", &["status"]);
    output.runs("site", &["status", "--json"]);
    output.runs("", &["status", "git@example.com:a/b.git"]);
    output.matches_snapshot("status.txt");
    let world = without_login();
    let mut output = Transcript::new(&world);
    output.runs("", &["status", URL]);
    output.runs("", &["status", URL, "--json"]);
    output.matches_snapshot("status-no-account.txt");
}

#[test]
fn doctor() {
    let world = with_a_clone();
    let mut output = Transcript::new(&world);
    output.runs("site", &["doctor", "--offline"]);
    output.runs("site", &["doctor", "--offline", "--json"]);
    output.matches_snapshot("doctor.txt");
    let world = without_login();
    let mut output = Transcript::new(&world);
    output.runs("", &["doctor", "--offline"]);
    output.matches_snapshot("doctor-no-account.txt");
}

#[test]
fn keys() {
    let mut world = with_a_clone();
    let _agent = Agent::start(&mut world);
    let foreign = world.make_key("laptop", "");
    world.sandbox.add_key(ALICE, &foreign, "my old laptop");
    let mut output = Transcript::new(&world);
    output.runs("", &["key", "list"]);
    output.runs("", &["key", "list", "--json"]);
    output.runs("", &["key", "new", "--type", "ecdsa", "--expires", "30"]);
    let laptop = world.path("home/.ssh/laptop.pub");
    output.runs("", &["key", "add", laptop.to_str().unwrap()]);
    output.runs("", &["key", "load"]);
    output.runs("", &["key", "unload"]);
    let (first, made) = (fingerprint(&world, 0), fingerprint(&world, 2));
    output.runs("", &["key", "revoke", &made]);
    output.runs("", &["key", "revoke", &made]);
    output.runs("", &["key", "rotate", "--dry-run"]);
    output.runs("", &["key", "rotate"]);
    output.runs("", &["key", "rotate", "--yes"]);
    output.runs("", &["key", "revoke", "--compromised", &first]);
    let now = fingerprint(&world, 1);
    output.runs("", &["key", "revoke", "--compromised", &now]);
    output.runs("", &["key", "prune", "--dry-run"]);
    output.matches_snapshot("keys.txt");
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
    let mut output = Transcript::new(&world);
    output.runs("", &["key", "prune", "--dry-run"]);
    output.runs("", &["key", "prune"]);
    output.runs("", &["key", "prune", "--unused", "40", "--dry-run"]);
    // The label is needed to normalise the text.
    let text = super::normalise::normalise(&world, &output.text);
    assert!(!text.contains(&label), "{text}");
    output.matches_snapshot("prune.txt");
    world.git_bitbucket(&["key", "prune", "--yes"]).succeeds();
    assert!(world.sandbox.keys(ALICE).is_empty());
}

#[test]
fn accounts() {
    let world = without_login();
    world.git(&["init", "-q", "site"]).succeeds();
    let token = world.sandbox.add_token(ALICE, SCOPES_MINIMUM);
    let poor = world.sandbox.add_token(ALICE, &["read:user:bitbucket"]);
    let login = ["login", ALICE, "--with-token", "--site", SITE];
    let mut output = Transcript::new(&world);
    output.runs("", &["login", ALICE]);
    output.reads("", &login, "ATATT-wrong\n");
    output.reads("", &login, &format!("{poor}\n"));
    output.reads("", &login, &format!("{token}\n"));
    output.runs("site", &["use", ALICE]);
    output.runs("site", &["use", "--unset"]);
    output.runs("site", &["use", ALICE, "--workspace", "acme"]);
    output.runs("site", &["use", ALICE, "--global"]);
    output.runs("site", &["use", "--unset", "--global"]);
    output.runs("", &["logout", ALICE]);
    output.runs("", &["logout", ALICE]);
    output.runs("", &["key", "list"]);
    output.matches_snapshot("accounts.txt");
}

#[test]
fn setting_up() {
    let world = machine();
    world
        .git(&["config", "--global", "--unset-all", "core.sshCommand"])
        .succeeds();
    let mut output = Transcript::new(&world);
    output.runs("", &["setup"]);
    output.runs("", &["setup"]);
    output.runs("", &["unsetup"]);
    output.runs("", &["unsetup"]);
    let shim = world.path("work/shim");
    std::fs::create_dir(&shim).unwrap();
    let shim = shim.to_str().unwrap();
    output.runs("", &["setup", "--rewrite-https", "--shim", shim]);
    output.runs("", &["unsetup"]);
    output.matches_snapshot("setup.txt");
}

#[test]
fn ssh_config() {
    let world = with_a_clone();
    let mut output = Transcript::new(&world);
    output.runs("", &["ssh-config"]);
    output.runs("", &["ssh-config", "--write"]);
    output.runs("", &["ssh-config", "--remove"]);
    output.runs("", &["ssh-config", "--remove"]);
    output.matches_snapshot("ssh-config.txt");
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
    let mut output = Transcript::new(&world);
    output.runs("site", &["migrate", "--dry-run"]);
    output.runs("site", &["migrate"]);
    output.runs("site", &["migrate", "--yes"]);
    output.runs("site", &["migrate", "--yes"]);
    output.runs("site", &["migrate", "--undo"]);
    output.runs("site", &["migrate", "--undo"]);
    output.matches_snapshot("migrate.txt");
}

#[test]
fn hooks() {
    let world = with_a_clone();
    let mut output = Transcript::new(&world);
    output.runs("site", &["hooks", "install"]);
    output.runs("site", &["hooks", "install"]);
    output.runs("site", &["hooks", "uninstall"]);
    output.runs("site", &["hooks", "uninstall"]);
    output.runs("", &["hooks", "install"]);
    output.matches_snapshot("hooks.txt");
}

#[test]
fn repositories() {
    let world = with_a_clone();
    world.git(&["init", "-q", "new"]).succeeds();
    let mut output = Transcript::new(&world);
    output.runs("", &["repo", "clone", "acme/site", "again"]);
    output.runs("", &["repo", "clone", "acme/nothing"]);
    output.runs("new", &["repo", "create", "acme/new"]);
    world.sandbox.add_administrator(ALICE, "acme");
    output.runs("new", &["repo", "create", "acme/new"]);
    output.runs("new", &["repo", "create", "acme/new"]);
    output.matches_snapshot("repositories.txt");
}
