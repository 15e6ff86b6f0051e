//! Directories that are read-only, elsewhere or full: reported, and the next run recovers.

use crate::support::{ALICE, World, run};

const URL: &str = "git@bitbucket.org:acme/site.git";

/// One key on the site, and the last login was by it.
fn one_key_that_serves(world: &World, why: &str) {
    let keys = world.sandbox.keys(ALICE);
    assert_eq!(keys.len(), 1, "{why}: one key on the site");
    let connections = world.sandbox.connections();
    let login = connections.last().unwrap().login.clone();
    assert_eq!(login.unwrap().fingerprint, keys[0].fingerprint, "{why}");
}

#[test]
fn a_file_instead_of_the_ssh_directory_is_reported_and_left_alone() {
    let mut world = World::new();
    let (ssh, aside) = (world.path("home/.ssh"), world.path("aside"));
    std::fs::rename(&ssh, &aside).unwrap();
    std::fs::write(&ssh, "a note").unwrap();
    let known = aside.join("known_hosts");
    let program = format!("bitbucket-ssh -o UserKnownHostsFile={}", known.display());
    world.set("GIT_SSH_COMMAND", &program);
    world
        .git(&["ls-remote", URL])
        .fails_with(128)
        .says("home/.ssh")
        .says("hint: ");
    assert_eq!(std::fs::read_to_string(&ssh).unwrap(), "a note");
    assert!(world.sandbox.keys(ALICE).is_empty(), "nothing was sent");

    std::fs::remove_file(&ssh).unwrap();
    std::fs::rename(&aside, &ssh).unwrap();
    world.unset("GIT_SSH_COMMAND");
    world.git(&["ls-remote", "-q", URL]).succeeds();
    one_key_that_serves(&world, "put right");
}

#[test]
fn the_state_directory_may_be_missing() {
    let mut world = World::new();
    let file = world.path("tmp/file");
    std::fs::write(&file, "no folder").unwrap();
    world.set("XDG_STATE_HOME", &file);
    world.git(&["clone", "-q", URL, "one"]).succeeds();
    world.git(&["-C", "one", "fetch", "-q"]).succeeds();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "no folder");
    one_key_that_serves(&world, "without a state folder");
}

#[test]
fn an_ssh_folder_may_lie_elsewhere() {
    let world = World::new();
    let (ssh, elsewhere) = (world.path("home/.ssh"), world.path("dotfiles"));
    std::fs::rename(&ssh, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &ssh).unwrap();
    world.git(&["clone", "-q", URL, "one"]).succeeds();
    let requests = world.sandbox.requests().len();
    world.git(&["-C", "one", "fetch", "-q"]).succeeds();
    assert_eq!(world.sandbox.requests().len(), requests, "no API again");
    assert!(ssh.is_symlink(), "the link stays one");
    let key = elsewhere.join("bitbucket_alice@example.com_ed25519");
    assert!(key.is_file(), "the key is behind the link");
    one_key_that_serves(&world, "behind a link");
}

/// A first run with `pages` free pages in `~/.ssh`, and one more with room enough. The mount is in
/// a namespace of its own and ends with it.
const FULL: &str = r#"
cp "$HOME/.ssh/known_hosts" "$TMPDIR/known_hosts"
mount -t tmpfs -o "mode=700,size=$((4 * (1 + PAGES)))k" tmpfs "$HOME/.ssh" || exit 99
cp "$TMPDIR/known_hosts" "$HOME/.ssh/known_hosts"
git ls-remote -q git@bitbucket.org:acme/site.git
echo "first $?"
mount -o remount,size=1m "$HOME/.ssh" || exit 99
git ls-remote -q git@bitbucket.org:acme/site.git
echo "second $?"
ls -A "$HOME/.ssh" "$HOME/.ssh/bitbucket-ssh"
"#;

