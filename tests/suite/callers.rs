//! The ways in which git calls `bitbucket-ssh`, and the URLs with which it does.

use std::os::unix::fs::PermissionsExt as _;

use sandbox::{Permission, Visibility};

use crate::support::{ALICE, Sshd, World, run};

const URL: &str = "git@bitbucket.org:acme/site.git";

/// `git` with these variables, in `work`.
fn git_with(
    world: &World,
    variables: &[(&str, &str)],
    arguments: &[&str],
) -> std::process::Command {
    let mut git = world.command("git");
    git.envs(variables.iter().copied()).args(arguments);
    git
}

/// The world without `core.sshCommand`, so that only the variables of a case count.
fn without_setting() -> World {
    let world = World::new();
    world
        .git(&["config", "--global", "--unset", "core.sshCommand"])
        .succeeds();
    world
}

#[test]
fn every_setting_of_git_for_its_ssh_leads_here() {
    let world = without_setting();
    let program = env!("CARGO_BIN_EXE_bitbucket-ssh");
    let quoted = format!("'{program}' -o 'ConnectTimeout 20' --");
    let setting = format!("core.sshCommand={program} --account {ALICE}");
    for (variables, arguments, why) in [
        (vec![("GIT_SSH", program)], vec![], "a path"),
        (vec![("GIT_SSH", "bitbucket-ssh")], vec![], "a name in PATH"),
        (
            vec![("GIT_SSH_COMMAND", quoted.as_str())],
            vec![],
            "a shell's line with options and their end",
        ),
        (
            vec![("GIT_SSH", program), ("GIT_SSH_VARIANT", "simple")],
            vec![],
            "no options at all",
        ),
        (
            vec![("GIT_SSH", program), ("GIT_SSH_VARIANT", "ssh")],
            vec![],
            "no probe",
        ),
        (vec![], vec!["-c", setting.as_str()], "with an account"),
    ] {
        let mut all = arguments;
        all.extend(["ls-remote", URL]);
        let output = run(git_with(&world, &variables, &all));
        assert_eq!(output.status, Some(0), "{why}: {output}");
        assert!(output.stdout().contains("refs/heads/main"), "{why}");
    }
    let connections = world.sandbox.connections();
    assert!(
        connections
            .iter()
            .all(|one| one.client.starts_with("SSH-2.0-bitbucket-ssh_")),
        "nobody else went"
    );
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);

    // An account that is named is never replaced by another.
    let other = format!("{program} --account nobody@example.com");
    let requests = world.sandbox.requests().len();
    let output = run(git_with(
        &world,
        &[("GIT_SSH_COMMAND", &other)],
        &["ls-remote", URL],
    ));
    output.fails_with(128).says("nobody@example.com");
    assert_eq!(world.sandbox.requests().len(), requests);
}

#[test]
fn a_clone_is_one_probe_and_one_session() {
    let world = World::new();
    let log = world.path("tmp/calls");
    let counting = world.path("tmp/counting-ssh");
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$*\" >>'{}'\nexec bitbucket-ssh \"$@\"\n",
        log.display()
    );
    std::fs::write(&counting, script).unwrap();
    std::fs::set_permissions(&counting, std::fs::Permissions::from_mode(0o755)).unwrap();
    let setting = format!("core.sshCommand={}", counting.display());
    world.git(&["-c", &setting, "clone", "-q", URL]).succeeds();
    let calls = std::fs::read_to_string(&log).unwrap();
    let calls: Vec<_> = calls.lines().collect();
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert!(calls[0].starts_with("-G "), "the probe: {calls:?}");
    assert!(calls[1].contains("git-upload-pack"), "{calls:?}");
    assert_eq!(world.sandbox.connections().len(), 1);
}

#[test]
fn addresses_that_git_rewrites_are_followed() {
    let world = World::new();
    world.configure("url.git@bitbucket.org:.insteadOf", "https://bitbucket.org/");
    world.configure("url.git@bitbucket.org:.insteadOf", "bb:");
    world
        .git(&["clone", "-q", "https://bitbucket.org/acme/site.git"])
        .succeeds();
    world.git(&["ls-remote", "bb:acme/site"]).succeeds();

    // Fetched from a folder, pushed by SSH.
    let folder = world.sandbox.repository_path("acme/site");
    let folder = folder.to_string_lossy();
    world.configure("url.ssh://git@bitbucket.org/acme/.pushInsteadOf", "push:");
    world
        .git(&["-C", "site", "remote", "add", "two", &folder])
        .succeeds();
    let pushed = [
        "-C",
        "site",
        "remote",
        "set-url",
        "--push",
        "two",
        "push:site",
    ];
    world.git(&pushed).succeeds();
    let before = world.sandbox.commands().len();
    world.git(&["-C", "site", "fetch", "-q", "two"]).succeeds();
    assert_eq!(
        world.sandbox.commands().len(),
        before,
        "the folder needs nobody"
    );
    // pushInsteadOf counts where no pushurl is set.
    world
        .git(&[
            "-C",
            "site",
            "push",
            "-q",
            "push:site.git",
            "main:rewritten",
        ])
        .succeeds();
    let commands = world.sandbox.commands();
    assert_eq!(
        commands.last().unwrap(),
        "git-receive-pack '/acme/site.git'"
    );
}

