//! Which configuration a repository is asked by: remotes under other names, worktrees, includes,
//! submodules; URL rules with wildcards and ports; each with its near miss.

use std::fs;

use sandbox::Visibility;

use super::{BOB, count, forget_lessons, logins, two_accounts, with_keys};
use crate::support::{ALICE, World};

const OPEN: &str = "git@bitbucket.org:acme/open.git";

/// Both may read `acme/open` and `acme/part`; Alice is used by default.
fn open_world() -> World {
    let world = two_accounts();
    for name in ["acme/open", "acme/part"] {
        world.sandbox.add_repository(name, Visibility::Public);
    }
    with_keys(&world);
    world
}

/// A clone of `acme/open` in `work/NAME`, without history.
fn cloned(world: &World, name: &str) {
    world.git(&["clone", "-q", OPEN, name]).succeeds();
    forget_lessons(world);
}

fn global(world: &World, lines: &str) {
    let file = world.path("home/.gitconfig");
    let before = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{before}{lines}")).unwrap();
}

/// The account that this git command uses, without history.
#[track_caller]
fn goes(world: &World, arguments: &[&str]) -> Vec<String> {
    forget_lessons(world);
    let before = count(world);
    world.git(arguments).succeeds();
    let mut who = logins(world, before);
    who.dedup();
    who
}

/// `git …` in the clone `open`.
fn inside_open(world: &World, arguments: &[&str]) {
    world.git(&[&["-C", "open"], arguments].concat()).succeeds();
}

#[test]
fn url_rules_match_labels_paths_and_ports_as_git_s_do() {
    let world = open_world();
    let before = fs::read_to_string(world.path("home/.gitconfig")).unwrap();
    for (url, expected, why) in [
        ("https://*.org/acme", BOB, "a label may be a wildcard"),
        ("https://*.*.org/acme", ALICE, "each for one label"),
        (
            "https://bitbucket.org/ac",
            ALICE,
            "whole components of a path",
        ),
        (
            "https://bitbucket.org/ACME/OPEN",
            BOB,
            "without regard to case",
        ),
        (
            "https://bitbucket.org/acme/open.git",
            BOB,
            "`.git` is nothing",
        ),
        (
            "https://bitbucket.org/acme/part",
            ALICE,
            "another repository",
        ),
        (
            "https://bitbucket.org:443/acme",
            BOB,
            "the scheme's own port",
        ),
        ("https://bitbucket.org:8443/acme", ALICE, "another port"),
        (
            "ssh://git@ssh.bitbucket.org/acme",
            BOB,
            "an SSH host of the site",
        ),
        (
            "ssh://git@altssh.bitbucket.org:443/acme",
            BOB,
            "with its port",
        ),
        (
            "ssh://git@altssh.bitbucket.org/acme",
            ALICE,
            "and not without",
        ),
        (
            "ssh://alice@bitbucket.org/acme",
            ALICE,
            "a user is no part of it",
        ),
        ("http://bitbucket.org/acme", ALICE, "another scheme"),
    ] {
        let rule = format!("{before}[bitbucket \"{url}\"]\n\taccount = {BOB}\n");
        fs::write(world.path("home/.gitconfig"), rule).unwrap();
        assert_eq!(
            goes(&world, &["ls-remote", OPEN]),
            [expected],
            "{url}: {why}"
        );
    }
}

#[test]
fn the_most_specific_rule_counts_and_an_empty_value_clears() {
    let world = open_world();
    let rule = |url: &str, value: &str| format!("[bitbucket \"{url}\"]\n\taccount ={value}\n");
    let (alice, bob) = (format!(" {ALICE}"), format!(" {BOB}"));
    let before = fs::read_to_string(world.path("home/.gitconfig")).unwrap();
    let site = "https://bitbucket.org";
    let acme = "https://bitbucket.org/acme";
    for (lines, expected, why) in [
        (
            rule(acme, &bob) + &rule(site, &alice),
            BOB,
            "the longer path",
        ),
        (
            rule(acme, &bob) + &rule("https://*.org/acme/open", &alice),
            BOB,
            "the host stands before the path",
        ),
        (
            rule(acme, &bob) + &rule(acme, "") + &rule(site, &alice),
            ALICE,
            "cleared: the next closest",
        ),
        (
            rule(acme, "") + &rule(acme, &bob),
            BOB,
            "only what stood before is cleared",
        ),
    ] {
        fs::write(world.path("home/.gitconfig"), format!("{before}{lines}")).unwrap();
        assert_eq!(goes(&world, &["ls-remote", OPEN]), [expected], "{why}");
    }
}

