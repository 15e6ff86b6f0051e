//! Another user of the same machine: what they put where this user's programs look for files, and
//! whose home root works in.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use crate::support::{ALICE, Output, World, run};

const URL: &str = "git@bitbucket.org:acme/site.git";
const STATE: &str = "home/.local/state/bitbucket-ssh";

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A call that would end with 124 if it waited for something.
#[track_caller]
fn without_waiting(world: &World, directory: &str, program: &str) -> Output {
    let mut command = world.command("timeout");
    command.args(["60", "sh", "-c", program]);
    command.current_dir(world.path(directory));
    run(command)
}

fn make_pipe(path: &Path) {
    let status = std::process::Command::new("mkfifo").arg(path).status();
    assert!(status.unwrap().success());
}

/// Where git's system configuration is, was remembered in a directory that others can write to.
#[test]
fn a_state_directory_that_others_can_write_to_says_nothing() {
    let mut world = World::with_a_key();
    world.unset("GIT_CONFIG_NOSYSTEM");
    world.git(&["bitbucket", "status", URL]).succeeds();
    let remembered = fs::read_dir(world.path(STATE).join("programs")).unwrap();
    let remembered = remembered.flatten().next().unwrap().path();
    let evil = world.path("tmp/evil");
    fs::write(&evil, "[bitbucket]\n\taccount = mallory@example.com\n").unwrap();
    let text = fs::read_to_string(&remembered).unwrap();
    let first = text.lines().next().unwrap();
    fs::write(&remembered, format!("{first}\n{}", evil.display())).unwrap();
    let status = || {
        let output = world.git(&["bitbucket", "status", URL]);
        output.stdout() + &output.stderr()
    };
    assert!(
        status().contains("mallory"),
        "the user's own is believed, so that this test can fail"
    );
    for directory in [STATE, "home/.local/state", "home/.local"] {
        let directory = world.path(directory);
        mode(&directory, 0o775);
        assert!(!status().contains("mallory"), "{}", directory.display());
        world
            .git(&["-c", "core.sshCommand=bitbucket-ssh -v", "ls-remote", URL])
            .succeeds()
            .says("other users can write to");
        let doctor = world.git(&["bitbucket", "doctor", "--offline"]).stdout();
        assert!(doctor.contains("other users can write to"), "{doctor}");
        mode(&directory, 0o755);
    }
    let shared = world.path("home/.local/state");
    if rustix::process::geteuid().is_root() {
        chown(&shared, Some(1234), None).unwrap();
        assert!(!status().contains("mallory"), "somebody else's");
        chown(&shared, Some(0), None).unwrap();
    }
}

#[test]
fn links_in_the_state_directory_lead_nowhere() {
    let world = World::with_a_key();
    let (state, theirs) = (world.path(STATE), world.path("precious"));
    fs::create_dir(&theirs).unwrap();
    fs::write(theirs.join("file"), "precious").unwrap();
    let old = std::process::Command::new("touch")
        .args(["-d", "2001-01-01"])
        .arg(theirs.join("file"))
        .status();
    assert!(old.unwrap().success());
    let _ = fs::remove_dir_all(state.join("openssh"));
    symlink(&theirs, state.join("openssh")).unwrap();
    fs::remove_file(state.join("learned.lock")).unwrap();
    fs::remove_file(state.join("learned.json")).unwrap();
    symlink(theirs.join("file"), state.join("learned.lock")).unwrap();
    for transport in ["openssh", "native"] {
        world.configure("bitbucket.transport", transport);
        world.git(&["ls-remote", "-q", URL]).succeeds();
    }
    let text = fs::read_to_string(theirs.join("file")).unwrap();
    assert_eq!(text, "precious");
    assert_eq!(fs::read_dir(&theirs).unwrap().count(), 1);
}

