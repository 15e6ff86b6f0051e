//! A repository got from a stranger, its `.git/config` included: what it may say, and what not.

use super::{BOB, SITE, ask, count, logins, two_accounts, with_keys};
use crate::support::{ALICE, World};

fn cloned(world: &World) {
    ask(
        world,
        &[
            "--account",
            ALICE,
            "git@bitbucket.org",
            &super::advertise(SITE),
        ],
    )
    .succeeds();
    world.git(&["clone", "-q", SITE, "site"]).succeeds();
}

fn say(world: &World, key: &str, value: &str) {
    world
        .git(&["-C", "site", "config", "--add", key, value])
        .succeeds();
}

#[test]
fn it_names_no_site_no_api_and_no_host() {
    let world = two_accounts();
    cloned(&world);
    let site = "bitbucket.https://bitbucket.org";
    for (key, value) in [
        ("apiUrl", "http://127.0.0.1:9/2.0"),
        ("sshHost", "127.0.0.1:9"),
        ("type", "datacenter"),
    ] {
        say(&world, &format!("{site}.{key}"), value);
    }
    say(&world, "bitbucket.https://evil.example.type", "datacenter");
    say(
        &world,
        "bitbucket.https://evil.example.sshHost",
        &world.sandbox.ssh_host(),
    );
    let before = count(&world);
    world.git(&["-C", "site", "fetch", "-q"]).succeeds();
    assert_eq!(logins(&world, before), [ALICE]);
    let output = world
        .git(&[
            "-C",
            "site",
            "-c",
            "core.sshCommand=bitbucket-ssh -v",
            "fetch",
        ])
        .succeeds();
    assert!(output.stderr().contains("127.0.0.1:9"), "named: {output}");
}

#[test]
fn it_registers_no_key() {
    let world = two_accounts();
    cloned(&world);
    world.configure("bitbucket.provision", "never");
    say(&world, "bitbucket.provision", "auto");
    say(&world, "bitbucket.account", BOB);
    world
        .git(&["-C", "site", "fetch"])
        .fails_with(128)
        .says(BOB);
    assert!(world.sandbox.keys(BOB).is_empty());
    // The near miss: it may say never.
    world
        .git(&["config", "--global", "--unset", "bitbucket.provision"])
        .succeeds();
    world
        .git(&["-C", "site", "config", "bitbucket.provision", "never"])
        .succeeds();
    world.git(&["-C", "site", "fetch"]).fails_with(128);
    assert!(world.sandbox.keys(BOB).is_empty());
}

#[test]
fn its_own_files_and_files_that_are_not_there_are_no_identities() {
    let world = two_accounts();
    cloned(&world);
    world.make_key("own", "");
    let inside = world.path("work/site/key");
    std::fs::copy(world.path("home/.ssh/own"), &inside).unwrap();
    for file in [inside, world.path("home/.ssh/nowhere")] {
        let file = file.to_str().unwrap();
        world
            .git(&["-C", "site", "config", "bitbucket.identityFile", file])
            .succeeds();
        let before = count(&world);
        world.git(&["-C", "site", "fetch", "-q"]).succeeds();
        assert_eq!(logins(&world, before), [ALICE], "{file}");
    }
    // The near miss: a file of the user's outside of it is one, and is refused.
    let outside = world.path("home/.ssh/own");
    let outside = outside.to_str().unwrap();
    world
        .git(&["-C", "site", "config", "bitbucket.identityFile", outside])
        .succeeds();
    world.git(&["-C", "site", "fetch"]).fails_with(128);
}

#[test]
fn a_repository_that_is_none_of_its_remotes_is_none_of_its_business() {
    let world = two_accounts();
    with_keys(&world);
    cloned(&world);
    world
        .sandbox
        .grant(BOB, "acme/site", Some(sandbox::Permission::Read));
    say(&world, "bitbucket.account", BOB);
    let before = count(&world);
    world.git(&["-C", "site", "fetch", "-q"]).succeeds();
    assert_eq!(logins(&world, before), [BOB], "its own remote");
    super::forget_lessons(&world);
    world
        .sandbox
        .add_repository("acme/open", sandbox::Visibility::Public);
    let url = "git@bitbucket.org:acme/open.git";
    world.git(&["-C", "site", "ls-remote", url]).succeeds();
    assert_eq!(logins(&world, before + 1), [ALICE]);
}
