//! `git bitbucket key new --repository`: access keys, on both kinds of site.

use rustix::process::Signal;
use sandbox::{Permission, RestFault, SCOPES_ALL, SCOPES_MINIMUM};

use crate::data_center::{Company, PASSWORD};
use crate::support::{ALICE, Running, World};

const URL: &str = "git@bitbucket.org:acme/site.git";
const SETTING: &str = "bitbucket.https://bitbucket.org/acme/site.identityFile";
const NEW: [&str; 5] = ["key", "new", "--repository", URL, "--read-only"];

/// Alice administers the repository, and her token may do everything.
fn world() -> World {
    let mut world = World::new();
    world
        .sandbox
        .grant(ALICE, "acme/site", Some(Permission::Admin));
    let token = world.sandbox.add_token(ALICE, SCOPES_ALL);
    world.set("BITBUCKET_API_TOKEN", &token);
    world
}

fn entered(world: &World) -> String {
    world
        .git(&["config", "--global", "--get-all", SETTING])
        .stdout()
}

fn only_access_key(world: &World) -> String {
    let keys = world.sandbox.deploy_keys("acme/site");
    assert_eq!(keys.len(), 1, "{keys:?}");
    format!("SHA256:{}", keys[0].fingerprint)
}

/// Account of the last login; `None`: an access key let it in.
fn last_login(world: &World) -> Option<String> {
    let connections = world.sandbox.connections();
    connections.last().unwrap().login.clone().unwrap().account
}

fn listed(world: &World) -> Vec<serde_json::Value> {
    let output = world.git_bitbucket(&["key", "list", "--json"]).succeeds();
    let list: serde_json::Value = serde_json::from_str(&output.stdout()).unwrap();
    list.as_array().unwrap().clone()
}

/// Made, listed, used to fetch, left out of a push, revoked: nothing of it stays.
#[test]
fn a_read_only_key_fetches_and_leaves_pushes_to_the_account() {
    let world = world();
    let config = std::fs::read(world.path("home/.gitconfig")).unwrap();
    let made = world.git_bitbucket(&NEW).succeeds();
    let fingerprint = only_access_key(&world);
    assert!(
        made.stdout()
            .contains(&format!("git bitbucket key revoke {fingerprint}")),
        "{made}"
    );
    assert_eq!(
        entered(&world),
        "~/.ssh/bitbucket_acme=2Fsite_ed25519\n",
        "{made}"
    );
    assert!(world.sandbox.keys(ALICE).is_empty(), "it is no account's");
    assert_eq!(last_login(&world), None, "a session proved it");

    world.git(&["clone", "-q", URL]).succeeds();
    assert_eq!(last_login(&world), None, "the access key goes");
    assert!(world.sandbox.keys(ALICE).is_empty(), "and nobody else");
    world
        .git(&[
            "-C",
            "site",
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "Change",
        ])
        .succeeds();
    world.git(&["-C", "site", "push", "-q"]).succeeds();
    assert_eq!(
        last_login(&world).as_deref(),
        Some(ALICE),
        "a push is the account's"
    );
    let before = world.sandbox.connections().len();
    world.git(&["-C", "site", "fetch", "-q"]).succeeds();
    assert_eq!(last_login(&world), None);
    assert_eq!(
        world.sandbox.connections().len(),
        before + 1,
        "and a fetch the access key's still, at once"
    );

    let list = listed(&world);
    let own: Vec<_> = list
        .iter()
        .filter(|key| key["fingerprint"] == fingerprint.as_str())
        .collect();
    assert_eq!(own.len(), 1, "{list:?}");
    assert_eq!(own[0]["repository"], "https://bitbucket.org/acme/site");
    assert_eq!(own[0]["read_only"], true);
    assert_eq!(own[0]["state"], "proved");
    let text = world.git_bitbucket(&["key", "list"]).succeeds().stdout();
    assert!(
        text.contains("access key of https://bitbucket.org/acme/site, read-only"),
        "{text}"
    );
    // A rotation is of the account's keys.
    world.git_bitbucket(&["key", "rotate", "--yes"]).succeeds();
    assert_eq!(only_access_key(&world), fingerprint);

    world
        .git_bitbucket(&["key", "revoke", &fingerprint])
        .succeeds();
    assert!(world.sandbox.deploy_keys("acme/site").is_empty());
    assert_eq!(world.sandbox.keys(ALICE).len(), 1, "the account's stays");
    assert_eq!(
        std::fs::read(world.path("home/.gitconfig")).unwrap(),
        config,
        "byte for byte what was there"
    );
    assert!(
        world
            .ssh_files()
            .contains(&"bitbucket_acme=2Fsite_ed25519.revoked".to_owned())
    );
    world.git(&["-C", "site", "fetch", "-q"]).succeeds();
    assert_eq!(last_login(&world).as_deref(), Some(ALICE));
}

