//! Programs around git that call us: gix, submodules and bundles, rsync and scp, an editor's askpass.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use gix_transport::client::blocking_io::Transport as _;
use gix_transport::client::blocking_io::connect::{Options, connect};
use gix_transport::client::blocking_io::ssh::connect::Options as SshOptions;
use gix_transport::{Protocol, Service};
use sandbox::{Permission, Visibility};

use crate::support::{ALICE, Sshd, World, run};

const URL: &str = "git@bitbucket.org:acme/site.git";

fn script(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The program, in this machine's environment, for a caller that has the test's own.
fn at_home(world: &World, name: &str) -> PathBuf {
    let mut text = String::from("exec env -i ${GIT_PROTOCOL+GIT_PROTOCOL=\"$GIT_PROTOCOL\"}");
    for (name, value) in world.command("true").get_envs() {
        let value = value.unwrap().to_string_lossy().replace('\'', "'\\''");
        write!(text, " '{}={value}'", name.to_string_lossy()).unwrap();
    }
    let path = world.path("tmp").join(name);
    script(&path, &format!("{text} bitbucket-ssh \"$@\"\n"));
    path
}

#[test]
fn gix_clones_by_us_as_by_ssh() {
    let world = World::new();
    // An unknown name is probed with -G; `ssh` counts as OpenSSH.
    for name in ["some-ssh", "ssh"] {
        let command = Some(at_home(&world, name).into_os_string());
        for version in [Protocol::V1, Protocol::V2] {
            let ssh = SshOptions {
                command: command.clone(),
                ..SshOptions::default()
            };
            let options = Options {
                version,
                ssh,
                ..Options::default()
            };
            let mut transport = connect(URL, options).unwrap();
            let answer = transport.handshake(Service::UploadPack, &[]).unwrap();
            assert_eq!(answer.actual_protocol, version, "{name}");
            if version == Protocol::V2 {
                assert!(answer.capabilities.contains("ls-refs"), "{name}");
                assert!(answer.refs.is_none(), "{name}");
            } else {
                let mut refs = String::new();
                let mut lines = answer.refs.unwrap();
                std::io::Read::read_to_string(&mut lines, &mut refs).unwrap();
                assert!(refs.contains("refs/heads/main"), "{name}: {refs}");
            }
        }
    }
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
    let commands = world.sandbox.commands();
    let only = |line: &String| line == "git-upload-pack 'acme/site.git'";
    assert!(commands.iter().all(only), "{commands:?}");
}

#[test]
fn submodules_side_by_side_at_first_contact_make_one_key() {
    let world = World::new();
    world.git(&["clone", "-q", URL]).succeeds();
    let site = |arguments: &[&str]| {
        let mut all = vec!["-C", "site"];
        all.extend(arguments);
        world.git(&all).succeeds()
    };
    let mut modules = String::new();
    for name in ["one", "two", "three", "four", "five", "six"] {
        let repository = format!("acme/{name}");
        world
            .sandbox
            .add_repository(&repository, Visibility::Private);
        world
            .sandbox
            .grant(ALICE, &repository, Some(Permission::Read));
        let url = format!("git@bitbucket.org:{repository}.git");
        let stderr = site(&["ls-remote", &url, "main"]).stdout();
        let commit = stderr.split('\t').next().unwrap();
        let entry = format!("160000,{commit},{name}");
        site(&["update-index", "--add", "--cacheinfo", &entry]);
        let url = if name == "six" { "../six.git" } else { &url };
        writeln!(
            modules,
            "[submodule \"{name}\"]\n\tpath = {name}\n\turl = {url}"
        )
        .unwrap();
    }
    fs::write(world.path("work/site/.gitmodules"), modules).unwrap();
    site(&["add", ".gitmodules"]);
    site(&["commit", "-q", "-m", "Modules"]);
    site(&["push", "-q", "origin", "HEAD:main"]);

    // A bare machine again.
    world.sandbox.remove_keys(ALICE, None);
    fs::remove_dir_all(world.path("home/.ssh/bitbucket-ssh")).unwrap();
    for name in world.ssh_files() {
        if name.starts_with("bitbucket_") {
            fs::remove_file(world.path("home/.ssh").join(name)).unwrap();
        }
    }
    let output = world
        .git(&[
            "clone",
            "-q",
            "--recurse-submodules",
            "--jobs",
            "6",
            URL,
            "again",
        ])
        .succeeds();
    for name in ["one", "two", "three", "four", "five", "six"] {
        let file = world.path(&format!("work/again/{name}/README.md"));
        assert!(file.exists(), "{name}: {output}");
    }
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
    world
        .git(&[
            "-C",
            "again",
            "fetch",
            "-q",
            "--recurse-submodules=yes",
            "--jobs=6",
        ])
        .succeeds();
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
}

#[test]
fn bundles_are_taken_first_and_the_rest_comes_by_ssh() {
    let world = World::new();
    let repository = world.sandbox.repository_path("acme/site");
    let bundle = world.path("work/site.bundle");
    let there = repository.to_string_lossy().into_owned();
    let bundle = bundle.to_string_lossy().into_owned();
    world
        .git(&["-C", &there, "bundle", "create", "-q", &bundle, "main"])
        .succeeds();
    let named = format!("--bundle-uri={bundle}");
    world.git(&["clone", "-q", &named, URL, "named"]).succeeds();
    // The server names it, over the same session.
    for (key, value) in [
        ("uploadpack.advertiseBundleURIs", "true"),
        ("bundle.version", "1"),
        ("bundle.mode", "all"),
        ("bundle.one.uri", &bundle),
    ] {
        world.git(&["-C", &there, "config", key, value]).succeeds();
    }
    let before = world.sandbox.connections().len();
    world
        .git(&["-c", "transfer.bundleURI=true", "clone", "-q", URL, "told"])
        .succeeds();
    assert_eq!(world.sandbox.connections().len(), before + 1);
    for folder in ["named", "told"] {
        let bundles = world.git(&["-C", folder, "for-each-ref", "refs/bundles/"]);
        assert!(bundles.stdout().contains("refs/bundles/"), "{folder}");
        assert!(world.path("work").join(folder).join("README.md").exists());
        world.git(&["-C", folder, "fetch", "-q"]).succeeds();
    }
}

#[test]
fn rsync_and_scp_reach_other_hosts() {
    let world = World::new();
    let words = "Subsystem sftp internal-sftp\nMatch all\nForceCommand none";
    let sshd = Sshd::start(&world, words);
    sshd.authorize(&world.make_key("id_ed25519", ""));
    let ssh = world.path("home/.ssh");
    // Those of the sandbox's site name 127.0.0.1 as a host of Bitbucket's.
    let known = sshd.known_hosts().replace("127.0.0.1", "localhost");
    fs::write(ssh.join("known_hosts"), known).unwrap();
    // OpenSSH takes `~` from the password database: the files of this HOME are named.
    let options = [
        "-4".to_owned(),
        "-Fnone".to_owned(),
        format!("-i{}", ssh.join("id_ed25519").display()),
        "-oIdentitiesOnly=yes".to_owned(),
        format!("-oUserKnownHostsFile={}", ssh.join("known_hosts").display()),
    ];
    let data: Vec<u8> = (0..=255).cycle().take(700_000).collect();
    fs::write(world.path("work/data"), &data).unwrap();
    for carrier in ["system", "native"] {
        world
            .git(&["config", "--global", "bitbucket.otherHosts", carrier])
            .succeeds();
        for (name, old) in [("rsync", false), ("scp", false), ("scp", true)] {
            let there = world.path(&format!("work/{carrier}-{name}-{old}"));
            let back = there.with_extension("back");
            let port = sshd.port.to_string();
            let remote = format!("{}@localhost:{}", sshd.user, there.display());
            let copy = |from: &str, to: &str| {
                let mut command = world.command(name);
                if name == "rsync" {
                    let through = format!("bitbucket-ssh -p {port} {}", options.join(" "));
                    command.args(["-a", "-z", "-e", &through]);
                } else {
                    command.args(["-q", "-S", env!("CARGO_BIN_EXE_bitbucket-ssh"), "-P", &port]);
                    // scp's own protocol, before sftp was its default.
                    command.args(old.then_some("-O"));
                    command.args(&options);
                }
                run({
                    command.args([from, to]);
                    command
                })
                .succeeds();
            };
            copy("data", &remote);
            assert!(fs::read(&there).unwrap() == data, "{carrier}, {name}");
            copy(&remote, &back.to_string_lossy());
            assert!(fs::read(&back).unwrap() == data, "{carrier}, {name}");
        }
    }
    assert!(world.sandbox.connections().is_empty());
}

#[test]
fn an_editor_s_askpass_answers_where_there_is_no_terminal() {
    let mut world = World::new();
    world.unset("BITBUCKET_API_TOKEN");
    world.unset("BITBUCKET_EMAIL");
    let own = world.make_key("own", "secret");
    world.sandbox.add_key(ALICE, &own, "laptop");
    let key = world.path("home/.ssh/own").to_string_lossy().into_owned();
    world.configure("bitbucket.identityFile", &key);
    let asked = world.path("tmp/asked");
    // As in Visual Studio Code: a helper program passes the question to the editor, the answer
    // comes by a pipe.
    let pipe = world.path("tmp/askpass-with-a-pipe");
    script(
        &pipe,
        &format!(
            "fifo=$(mktemp -u \"$TMPDIR/pipe.XXXX\")\nmkfifo \"$fifo\" || exit 1\n\
             (printf '%s\\n' \"$*\" >> '{}'; printf 'secret\\n' > \"$fifo\") >/dev/null 2>&1 </dev/null &\n\
             cat \"$fifo\"\nrm \"$fifo\"\n",
            asked.display()
        ),
    );
    // As JetBrains': one program for git's own questions and ssh's.
    let plain = world.path("tmp/askpass with blanks");
    script(
        &plain,
        &format!(
            "printf '%s\\n' \"$1\" >> '{}'\ncase $1 in *passphrase*) echo secret;; *) exit 1;; esac\n",
            asked.display()
        ),
    );
    let question = format!("Enter passphrase for key '{key}': \n");
    for (program, variables, asks) in [
        (&pipe, &[("SSH_ASKPASS_REQUIRE", "force")][..], true),
        (
            &plain,
            &[("DISPLAY", ":0"), ("SSH_ASKPASS_REQUIRE", "prefer")],
            true,
        ),
        (&plain, &[("DISPLAY", ":0")], true),
        (&pipe, &[("WAYLAND_DISPLAY", "wayland-0")], true),
        (
            &plain,
            &[("DISPLAY", ":0"), ("SSH_ASKPASS_REQUIRE", "never")],
            false,
        ),
        // No DISPLAY is set.
        (&plain, &[("SSH_ASKPASS_REQUIRE", "prefer")], false),
        (&plain, &[], false),
    ] {
        let _ = fs::remove_file(&asked);
        // Without a controlling terminal, as an editor starts git.
        let mut git = world.command("setsid");
        git.args(["--wait", "git", "ls-remote", URL])
            .env("SSH_ASKPASS", program)
            .env("GIT_ASKPASS", program)
            .env("GIT_TERMINAL_PROMPT", "0")
            .envs(variables.iter().copied());
        let output = run(git);
        assert_eq!(output.status == Some(0), asks, "{variables:?}: {output}");
        let stderr = fs::read_to_string(&asked).unwrap_or_default();
        assert_eq!(stderr, if asks { &*question } else { "" }, "{variables:?}");
    }
}
