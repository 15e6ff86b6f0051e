//! `git bitbucket key …`: each verb, and what undoes it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use sandbox::{RestFault, SCOPES_MINIMUM};

use crate::support::{ALICE, Agent, World};

const URL: &str = "git@bitbucket.org:acme/site.git";

fn listed(world: &World) -> Vec<serde_json::Value> {
    let output = world.git_bitbucket(&["key", "list", "--json"]).succeeds();
    let list: serde_json::Value = serde_json::from_str(&output.stdout()).unwrap();
    list.as_array().unwrap().clone()
}

fn fingerprint(world: &World, number: usize) -> String {
    format!("SHA256:{}", world.sandbox.keys(ALICE)[number].fingerprint)
}

/// The account of the last login.
fn last_login(world: &World) -> String {
    let connections = world.sandbox.connections();
    let login = connections.last().unwrap().login.clone();
    format!("SHA256:{}", login.unwrap().fingerprint)
}

#[test]
fn the_list_shows_keys_there_beside_keys_here() {
    let world = World::with_a_key();
    let foreign = world.make_key("foreign", "");
    world.sandbox.add_key(ALICE, &foreign, "my old laptop");
    let list = listed(&world);
    assert_eq!(list.len(), 2);
    let fields = [
        "account",
        "label",
        "fingerprint",
        "created",
        "last_used",
        "expires",
        "this_machine",
        "state",
    ];
    for field in fields {
        assert!(list[0].get(field).is_some(), "{field}: {}", list[0]);
    }
    assert_eq!(
        (&list[0]["state"], &list[0]["this_machine"]),
        (&"proved".into(), &true.into())
    );
    assert_eq!(
        (&list[1]["state"], &list[1]["this_machine"]),
        (&"elsewhere".into(), &false.into())
    );
    let text = world.git_bitbucket(&["key", "list"]).succeeds().stdout();
    assert!(
        text.contains("my old laptop") && text.contains("alice@example.com"),
        "{text}"
    );
}

#[test]
fn a_new_key_is_used_first_and_revoke_undoes_that() {
    let world = World::with_a_key();
    let first = fingerprint(&world, 0);
    let made = world
        .git_bitbucket(&["key", "new", "--type", "ecdsa", "--expires", "30"])
        .succeeds();
    assert!(
        made.stdout().contains(&format!("key revoke {first}")),
        "the old one is named: {made}"
    );
    assert_eq!(world.sandbox.keys(ALICE).len(), 2, "and stays");
    assert!(world.sandbox.keys(ALICE)[1].expires_on.is_some());
    let second = fingerprint(&world, 1);
    world.git(&["ls-remote", "-q", URL]).succeeds();
    assert_eq!(last_login(&world), second);

    world.git_bitbucket(&["key", "revoke", &second]).succeeds();
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
    let files = world.ssh_files();
    assert!(
        files.contains(&"bitbucket_alice@example.com_ecdsa.revoked".to_owned()),
        "{files:?}"
    );
    world.git(&["ls-remote", "-q", URL]).succeeds();
    assert_eq!(last_login(&world), first, "the first one goes again");
    world
        .git_bitbucket(&["key", "revoke", &second])
        .fails_with(1)
        .says("key list");

    let file = world.path("work/mine").to_string_lossy().into_owned();
    world
        .git_bitbucket(&["key", "new", "--file", &file])
        .succeeds();
    assert!(world.path("work/mine.pub").exists());
    world
        .git_bitbucket(&["key", "new", "--file", &file])
        .fails_with(1);
    world
        .git_bitbucket(&["key", "new", "--file", "keys/work/mine"])
        .succeeds();
    for directory in ["work/keys", "work/keys/work"] {
        let permissions = fs::metadata(world.path(directory)).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, 0o700, "{directory}");
    }
    assert!(world.path("work/keys/work/mine").exists());
}

#[test]
fn the_hint_of_a_missing_identity_file_works_when_pasted() {
    let world = World::with_a_key();
    let file = world
        .path("home/.ssh/wanted")
        .to_string_lossy()
        .into_owned();
    world.configure("bitbucket.identityFile", &file);
    let output = world.git(&["ls-remote", URL]).fails_with(128);
    let text = output.stderr();
    let hint = text
        .lines()
        .find_map(|line| line.strip_prefix("hint: git bitbucket key new"));
    let mut shell = world.command("sh");
    shell.args(["-c", &format!("git bitbucket key new {}", hint.unwrap())]);
    crate::support::run(shell).succeeds();
    world.git(&["ls-remote", "-q", URL]).succeeds();
}