/// A second one replaces the first one in the setting; other values stay.
#[test]
fn a_new_access_key_replaces_only_managed_ones() {
    let world = world();
    let own = world.make_key("own", "");
    world.sandbox.add_deploy_key("acme/site", &own, "mine");
    world.configure(SETTING, "~/.ssh/own");
    world.git_bitbucket(&NEW).succeeds();
    assert_eq!(
        entered(&world),
        "~/.ssh/own\n~/.ssh/bitbucket_acme=2Fsite_ed25519\n"
    );
    let first = format!(
        "SHA256:{}",
        world.sandbox.deploy_keys("acme/site")[1].fingerprint
    );
    let again = world
        .git_bitbucket(&[&NEW[..], &["--type", "ecdsa", "--file", "other"]].concat())
        .succeeds();
    let file = world.path("work/other").display().to_string();
    assert_eq!(entered(&world), format!("~/.ssh/own\n{file}\n"));
    assert!(
        again.stdout().contains(&format!("key revoke {first}")),
        "the old one is named: {again}"
    );
    assert_eq!(world.sandbox.deploy_keys("acme/site").len(), 3);
    let second = format!(
        "SHA256:{}",
        world.sandbox.deploy_keys("acme/site")[2].fingerprint
    );
    world
        .git_bitbucket(&["key", "revoke", "--compromised", &second])
        .succeeds();
    let keys = world.sandbox.deploy_keys("acme/site");
    assert_eq!(keys.len(), 3, "replaced, then removed: {keys:?}");
    assert_eq!(
        entered(&world),
        "~/.ssh/own\n~/.ssh/bitbucket_acme=2Fsite_ed25519-2\n"
    );
    let connections = world.sandbox.connections();
    let proof = connections.last().unwrap().login.clone().unwrap();
    assert_eq!(proof.fingerprint, keys[2].fingerprint, "it was proved");
}

/// An account that does not administer the repository is an error; another one that does is used.
#[test]
fn the_account_that_administers_the_repository_registers_it() {
    let mut world = world();
    let poor = world.sandbox.add_token(ALICE, SCOPES_MINIMUM);
    world.set("BITBUCKET_API_TOKEN", &poor);
    let output = world.git_bitbucket(&NEW).fails_with(1);
    let output = output.says("admin:repository:bitbucket");
    assert!(
        world.sandbox.deploy_keys("acme/site").is_empty(),
        "{output}"
    );
    assert_eq!(entered(&world), "");
    assert!(
        world
            .ssh_files()
            .iter()
            .all(|name| !name.starts_with("bitbucket_")),
        "nothing is made that cannot be registered"
    );

    let bob = "bob@example.com";
    world.sandbox.add_account(bob, "bob");
    world
        .sandbox
        .grant(bob, "acme/site", Some(Permission::Admin));
    let token = world.sandbox.add_token(bob, SCOPES_ALL);
    let mut login = world.command("git");
    login.args(["bitbucket", "login", bob, "--with-token", "--store", "file"]);
    login.env_remove("BITBUCKET_API_TOKEN");
    login.args(["--site", "https://bitbucket.org"]);
    Running::start(login, format!("{token}\n").into_bytes())
        .wait()
        .succeeds();
    world.git_bitbucket(&NEW).succeeds();
    only_access_key(&world);

    for (arguments, status) in [
        (&["key", "new", "--repository", URL][..], 2),
        (&[&NEW[..], &["--expires", "9"]].concat(), 2),
        (&["key", "new", "--read-only"], 2),
        (
            &[
                "key",
                "new",
                "--repository",
                "git@github.com:a/b",
                "--read-only",
            ],
            1,
        ),
    ] {
        world.git_bitbucket(arguments).fails_with(status);
    }
    only_access_key(&world);
}

