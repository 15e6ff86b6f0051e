//! The main job: a bare machine, a token in the environment, and `git clone`.

use std::os::unix::fs::PermissionsExt as _;

use sandbox::Visibility;

use crate::support::{ALICE, Running, World, run};

const URL: &str = "git@bitbucket.org:acme/site.git";

#[test]
fn a_new_machine_clones_and_creates_a_key() {
    let world = World::new();
    std::fs::remove_file(world.path("home/.ssh/known_hosts")).unwrap();
    std::fs::remove_dir(world.path("home/.ssh")).unwrap();
    // The host keys of loopback are not published ones: they are in the system's file here.
    let known = world.path("tmp/known");
    std::fs::write(&known, world.sandbox.known_hosts()).unwrap();
    let command = format!("bitbucket-ssh -o GlobalKnownHostsFile={}", known.display());
    world
        .git(&["config", "--global", "core.sshCommand", &command])
        .succeeds();

    let cloned = world.git(&["clone", URL]).succeeds();
    let output = cloned.stderr();
    assert!(
        output.contains("created an ed25519 key pair for alice@example.com"),
        "{output}"
    );
    assert!(
        output.contains("registered it with Bitbucket as \"bitbucket-ssh "),
        "{output}"
    );
    assert!(output.lines().count() <= 5, "a few lines: {output}");
    assert!(world.path("work/site/README.md").exists());

    let private = world.path("home/.ssh/bitbucket_alice@example.com_ed25519");
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&private), 0o600);
    assert_eq!(mode(&world.path("home/.ssh")), 0o700);
    let public = std::fs::read_to_string(format!("{}.pub", private.display())).unwrap();
    let keys = world.sandbox.keys(ALICE);
    assert_eq!(keys.len(), 1);
    assert!(
        public.starts_with(&keys[0].key),
        "{public} is not {}",
        keys[0].key
    );
    assert!(
        keys[0].label.starts_with("bitbucket-ssh "),
        "{}",
        keys[0].label
    );

    let sessions = world.sandbox.connections();
    assert_eq!(sessions.len(), 1, "one session: {sessions:?}");
    assert!(sessions[0].client.starts_with("SSH-2.0-bitbucket-ssh_"));
    assert_eq!(sessions[0].offers.len(), 1, "exactly one key is offered");

    let requests = world.sandbox.requests().len();
    let again = world.git(&["-C", "site", "fetch"]).succeeds();
    assert_eq!(again.stderr(), "", "the second command says nothing");
    assert_eq!(world.sandbox.keys(ALICE).len(), 1, "and makes nothing");
    assert_eq!(world.sandbox.requests().len(), requests, "and calls no API");
}

#[test]
fn every_service_is_treated_alike() {
    let world = World::new();
    world.git(&["clone", "-q", URL]).succeeds();
    let site = |arguments: &[&str]| {
        let mut all = vec!["-C", "site"];
        all.extend(arguments);
        world.git(&all)
    };
    for version in ["0", "1", "2"] {
        let setting = format!("protocol.version={version}");
        let refs = site(&["-c", &setting, "ls-remote"]).succeeds().stdout();
        assert!(
            refs.contains("refs/heads/main"),
            "protocol {version}: {refs}"
        );
    }
    std::fs::write(world.path("work/site/new"), "new\n").unwrap();
    site(&["add", "-A"]).succeeds();
    site(&["commit", "-qm", "New"]).succeeds();
    site(&["push", "-q", "origin", "main", "main:side"]).succeeds();
    let pushed = world.sandbox.repository_path("acme/site");
    let pushed = pushed.to_string_lossy();
    let there = world
        .git(&["--git-dir", &pushed, "rev-parse", "side"])
        .succeeds();
    assert_eq!(there.stdout(), site(&["rev-parse", "HEAD"]).stdout());

    site(&["reset", "-q", "--hard", "HEAD~1"]).succeeds();
    std::fs::write(world.path("work/site/other"), "other\n").unwrap();
    site(&["add", "-A"]).succeeds();
    site(&["commit", "-qm", "Other"]).succeeds();
    site(&["push", "origin", "main"])
        .fails_with(1)
        .says("[rejected]");
    site(&["pull", "-q", "--rebase"]).succeeds();
    site(&["push", "-q", "origin", "main"]).succeeds();

    let archive = site(&["archive", "--remote=origin", "HEAD"]).succeeds();
    assert!(archive.stdout.len() > 1024, "a tar archive");
    world
        .git(&[
            "clone",
            "-q",
            "--filter=blob:none",
            "--no-checkout",
            URL,
            "partial",
        ])
        .succeeds();
    world
        .git(&["-C", "partial", "checkout", "-q", "main"])
        .succeeds();
    assert!(
        world.path("work/partial/other").exists(),
        "blobs were fetched when needed"
    );
    world
        .git(&["clone", "-q", "--depth=1", URL, "shallow"])
        .succeeds();
    world
        .git(&["clone", "-q", "--bare", URL, "bare.git"])
        .succeeds();
    world.git(&["-C", "bare.git", "fetch", "-q"]).succeeds();
    site(&["worktree", "add", "-q", "../tree", "-b", "tree"]).succeeds();
    world.git(&["-C", "tree", "fetch", "-q"]).succeeds();
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
}

