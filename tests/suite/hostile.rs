//! A repository, a URL and a server that a stranger made.

use crate::support::{ALICE, World, run};

const URL: &str = "git@bitbucket.org:acme/site.git";

#[test]
fn a_stranger_s_configuration_has_no_say() {
    let world = World::new();
    world.git(&["ls-remote", "-q", URL]).succeeds();
    world.git(&["init", "-q", "gift"]).succeeds();
    let marker = world.path("tmp/pwned");
    // A host that does not answer, a program to run, a site to contact, a key to create and to use.
    let config = format!(
        "[remote \"origin\"]\n\turl = {URL}\n\
         [bitbucket \"https://bitbucket.org\"]\n\tapiUrl = http://127.0.0.1:9/2.0\n\tsshHost = 127.0.0.1:9\n\
         [bitbucket \"https://evil.example\"]\n\ttype = datacenter\n\
         [bitbucket]\n\tprovision = auto\n\tkeyType = rsa\n\tpassphrase = none\n\totherHosts = native\n\
         \tidentityFile = {0}/work/gift/key\n\tidentityFile = /does/not/exist\n\
         [http]\n\tproxy = http://127.0.0.1:9\n\
         [credential]\n\thelper = \"!touch {1}\"\n",
        world.path("").display(),
        marker.display()
    );
    let file = world.path("work/gift/.git/config");
    let mut whole = std::fs::read_to_string(&file).unwrap();
    whole.push_str(&config);
    std::fs::write(&file, whole).unwrap();
    std::fs::write(world.path("work/gift/key"), "a key that the stranger knows").unwrap();

    world.git(&["-C", "gift", "fetch", "-q"]).succeeds();
    assert!(!marker.exists(), "no program of theirs ran");
    assert_eq!(world.sandbox.keys(ALICE).len(), 1, "and no key was made");
    let status = world
        .git(&["-C", "gift", "bitbucket", "status"])
        .succeeds()
        .stdout();
    for ignored in [
        "apiUrl",
        "sshHost",
        "keyType",
        "gift/key",
        "/does/not/exist",
    ] {
        assert!(
            status.to_lowercase().contains(&ignored.to_lowercase()),
            "{ignored} is not named as ignored: {status}"
        );
    }
}

#[test]
fn another_repository_s_configuration_is_ignored() {
    let world = World::new();
    world.git(&["ls-remote", "-q", URL]).succeeds();
    world.git(&["init", "-q", "enclosing"]).succeeds();
    let inside = |arguments: &[&str]| {
        let mut all = vec!["-C", "enclosing"];
        all.extend(arguments);
        world.git(&all)
    };
    inside(&["config", "bitbucket.account", "nobody@example.com"]).succeeds();
    inside(&["config", "bitbucket.provision", "never"]).succeeds();
    inside(&["clone", "-q", URL]).succeeds();
    inside(&["remote", "add", "origin", URL]).succeeds();
    inside(&["fetch", "-q"])
        .fails_with(128)
        .says("nobody@example.com");
}

#[test]
fn a_url_reaches_no_shell_no_option_and_no_path() {
    let world = World::new();
    world.git(&["ls-remote", "-q", URL]).succeeds();
    let files = world.ssh_files();
    for arguments in [
        [
            "-oProxyCommand=touch pwned",
            "git-upload-pack 'acme/site.git'",
        ],
        [
            "git@-oProxyCommand=touch pwned",
            "git-upload-pack 'acme/site.git'",
        ],
        [
            "git@bitbucket.org;touch pwned",
            "git-upload-pack 'acme/site.git'",
        ],
        ["git@bitbucket.org\nx", "git-upload-pack 'acme/site.git'"],
        [
            "$(touch pwned)@bitbucket.org",
            "git-upload-pack 'acme/site.git'",
        ],
        ["git@bitbucket.org", "git-upload-pack '-acme/site.git'"],
        [
            "git@bitbucket.org",
            "git-upload-pack 'acme/site.git'; touch pwned",
        ],
        ["git@bitbucket.org", "git-upload-pack 'acme/si\nte.git'"],
    ] {
        let output = world.bitbucket_ssh(&arguments);
        assert_eq!(output.status, Some(255), "{arguments:?}: {output}");
        assert!(!output.stderr().is_empty(), "{arguments:?} says why");
    }
    assert!(!world.path("work/pwned").exists());
    assert_eq!(world.ssh_files(), files, "nothing was written");
    for path in ["../../../etc/passwd", "acme/../other/site", "a/b/c/d"] {
        let command = format!("git-upload-pack '{path}'");
        let output = world.bitbucket_ssh(&["git@bitbucket.org", &command]);
        assert_ne!(
            output.status,
            Some(0),
            "{path}: the server has no such repository"
        );
    }
}

