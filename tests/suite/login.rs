//! `login` and `logout`: what is stored where, and what a login that fails leaves behind.

use std::fs;

use sandbox::{SCOPES_ALL, SCOPES_MINIMUM, Sandbox};

use crate::openssh::keyring;
use crate::support::{ALICE, Output, Running, World};

/// A machine without a token, and a token of Alice's for it.
fn machine() -> (World, String) {
    let mut world = World::new();
    world.unset("BITBUCKET_EMAIL");
    world.unset("BITBUCKET_API_TOKEN");
    let token = world.sandbox.add_token(ALICE, SCOPES_MINIMUM);
    (world, token)
}

fn bitbucket(world: &World, arguments: &[&str], input: &str) -> Output {
    let mut git = world.command("git");
    git.arg("bitbucket").args(arguments);
    Running::start(git, input.as_bytes().to_vec()).wait()
}

/// A file of the program's folder; empty where it is not there.
fn stored(world: &World, name: &str) -> String {
    let folder = world.path("home/.ssh/bitbucket-ssh");
    fs::read_to_string(folder.join(name)).unwrap_or_default()
}

#[test]
fn a_login_is_recorded_once_and_a_second_logout_finds_none() {
    let (world, token) = machine();
    for account in [ALICE, "Alice@Example.com"] {
        let login = ["login", account, "--with-token", "--store", "file"];
        bitbucket(&world, &login, &token).succeeds();
    }
    let records: serde_json::Value = serde_json::from_str(&stored(&world, "records.json")).unwrap();
    let accounts = records["accounts"].as_array().unwrap();
    assert_eq!(accounts.len(), 1, "the same account: {records}");
    assert_eq!(accounts[0]["emails"][0], ALICE, "{records}");
    bitbucket(&world, &["logout"], "").succeeds();
    let records = stored(&world, "records.json");
    assert!(!records.contains("alice"), "{records}");
    bitbucket(&world, &["logout"], "").fails_with(4);
}

#[test]
fn a_token_moves_to_its_new_store() {
    let (world, token) = machine();
    world.configure("credential.helper", "store");
    let credentials = world.path("home/.git-credentials");
    let login = |store: &str| {
        let login = ["login", ALICE, "--with-token", "--store", store];
        bitbucket(&world, &login, &token).succeeds()
    };
    login("git-credential");
    assert!(fs::read_to_string(&credentials).unwrap().contains(&token));
    let output = login("file");
    assert!(
        !output.stderr().contains("no keyring"),
        "asked for: {output}"
    );
    let left = fs::read_to_string(&credentials).unwrap_or_default();
    assert!(!left.contains(&token), "no older token is found first");
    assert!(stored(&world, "tokens.json").contains(&token));
}

#[test]
fn the_keyring_comes_first_where_there_is_one() {
    let (mut world, token) = machine();
    let _daemons = keyring(&mut world);
    let config = fs::read(world.path("home/.gitconfig")).unwrap();
    let login = bitbucket(&world, &["login", ALICE, "--with-token"], &token).succeeds();
    assert!(
        login.stdout().contains("token: the system's keyring"),
        "{login}"
    );
    assert_eq!(stored(&world, "tokens.json"), "");
    assert_eq!(fs::read(world.path("home/.gitconfig")).unwrap(), config);
    let logout = bitbucket(&world, &["logout"], "").succeeds();
    assert!(logout.stdout().contains("the system's keyring"), "{logout}");
}

#[test]
fn a_login_that_fails_stores_nothing() {
    let (world, token) = machine();
    let poor = world.sandbox.add_token(ALICE, &["read:user:bitbucket"]);
    let with_token = &["login", ALICE, "--with-token"][..];
    for (arguments, input, status, words, why) in [
        (
            with_token,
            "ATATT-bad",
            1,
            "git-bitbucket: the site does not accept the API token: ",
            "refused",
        ),
        (
            with_token,
            &poor,
            1,
            "lacks scopes: read:ssh-key:bitbucket write:ssh-key:bitbucket",
            "scopes are named",
        ),
        (
            &["login", ALICE, "--with-token", "--store", "keyring"],
            &token,
            1,
            "hint: git bitbucket login --store file",
            "no keyring",
        ),
        (
            &["login", ALICE],
            "",
            1,
            "--with-token",
            "nobody can be asked",
        ),
        (
            &[
                "login",
                ALICE,
                "--with-token",
                "--site",
                "https://other.example",
            ],
            &token,
            2,
            "is not configured as a site",
            "no such site",
        ),
    ] {
        let output = bitbucket(&world, arguments, input).fails_with(status);
        assert!(output.stderr().contains(words), "{why}: {output}");
        assert!(
            input.is_empty() || !output.to_string().contains(input),
            "{why}: no token is shown"
        );
        assert_eq!(stored(&world, "tokens.json"), "", "{why}");
        assert_eq!(stored(&world, "records.json"), "", "{why}");
    }
}

/// The site tells the scopes of a token with every answer.
#[test]
fn a_login_says_what_the_token_can_do() {
    let (world, token) = machine();
    let reader = ["read:user:bitbucket", "read:ssh-key:bitbucket"];
    let reader = world.sandbox.add_token(ALICE, &reader);
    let all = world.sandbox.add_token(ALICE, SCOPES_ALL);
    for (token, lines, warning, why) in [
        (
            &token,
            "the token can: log in, list keys, add keys\n\
             the token cannot: remove keys (delete:ssh-key:bitbucket), \
             see repositories (read:repository:bitbucket), \
             create repositories (admin:repository:bitbucket)\n",
            false,
            "the scopes that are needed",
        ),
        (
            &all,
            "the token can: log in, list keys, add keys, remove keys, see repositories, \
             create repositories\n",
            false,
            "every scope",
        ),
        (
            &reader,
            "the token cannot: add keys (write:ssh-key:bitbucket), ",
            true,
            "it only reads",
        ),
    ] {
        let login = ["login", ALICE, "--with-token", "--store", "file"];
        let output = bitbucket(&world, &login, token).succeeds();
        assert!(output.stdout().contains(lines), "{why}: {output}");
        let warned = output
            .stderr()
            .contains("cannot create keys with this token: it lacks write:ssh-key:bitbucket");
        assert_eq!(warned, warning, "{why}: {output}");
    }
}

#[test]
fn an_account_of_two_sites_needs_a_site() {
    let (world, token) = machine();
    let center = Sandbox::start_data_center();
    center.add_account(ALICE, ALICE);
    center.add_password(ALICE, "password");
    let url = center.web_url();
    world.configure(&format!("bitbucket.{url}.type"), "datacenter");
    for (site, secret) in [
        ("https://bitbucket.org", token.as_str()),
        (&url, "password"),
    ] {
        let login = ["login", ALICE, "--with-token", "--site", site];
        bitbucket(&world, &login, secret).succeeds();
    }
    for arguments in [
        &["use", ALICE, "--global"][..],
        &["login", ALICE, "--with-token"],
        &["logout", ALICE],
        &["logout"],
    ] {
        bitbucket(&world, arguments, &token).fails_with(2);
    }
    bitbucket(&world, &["logout", ALICE, "--site", &url], "").succeeds();
    bitbucket(&world, &["use", ALICE, "--global"], "").succeeds();
}
