//! Bad input: one clear first line, in OpenSSH's phrase where there is one; 255; nothing written.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::{ALICE, Output, World, run};

const URL: &str = "git@bitbucket.org:acme/site.git";
const HOST: &str = "git@bitbucket.org";
const FETCH: &str = "git-upload-pack 'acme/site.git'";

/// Nothing came to be: no key on the site, none here, no record.
#[track_caller]
fn nothing_was_made(world: &World, why: &str) {
    assert_eq!(world.sandbox.keys(ALICE).len(), 0, "{why}: on the site");
    let made: Vec<_> = world
        .ssh_files()
        .into_iter()
        .filter(|name| name.starts_with("bitbucket_"))
        .collect();
    assert_eq!(made, Vec::<String>::new(), "{why}: in ~/.ssh");
}

#[track_caller]
fn begins(output: &Output, beginning: &str, why: &str) {
    assert_eq!(output.stdout(), "", "{why}: stdout is the channel's alone");
    assert!(
        output.stderr().starts_with(beginning),
        "{why}: {beginning:?} is not the beginning of {output}"
    );
}

#[test]
fn a_command_line_that_ssh_would_refuse() {
    let world = World::new();
    for (arguments, beginning, why) in [
        (&["-%", HOST, FETCH][..], "unknown option -- %\n", "letter"),
        (&[], "usage: bitbucket-ssh ", "nothing"),
        (&["-p"], "option requires an argument -- p\n", "no value"),
        (&["-p", "x", HOST, FETCH], "Bad port 'x'", "no number"),
        (&["-p", "0", HOST, FETCH], "Bad port '0'", "no port"),
        (
            &["-o", "Foo=bar", HOST, FETCH],
            "command-line: line 0: Bad configuration option: foo",
            "no directive",
        ),
        (
            &["-o", "StrictHostKeyChecking=maybe", HOST, FETCH],
            "command-line line 0: unsupported option \"maybe\".",
            "no value of the directive",
        ),
        (
            &["git@bad host", FETCH],
            "hostname contains invalid characters",
            "no host",
        ),
        (
            &["a;b@bitbucket.org", FETCH],
            "remote username contains invalid characters",
            "no user",
        ),
        (
            &[HOST, "git-upload-pack '-acme/site.git'"],
            "bitbucket-ssh: strange pathname '-acme/site.git' blocked",
            "a path like an option, in git's words",
        ),
        (
            &["-F", "nothing", HOST, FETCH],
            "Can't open user config file ",
            "no configuration",
        ),
    ] {
        let output = world.bitbucket_ssh(arguments).fails_with(255);
        begins(&output, beginning, why);
        assert_eq!(world.ssh_files(), ["known_hosts"], "{why}");
    }
    assert!(world.sandbox.connections().is_empty(), "nobody was asked");
    assert!(world.sandbox.requests().is_empty());
}

#[test]
fn a_key_file_that_is_none() {
    let world = World::new();
    let ssh = world.path("home/.ssh");
    let garbage = ssh.join("garbage");
    std::fs::write(&garbage, "garbage\n").unwrap();
    std::fs::set_permissions(&garbage, std::fs::Permissions::from_mode(0o600)).unwrap();
    for (name, told, why) in [
        ("garbage", "error in libcrypto", "malformed, in ssh's words"),
        (
            "nothing",
            "not accessible: No such file or directory.",
            "missing",
        ),
    ] {
        let file = ssh.join(name);
        let file = file.to_string_lossy();
        let output = world.bitbucket_ssh(&["-i", &file, HOST, FETCH]);
        let output = output.fails_with(255).says("Permission denied (publickey)");
        assert!(output.stderr().contains("hint: "), "{why}: {output}");
        let told_first = output.stderr().lines().next().unwrap().to_owned();
        assert!(told_first.contains(told), "{why}: {output}");
        assert!(told_first.contains(&*file), "{why}: {output}");
        let command = format!("core.sshCommand=bitbucket-ssh -i '{file}'");
        world
            .git(&["-c", &command, "ls-remote", URL])
            .fails_with(128)
            .says(told);
        nothing_was_made(&world, why);
    }
    assert!(world.sandbox.requests().is_empty(), "-i stands alone");
}