#[test]
fn every_spelling_of_the_url_is_the_same_repository() {
    let world = World::new();
    world.git(&["ls-remote", URL]).succeeds();
    for url in [
        "git@bitbucket.org:acme/site",
        "git@bitbucket.org:/acme/site.git",
        "ssh://git@bitbucket.org/acme/site.git",
        "ssh://git@bitbucket.org:22/acme/site.git/",
        "GIT@BitBucket.ORG:Acme/Site.git",
        "bitbucket.org:acme/site.git",
    ] {
        // The user name is the server's to compare: only `git` is git there.
        let url = url.replace("GIT@", "git@");
        world.git(&["ls-remote", &url]).succeeds();
    }
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
    for (url, why) in [
        (
            "ssh://git@bitbucket.org/-acme/site.git",
            "git itself blocks it or we do",
        ),
        (
            "ssh://-oProxyCommand=touch%20pwned/acme/site",
            "a host that is an option",
        ),
    ] {
        let output = world.git(&["ls-remote", url]);
        assert_eq!(output.status, Some(128), "{why}: {output}");
    }
    assert!(!world.path("work/pwned").exists());
}

#[test]
fn submodules_and_parallel_clones_make_one_key() {
    let world = World::new();
    let children: Vec<_> = (0..8)
        .map(|number| {
            let mut clone = world.command("git");
            clone.args(["clone", "-q", URL, &format!("clone{number}")]);
            Running::start(clone, Vec::new())
        })
        .collect();
    for child in children {
        child.wait().succeeds();
    }
    assert_eq!(
        world.sandbox.keys(ALICE).len(),
        1,
        "eight first clones, one key"
    );

    let world = World::new();
    world.git(&["init", "-q", "super"]).succeeds();
    for number in 0..4 {
        let name = format!("acme/part{number}");
        world.sandbox.add_repository(&name, Visibility::Private);
        world
            .sandbox
            .grant(ALICE, &name, Some(sandbox::Permission::Read));
        let url = format!("git@bitbucket.org:{name}.git");
        world
            .git(&["-C", "super", "submodule", "add", "-q", &url])
            .succeeds();
    }
    world
        .git(&["-C", "super", "commit", "-qm", "Parts"])
        .succeeds();
    for file in world.ssh_files() {
        if file.starts_with("bitbucket_") {
            std::fs::remove_file(world.path("home/.ssh").join(file)).unwrap();
        }
    }
    std::fs::remove_dir_all(world.path("home/.ssh/bitbucket-ssh")).unwrap();
    world.sandbox.remove_keys(ALICE, None);
    let arguments = [
        "clone",
        "-q",
        "--recurse-submodules",
        "-j8",
        "super",
        "copy",
    ];
    world.git(&arguments).succeeds();
    assert!(world.path("work/copy/part3/README.md").exists());
    assert_eq!(world.sandbox.keys(ALICE).len(), 1, "and again one key");
}