#[test]
fn another_user_s_home_is_left_alone() {
    if !rustix::process::geteuid().is_root() {
        println!("only root can give a folder away; nothing was looked at");
        return;
    }
    let world = World::new();
    std::os::unix::fs::chown(world.path("home"), Some(1234), None).unwrap();
    world
        .git(&["ls-remote", URL])
        .fails_with(128)
        .says("belongs to another user")
        .says("hint: ");
    assert_eq!(world.ssh_files(), ["known_hosts"], "nothing was made");
    assert!(world.sandbox.keys(ALICE).is_empty());
}

#[test]
fn the_working_directory_is_no_place_for_programs() {
    let mut world = World::new();
    world.git(&["ls-remote", "-q", URL]).succeeds();
    world.unset("GIT_CONFIG_NOSYSTEM");
    let marker = world.path("tmp/pwned");
    for name in ["git", "ssh", "ask"] {
        let file = world.path("work").join(name);
        std::fs::write(&file, format!("#!/bin/sh\ntouch '{}'\n", marker.display())).unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&file, executable).unwrap();
    }
    world.set("SSH_ASKPASS", "ask");
    world.set("SSH_ASKPASS_REQUIRE", "force");
    std::fs::write(world.path("home/.ssh/config"), "Host x\n").unwrap();
    for path in [None, Some(""), Some("."), Some(":"), Some("./:/nowhere")] {
        match path {
            Some(path) => world.set("PATH", path),
            None => world.unset("PATH"),
        }
        let listed = world.bitbucket_ssh(&["git@bitbucket.org", "git-upload-pack 'acme/site.git'"]);
        assert!(listed.stdout().contains("refs/heads/main"), "{listed}");
        let _ = world.bitbucket_ssh(&["git@127.0.0.1", "-p", "9", "true"]);
        let mut status = world.command(env!("CARGO_BIN_EXE_git-bitbucket"));
        status.args(["use", "--local", ALICE]);
        let _ = run(status);
        assert!(!marker.exists(), "PATH {path:?}");
    }
}

#[test]
fn a_command_runs_no_program_of_the_repository() {
    let world = World::new();
    world.git(&["init", "-q", "gift"]).succeeds();
    let marker = world.path("tmp/pwned");
    let script = world.path("work/gift/run");
    std::fs::write(
        &script,
        format!("#!/bin/sh\ntouch '{}'\n", marker.display()),
    )
    .unwrap();
    let executable: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, executable.clone()).unwrap();
    let gift = |arguments: &[&str]| {
        let mut all = vec!["-C", "gift"];
        all.extend(arguments);
        world.git(&all)
    };
    gift(&["add", "-A"]).succeeds();
    let hooks = world.path("work/gift/.git/hooks");
    for hook in ["post-index-change", "reference-transaction", "pre-push"] {
        std::fs::create_dir_all(&hooks).unwrap();
        std::fs::copy(&script, hooks.join(hook)).unwrap();
    }
    gift(&["config", "core.fsmonitor", &script.display().to_string()]).succeeds();
    for arguments in [
        &["hooks", "install", "--local"][..],
        &["hooks", "uninstall", "--local"],
        &["use", "--local", ALICE],
        &["status"],
        &["setup", "--local"],
        &["unsetup", "--local"],
    ] {
        let mut program = world.command(env!("CARGO_BIN_EXE_git-bitbucket"));
        program.args(arguments).current_dir(world.path("work/gift"));
        let _ = run(program);
        assert!(!marker.exists(), "{arguments:?}");
    }
}
