//! Several accounts on one machine: which is used, which is next, and what is remembered.

mod hostile;
mod refused;
mod repositories;
mod retry;
mod scale;
mod settings;

use sandbox::{Connection, Permission, SCOPES_ALL, Visibility};

use crate::support::{ALICE, Output, Running, World};

/// The second account; may push to the private repository `acme/tools`.
pub const BOB: &str = "bob@example.com";

/// The repository that Alice alone sees, and Bob's.
pub const SITE: &str = "git@bitbucket.org:acme/site.git";
pub const TOOLS: &str = "git@bitbucket.org:acme/tools.git";

/// Alice by the environment, Bob logged in; no keys yet.
pub fn two_accounts() -> World {
    two_accounts_with(SCOPES_ALL)
}

/// As [`two_accounts`], Bob's token with these scopes.
pub fn two_accounts_with(scopes: &[&str]) -> World {
    let world = World::new();
    world.configure("bitbucket.passphrase", "none");
    world.sandbox.add_account(BOB, "bob");
    world
        .sandbox
        .add_repository("acme/tools", Visibility::Private);
    world
        .sandbox
        .grant(BOB, "acme/tools", Some(Permission::Write));
    let token = world.sandbox.add_token(BOB, scopes);
    log_in(&world, BOB, &token);
    world
}

/// `git bitbucket login ACCOUNT --with-token`.
pub fn log_in(world: &World, account: &str, token: &str) {
    let mut login = world.command("git");
    login
        .args(["bitbucket", "login", account, "--with-token"])
        .args(["--store", "file"]);
    Running::start(login, format!("{token}\n").into_bytes())
        .wait()
        .succeeds();
}

/// Both accounts have their key, and there is no history.
pub fn with_keys(world: &World) {
    for (account, url) in [(ALICE, SITE), (BOB, TOOLS)] {
        ask(
            world,
            &["--account", account, "git@bitbucket.org", &advertise(url)],
        )
        .succeeds();
    }
    forget_lessons(world);
}

/// The history is lost, as it may be.
pub fn forget_lessons(world: &World) {
    let _ = std::fs::remove_dir_all(world.path("home/.local/state/bitbucket-ssh"));
}

/// The command that git sends to fetch from a URL.
pub fn advertise(url: &str) -> String {
    let (_, path) = url.split_once(':').unwrap();
    format!("git-upload-pack '{path}'")
}

/// `bitbucket-ssh …`, as a git that wants nothing: it reads what there is, and says so.
#[track_caller]
pub fn ask(world: &World, arguments: &[&str]) -> Output {
    let mut program = world.command(env!("CARGO_BIN_EXE_bitbucket-ssh"));
    program.args(arguments);
    Running::start(program, b"0000".to_vec()).wait()
}

/// The account of each connection since there were `before` of them. `-`: none was accepted.
pub fn logins(world: &World, before: usize) -> Vec<String> {
    let connections = world.sandbox.connections();
    connections[before..].iter().map(who).collect()
}

fn who(connection: &Connection) -> String {
    match &connection.login {
        Some(login) => login.account.clone().unwrap_or("access key".to_owned()),
        None => "-".to_owned(),
    }
}

/// How many connections there were.
pub fn count(world: &World) -> usize {
    world.sandbox.connections().len()
}
