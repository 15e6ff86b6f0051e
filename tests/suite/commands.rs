//! `git bitbucket` as a person uses it: set up, log in, choose, look, hooks.

use std::os::unix::fs::PermissionsExt as _;

use sandbox::{Permission, SCOPES_ALL, SCOPES_MINIMUM, Visibility};

use crate::support::{ALICE, Output, Running, World};

const URL: &str = "git@bitbucket.org:acme/site.git";
const BOB: &str = "bob@example.com";

/// No account in the environment; only bob has access to `umbrella/tools`.
fn two_accounts() -> World {
    let mut world = World::new();
    world.unset("BITBUCKET_API_TOKEN");
    world.unset("BITBUCKET_EMAIL");
    world.sandbox.add_account(BOB, "bob");
    world
        .sandbox
        .add_repository("umbrella/tools", Visibility::Private);
    world
        .sandbox
        .grant(BOB, "umbrella/tools", Some(Permission::Write));
    world
}

fn login(world: &World, account: &str) -> Output {
    let token = world.sandbox.add_token(account, SCOPES_MINIMUM);
    login_with(world, account, &token)
}

fn login_with(world: &World, account: &str, token: &str) -> Output {
    let mut login = world.command("git");
    login.args([
        "bitbucket",
        "login",
        account,
        "--with-token",
        "--site",
        "https://bitbucket.org",
    ]);
    Running::start(login, format!("{token}\n").into_bytes()).wait()
}

#[test]
fn setup_and_login_are_enough() {
    let world = two_accounts();
    world
        .git(&["config", "--global", "--unset-all", "core.sshCommand"])
        .succeeds();
    let config = world.path("home/.gitconfig");
    let before = std::fs::read(&config).unwrap();
    world.git_bitbucket(&["setup"]).succeeds();
    let set_up = std::fs::read(&config).unwrap();
    let command = world
        .git(&["config", "core.sshCommand"])
        .succeeds()
        .stdout();
    assert!(
        command.trim().trim_matches('"').ends_with("/bitbucket-ssh"),
        "{command}"
    );
    assert_eq!(world.git(&["config", "ssh.variant"]).stdout(), "ssh\n");
    world.git_bitbucket(&["setup"]).succeeds();
    assert_eq!(
        std::fs::read(&config).unwrap(),
        set_up,
        "a second setup changes nothing"
    );

    login(&world, ALICE).succeeds();
    let tokens = world.path("home/.ssh/bitbucket-ssh/tokens.json");
    let mode = std::fs::metadata(&tokens).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "no keyring here: a private file");
    world.git(&["clone", "-q", URL]).succeeds();
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);

    world.git_bitbucket(&["logout", ALICE]).succeeds();
    world.git(&["-C", "site", "fetch", "-q"]).succeeds();
    let output = std::fs::read_to_string(&tokens).unwrap_or_default();
    assert!(
        !output.contains("ATATT"),
        "the token is forgotten, the key stays"
    );

    world.git_bitbucket(&["unsetup"]).succeeds();
    assert_eq!(
        std::fs::read(&config).unwrap(),
        before,
        "byte for byte what was there"
    );
}

#[test]
fn a_token_that_does_not_do_is_not_stored() {
    let world = two_accounts();
    login_with(&world, ALICE, "ATATT-wrong")
        .fails_with(1)
        .says("hint: ");
    let token = world.sandbox.add_token(ALICE, &["read:user:bitbucket"]);
    login_with(&world, ALICE, &token)
        .fails_with(1)
        .says("ssh-key:bitbucket");
    assert!(!world.path("home/.ssh/bitbucket-ssh/tokens.json").exists());
    world
        .git_bitbucket(&["login", ALICE])
        .fails_with(1)
        .says("--with-token");
    world.git_bitbucket(&["nonsense"]).fails_with(2);
}

#[test]
fn the_selected_account_is_used() {
    let world = two_accounts();
    login(&world, ALICE).succeeds();
    login(&world, BOB).succeeds();
    let who = |world: &World| {
        let connections = world.sandbox.connections();
        let login = connections.last().unwrap().login.clone().unwrap();
        login.account.unwrap()
    };
    world
        .git_bitbucket(&["use", BOB, "--workspace", "umbrella"])
        .succeeds();
    world.git_bitbucket(&["use", ALICE, "--global"]).succeeds();
    world.git(&["clone", "-q", URL]).succeeds();
    assert_eq!(who(&world), ALICE);
    world
        .git(&["clone", "-q", "git@bitbucket.org:Umbrella/tools.git"])
        .succeeds();
    assert_eq!(who(&world), BOB, "the workspace's, whatever its case");

    let status = world
        .git(&["-C", "tools", "bitbucket", "status"])
        .succeeds()
        .stdout();
    assert!(
        status.contains(BOB) && !status.contains("1. alice"),
        "{status}"
    );
    assert!(status.contains(".gitconfig:"), "file and line: {status}");
    let json = world
        .git(&["-C", "tools", "bitbucket", "status", "--json"])
        .succeeds()
        .stdout();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["plan"][0]["account"], BOB);
    assert_eq!(
        json["plan"].as_array().unwrap().len(),
        1,
        "a statement closes the list"
    );

    world
        .git(&["-C", "site", "bitbucket", "use", BOB])
        .succeeds();
    world
        .sandbox
        .grant(BOB, "acme/site", Some(Permission::Read));
    world.git(&["-C", "site", "fetch", "-q"]).succeeds();
    assert_eq!(
        who(&world),
        BOB,
        "the repository's own choice stands before"
    );
    world
        .git(&["-C", "site", "bitbucket", "use", "--unset"])
        .succeeds();
    world.git(&["-C", "site", "fetch", "-q"]).succeeds();
    assert_eq!(who(&world), ALICE);

    let command = format!("bitbucket-ssh --account {BOB}");
    let setting = format!("core.sshCommand={command}");
    world
        .git(&["-c", &setting, "ls-remote", "-q", URL])
        .succeeds();
    assert_eq!(
        who(&world),
        BOB,
        "the command line stands before everything"
    );
}