#[test]
fn an_existing_public_key_is_registered_once() {
    let world = World::with_a_key();
    world.make_key("laptop", "");
    let file = world
        .path("home/.ssh/laptop.pub")
        .to_string_lossy()
        .into_owned();
    world.git_bitbucket(&["key", "add", &file]).succeeds();
    world.git_bitbucket(&["key", "add", &file]).succeeds();
    assert_eq!(world.sandbox.keys(ALICE).len(), 2);
    assert_eq!(world.sandbox.keys(ALICE)[1].label, "laptop");
    let added = fingerprint(&world, 1);
    let list = world
        .git_bitbucket(&["key", "list", "--json"])
        .succeeds()
        .stdout();
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let entry = list.as_array().unwrap().iter();
    let mut entry = entry.filter(|key| key["fingerprint"] == added.as_str());
    let entry = entry.next().unwrap();
    assert_eq!(entry["this_machine"], true, "{list}");
    assert_ne!(entry["state"], "elsewhere", "{list}");
    let first = fingerprint(&world, 0);
    world.git(&["ls-remote", "-q", URL]).succeeds();
    assert_eq!(last_login(&world), first, "the newest key stays in use");
    world.git_bitbucket(&["key", "revoke", &added]).succeeds();
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
    assert!(
        world.path("home/.ssh/laptop").exists(),
        "a key we did not make stays where it is"
    );
}

/// By either half, with a title, and where the private half is on another machine.
#[test]
fn an_added_key_is_used_and_has_the_asked_title() {
    let world = World::new();
    world.make_key("laptop", "");
    world.make_key("elsewhere", "");
    std::fs::remove_file(world.path("home/.ssh/elsewhere")).unwrap();
    let file = |name: &str| {
        world
            .path(&format!("home/.ssh/{name}"))
            .display()
            .to_string()
    };
    let add = ["key", "add", "--title", "my laptop", &file("laptop")];
    world.git_bitbucket(&add).succeeds();
    world
        .git_bitbucket(&["key", "add", &file("elsewhere.pub")])
        .succeeds();
    let keys = world.sandbox.keys(ALICE);
    let labels: Vec<_> = keys.iter().map(|key| key.label.as_str()).collect();
    assert_eq!(labels, ["my laptop", "elsewhere"]);
    world.git(&["ls-remote", "-q", URL]).succeeds();
    assert_eq!(last_login(&world), fingerprint(&world, 0));
    assert_eq!(world.sandbox.keys(ALICE).len(), 2, "no key was created");
}

#[test]
fn the_agent_gets_our_keys_and_loses_only_them() {
    let mut world = World::with_a_key();
    let agent = Agent::start(&mut world);
    world.make_key("own", "");
    agent.add(&world, "own");
    let held = |world: &World| {
        let mut add = world.command("ssh-add");
        add.arg("-l");
        crate::support::run(add).stdout()
    };
    world.git_bitbucket(&["key", "load"]).succeeds();
    assert!(held(&world).contains(&fingerprint(&world, 0)));
    world.git_bitbucket(&["key", "unload"]).succeeds();
    let left = held(&world);
    assert!(
        !left.contains(&fingerprint(&world, 0)) && left.lines().count() == 1,
        "{left}"
    );
}

#[test]
fn rotation_verifies_the_new_key_before_it_removes_the_old_one() {
    let mut world = World::with_a_key();
    let first = fingerprint(&world, 0);
    world
        .git_bitbucket(&["key", "rotate", "--dry-run"])
        .succeeds();
    world
        .git_bitbucket(&["key", "rotate"])
        .fails_with(1)
        .says("--yes");
    world
        .git_bitbucket(&["key", "rotate", "--older-than", "1", "--yes"])
        .succeeds();
    assert_eq!(
        fingerprint(&world, 0),
        first,
        "nothing was due, nothing changed"
    );
    let logins = world.sandbox.connections().len();
    world.git_bitbucket(&["key", "rotate", "--yes"]).succeeds();
    assert!(
        world.sandbox.connections().len() > logins,
        "a real session proved it"
    );
    let keys = world.sandbox.keys(ALICE);
    assert_eq!(keys.len(), 1);
    let second = fingerprint(&world, 0);
    assert_ne!(second, first);
    world.git(&["ls-remote", "-q", URL]).succeeds();
    assert_eq!(last_login(&world), second);

    let token = world.sandbox.add_token(ALICE, SCOPES_MINIMUM);
    world.set("BITBUCKET_API_TOKEN", &token);
    for _ in 0..2 {
        world
            .git_bitbucket(&["key", "rotate", "--yes"])
            .fails_with(1)
            .says("delete:ssh-key:bitbucket")
            .says("https://bitbucket.org/account/settings/ssh-keys/")
            .says("hint: git bitbucket key rotate --keep-old --account alice@example.com");
        assert_eq!(world.sandbox.keys(ALICE).len(), 1, "no key was created");
    }
    let output = world
        .git_bitbucket(&["key", "rotate", "--yes", "--keep-old"])
        .succeeds();
    assert!(
        output.stdout().contains(&second),
        "the old one is named and left: {output}"
    );
    assert_eq!(world.sandbox.keys(ALICE).len(), 2);
    world.git(&["ls-remote", "-q", URL]).succeeds();
    assert_ne!(last_login(&world), second, "the new one goes");
}