#[test]
fn several_identity_files_are_tried_in_order_but_the_one_that_worked_first() {
    let world = open_world();
    for (account, name) in [(ALICE, "one"), (BOB, "two")] {
        let line = world.make_key(name, "");
        world.sandbox.add_key(account, &line, name);
        world.configure("bitbucket.identityFile", &format!("~/.ssh/{name}"));
    }
    let tools = "git@bitbucket.org:acme/tools.git";
    forget_lessons(&world);
    for expected in [&[ALICE, BOB][..], &[BOB]] {
        let before = count(&world);
        world.git(&["ls-remote", "-q", tools]).succeeds();
        assert_eq!(logins(&world, before), expected);
    }
}

#[test]
fn a_remote_is_known_by_what_its_url_becomes() {
    let world = open_world();
    cloned(&world, "open");
    let inside = |arguments: &[&str]| inside_open(&world, arguments);
    inside(&["config", "bitbucket.account", BOB]);
    let fetch = ["-C", "open", "fetch", "-q"];
    global(&world, "[url \"git@bitbucket.org:\"]\n\tinsteadOf = bb:\n");
    inside(&["remote", "set-url", "origin", "bb:ACME/Open"]);
    assert_eq!(goes(&world, &fetch), [BOB], "insteadOf");
    // The other way of writing it, another user name, a second remote.
    for url in [
        "ssh://git@bitbucket.org/acme/open",
        "ssh://git@ssh.bitbucket.org:22/acme/open.git",
    ] {
        inside(&["remote", "set-url", "origin", url]);
        let asked = ["-C", "open", "ls-remote", "-q", OPEN];
        assert_eq!(goes(&world, &asked), [BOB], "{url}");
    }
    let part = "git@bitbucket.org:acme/part.git";
    let asked = ["-C", "open", "ls-remote", "-q", part];
    assert_eq!(goes(&world, &asked), [ALICE], "none of its remotes");
    inside(&["remote", "add", "second", part]);
    assert_eq!(goes(&world, &asked), [BOB], "one of several");
    inside(&["remote", "remove", "second"]);
    inside(&["remote", "set-url", "--push", "origin", part]);
    assert_eq!(goes(&world, &asked), [BOB], "pushurl");
    inside(&["config", "--unset", "remote.origin.pushurl"]);
    global(
        &world,
        "[url \"git@bitbucket.org:acme/part\"]\n\tpushInsteadOf = ssh://git@ssh.bitbucket.org:22/acme/open\n",
    );
    assert_eq!(goes(&world, &asked), [BOB], "pushInsteadOf");
}