/// Whatever the site answers and whenever it is killed: called again, it ends with one key.
#[test]
fn an_interrupted_one_is_finished_by_the_same_command() {
    for (fault, why) in [
        (RestFault::ErrorAfter, "stored, then an error"),
        (RestFault::DropAfter, "stored, then no answer"),
    ] {
        let world = world();
        world.sandbox.faults().rest("POST", "deploy-keys", fault, 1);
        world.git_bitbucket(&NEW).succeeds();
        only_access_key(&world);
        assert_eq!(entered(&world).lines().count(), 1, "{why}");
    }
    let mut random = fastrand::Rng::with_seed(7);
    let mut finished = 0;
    for round in 0..25 {
        let world = world();
        let mut command = world.command("git-bitbucket");
        command.args(NEW);
        let running = Running::start(command, Vec::new());
        std::thread::sleep(std::time::Duration::from_micros(random.u64(0..120_000)));
        running.signal(Signal::KILL);
        running.wait();
        let begun = world.ssh_files();
        let begun = begun.iter().any(|name| name.ends_with("ed25519"));
        finished += usize::from(begun && entered(&world).is_empty());
        world.git_bitbucket(&NEW).succeeds();
        let keys = world.sandbox.deploy_keys("acme/site").len();
        let whole = entered(&world).lines().count();
        assert_eq!(whole, 1, "round {round}");
        // One that was entered already is whole: a further call makes a further key.
        let files = world.ssh_files();
        let private = files.iter().filter(|name| name.contains(".pub")).count();
        assert_eq!(keys, private, "round {round}: {files:?}");
        if begun && private > 1 {
            assert_eq!(private, 2, "round {round}");
        }
        world.git(&["ls-remote", "-q", URL]).succeeds();
        assert_eq!(last_login(&world), None, "round {round}");
    }
    println!("{finished} of 25 were killed between the file and the setting");
}

/// On Data Center an access key may also push, and may have an end.
#[test]
fn a_data_center_s_key_may_push() {
    let company = Company::new();
    let world = &company.world;
    company
        .center
        .grant("carol", "proj/tool", Some(Permission::Admin));
    company.login(PASSWORD).succeeds();
    let url = company.url("PROJ/tool.git");
    let keys = || company.center.deploy_keys("proj/tool");
    world
        .git_bitbucket(&["key", "new", "--repository", &url, "--read-only"])
        .succeeds();
    assert!(!keys()[0].writable);
    world.git(&["clone", "-q", &url, "tool"]).succeeds();
    let commit = || {
        let words = ["-C", "tool", "commit", "-q", "--allow-empty", "-m", "x"];
        world.git(&words).succeeds();
    };
    commit();
    // No key of the account may be created, so the push has no identity left.
    world.git(&["-C", "tool", "push", "-q"]).fails_with(128);
    assert_eq!(company.keys(), 0);
    let first = format!("SHA256:{}", keys()[0].fingerprint);
    world.git_bitbucket(&["key", "revoke", &first]).succeeds();
    assert!(keys().is_empty());

    world
        .git_bitbucket(&["key", "new", "--repository", &url, "--expires", "30"])
        .succeeds();
    assert!(keys()[0].writable);
    world.git(&["-C", "tool", "push", "-q"]).succeeds();
    let listed = world.git_bitbucket(&["key", "list", "--json"]).succeeds();
    let listed: serde_json::Value = serde_json::from_str(&listed.stdout()).unwrap();
    assert_eq!(listed[0]["read_only"], false);
    assert_eq!(listed[0]["state"], "proved");
    assert!(company.keys() == 0, "no key of the account was made");
}