#[test]
fn a_configuration_that_cannot_be_read() {
    let world = World::new();
    let file = world.path("home/.gitconfig");
    let before = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{before}[broken\n")).unwrap();
    let output = world.bitbucket_ssh(&[HOST, FETCH]).fails_with(255);
    begins(&output, "bad config line ", "git's own words");
    assert!(output.stderr().contains(&*file.to_string_lossy()));
    std::fs::write(&file, before).unwrap();

    let config = world.path("home/.ssh/config");
    std::fs::write(&config, "Host *\n  Colour blue\n").unwrap();
    let output = world.bitbucket_ssh(&[HOST, FETCH]).fails_with(255);
    let told = format!("{}: line 2: Bad configuration option", config.display());
    begins(&output, &told, "ssh's own words");
    nothing_was_made(&world, "configuration");
    assert!(world.sandbox.requests().is_empty());
}

#[test]
fn a_site_that_does_not_answer() {
    let world = World::new();
    let key = "bitbucket.https://bitbucket.org.apiUrl";
    // Nobody listens on port 9 of loopback.
    world
        .git(&["config", "--global", key, "http://127.0.0.1:9/2.0"])
        .succeeds();
    world
        .git(&["ls-remote", URL])
        .fails_with(128)
        .says("cannot reach 127.0.0.1:9: Connection refused")
        .says("hint: ");
    nothing_was_made(&world, "no API");
}

#[test]
fn host_keys_that_changed_or_are_unknown() {
    let world = World::new();
    world.git(&["ls-remote", "-q", URL]).succeeds();
    let known = world.path("home/.ssh/known_hosts");
    let before = std::fs::read_to_string(&known).unwrap();
    let name = format!("[127.0.0.1]:{}", world.sandbox.ssh_port());

    let other = world.make_key("other", "");
    let other = other.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let changed = format!("{name} {other}\n");
    std::fs::write(&known, &changed).unwrap();
    let remedy = format!("ssh-keygen -f '{}' -R '{name}'", known.display());
    let output = world.bitbucket_ssh(&[HOST, FETCH]).fails_with(255);
    begins(&output, "@@@@@@@@@@@@@@@@@@@@", "OpenSSH's box");
    let output = output
        .says("WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!")
        .says("Host key verification failed.")
        .says(&remedy);
    assert!(
        output.stderr().contains(&format!("{}:1", known.display())),
        "the offending line: {output}"
    );
    assert_eq!(std::fs::read_to_string(&known).unwrap(), changed);

    // What the hint says, pasted; then the key is one that nobody knows.
    let mut shell = world.command("sh");
    shell.args(["-c", &remedy]);
    run(shell).succeeds();
    world
        .bitbucket_ssh(&["-o", "BatchMode=yes", HOST, FETCH])
        .fails_with(255)
        .says("Host key verification failed.")
        .says("hint: ");
    std::fs::write(&known, before).unwrap();
    world.git(&["ls-remote", "-q", URL]).succeeds();
    assert_eq!(world.sandbox.keys(ALICE).len(), 1, "never a second key");
}

#[test]
fn a_setting_of_the_wrong_kind() {
    let site = "bitbucket.https://bitbucket.org";
    for (key, value, told) in [
        (
            "bitbucket.provision",
            "perhaps",
            "not one of auto, ask, never",
        ),
        ("bitbucket.keyType", "dsa", "not one of ed25519, ecdsa"),
        ("bitbucket.keyLifetime", "soon", "90d, 12w, 1y"),
        ("bitbucket.passphrase", "yes", "not one of auto, keyring"),
        (
            &format!("{site}.apiUrl"),
            "http://example.com",
            "plain http",
        ),
        (&format!("{site}.sshHost"), "a:b:c", "not a host[:port]"),
        (&format!("{site}.type"), "gitlab", "built in"),
    ] {
        let world = World::new();
        world
            .git(&["config", "--global", "--replace-all", key, value])
            .succeeds();
        let output = world.git(&["ls-remote", URL]).fails_with(128).says(told);
        let file = world.path("home/.gitconfig");
        let first = output.stderr().lines().next().unwrap().to_lowercase();
        let expected = format!("bad config value '{value}' for '{key}' in file ").to_lowercase();
        assert!(first.starts_with(&expected), "{key}: {output}");
        assert!(first.ends_with(".gitconfig"), "{key}: {output}");
        nothing_was_made(&world, key);
        assert!(
            world.sandbox.requests().is_empty(),
            "{key}: nobody is asked"
        );

        // The hint, pasted.
        let told = output.stderr();
        let remedy = told
            .lines()
            .find_map(|line| line.strip_prefix("hint: git config "));
        let mut shell = world.command("sh");
        shell.args(["-c", &format!("git config {}", remedy.unwrap())]);
        run(shell).succeeds();
        let left = std::fs::read_to_string(&file).unwrap();
        assert!(!left.contains(value), "{key}: {left}");
    }
}

#[test]
fn a_setting_of_the_wrong_kind_is_named_beside_an_account() {
    let world = World::new();
    world.configure("bitbucket.account", ALICE);
    world.configure("bitbucket.provision", "perhaps");
    world
        .git(&["ls-remote", URL])
        .fails_with(128)
        .says("Permission denied (publickey)")
        .says("hint: bad config value 'perhaps' for 'bitbucket.provision' in file ");
    nothing_was_made(&world, "an account that is named");
}