#[test]
fn a_full_disk_at_any_step_is_reported_and_the_same_key_completed() {
    let allowed = World::new();
    let mut probe = allowed.command("unshare");
    probe.args(["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
    if run(probe).status != Some(0) {
        println!("no file system can be mounted here; no full disk was looked at");
        return;
    }
    let (mut failed, mut served) = (0, 0);
    for pages in 0..8 {
        let mut world = World::new();
        world.set("PAGES", &pages.to_string());
        let mut shell = world.command("unshare");
        shell.args(["-rm", "sh", "-c", FULL]);
        let output = run(shell).succeeds();
        let (text, stdout) = (output.stderr(), output.stdout());
        let why = format!("{pages} free pages: {stdout}\n{text}");
        if stdout.contains("first 0") {
            served += 1;
        } else {
            failed += 1;
            assert!(stdout.contains("first 128"), "{why}");
            assert!(text.contains("No space left on device"), "{why}");
            assert!(text.contains("hint: "), "{why}");
        }
        assert!(stdout.contains("second 0"), "{why}");
        one_key_that_serves(&world, &why);
        let private = |line: &&str| line.starts_with("bitbucket_") && !line.contains(".pub");
        assert_eq!(stdout.lines().filter(private).count(), 1, "{why}");
        assert!(!stdout.lines().any(|line| line.starts_with('.')), "{why}");
    }
    println!("full disk: {failed} told, {served} served at once");
    assert!(failed >= 2 && served >= 1, "{failed} and {served}");
}

/// `~/.ssh` as containers mount it.
const READ_ONLY: &str = r#"
mount --bind "$HOME/.ssh" "$HOME/.ssh" && mount -o remount,bind,ro "$HOME/.ssh" || exit 99
git ls-remote -q git@bitbucket.org:acme/site.git
echo "first $?"
"#;

#[test]
fn in_a_read_only_ssh_directory_a_listed_key_is_used() {
    let allowed = World::new();
    let mut probe = allowed.command("unshare");
    probe.args(["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
    if run(probe).status != Some(0) {
        println!("no file system can be mounted here; nothing was looked at");
        return;
    }
    let world = World::with_a_key();
    std::fs::remove_dir_all(world.path("home/.ssh/bitbucket-ssh")).unwrap();
    let read_only = || {
        let mut shell = world.command("unshare");
        shell.args(["-rm", "sh", "-c", READ_ONLY]);
        run(shell).succeeds()
    };
    let output = read_only();
    assert!(output.stdout().contains("first 0"), "{output}");
    one_key_that_serves(&world, "the one that was there");

    for file in world.ssh_files() {
        if file.starts_with("bitbucket_") {
            std::fs::remove_file(world.path("home/.ssh").join(file)).unwrap();
        }
    }
    let output = read_only();
    assert!(output.stdout().contains("first 128"), "{output}");
    let errors = output.stderr();
    assert!(
        errors.contains("home/.ssh is read-only, so no key can be created there"),
        "{errors}"
    );
    assert!(!errors.contains("repeat the command"), "{errors}");
    assert_eq!(world.sandbox.keys(ALICE).len(), 1, "no second key");
}

#[test]
fn no_temporary_directory_is_needed() {
    for transport in ["native", "openssh"] {
        let mut world = World::new();
        std::fs::write(
            world.path("home/.ssh/config"),
            "Host *\n  ConnectTimeout 20\n",
        )
        .unwrap();
        world.configure("bitbucket.transport", transport);
        world.set("TMPDIR", "/nonexistent");
        world.git(&["ls-remote", "-q", URL]).succeeds();
        world.git(&["ls-remote", "-q", URL]).succeeds();
        one_key_that_serves(&world, transport);
    }
}

#[test]
fn without_a_home_there_is_no_place_for_a_key() {
    let mut world = World::new();
    let config = world.path("home/.gitconfig");
    let known = world.path("home/.ssh/known_hosts");
    world.set("GIT_CONFIG_GLOBAL", &config);
    let program = format!("bitbucket-ssh -o UserKnownHostsFile={}", known.display());
    world.set("GIT_SSH_COMMAND", &program);
    for home in [None, Some(""), Some("/nonexistent")] {
        match home {
            Some(home) => world.set("HOME", home),
            None => world.unset("HOME"),
        }
        world
            .git(&["ls-remote", URL])
            .fails_with(128)
            .says("so there is no place for keys")
            .says("hint: export HOME=");
    }
    assert!(world.sandbox.keys(ALICE).is_empty());
}

#[test]
fn a_chosen_key_needs_no_records() {
    let world = World::with_a_key();
    let records = world.path("home/.ssh/bitbucket-ssh/records.json");
    std::fs::write(&records, "{ broken").unwrap();
    world
        .git(&["ls-remote", URL])
        .fails_with(128)
        .says("hint: ");
    let key = "core.sshCommand=bitbucket-ssh -i ~/.ssh/bitbucket_alice@example.com_ed25519";
    world.git(&["-c", key, "ls-remote", "-q", URL]).succeeds();
    assert_eq!(std::fs::read_to_string(&records).unwrap(), "{ broken");
}