#[test]
fn a_pending_key_is_never_taken_for_an_old_one() {
    let world = World::with_a_key();
    let records = world.path("home/.ssh/bitbucket-ssh/records.json");
    let text = std::fs::read_to_string(&records).unwrap();
    let begun = text.replace("\"proved\"", "\"pending\"");
    assert_ne!(begun, text);
    std::fs::write(&records, begun).unwrap();
    world.git_bitbucket(&["key", "rotate", "--yes"]).succeeds();
    assert_eq!(world.sandbox.keys(ALICE).len(), 1, "it is not removed");
    let only = fingerprint(&world, 0);
    world.git(&["ls-remote", "-q", URL]).succeeds();
    assert_eq!(last_login(&world), only, "and goes");
}

/// Without the scope nothing is created or removed, and a key that others may know is called valid.
#[test]
fn a_key_that_cannot_be_removed_is_still_valid() {
    let mut world = World::with_a_key();
    let first = fingerprint(&world, 0);
    let files = world.ssh_files();
    let token = world.sandbox.add_token(ALICE, SCOPES_MINIMUM);
    world.set("BITBUCKET_API_TOKEN", &token);
    for verb in [&["key", "revoke", "--compromised"][..], &["key", "revoke"]] {
        let output = world.git_bitbucket(&[verb, &[&first]].concat());
        output
            .fails_with(1)
            .says(&format!("{first} is STILL valid"))
            .says("lacks the scope delete:ssh-key:bitbucket")
            .says("https://bitbucket.org/account/settings/ssh-keys/");
        assert_eq!(world.sandbox.keys(ALICE).len(), 1, "{verb:?}");
        assert_eq!(world.ssh_files(), files, "{verb:?}: nothing was created");
    }
    world.git(&["ls-remote", "-q", URL]).succeeds();
    assert_eq!(last_login(&world), first);
}

/// The site refuses only the removal itself.
#[test]
fn a_removal_that_the_site_refuses_is_an_error() {
    let world = World::with_a_key();
    let first = fingerprint(&world, 0);
    let refuse = || {
        let faults = world.sandbox.faults();
        faults.rest("DELETE", "ssh-keys", RestFault::Forbidden, 1);
    };
    refuse();
    world
        .git_bitbucket(&["key", "revoke", &first])
        .fails_with(1)
        .says(&format!("{first} is STILL valid"));
    refuse();
    world
        .git_bitbucket(&["key", "rotate", "--yes"])
        .fails_with(1)
        .says(&format!("{first} is STILL valid"))
        .says("https://bitbucket.org/account/settings/ssh-keys/");
}

#[test]
fn a_compromised_key_is_replaced_first() {
    let world = World::with_a_key();
    let first = fingerprint(&world, 0);
    world
        .git_bitbucket(&["key", "revoke", "--compromised", &first])
        .succeeds();
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
    assert_ne!(fingerprint(&world, 0), first);
    let requests = world.sandbox.requests().len();
    world.git(&["ls-remote", "-q", URL]).succeeds();
    assert_eq!(
        world.sandbox.requests().len(),
        requests,
        "nothing has to be made any more"
    );
}

#[test]
fn prune_offers_only_keys_that_no_machine_has() {
    let world = World::with_a_key();
    let foreign = world.make_key("foreign", "");
    world
        .sandbox
        .add_key(ALICE, &foreign, "bitbucket-ssh me@other 2026-01-01 another");
    let own = world.make_key("own", "");
    world.sandbox.add_key(ALICE, &own, "my own label");
    world.git_bitbucket(&["key", "prune", "--yes"]).succeeds();
    assert_eq!(
        world.sandbox.keys(ALICE).len(),
        3,
        "held here, another machine's, a person's own"
    );
    let records = world.path("home/.ssh/bitbucket-ssh/records.json");
    let kept = std::fs::read(&records).unwrap();
    std::fs::remove_file(&records).unwrap();
    world.git_bitbucket(&["key", "prune", "--yes"]).succeeds();
    assert_eq!(
        world.sandbox.keys(ALICE).len(),
        3,
        "held here, though its record is lost"
    );
    std::fs::write(&records, kept).unwrap();
    for file in world.ssh_files() {
        if file.starts_with("bitbucket_") {
            std::fs::remove_file(world.path("home/.ssh").join(file)).unwrap();
        }
    }
    world
        .git_bitbucket(&["key", "prune", "--dry-run"])
        .succeeds();
    assert_eq!(world.sandbox.keys(ALICE).len(), 3);
    world
        .git_bitbucket(&["key", "prune"])
        .fails_with(1)
        .says("--yes");
    world.git_bitbucket(&["key", "prune", "--yes"]).succeeds();
    assert_eq!(
        world.sandbox.keys(ALICE).len(),
        2,
        "this machine's, which nobody holds"
    );
}
