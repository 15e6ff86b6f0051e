//! Bad input: one clear first line, in OpenSSH's phrase where there is one; 255; nothing written.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::{ALICE, Output, Running, World, run};

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
    for (name, text, why) in [
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
        assert!(told_first.contains(text), "{why}: {output}");
        assert!(told_first.contains(&*file), "{why}: {output}");
        let command = format!("core.sshCommand=bitbucket-ssh -i '{file}'");
        world
            .git(&["-c", &command, "ls-remote", URL])
            .fails_with(128)
            .says(text);
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
    let text = format!("{}: line 2: Bad configuration option", config.display());
    begins(&output, &text, "ssh's own words");
    nothing_was_made(&world, "configuration");
    assert!(world.sandbox.requests().is_empty());
}

#[test]
fn a_site_that_does_not_answer() {
    let world = World::new();
    let key = "bitbucket.https://bitbucket.org.apiUrl";
    // Nothing listens on port 9 of loopback.
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

    // The hint, pasted; then the key is an unknown one.
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
    for (key, value, text) in [
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
        let output = world.git(&["ls-remote", URL]).fails_with(128).says(text);
        let file = world.path("home/.gitconfig");
        let first = output.stderr().lines().next().unwrap().to_lowercase();
        let expected = format!("bad config value '{value}' for '{key}' in file ").to_lowercase();
        assert!(first.starts_with(&expected), "{key}: {output}");
        let line = std::fs::read_to_string(&file).unwrap();
        let line = 1 + line.lines().position(|line| line.contains(value)).unwrap();
        assert!(
            first.ends_with(&format!(".gitconfig at line {line}")),
            "{key}: {output}"
        );
        nothing_was_made(&world, key);
        assert!(
            world.sandbox.requests().is_empty(),
            "{key}: nobody is asked"
        );

        paste_the_remedy(&world, &output);
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

/// The line behind `hint: git config`, run by a shell.
fn paste_the_remedy(world: &World, output: &Output) {
    paste(world, output, "git config ");
}

/// The hint that begins so, run by a shell.
fn paste(world: &World, output: &Output, beginning: &str) {
    let text = output.stderr();
    let mut hints = text.lines().filter_map(|line| line.strip_prefix("hint: "));
    let hint = hints.find(|line| line.starts_with(beginning));
    let mut shell = world.command("sh");
    shell.args([
        "-c",
        hint.unwrap_or_else(|| panic!("{beginning:?}: {output}")),
    ]);
    run(shell).succeeds();
}

#[test]
fn a_setting_that_every_call_needs_ends_it_with_file_and_line() {
    let world = World::new();
    world.git(&["ls-remote", URL]).succeeds();
    let file = world.path("home/.gitconfig");
    let before = std::fs::read_to_string(&file).unwrap();
    let acme = "[bitbucket \"https://bitbucket.org/acme\"]\n";
    for (lines, key, value, stderr) in [
        (
            "[bitbucket]\n\ttransport = nativ\n",
            "bitbucket.transport",
            "nativ",
            "not one of native, openssh; did you mean native?",
        ),
        (
            "[bitbucket]\n\ttransport\n",
            "bitbucket.transport",
            "",
            "has no value",
        ),
        (
            "[bitbucket]\n\taccount\n",
            "bitbucket.account",
            "",
            "has no value",
        ),
        (
            &format!("{acme}\tidentityFile\n"),
            "bitbucket.https://bitbucket.org/acme.identityFile",
            "",
            "has no value",
        ),
    ] {
        std::fs::write(&file, format!("{before}{lines}")).unwrap();
        let connections = world.sandbox.connections().len();
        let output = world.bitbucket_ssh(&[HOST, FETCH]).fails_with(255);
        let line = before.lines().count() + 2;
        let file_and_line = format!("{} at line {line}\n", file.display());
        let first = format!("bad config value '{value}' for '{key}' in file {file_and_line}");
        begins(&output, &first, key);
        let output = output.says(&format!("hint: {stderr}"));
        assert_eq!(world.sandbox.connections().len(), connections, "{key}");
        let status = world.git_bitbucket(&["status", URL]).succeeds();
        assert!(status.stdout().contains("is invalid"), "{status}");
        let doctor = world.git_bitbucket(&["doctor", "--offline", URL]).stdout();
        let finding = doctor.lines().find(|line| line.contains("invalid value"));
        assert!(
            finding.is_some_and(|line| line.contains(stderr)),
            "{doctor}"
        );
        paste_the_remedy(&world, &output);
        world.git(&["ls-remote", "-q", URL]).succeeds();
    }
    // The near misses: an empty value clears, a nearer value stands before a wrong one, and
    // another repository's is no matter of this one.
    for lines in [
        "[bitbucket]\n\taccount =\n\ttransport =\n".to_owned(),
        format!("[bitbucket]\n\ttransport = nativ\n{acme}\ttransport = native\n"),
        "[bitbucket \"https://bitbucket.org/other\"]\n\ttransport = nativ\n\taccount\n".to_owned(),
    ] {
        std::fs::write(&file, format!("{before}{lines}")).unwrap();
        world.git(&["ls-remote", "-q", URL]).succeeds();
    }
}

#[test]
fn a_wrong_value_in_a_repository_s_own_configuration_is_ignored_and_named() {
    let world = World::new();
    world.git(&["clone", "-q", URL, "site"]).succeeds();
    let own = world.path("work/site/.git/config");
    let before = std::fs::read_to_string(&own).unwrap();
    std::fs::write(
        &own,
        format!("{before}[bitbucket]\n\taccount\n\ttransport = nativ\n\tprovision = nver\n"),
    )
    .unwrap();
    world.git(&["-C", "site", "fetch", "-q"]).succeeds();
    let status = world.git(&["-C", "site", "bitbucket", "status"]).succeeds();
    for output in ["did you mean native?", "has no value", "may only set never"] {
        assert!(status.stdout().contains(output), "{output}: {status}");
    }
}

#[test]
fn other_hosts_of_a_wrong_value_concerns_them_alone() {
    let world = World::new();
    world.configure("bitbucket.otherHosts", "nativ");
    let other = ["git@127.0.0.2", FETCH];
    world
        .bitbucket_ssh(&other)
        .fails_with(255)
        .says("bad config value 'nativ' for 'bitbucket.otherHosts' in file ")
        .says("hint: not one of system, native; did you mean native?");
    world.git(&["ls-remote", "-q", URL]).succeeds();
    // The near miss: a clone that says so is not asked.
    world
        .git(&["config", "--global", "--unset", "bitbucket.otherHosts"])
        .succeeds();
    world.git(&["clone", "-q", URL, "site"]).succeeds();
    world
        .git(&["-C", "site", "config", "bitbucket.otherHosts", "nativ"])
        .succeeds();
    let mut inside = world.command("bitbucket-ssh");
    inside.current_dir(world.path("work/site"));
    inside.args(["-p", "9", "-o", "BatchMode=yes"]).args(other);
    run(inside)
        .fails_with(255)
        .says("port 9: Connection refused");
}

#[test]
fn a_hook_with_an_unreadable_setting_says_so_and_lets_git_continue() {
    let world = World::new();
    world.git(&["clone", "-q", URL, "site"]).succeeds();
    world
        .git(&["-C", "site", "bitbucket", "hooks", "install"])
        .succeeds();
    world.configure("bitbucket.hooks.author", "refus");
    world
        .git(&["-C", "site", "commit", "-q", "--allow-empty", "-m", "x"])
        .succeeds();
    world
        .git(&["-C", "site", "push", "-q"])
        .succeeds()
        .says("bad config value 'refus' for 'bitbucket.hooks.author'");
}

const BOX: &str = "@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @\n";

/// Fails as ssh does for a key that others can read, and works once the hint is followed.
#[track_caller]
fn is_fixed_by_chmod(world: &World, file: &str, words: &[&str]) {
    let file = world.path("home/.ssh").join(file);
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&file, open).unwrap();
    let words = [words, &[HOST, FETCH]].concat();
    let output = world.bitbucket_ssh(&words).fails_with(255).says(BOX);
    let text = format!("Permissions 0644 for '{}' are too open.\n", file.display());
    let output = output.says(&text).says("Permission denied (publickey)");
    assert!(
        !output.stderr().contains("git bitbucket key new"),
        "{output}"
    );
    paste(world, &output, "chmod 600 ");
    let mut program = world.command(env!("CARGO_BIN_EXE_bitbucket-ssh"));
    program.args(&words);
    let output = Running::start(program, b"0000".to_vec()).wait().succeeds();
    assert!(!output.stderr().contains("UNPROTECTED"), "{output}");
}

#[test]
fn the_printed_line_fixes_the_permissions_of_a_private_key() {
    let mut world = World::new();
    // A managed one: it is not replaced, because the server accepted it.
    world.git(&["ls-remote", "-q", URL]).succeeds();
    let requests = world.sandbox.requests().len();
    is_fixed_by_chmod(&world, "bitbucket_alice@example.com_ed25519", &[]);
    assert_eq!(world.sandbox.requests().len(), requests, "not judged");
    world.unset("BITBUCKET_EMAIL");
    world.unset("BITBUCKET_API_TOKEN");
    for name in ["work key", "id_ed25519"] {
        let line = world.make_key(name, "");
        world.sandbox.add_key(ALICE, &line, name);
    }
    let file = world.path("home/.ssh/work key");
    let file = file.to_str().unwrap();
    is_fixed_by_chmod(&world, "work key", &["-i", file]);
    world.configure("bitbucket.identityFile", file);
    is_fixed_by_chmod(&world, "work key", &[]);
    world.configure("bitbucket.transport", "openssh");
    is_fixed_by_chmod(&world, "work key", &[]);
    for setting in ["bitbucket.transport", "bitbucket.identityFile"] {
        world
            .git(&["config", "--global", "--unset", setting])
            .succeeds();
    }
    let config = world.path("home/.ssh/config");
    let lines = "Host bitbucket.org\n IdentityFile \"~/.ssh/work key\"\n IdentitiesOnly yes\n";
    std::fs::write(&config, lines).unwrap();
    is_fixed_by_chmod(&world, "work key", &[]);
    std::fs::remove_file(&config).unwrap();
    std::fs::remove_dir_all(world.path("home/.ssh/bitbucket-ssh")).unwrap();
    is_fixed_by_chmod(&world, "id_ed25519", &[]);
}

#[test]
fn a_named_pipe_is_no_key_file_and_is_not_waited_for() {
    let world = World::new();
    let pipe = world.path("home/.ssh/pipe");
    let mut mkfifo = world.command("mkfifo");
    mkfifo.args(["-m", "600"]).arg(&pipe);
    run(mkfifo).succeeds();
    let pipe = pipe.to_str().unwrap();
    world
        .bitbucket_ssh(&["-i", pipe, HOST, FETCH])
        .fails_with(255)
        .says(pipe);
    world.configure("bitbucket.identityFile", pipe);
    world
        .bitbucket_ssh(&[HOST, FETCH])
        .fails_with(255)
        .says("is not a key file: not a regular file");
    nothing_was_made(&world, "a pipe");
}
