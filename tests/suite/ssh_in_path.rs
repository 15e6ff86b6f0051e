//! What is called `ssh` in PATH, and need not be OpenSSH's.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use crate::support::World;

const URL: &str = "git@bitbucket.org:acme/site.git";

/// A machine with `bin` in front of PATH, in which `ssh` is this script.
fn with_ssh(script: &str) -> World {
    let mut world = World::new();
    fs::create_dir(world.path("bin")).unwrap();
    program(&world, "bin/ssh", script);
    put_first(&mut world, "bin");
    world
}

fn program(world: &World, name: &str, script: &str) {
    let file = world.path(name);
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}

fn put_first(world: &mut World, folder: &str) {
    let path = world.variable("PATH").unwrap().to_owned();
    let folders = std::iter::once(world.path(folder)).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(folders).unwrap();
    world.set("PATH", &path);
}

#[test]
fn an_ssh_that_cannot_be_asked_counts_as_none() {
    for (script, why) in [
        (
            "echo 'No user exists for uid 4711' >&2; exit 255",
            "a uid without a name",
        ),
        (
            "echo 'WARNING: Ignoring unknown option -G' >&2; exit 1",
            "dropbear",
        ),
        (
            "echo 'unknown option -- G\nusage: ssh [-1246]' >&2; exit 255",
            "an OpenSSH that is too old",
        ),
        ("kill -9 $$", "killed"),
        ("exit 255", "without a word"),
        ("echo hello", "no answer"),
    ] {
        let world = with_ssh(script);
        fs::write(world.path("home/.ssh/config"), "Host other\n  User me\n").unwrap();
        let listed = world.git(&["ls-remote", URL]).succeeds();
        assert!(!listed.stderr().contains("was not read"), "{why}: {listed}");
        let output =
            world.bitbucket_ssh(&["-v", "git@bitbucket.org", "git-upload-pack 'acme/site.git'"]);
        assert!(
            output.stdout().contains("refs/heads/main"),
            "{why}: {output}"
        );
        let told = "~/.ssh/config was not read: ";
        assert!(output.stderr().contains(told), "{why}: {output}");
    }
}

#[test]
fn an_ssh_that_links_to_dropbear_is_not_started() {
    let mut world = World::new();
    fs::create_dir(world.path("bin")).unwrap();
    program(&world, "bin/dbclient", "touch \"$HOME/started\"; exit 1");
    symlink("dbclient", world.path("bin/ssh")).unwrap();
    put_first(&mut world, "bin");
    fs::write(world.path("home/.ssh/config"), "Host other\n  User me\n").unwrap();
    world.git(&["ls-remote", URL]).succeeds();
    assert!(!world.path("home/started").exists(), "it would connect");
}

#[test]
fn an_error_of_ssh_config_is_still_one() {
    let world = World::new();
    fs::write(world.path("home/.ssh/config"), "Host *\n  Nonsense 1\n").unwrap();
    let output = world.git(&["ls-remote", URL]).fails_with(128);
    assert!(output.stderr().contains("line 2: Bad configuration option"));
}

const LEAD_BACK: [(&str, &str); 4] = [
    ("exec bitbucket-ssh \"$@\"", "a script that becomes us"),
    ("bitbucket-ssh \"$@\"", "a script that waits for us"),
    (
        "exec bitbucket-ssh -o ConnectTimeout=9 \"$@\"",
        "a script with an option of its own",
    ),
    (
        "PATH=/nowhere:$PATH exec \"$(command -v bitbucket-ssh)\" \"$@\"",
        "a shim",
    ),
];

#[test]
fn the_next_ssh_follows_one_that_leads_back() {
    for (script, why) in LEAD_BACK {
        let mut world = with_ssh(script);
        fs::create_dir(world.path("real")).unwrap();
        program(&world, "real/ssh", "echo \"real: $*\"");
        // In front of the machine's own, behind the wrapper.
        let path = world.variable("PATH").unwrap().to_owned();
        let mut folders: Vec<_> = std::env::split_paths(&path).collect();
        folders.insert(1, world.path("real"));
        world.set("PATH", &std::env::join_paths(folders).unwrap());
        let output = world
            .bitbucket_ssh(&["-v", "git@other.invalid", "true"])
            .succeeds();
        let printed = output.stdout();
        assert!(printed.starts_with("real: "), "{why}: {output}");
        assert!(
            printed.ends_with("-v git@other.invalid true\n"),
            "{why}: {output}"
        );
        assert!(
            output
                .stderr()
                .contains("bin/ssh leads back to this program"),
            "{why}: {output}"
        );
        let quiet = world
            .bitbucket_ssh(&["git@other.invalid", "true"])
            .succeeds();
        assert_eq!(quiet.stderr(), "", "{why}");
    }
}

#[test]
fn a_copy_of_this_program_is_no_ssh() {
    let mut world = World::new();
    for folder in ["bin", "link", "real"] {
        fs::create_dir(world.path(folder)).unwrap();
    }
    fs::copy(env!("CARGO_BIN_EXE_bitbucket-ssh"), world.path("bin/ssh")).unwrap();
    symlink(env!("CARGO_BIN_EXE_bitbucket-ssh"), world.path("link/ssh")).unwrap();
    program(&world, "real/ssh", "echo \"real: $*\"");
    for folder in ["real", "link", "bin"] {
        put_first(&mut world, folder);
    }
    let output = world
        .bitbucket_ssh(&["git@other.invalid", "true"])
        .succeeds();
    assert_eq!(output.stdout(), "real: git@other.invalid true\n");
}

#[test]
fn ssh_config_and_hand_overs_survive_a_wrapper() {
    for (script, why) in LEAD_BACK {
        let world = with_ssh(script);
        fs::write(
            world.path("home/.ssh/config"),
            "Host *\n  ConnectTimeout 17\n",
        )
        .unwrap();
        let output =
            world.bitbucket_ssh(&["-vv", "git@bitbucket.org", "git-upload-pack 'acme/site'"]);
        assert!(
            !output.stderr().contains("was not read"),
            "{why}: the next ssh reads ssh_config: {output}"
        );
        world.git(&["ls-remote", "-q", URL]).succeeds();
        world.configure("bitbucket.transport", "openssh");
        world.git(&["ls-remote", "-q", URL]).succeeds();
        let client = world.sandbox.connections().pop().unwrap().client;
        assert!(client.contains("OpenSSH"), "{why}: {client}");
    }
}