#[test]
fn what_is_created_on_the_way_is_the_user_s_alone_whatever_the_umask() {
    let world = World::with_a_key();
    fs::remove_dir_all(world.path("home/.local")).unwrap();
    let mut shell = world.command("sh");
    shell.args(["-c", "umask 002; exec git bitbucket setup --yes"]);
    run(shell);
    world.git(&["ls-remote", "-q", URL]).succeeds();
    let mut folders = vec![world.path("home/.local")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        assert_eq!(
            fs::metadata(&folder).unwrap().mode() & 0o022,
            0,
            "{}",
            folder.display()
        );
        seen += 1;
        let entries = fs::read_dir(&folder)
            .unwrap()
            .flatten()
            .map(|one| one.path());
        folders.extend(entries.filter(|path| path.is_dir()));
    }
    assert!(seen > 3);
}

#[test]
fn a_repository_above_that_would_block_is_not_read() {
    let world = World::with_a_key();
    fs::create_dir_all(world.path("work/above/below")).unwrap();
    let git = world.path("work/above/.git");
    let command =
        "printf 0000 | bitbucket-ssh git@bitbucket.org \"git-upload-pack 'acme/site.git'\"";
    let endless = |path: PathBuf| symlink("/dev/zero", path).unwrap();
    let cases: [(&str, &dyn Fn()); 7] = [
        ("HEAD is a pipe", &|| make_pipe(&git.join("HEAD"))),
        ("HEAD has no end", &|| endless(git.join("HEAD"))),
        ("commondir is a pipe", &|| make_pipe(&git.join("commondir"))),
        ("commondir has no end", &|| endless(git.join("commondir"))),
        ("config is a pipe", &|| make_pipe(&git.join("config"))),
        ("config has no end", &|| endless(git.join("config"))),
        (".git is a pipe", &|| {
            fs::remove_dir_all(&git).unwrap();
            make_pipe(&git);
        }),
    ];
    for (why, spoil) in cases {
        let _ = fs::remove_dir_all(&git);
        world.git(&["init", "-q", "above"]).succeeds();
        for name in why.split(' ').take(1) {
            let _ = fs::remove_file(git.join(name));
        }
        spoil();
        let output = without_waiting(&world, "work/above/below", command);
        assert_eq!(output.status, Some(0), "{why}: {output}");
    }
    fs::remove_file(&git).unwrap();
    // Behind a `.git` file, and in the directory itself.
    fs::create_dir(world.path("work/elsewhere")).unwrap();
    make_pipe(&world.path("work/elsewhere/HEAD"));
    fs::write(&git, "gitdir: ../elsewhere\n").unwrap();
    for directory in ["work/above/below", "work/elsewhere"] {
        let output = without_waiting(&world, directory, command);
        assert_eq!(output.status, Some(0), "{directory}: {output}");
    }
}

#[test]
fn an_include_that_would_block_is_not_read() {
    let world = World::with_a_key();
    let pipe = world.path("tmp/pipe");
    make_pipe(&pipe);
    for path in [
        pipe.as_path(),
        Path::new("/dev/zero"),
        Path::new("/dev/fd/0"),
    ] {
        let config = world.path("tmp/config");
        let own = fs::read_to_string(world.path("home/.gitconfig")).unwrap();
        fs::write(
            &config,
            format!("{own}[include]\n\tpath = {}\n", path.display()),
        )
        .unwrap();
        let call = format!(
            "printf 0000 | GIT_CONFIG_GLOBAL={} bitbucket-ssh git@bitbucket.org \
             \"git-upload-pack 'acme/site.git'\"",
            config.display()
        );
        let output = without_waiting(&world, "work", &call);
        assert_eq!(output.status, Some(0), "{}: {output}", path.display());
        assert!(output.stderr().contains("not a regular file"), "{output}");
    }
}

#[test]
fn known_hosts_and_revoked_keys_that_would_block_are_not_read() {
    let world = World::with_a_key();
    let pipe = world.path("tmp/pipe");
    make_pipe(&pipe);
    for (option, works) in [("GlobalKnownHostsFile", true), ("RevokedHostKeys", false)] {
        let call = format!(
            "printf 0000 | bitbucket-ssh -o {option}={} git@bitbucket.org \
             \"git-upload-pack 'acme/site.git'\"",
            pipe.display()
        );
        let output = without_waiting(&world, "work", &call);
        assert_eq!(output.status, Some(if works { 0 } else { 255 }), "{output}");
    }
}

