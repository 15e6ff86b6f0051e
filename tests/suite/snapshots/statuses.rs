//! Exit statuses: 1 if a question cannot be asked, 2 for wrong usage, 4 without a login.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sandbox::SCOPES_ALL;

use crate::support::{ALICE, World};

const URL: &str = "git@bitbucket.org:acme/site.git";

/// Every file below, with what it holds; what is only remembered, to be faster, is not looked at.
fn files(folder: &Path, all: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with(".local/state") {
            continue;
        }
        if path.is_dir() {
            files(&path, all);
        } else if path.is_file() {
            all.insert(path.display().to_string(), fs::read(&path).unwrap());
        }
    }
}

pub(crate) fn everything(world: &World) -> (BTreeMap<String, Vec<u8>>, Vec<String>) {
    let mut all = BTreeMap::new();
    files(&world.path("home"), &mut all);
    files(&world.path("work"), &mut all);
    let keys = world.sandbox.keys(ALICE);
    (all, keys.into_iter().map(|key| key.fingerprint).collect())
}

/// A machine on which each command that must ask has something to ask about.
pub(crate) fn machine() -> World {
    let mut world = World::new();
    let token = world.sandbox.add_token(ALICE, SCOPES_ALL);
    world.set("BITBUCKET_API_TOKEN", &token);
    world.configure("bitbucket.passphrase", "none");
    world.git(&["clone", "-q", URL, "site"]).succeeds();
    world
}

#[test]
fn without_a_terminal_and_without_yes_nothing_is_changed() {
    type Before = fn(&World);
    let nothing: Before = |_| {};
    let lost: Before = |world| {
        for name in world.ssh_files() {
            if name.starts_with("bitbucket_") {
                fs::remove_file(world.path("home/.ssh").join(name)).unwrap();
            }
        }
    };
    let old_host: Before = |world| {
        let old = ["-C", "site", "remote", "set-url", "origin", URL];
        world.git(&old).succeeds();
    };
    let no_public: Before = |world| {
        let file = "home/.ssh/bitbucket_alice@example.com_ed25519.pub";
        fs::remove_file(world.path(file)).unwrap();
    };
    let verbs: [(&[&str], Before, &str); 6] = [
        (&["key", "rotate"], nothing, "--yes"),
        (&["key", "rotate", "--older-than", "0"], nothing, "--yes"),
        (&["key", "prune"], lost, "--yes"),
        (&["migrate"], old_host, "migrate --yes"),
        (
            &["doctor", "--offline", "--fix"],
            no_public,
            "doctor --fix --yes",
        ),
        (&["login", ALICE], nothing, "--with-token"),
    ];
    for (verb, before, hint) in verbs {
        let world = machine();
        before(&world);
        let was = everything(&world);
        let mut git = world.command("git");
        git.current_dir(world.path("work/site"));
        git.arg("bitbucket").args(verb);
        let output = crate::support::run(git).fails_with(1).says(hint);
        assert!(was == everything(&world), "{output}");
        if verb[0] == "login" {
            continue;
        }
        assert!(
            output.stderr().contains("no terminal to ask on"),
            "it is said: {output}"
        );
        // There was something to change.
        let mut git = world.command("git");
        git.current_dir(world.path("work/site"));
        git.arg("bitbucket").args(verb).arg("--yes");
        let output = crate::support::run(git);
        assert!(was != everything(&world), "{output}");
    }
}

#[test]
fn wrong_usage_is_two() {
    let world = machine();
    let was = everything(&world);
    for verb in [
        &[][..],
        &["frobnicate"],
        &["key"],
        &["key", "frobnicate"],
        &["key", "new", "--read-only"],
        &["key", "new", "--type", "dsa"],
        &["key", "new", "--expires", "soon"],
        &["key", "revoke"],
        &["key", "add"],
        &["key", "rotate", "--older-than", "-1"],
        &["key", "list", "--site", "https://nowhere.example"],
        &["setup", "--local", "--global"],
        &["unsetup", "--frobnicate"],
        &["login", "--store", "attic"],
        &["logout", "a", "b"],
        &["use"],
        &["use", ALICE, "--local", "--global"],
        &["use", "--unset", ALICE],
        &["status", "a", "b"],
        &["doctor", "--yes"],
        &["repo", "clone", "acme"],
        &["repo", "create", "a/b/c"],
        &["ssh-config", "--write", "--remove"],
        &["migrate", "--undo", "--dry-run"],
        &["hooks"],
        &["hooks", "install", "--local", "--global"],
        &["completions", "ksh93"],
    ] {
        let output = world.git_bitbucket(verb).fails_with(2);
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{output}"
        );
    }
    assert!(was == everything(&world), "wrong usage changes nothing");
}

#[test]
fn not_logged_in_is_four() {
    let mut world = machine();
    for name in world.ssh_files() {
        if name.starts_with("bitbucket") && world.path("home/.ssh").join(&name).is_file() {
            fs::remove_file(world.path("home/.ssh").join(name)).unwrap();
        }
    }
    fs::remove_dir_all(world.path("home/.ssh/bitbucket-ssh")).unwrap();
    world.unset("BITBUCKET_EMAIL");
    world.unset("BITBUCKET_API_TOKEN");
    world.make_key("laptop", "");
    let laptop = world.path("home/.ssh/laptop.pub").display().to_string();
    let was = everything(&world);
    for verb in [
        &["key", "list"][..],
        &["key", "list", "--json"],
        &["key", "list", "--account", ALICE],
        &["key", "new"],
        &["key", "new", "--account", ALICE],
        &["key", "add", &laptop],
        &["key", "rotate", "--yes"],
        &["key", "prune", "--yes"],
        &["repo", "create", "acme/new"],
    ] {
        world
            .git_bitbucket(verb)
            .fails_with(4)
            .says("git bitbucket login");
    }
    assert_eq!(was.1, everything(&world).1);
}