#[test]
fn worktrees_and_includes_see_their_own_values() {
    let world = open_world();
    cloned(&world, "open");
    let inside = |arguments: &[&str]| inside_open(&world, arguments);
    inside(&["worktree", "add", "-q", "../tree", "-b", "tree"]);
    inside(&["config", "extensions.worktreeConfig", "true"]);
    world
        .git(&[
            "-C",
            "tree",
            "config",
            "--worktree",
            "bitbucket.account",
            BOB,
        ])
        .succeeds();
    assert_eq!(goes(&world, &["-C", "tree", "fetch", "-q"]), [BOB]);
    assert_eq!(goes(&world, &["-C", "open", "fetch", "-q"]), [ALICE]);

    fs::write(
        world.path("home/work.inc"),
        format!("[bitbucket]\n\taccount = {BOB}\n"),
    )
    .unwrap();
    let config = world.path("home/.gitconfig");
    let before = fs::read_to_string(&config).unwrap();
    let open = world.path("work/open");
    for (condition, expected, why) in [
        (format!("gitdir:{}/", open.display()), BOB, "this folder"),
        (
            format!("gitdir:{}/other/", open.display()),
            ALICE,
            "another one",
        ),
        (
            "hasconfig:remote.*.url:git@bitbucket.org:acme/**".to_owned(),
            BOB,
            "this remote",
        ),
        (
            "hasconfig:remote.*.url:git@bitbucket.org:other/**".to_owned(),
            ALICE,
            "another",
        ),
        ("onbranch:main".to_owned(), BOB, "this branch"),
        ("onbranch:tree".to_owned(), ALICE, "another branch"),
    ] {
        let lines = format!("[includeIf \"{condition}\"]\n\tpath = ~/work.inc\n");
        fs::write(&config, format!("{before}{lines}")).unwrap();
        assert_eq!(
            goes(&world, &["-C", "open", "fetch", "-q"]),
            [expected],
            "{why}"
        );
    }
    // What hangs on the remotes counts for them alone.
    let lines =
        "[includeIf \"hasconfig:remote.*.url:git@bitbucket.org:acme/**\"]\n\tpath = ~/work.inc\n";
    fs::write(&config, format!("{before}{lines}")).unwrap();
    let part = [
        "-C",
        "open",
        "ls-remote",
        "-q",
        "git@bitbucket.org:acme/part.git",
    ];
    assert_eq!(goes(&world, &part), [ALICE]);
}

#[test]
fn a_submodule_is_a_repository_of_its_own() {
    let world = open_world();
    cloned(&world, "open");
    let inside = |arguments: &[&str]| inside_open(&world, arguments);
    // The outer repository's settings apply to its own remotes.
    inside(&["config", "bitbucket.account", BOB]);
    let part = "git@bitbucket.org:acme/part.git";
    let add = ["-C", "open", "submodule", "--quiet", "add", part, "part"];
    assert_eq!(goes(&world, &add), [ALICE]);
    world
        .git(&["-C", "open/part", "config", "bitbucket.account", BOB])
        .succeeds();
    inside(&["config", "bitbucket.account", ALICE]);
    let update = [
        "-C",
        "open",
        "submodule",
        "foreach",
        "--quiet",
        "git fetch -q",
    ];
    assert_eq!(goes(&world, &update), [BOB], "the submodule's own");
    // A rule by URL reaches it wherever it lies.
    world
        .git(&["-C", "open/part", "config", "--unset", "bitbucket.account"])
        .succeeds();
    world.configure("bitbucket.https://bitbucket.org/acme/part.account", BOB);
    assert_eq!(goes(&world, &update), [BOB]);
    assert_eq!(goes(&world, &["-C", "open", "fetch", "-q"]), [ALICE]);
}

#[test]
fn a_repository_that_git_does_not_trust_has_no_say() {
    if !rustix::process::geteuid().is_root() {
        println!("only root can give a folder away; nothing was looked at");
        return;
    }
    let world = open_world();
    cloned(&world, "open");
    world
        .git(&["-C", "open", "config", "bitbucket.account", BOB])
        .succeeds();
    let ask = || {
        forget_lessons(&world);
        let before = count(&world);
        let mut program = world.command(env!("CARGO_BIN_EXE_bitbucket-ssh"));
        program
            .args(["git@bitbucket.org", "git-upload-pack 'acme/open.git'"])
            .current_dir(world.path("work/open"));
        crate::support::Running::start(program, b"0000".to_vec())
            .wait()
            .succeeds();
        logins(&world, before)
    };
    assert_eq!(ask(), [BOB]);
    for folder in ["work/open", "work/open/.git"] {
        std::os::unix::fs::chown(world.path(folder), Some(1234), None).unwrap();
    }
    assert_eq!(ask(), [ALICE]);
    let open = world.path("work/open");
    world.configure("safe.directory", open.to_str().unwrap());
    assert_eq!(ask(), [BOB], "git was told to trust it");
}