#[test]
fn root_changes_nothing_in_another_user_s_home() {
    if !rustix::process::geteuid().is_root() {
        println!("only root can give a folder away; nothing was looked at");
        return;
    }
    let world = World::new();
    let files = [
        "home",
        "home/.ssh",
        "home/.ssh/known_hosts",
        "home/.gitconfig",
    ];
    fs::write(world.path("home/.ssh/known_hosts"), "").unwrap();
    for file in files {
        chown(world.path(file), Some(1234), None).unwrap();
    }
    let program = "core.sshCommand=bitbucket-ssh -o StrictHostKeyChecking=accept-new";
    for with_known_hosts in [true, false] {
        world
            .git(&["-c", program, "ls-remote", URL])
            .fails_with(128);
        for command in ["setup", "login alice@example.com"] {
            let mut all = vec!["bitbucket"];
            all.extend(command.split(' '));
            world.git(&all);
        }
        let mut folders = vec![world.path("home")];
        while let Some(path) = folders.pop() {
            let owner = fs::symlink_metadata(&path).unwrap().uid();
            assert_eq!(owner, 1234, "{}", path.display());
            if path.is_dir() {
                folders.extend(fs::read_dir(&path).unwrap().flatten().map(|one| one.path()));
            }
        }
        if with_known_hosts {
            let known = world.path("home/.ssh/known_hosts");
            assert_eq!(fs::read(&known).unwrap(), b"", "nothing was added");
            fs::remove_file(known).unwrap();
        }
    }
    assert!(world.sandbox.keys(ALICE).is_empty());
}

#[test]
fn values_of_setenv_are_in_no_file_and_the_next_call_removes_the_files() {
    let world = World::with_a_key();
    world.configure("bitbucket.transport", "openssh");
    let program = "core.sshCommand=bitbucket-ssh -o SetEnv=TICKET=s3cret";
    world
        .git(&["-c", program, "ls-remote", "-q", URL])
        .succeeds();
    let sent = world.sandbox.connections().pop().unwrap().environment;
    let ticket = ("TICKET".to_owned(), "s3cret".to_owned());
    assert!(sent.contains(&ticket), "the server gets it: {sent:?}");
    let found = |text: &str| {
        let mut grep = world.command("grep");
        grep.args(["-rl", text, "../home", "../tmp"]);
        run(grep).stdout()
    };
    assert_eq!(found("s3cret"), "");
    let generated = || {
        fs::read_dir(world.path(STATE).join("openssh"))
            .unwrap()
            .count()
    };
    assert!(
        generated() > 0,
        "ssh has taken over the process that wrote them"
    );
    world.git(&["bitbucket", "status", URL]).succeeds();
    assert_eq!(generated(), 0);
}

/// `$HOME` is not the home of the password database, so that ssh is given copies of ssh_config.
#[test]
fn copies_of_ssh_config_are_in_no_shared_directory() {
    let mut world = World::with_a_key();
    let seen = world.path("seen");
    let bin = world.path("bin");
    fs::create_dir(&bin).unwrap();
    let spy = format!(
        "#!/bin/sh\necho \"$@\" >> {0}; find {1} {2} -name '*.conf' >> {0}; exec /usr/bin/ssh \"$@\"\n",
        seen.display(),
        world.path("tmp").display(),
        world.path("home/.local").display(),
    );
    fs::write(bin.join("ssh"), spy).unwrap();
    mode(&bin.join("ssh"), 0o755);
    let path = world.variable("PATH").unwrap().to_owned();
    let path = format!("{}:{}", bin.display(), path.to_string_lossy());
    world.set("PATH", &path);
    fs::write(
        world.path("home/.ssh/config"),
        "Host *\n  ConnectTimeout 20\n",
    )
    .unwrap();
    world.git(&["ls-remote", "-q", URL]).succeeds();
    let seen = fs::read_to_string(seen).unwrap();
    assert!(
        seen.contains("home/.local/state/bitbucket-ssh/openssh/call-"),
        "{seen}"
    );
    assert!(
        !seen.contains(&*world.path("tmp").to_string_lossy()),
        "{seen}"
    );
}