#[test]
fn branches_and_tags_are_created_and_deleted() {
    let world = World::new();
    world
        .git(&["clone", "-q", "--depth=1", "--no-single-branch", URL])
        .succeeds();
    let site = |arguments: &[&str]| {
        let mut all = vec!["-C", "site"];
        all.extend(arguments);
        world.git(&all)
    };
    site(&["tag", "-a", "v1", "-m", "First"]).succeeds();
    site(&["push", "origin", "--atomic", "HEAD:refs/heads/new", "v1"])
        .succeeds()
        .says("* [new branch]")
        .says("* [new tag]");
    site(&["commit", "-q", "--amend", "-m", "Other"]).succeeds();
    site(&["push", "origin", "HEAD:new"])
        .fails_with(1)
        .says("(non-fast-forward)");
    site(&["push", "-q", "--force-with-lease", "origin", "HEAD:new"]).succeeds();
    site(&["push", "origin", ":new"])
        .succeeds()
        .says("- [deleted]");
    site(&["fetch", "-q", "--unshallow"]).succeeds();
    site(&["fetch", "-q", "--all", "--prune", "--tags"]).succeeds();
    let missing = site(&["fetch", "origin", "no-such-branch"]).fails_with(128);
    assert!(
        missing
            .stderr()
            .starts_with("fatal: couldn't find remote ref"),
        "git's own words first: {missing}"
    );
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
}

#[test]
fn a_push_with_read_access_only_is_an_error() {
    let world = World::new();
    world
        .sandbox
        .add_repository("acme/read", Visibility::Private);
    world
        .sandbox
        .grant(ALICE, "acme/read", Some(Permission::Read));
    world
        .git(&["clone", "-q", "git@bitbucket.org:acme/read.git"])
        .succeeds();
    let output = world.git(&["-C", "read", "push", "origin", "main:side"]);
    let output = output.fails_with(128).says("alice@example.com");
    assert!(
        output.stderr().contains("hint: "),
        "what to do next: {output}"
    );
    assert_eq!(world.sandbox.keys(ALICE).len(), 1, "no key is made for it");
}

#[test]
fn git_lfs_continues_without_the_pure_protocol() {
    let world = World::new();
    world.git(&["clone", "-q", URL]).succeeds();
    world.push_by_lfs("some.bin", &[7; 4096]);
    let commands = world.sandbox.commands();
    let position = |beginning: &str| {
        commands
            .iter()
            .position(|line| line.starts_with(beginning))
            .unwrap_or_else(|| panic!("{beginning}: {commands:?}"))
    };
    assert!(position("git-lfs-transfer") < position("git-lfs-authenticate"));
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
}

#[test]
fn a_real_server_elsewhere_is_reached_by_the_system_s_ssh() {
    let world = World::new();
    let sshd = Sshd::start(&world, "");
    sshd.authorize(&world.make_key("id_ed25519", ""));
    let mut known = std::fs::read_to_string(world.path("home/.ssh/known_hosts")).unwrap();
    known.push('\n');
    known.push_str(&sshd.known_hosts().replace("127.0.0.1", "localhost"));
    std::fs::write(world.path("home/.ssh/known_hosts"), known).unwrap();
    // OpenSSH takes `~` from the password database: the files of this HOME are named.
    let ssh = world.path("home/.ssh");
    let command = format!(
        "bitbucket-ssh -4 -F /dev/null -i '{0}/id_ed25519' -o UserKnownHostsFile='{0}/known_hosts'",
        ssh.display()
    );
    let setting = format!("core.sshCommand={command}");
    let url = format!("ssh://{}@localhost:{}/acme/site.git", sshd.user, sshd.port);
    let there = world.sandbox.repository_path("acme/site");
    let url = url.replace("/acme/site.git", &there.to_string_lossy());
    world
        .git(&["-c", &setting, "clone", "-q", &url, "elsewhere"])
        .succeeds();
    assert!(world.path("work/elsewhere/README.md").exists());
    assert!(world.sandbox.connections().is_empty());
    assert!(world.sandbox.requests().is_empty(), "nobody is asked");
    assert!(!ssh.join("bitbucket-ssh").exists(), "nothing is recorded");
}

#[test]
fn the_probe_opens_no_file_but_the_program_s_own() {
    let world = World::new();
    let trace = world.path("tmp/trace");
    let mut probe = world.command("strace");
    probe
        .args(["-f", "-e", "trace=%file,%network", "-o"])
        .arg(&trace)
        .arg(env!("CARGO_BIN_EXE_bitbucket-ssh"))
        .args(["-G", "-o", "SendEnv=GIT_PROTOCOL", "git@bitbucket.org"])
        .stdout(std::process::Stdio::null());
    let status = probe.status().expect("strace is installed");
    assert!(status.success());
    let trace = std::fs::read_to_string(trace).unwrap();
    assert!(trace.contains("execve("), "{trace}");
    let home = world.path("home");
    let bad: Vec<_> = trace
        .lines()
        .filter(|line| {
            line.contains(&*home.to_string_lossy())
                || line.contains("known_hosts")
                || line.contains("gitconfig")
                || line.contains("ssh_config")
                || line.contains("socket(")
                || line.contains("connect(")
        })
        .filter(|line| !line.contains("execve("))
        .collect();
    assert_eq!(bad, Vec::<&str>::new());
}
