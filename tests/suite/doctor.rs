//! `git bitbucket doctor` against the sandbox: harm done → found, over the network.

use serde_json::Value;

use crate::support::{ALICE, Agent, World, run};

/// A machine whose first clone has made a key.
fn served() -> World {
    let world = World::new();
    world
        .git(&["clone", "-q", "git@bitbucket.org:acme/site.git", "site"])
        .succeeds();
    world
}

/// `git bitbucket doctor --json …` in the clone (else in `work`): exit status and findings.
fn doctor(world: &World, further: &[&str]) -> (i32, Vec<Value>) {
    let mut git = world.command("git");
    let clone = world.path("work/site");
    if clone.exists() {
        git.current_dir(clone);
    }
    git.args(["bitbucket", "doctor", "--json"]).args(further);
    let output = run(git);
    let list = serde_json::from_slice(&output.stdout);
    (
        output.status.unwrap(),
        list.unwrap_or_else(|why| panic!("{why}: {output}")),
    )
}

#[track_caller]
fn finds(list: &[Value], check: &str, verdict: &str, text: &str) {
    let found: Vec<_> = list.iter().filter(|one| one["check"] == check).collect();
    let hit = found.iter().any(|one| {
        one["verdict"] == verdict && one["text"].as_str().is_some_and(|said| said.contains(text))
    });
    assert!(hit, "{check}: no {verdict} with {text:?} in {found:#?}");
}

#[test]
fn a_machine_that_is_served_has_no_fail_and_keeps_its_token_for_itself() {
    let world = served();
    let (status, list) = doctor(&world, &[]);
    let failed: Vec<_> = list.iter().filter(|one| one["verdict"] == "FAIL").collect();
    assert_eq!((status, failed.len()), (0, 0), "{failed:#?}");
    for (check, text) in [
        ("git", "git version"),
        ("ssh-command", "bitbucket-ssh"),
        ("token", "valid"),
        ("account-keys", "on the account as"),
        ("tcp", "connected"),
        ("ssh", "SSH-2.0-"),
        ("api", "answers"),
        ("session", "alice@example.com is served acme/site"),
        ("leftovers", "no interrupted provisioning"),
    ] {
        finds(&list, check, "OK", text);
    }
    finds(&list, "remotes", "WARN", "bitbucket.org");
    assert!(
        world
            .sandbox
            .commands()
            .iter()
            .any(|one| one.starts_with("git-upload-pack"))
    );
    let before = world.sandbox.connections().len();
    let (status, list) = doctor(&world, &["--offline"]);
    assert_eq!(
        (status, world.sandbox.connections().len()),
        (0, before),
        "no network"
    );
    finds(&list, "session", "SKIP", "--offline");
    let text = world.git_bitbucket(&["doctor", "--offline"]);
    assert!(text.stdout().contains(" FAIL, "), "{text}");
}

#[test]
fn a_key_that_is_gone_from_the_site_is_found() {
    let world = served();
    world.sandbox.remove_keys(ALICE, None);
    let (status, list) = doctor(&world, &[]);
    assert_eq!(status, 1);
    finds(&list, "account-keys", "FAIL", "is not on the account");
    finds(&list, "session", "FAIL", "is not let in");
    assert_eq!(world.sandbox.keys(ALICE).len(), 0, "doctor makes no key");
}

#[test]
fn a_refused_token_and_missing_scopes_are_found() {
    let mut world = served();
    let poor = world.sandbox.add_token(ALICE, &["read:user:bitbucket"]);
    world.set("BITBUCKET_API_TOKEN", &poor);
    let (status, list) = doctor(&world, &[]);
    assert_eq!(status, 1);
    finds(&list, "token-scopes", "FAIL", "read:ssh-key:bitbucket");
    world.set("BITBUCKET_API_TOKEN", "ATATT-wrong");
    let (status, list) = doctor(&world, &[]);
    assert_eq!(status, 1);
    finds(&list, "token", "FAIL", "");
    let shown = serde_json::to_string(&list).unwrap();
    assert!(!shown.contains("ATATT-wrong") && !shown.contains(&poor));
}

#[test]
fn endpoints_that_do_not_answer_are_found() {
    let world = World::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = free.local_addr().unwrap();
    drop(free);
    world.configure("bitbucket.https://bitbucket.org.sshHost", &dead.to_string());
    let (_, list) = doctor(&world, &[]);
    finds(&list, "tcp", "WARN", "refused");
    finds(&list, "ssh", "OK", "SSH-2.0-");
    let config = world.path("home/.gitconfig");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(
        &config,
        text.replace(&world.sandbox.ssh_host(), &dead.to_string()),
    )
    .unwrap();
    let (status, list) = doctor(&world, &[]);
    assert_eq!(status, 1);
    finds(&list, "tcp", "FAIL", "refused");
}

#[test]
fn without_a_key_the_next_fetch_is_named() {
    let world = World::new();
    let (status, list) = doctor(&world, &["git@bitbucket.org:acme/site.git"]);
    assert_eq!(status, 0, "{list:#?}");
    finds(&list, "session", "WARN", "the next fetch makes one");
    assert!(
        world
            .ssh_files()
            .iter()
            .all(|name| !name.contains("ed25519"))
    );
}

#[test]
fn the_agent_is_asked_what_it_holds() {
    let mut world = World::new();
    let agent = Agent::start(&mut world);
    for number in 1..=6 {
        world.make_key(&format!("key{number}"), "");
        agent.add(&world, &format!("key{number}"));
    }
    world.unset("BITBUCKET_API_TOKEN");
    let (_, list) = doctor(&world, &["--offline"]);
    finds(&list, "agent", "OK", "answers at");
    finds(&list, "agent-keys", "WARN", "6 keys");
    finds(&list, "agent-key", "OK", "which goes first");
    world.make_key("locked", "secret");
    world.configure("bitbucket.identityFile", "~/.ssh/locked");
    let (_, list) = doctor(&world, &["--offline"]);
    finds(&list, "agent-key", "WARN", "its passphrase is asked for");
    finds(&list, "agent-keys", "OK", "only the chosen");
}