#[test]
fn logout_names_the_settings_that_still_speak_of_the_account() {
    let world = two_accounts();
    login(&world, BOB).succeeds();
    world.git_bitbucket(&["use", BOB, "--global"]).succeeds();
    let use_workspace = ["use", BOB, "--workspace", "umbrella"];
    world.git_bitbucket(&use_workspace).succeeds();
    let output = world.git_bitbucket(&["logout", BOB]).succeeds();
    let output = output
        .says("warning: bitbucket.account still names bob@example.com (~/.gitconfig:")
        .says("warning: bitbucket.https://bitbucket.org/umbrella.account still names");
    let text = output.stderr();
    let lines: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("hint: "))
        .collect();
    assert_eq!(lines.len(), 2, "{text}");
    let mut shell = world.command("sh");
    shell.args(["-ec", &lines.join("\n")]);
    crate::support::run(shell).succeeds();
    world
        .git(&["config", "--get-regexp", "bitbucket.*account"])
        .fails_with(1);
}

#[test]
fn revoking_the_last_key_says_what_the_next_fetch_does() {
    let world = two_accounts();
    let token = world.sandbox.add_token(ALICE, SCOPES_ALL);
    login_with(&world, ALICE, &token).succeeds();
    world.configure("bitbucket.passphrase", "none");
    world.git(&["ls-remote", "-q", URL]).succeeds();
    let fingerprint = world.sandbox.keys(ALICE)[0].fingerprint.clone();
    let output = world.git_bitbucket(&["key", "revoke", &fingerprint]);
    let text = output.succeeds().stdout();
    let line = "alice@example.com creates a new one; to prevent that: ";
    let (_, line) = text.split_once(line).expect("what the next fetch does");
    let mut shell = world.command("sh");
    shell.args(["-ec", line]);
    crate::support::run(shell).succeeds();
    world.git(&["ls-remote", "-q", URL]).fails_with(128);
    assert!(world.sandbox.keys(ALICE).is_empty());
}

#[test]
fn a_denied_repository_is_tried_with_the_next_account() {
    let world = two_accounts();
    login(&world, ALICE).succeeds();
    login(&world, BOB).succeeds();
    world.git(&["ls-remote", "-q", URL]).succeeds();
    let url = "git@bitbucket.org:umbrella/tools.git";
    // Whether bob sees it cannot be read with the least of scopes: no key is made for a guess.
    world
        .git(&["ls-remote", url])
        .fails_with(128)
        .says("hint: git bitbucket key new --account bob@example.com");
    assert_eq!(world.sandbox.keys(BOB).len(), 0);
    let token = world.sandbox.add_token(BOB, SCOPES_ALL);
    login_with(&world, BOB, &token).succeeds();
    let cloned = world.git(&["clone", "-q", url]).succeeds();
    assert!(
        !cloned.stderr().contains("denied"),
        "the refusal is not shown: {cloned}"
    );
    assert_eq!(
        world.sandbox.keys(BOB).len(),
        1,
        "a key for the account that sees it"
    );
    let sessions = world.sandbox.connections().len();
    world.git(&["-C", "tools", "fetch", "-q"]).succeeds();
    assert_eq!(
        world.sandbox.connections().len(),
        sessions + 1,
        "and that is remembered"
    );

    world
        .git(&["ls-remote", "git@bitbucket.org:umbrella/nothing.git"])
        .fails_with(128)
        .says("hint: signed in as alice@example.com")
        .says("hint: signed in as bob@example.com");
}

#[test]
fn the_hooks_look_at_the_author() {
    let world = two_accounts();
    login(&world, ALICE).succeeds();
    world.git(&["clone", "-q", URL]).succeeds();
    let hooks = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("hooks");
    for name in ["pre-push", "post-checkout"] {
        let there = world.path("work/site/.git/hooks").join(name);
        std::fs::copy(hooks.join(name), &there).unwrap();
        std::fs::set_permissions(&there, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let site = |arguments: &[&str]| {
        let mut all = vec!["-C", "site"];
        all.extend(arguments);
        world.git(&all)
    };
    let commit = |author: &str| {
        let email = format!("user.email={author}");
        site(&["-c", &email, "commit", "-q", "--allow-empty", "-m", "Work"]).succeeds();
    };
    commit(ALICE);
    let output = site(&["push", "-q"]).succeeds();
    assert_eq!(output.stderr(), "", "her own address is no news");
    commit("someone@else.example");
    site(&["push", "-q"])
        .succeeds()
        .says("someone@else.example");
    commit("someone@else.example");
    site(&["config", "bitbucket.hooks.author", "refuse"]).succeeds();
    site(&["push", "-q"])
        .fails_with(1)
        .says("someone@else.example");
    site(&["config", "bitbucket.hooks.author", "off"]).succeeds();
    let output = site(&["push", "-q"]).succeeds();
    assert!(
        !output.stderr().contains("someone@else.example"),
        "{output}"
    );
}
