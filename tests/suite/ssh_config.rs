//! `git bitbucket ssh-config`: plain ssh uses the same identity, and the undo gives every byte back.

use std::fs;

use crate::support::{World, run};

fn served() -> World {
    let world = World::new();
    world
        .git(&["clone", "-q", "git@bitbucket.org:acme/site.git", "site"])
        .succeeds();
    world
}

/// What plain ssh would do for a host.
fn ssh_says(world: &World, host: &str) -> String {
    let mut ssh = world.command("ssh");
    ssh.arg("-F")
        .arg(world.path("home/.ssh/config"))
        .args(["-G", host]);
    run(ssh).succeeds().stdout()
}

#[test]
fn plain_ssh_uses_the_same_identity_and_the_undo_is_exact() {
    let world = served();
    let config = world.path("home/.ssh/config");
    let before = b"# mine\r\nHost example.org\n  User bob".to_vec();
    fs::write(&config, &before).unwrap();
    let files = world.ssh_files();
    let printed = world.git_bitbucket(&["ssh-config"]).succeeds().stdout();
    assert!(
        printed.contains("Host ssh.bitbucket.org bitbucket.org\n"),
        "{printed}"
    );
    assert_eq!(
        fs::read(&config).unwrap(),
        before,
        "printing changes nothing"
    );

    world.git_bitbucket(&["ssh-config", "--write"]).succeeds();
    let written = fs::read(&config).unwrap();
    world.git_bitbucket(&["ssh-config", "--write"]).succeeds();
    assert_eq!(
        fs::read(&config).unwrap(),
        written,
        "a second one changes nothing"
    );
    for host in [
        "bitbucket.org",
        "ssh.bitbucket.org",
        "altssh.bitbucket.org",
        "127.0.0.1",
    ] {
        let output = ssh_says(&world, host);
        assert!(
            output.contains("user git\n") && output.contains("identitiesonly yes"),
            "{output}"
        );
        assert!(
            output.contains("bitbucket_alice@example.com_ed25519\n"),
            "{output}"
        );
    }
    assert!(ssh_says(&world, "example.org").contains("user bob\n"));
    assert!(ssh_says(&world, "altssh.bitbucket.org").contains("port 443\n"));
    let status = world
        .git_bitbucket(&["status", "git@bitbucket.org:acme/site.git"])
        .succeeds();
    assert!(status.stdout().contains("alice@example.com"), "{status}");

    world.git_bitbucket(&["ssh-config", "--remove"]).succeeds();
    assert_eq!(fs::read(&config).unwrap(), before);
    assert_eq!(world.ssh_files(), files);
    assert!(!world.path("home/.ssh/bitbucket-ssh/ssh_config").exists());
    world.git_bitbucket(&["ssh-config", "--remove"]).succeeds();
}

#[test]
fn plain_ssh_logs_in_by_what_was_written() {
    let world = served();
    world.git_bitbucket(&["ssh-config", "--write"]).succeeds();
    let ssh = format!(
        "ssh -F '{}' -o UserKnownHostsFile='{}' -o IdentityAgent=none",
        world.path("home/.ssh/config").display(),
        world.path("home/.ssh/known_hosts").display()
    );
    let url = "ssh://127.0.0.1/acme/site.git";
    let mut git = world.command("git");
    git.env("GIT_SSH_COMMAND", ssh).args(["ls-remote", url]);
    assert!(run(git).succeeds().stdout().contains("refs/heads/main"));
}

#[test]
fn a_new_key_replaces_the_old_one() {
    let world = served();
    world.git_bitbucket(&["key", "new"]).succeeds();
    assert!(
        !world.path("home/.ssh/bitbucket-ssh/ssh_config").exists(),
        "only where it was wished"
    );
    world.git_bitbucket(&["ssh-config", "--write"]).succeeds();
    let before = ssh_says(&world, "bitbucket.org");
    world.git_bitbucket(&["key", "new"]).succeeds();
    let after = ssh_says(&world, "bitbucket.org");
    assert_ne!(after, before);
    assert!(after.contains("_ed25519-3\n"), "{after}");
}

#[test]
fn a_file_that_was_created_for_it_is_removed_again() {
    let world = served();
    let config = world.path("home/.ssh/config");
    world.git_bitbucket(&["ssh-config", "--write"]).succeeds();
    world.git_bitbucket(&["ssh-config", "--write"]).succeeds();
    assert!(config.exists());
    world.git_bitbucket(&["ssh-config", "--remove"]).succeeds();
    assert!(!config.exists(), "it was not there before");

    world.git_bitbucket(&["ssh-config", "--write"]).succeeds();
    let mut text = fs::read_to_string(&config).unwrap();
    text.push_str("Host later\n");
    fs::write(&config, text).unwrap();
    world.git_bitbucket(&["ssh-config", "--remove"]).succeeds();
    assert_eq!(fs::read_to_string(&config).unwrap(), "Host later\n");
}

#[test]
fn without_an_identity_there_is_nothing_to_write() {
    let world = World::new();
    world
        .git_bitbucket(&["ssh-config", "--write"])
        .fails_with(1)
        .says("no identity on this machine");
    assert_eq!(world.ssh_files(), ["known_hosts"]);
}

/// A fetch that replaces a key updates the generated file, and no other.
#[test]
fn the_block_follows_a_key_that_a_fetch_replaces() {
    let world = served();
    let fetch = || world.git(&["-C", "site", "fetch", "-q"]).succeeds();
    let own = world.path("home/.ssh/bitbucket-ssh/ssh_config");
    let expire = || {
        let past = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
        world.sandbox.set_expiry(crate::support::ALICE, Some(past));
    };
    expire();
    fetch();
    assert!(!own.exists(), "where none was written, none is");

    world.git_bitbucket(&["ssh-config", "--write"]).succeeds();
    let before = fs::read_to_string(&own).unwrap();
    assert!(before.contains("_ed25519-2\n"), "{before}");
    expire();
    fetch();
    let after = fs::read_to_string(&own).unwrap();
    assert_eq!(after, before.replace("_ed25519-2\n", "_ed25519-3\n"));
    let output = ssh_says(&world, "bitbucket.org");
    assert!(output.contains("_ed25519-3\n"), "{output}");

    let theirs = after.replace("# Written by", "# Kept by");
    fs::write(&own, &theirs).unwrap();
    expire();
    fetch();
    assert_eq!(fs::read_to_string(&own).unwrap(), theirs, "not ours");
}