#[test]
fn git_lfs_transfers_large_files() {
    let world = World::new();
    world.git(&["clone", "-q", URL]).succeeds();
    let content: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
    world.push_by_lfs("large.bin", &content);
    world.git(&["clone", "-q", URL, "copy"]).succeeds();
    world
        .git(&["-C", "copy", "lfs", "install", "--local"])
        .succeeds();
    world.git(&["-C", "copy", "lfs", "pull"]).succeeds();
    assert_eq!(
        std::fs::read(world.path("work/copy/large.bin")).unwrap(),
        content
    );
    let commands = world.sandbox.commands();
    assert!(
        commands
            .iter()
            .any(|line| line.starts_with("git-lfs-authenticate acme/site.git upload")),
        "{commands:?}"
    );
}

#[test]
fn the_protocol_version_is_sent_only_where_git_says_so() {
    let mut world = World::new();
    world.git(&["ls-remote", URL]).succeeds();
    // The machine's own ssh_config may send the locale.
    let sent = |world: &World| {
        let connections = world.sandbox.connections();
        let mut variables = connections.last().unwrap().environment.clone();
        variables.retain(|(name, _)| name == "GIT_PROTOCOL");
        variables
    };
    assert_eq!(
        sent(&world),
        [("GIT_PROTOCOL".to_owned(), "version=2".to_owned())]
    );
    world.set("GIT_PROTOCOL", "version=2");
    world
        .git(&["-c", "protocol.version=0", "ls-remote", URL])
        .succeeds();
    assert_eq!(
        sent(&world),
        [],
        "the user's own variable is none of the server's business"
    );
}

#[test]
fn the_probe_and_the_version_open_nothing() {
    let world = World::new();
    std::fs::write(world.path("home/.gitconfig"), "[broken").unwrap();
    let mut probe = world.command("sh");
    probe.args([
        "-c",
        "bitbucket-ssh -G -o SendEnv=GIT_PROTOCOL git@bitbucket.org >/dev/null",
    ]);
    let output = run(probe).succeeds();
    assert_eq!(output.stderr(), "", "silent, and no configuration was read");
    let version = world.bitbucket_ssh(&["-V"]).succeeds();
    assert!(
        version
            .stderr()
            .starts_with("OpenSSH_9.9p1 compatible, bitbucket-ssh ")
    );
    assert_eq!(version.stdout(), "");
    assert_eq!(world.ssh_files(), ["known_hosts"], "nothing was written");
}

#[test]
fn other_hosts_are_handed_to_the_system_s_ssh_unchanged() {
    let mut world = World::new();
    let fake = world.path("tmp/bin");
    std::fs::create_dir(&fake).unwrap();
    let ssh = fake.join("ssh");
    // Asked with -G it is the real one: only the hand-over is looked at.
    let script = "#!/bin/sh\ncase \" $* \" in *' -G '*) exec /usr/bin/ssh \"$@\";; esac\n\
                  printf '<%s>' \"$@\" >&2; echo \"${BITBUCKET_API_TOKEN-no token}\" >&2; exit 7\n";
    std::fs::write(&ssh, script).unwrap();
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = vec![fake];
    folders.extend(std::env::split_paths(&path));
    world.set("PATH", &std::env::join_paths(folders).unwrap());
    let arguments = [
        "--account",
        "x",
        "-p",
        "29",
        "-oBatchMode=yes",
        "me@example.invalid",
        "a b",
    ];
    world
        .bitbucket_ssh(&arguments)
        .fails_with(7)
        .says("<-p><29><-oBatchMode=yes><me@example.invalid><a b>no token");
    assert_eq!(world.ssh_files(), ["known_hosts"], "nothing was made");
}

#[test]
fn without_a_token_three_lines_say_what_to_do() {
    let mut world = World::new();
    world.unset("BITBUCKET_API_TOKEN");
    world.unset("BITBUCKET_EMAIL");
    let output = world.git(&["ls-remote", URL]).fails_with(128);
    let text = output.stderr();
    let ours: Vec<_> = text
        .lines()
        .take_while(|line| !line.starts_with("fatal:"))
        .collect();
    assert_eq!(ours.len(), 3, "{text}");
    assert!(ours[0].contains("Permission denied (publickey)"), "{text}");
    assert!(ours[1].starts_with("hint: git bitbucket login"), "{text}");
    assert!(ours[2].contains("BITBUCKET_API_TOKEN"), "{text}");
    assert_eq!(world.ssh_files(), ["known_hosts"], "nothing was made");

    let direct = world.bitbucket_ssh(&["git@bitbucket.org", "git-upload-pack 'acme/site.git'"]);
    direct.fails_with(255);
}
