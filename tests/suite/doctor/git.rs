//! git: its version, what it calls for SSH, and what overrides that.

use std::fs;

use super::{advice, append, command, is_fixed, program, served, with_programs};
use crate::support::{World, run};

const OFFLINE: [&str; 1] = ["--offline"];

#[test]
fn the_printed_line_fixes_what_git_calls() {
    type Harm = fn(&mut World);
    let cases: [(Harm, &str, &str, &str); 8] = [
        (
            |world| {
                world
                    .git(&["config", "--global", "--unset-all", "core.sshCommand"])
                    .succeeds();
            },
            "because core.sshCommand is not set",
            "git bitbucket setup",
            "nothing is set up",
        ),
        (
            |world| {
                world
                    .git(&["config", "--global", "core.sshCommand", "ssh -i x"])
                    .succeeds();
            },
            "git runs ssh -i x",
            "git bitbucket setup",
            "another program",
        ),
        (
            |world| {
                world
                    .git(&[
                        "config",
                        "--global",
                        "core.sshCommand",
                        "/gone/bitbucket-ssh",
                    ])
                    .succeeds();
            },
            "/gone/bitbucket-ssh does not exist",
            "git bitbucket setup",
            "the program was moved",
        ),
        (
            |world| {
                world
                    .git(&["config", "--global", "core.sshCommand", ""])
                    .succeeds();
            },
            "is empty",
            "git bitbucket setup",
            "an empty value is not off",
        ),
        (
            |world| {
                world
                    .git(&["-C", "site", "config", "core.sshCommand", "ssh -v"])
                    .succeeds();
            },
            "git runs ssh -v",
            "git bitbucket setup --local",
            "the repository's own value wins",
        ),
        (
            |world| world.set("GIT_SSH_COMMAND", "ssh -v"),
            "(GIT_SSH_COMMAND)",
            "unset GIT_SSH_COMMAND",
            "the variable goes before every file",
        ),
        (
            |world| {
                world
                    .git(&["config", "--global", "--unset-all", "core.sshCommand"])
                    .succeeds();
                world.set("GIT_SSH", "ssh");
            },
            "(GIT_SSH)",
            "git bitbucket setup",
            "core.sshCommand goes before it",
        ),
        (
            |world| {
                append(world, "home/.gitconfig", "[include]\n\tpath = more\n");
                append(world, "home/more", "[core]\n\tsshCommand = ssh -4\n");
            },
            "core.sshCommand in ~/more",
            "git config --file ~/more --unset-all core.sshCommand; git bitbucket setup",
            "an included file behind ours",
        ),
    ];
    for (harm, text, expected, why) in cases {
        let mut world = served();
        harm(&mut world);
        let next = is_fixed(&world, &OFFLINE, ("ssh-command", "FAIL", text));
        assert_eq!(next, expected, "{why}");
    }
}

#[test]
fn variables_that_override_are_reported_with_the_file_that_sets_them() {
    for name in ["GIT_SSH_COMMAND", "GIT_SSH"] {
        let mut world = served();
        world.set(name, "ssh -v");
        append(
            &world,
            "home/.bashrc",
            &format!("# mine\nexport {name}='ssh -v'\n"),
        );
        let place = "set in ~/.bashrc:2";
        let next = is_fixed(&world, &OFFLINE, ("ssh-overrides", "WARN", place));
        assert_eq!(next, format!("unset {name}"));
    }
}

#[test]
fn the_settings_of_editors_are_read() {
    let world = served();
    let folder = world.path("home/.config/JetBrains/IntelliJIdea2019.3/options");
    fs::create_dir_all(&folder).unwrap();
    let option = "<application>\n  <component name=\"Git.Application.Settings\">\n    \
        <option name=\"SSH_EXECUTABLE\" value=\"IDEA_SSH\" />\n  </component>\n</application>\n";
    fs::write(folder.join("git.xml"), option).unwrap();
    let next = is_fixed(
        &world,
        &OFFLINE,
        ("ssh-overrides", "WARN", "an SSH of its own"),
    );
    assert!(
        next.starts_with("sed -i.bak '3s/IDEA_SSH/NATIVE_SSH/' "),
        "{next}"
    );

    let folder = world.path("home/.config/Code/User");
    fs::create_dir_all(&folder).unwrap();
    let settings =
        "{\n  \"terminal.integrated.env.linux\": {\n    \"GIT_SSH_COMMAND\": \"ssh\"\n  }\n}\n";
    fs::write(folder.join("settings.json"), settings).unwrap();
    // An editor is opened; here it is one that removes the line.
    let mut world = world;
    world.set("EDITOR", "sed -i /GIT_SSH_COMMAND/d");
    let found = ("ssh-overrides", "WARN", "VS Code sets GIT_SSH_COMMAND");
    is_fixed(&world, &OFFLINE, found);
}

#[test]
fn a_wrong_ssh_variant_is_fixed() {
    type Harm = fn(&mut World);
    let cases: [(Harm, &str, &str); 4] = [
        (
            |world| world.configure("ssh.variant", "plink"),
            "plink",
            "git config --global ssh.variant ssh",
        ),
        (
            |world| world.configure("ssh.variant", "simple"),
            "simple",
            "git config --global ssh.variant ssh",
        ),
        (
            |world| {
                world
                    .git(&["-C", "site", "config", "ssh.variant", "putty"])
                    .succeeds();
            },
            "putty",
            "git config --local ssh.variant ssh",
        ),
        (
            |world| world.set("GIT_SSH_VARIANT", "tortoiseplink"),
            "tortoiseplink",
            "unset GIT_SSH_VARIANT",
        ),
    ];
    for (harm, text, expected) in cases {
        let mut world = served();
        harm(&mut world);
        let next = is_fixed(&world, &OFFLINE, ("ssh-variant", "FAIL", text));
        assert_eq!(next, expected);
    }
}

/// The package manager is replaced by one that removes the old git.
#[test]
fn a_git_that_is_too_old_is_replaced() {
    let mut world = served();
    let git = command(&world, "sh");
    let mut which = git;
    which.args(["-c", "command -v git"]);
    let real = run(which).succeeds().stdout();
    let old = format!(
        "[ \"$1\" = version ] && echo git version 2.9.5 && exit\nexec {} \"$@\"",
        real.trim()
    );
    program(&world, "git", &old);
    program(&world, "apt-get", "true");
    program(&world, "sudo", "rm \"$(dirname \"$0\")/git\"");
    with_programs(&mut world);
    let found = ("git", "FAIL", "git version 2.9.5 is too old");
    assert_eq!(
        is_fixed(&world, &OFFLINE, found),
        "sudo apt-get install git"
    );
}

#[test]
fn a_configuration_that_cannot_be_read_is_opened() {
    let mut world = served();
    append(&world, "home/.gitconfig", "[broken\n");
    world.set("EDITOR", "sed -i /broken/d");
    let next = advice(&world, &OFFLINE, ("git-config", "FAIL", ""));
    assert_eq!(next, "${EDITOR:-vi} ~/.gitconfig");
    super::paste(&world, &OFFLINE, &next).succeeds();
    let list = super::after(&world, &next);
    assert!(
        list.iter().all(|one| one["check"] != "git-config"),
        "{list:#?}"
    );
    super::is_well(&list, "settings");
}
