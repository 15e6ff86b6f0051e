//! `--fix`: only what is safe, and each asked first.

use std::fs;

use super::{chmod, doctor, finds, key_file, served};
use crate::support::World;
use crate::terminal::Terminal;

/// Permissions, a missing `.pub` and a leftover.
fn harmed() -> World {
    let world = served();
    let key = key_file(&world);
    fs::remove_file(world.path("home").join(format!("{}.pub", &key[2..]))).unwrap();
    chmod(&world, "home/.ssh/bitbucket-ssh", 0o755);
    fs::write(world.path("home/.ssh/.bitbucket-ssh-abc"), "half").unwrap();
    world
}

#[test]
fn without_a_terminal_nothing_is_changed() {
    let world = harmed();
    let before = world.ssh_files();
    world
        .git_bitbucket(&["doctor", "--offline", "--fix"])
        .fails_with(1)
        .says("no terminal to ask on, so nothing was changed");
    assert_eq!(world.ssh_files(), before);
    world
        .git_bitbucket(&["doctor", "--offline", "--fix", "--yes"])
        .succeeds();
    let (status, list) = doctor(&world, &["--offline"]);
    assert_eq!(status, 0);
    assert!(list.iter().all(|one| one["fixable"] == false), "{list:#?}");
}

#[test]
fn each_step_is_asked_about() {
    let world = harmed();
    let key = key_file(&world);
    let mut terminal = Terminal::start(
        &world,
        "git",
        &["bitbucket", "doctor", "--offline", "--fix"],
    );
    terminal.sees("chmod 700 ~/.ssh/bitbucket-ssh? [y/N] ");
    terminal.types("y");
    terminal.sees(&format!("write {key}.pub? [y/N] "));
    terminal.types("n");
    terminal.sees("remove unfinished files from ~/.ssh? [y/N] ");
    terminal.types("y");
    let (output, status) = terminal.ends();
    assert_eq!(status, 0, "what is left is no FAIL: {output}");
    let (_, list) = doctor(&world, &["--offline"]);
    finds(&list, "key-public", "WARN", "no .pub file");
    super::is_well(&list, "leftovers");
    super::is_well(&list, "key-permissions");
}

#[test]
fn what_is_not_safe_is_left() {
    let world = served();
    world
        .git(&["config", "--global", "core.sshCommand", "ssh"])
        .succeeds();
    let before = fs::read(world.path("home/.gitconfig")).unwrap();
    world
        .git_bitbucket(&["doctor", "--offline", "--fix", "--yes"])
        .fails_with(1)
        .says("nothing for --fix to repair");
    assert_eq!(fs::read(world.path("home/.gitconfig")).unwrap(), before);
}
