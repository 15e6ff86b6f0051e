//! With real git and real hooks: what was there is called, and comes back byte for byte.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::commands::arguments::HookScope;
use crate::commands::testing::{Machine, Said};

const LOCAL: HookScope = HookScope {
    local: true,
    global: false,
};
const GLOBAL: HookScope = HookScope {
    local: false,
    global: true,
};

/// A repository with a commit and a bare remote `origin`; `git bitbucket hook …` notes its call in
/// `home/called`, with what it reads, and fails where `home/refuse` is there.
fn machine() -> Machine {
    let machine = Machine::new();
    let path = format!(
        "{}:/usr/local/bin:/usr/bin:/bin",
        machine.path("bin").display()
    );
    let machine = machine.with(&[("PATH", &path), ("GIT_CEILING_DIRECTORIES", "/")]);
    machine.program(
        "bin/git-bitbucket",
        "#!/bin/sh\n{ printf '%s ' ours \"$2\"; [ \"$2\" = pre-push ] && cat; echo; } >>\"$HOME/called\"\n! [ -e \"$HOME/refuse\" ]\n",
    );
    for arguments in [
        &["init", "--quiet", "--initial-branch=main"][..],
        &["config", "user.name", "A"],
        &["config", "user.email", "a@b.example"],
        &["init", "--quiet", "--bare", "../remote"],
        &["remote", "add", "origin", "../remote"],
        &["commit", "--quiet", "--allow-empty", "--message=first"],
    ] {
        machine.git(arguments);
    }
    machine
}

fn called(machine: &Machine) -> String {
    let text = std::fs::read_to_string(machine.path("home/called")).unwrap_or_default();
    let _ = std::fs::remove_file(machine.path("home/called"));
    text
}

fn call(machine: &Machine, options: Hooks) -> Said<Result<(), Error>> {
    machine.call("", |call| hooks(call, options))
}

/// Every file below a folder with mode and bytes.
fn state(machine: &Machine, folder: &str) -> Vec<(std::path::PathBuf, u32, Vec<u8>)> {
    let files = machine
        .tree(folder)
        .into_iter()
        .filter(|path| path.is_file());
    files
        .map(|path| {
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            let bytes = std::fs::read(&path).unwrap();
            (path, mode, bytes)
        })
        .collect()
}

#[test]
fn hooks_are_installed_run_and_taken_away() {
    let machine = machine();
    let before = state(&machine, "work");
    assert!(call(&machine, Hooks::Install(LOCAL)).result.is_ok());
    machine.git(&["push", "--quiet", "origin", "main"]);
    assert!(called(&machine).starts_with("ours pre-push refs/heads/main "));
    machine.write("home/refuse", "");
    assert!(
        !machine
            .try_git(&["push", "origin", "main:other"])
            .status
            .success()
    );
    std::fs::remove_file(machine.path("home/refuse")).unwrap();
    let said = call(&machine, Hooks::Install(LOCAL));
    assert!(said.output.contains("already installed"), "{said:?}");
    assert!(call(&machine, Hooks::Uninstall(LOCAL)).result.is_ok());
    let hooks = |state: Vec<(std::path::PathBuf, u32, Vec<u8>)>| {
        let own = |path: &std::path::Path| path.to_string_lossy().contains("/hooks/");
        state
            .into_iter()
            .filter(|(path, ..)| own(path))
            .collect::<Vec<_>>()
    };
    assert_eq!(hooks(state(&machine, "work")), hooks(before));
}

#[test]
fn a_hook_that_is_there_is_kept_and_called() {
    let machine = machine();
    machine.program(
        "work/.git/hooks/pre-push",
        "#!/bin/sh\necho theirs \"$1\" \"$(cat)\" >>\"$HOME/called\"\nexit 3\n",
    );
    let before = state(&machine, "work/.git/hooks");
    assert!(call(&machine, Hooks::Install(LOCAL)).result.is_ok());
    let output = machine.try_git(&["push", "origin", "main"]);
    assert!(!output.status.success(), "its refusal counts");
    let lines = called(&machine);
    let lines: Vec<_> = lines.lines().filter(|line| !line.is_empty()).collect();
    assert!(
        lines[0].starts_with("ours pre-push refs/heads/main "),
        "{lines:?}"
    );
    assert!(
        lines[1].starts_with("theirs origin refs/heads/main "),
        "{lines:?}"
    );
    call(&machine, Hooks::Install(LOCAL)).result.unwrap();
    assert!(call(&machine, Hooks::Uninstall(LOCAL)).result.is_ok());
    assert_eq!(state(&machine, "work/.git/hooks"), before);
}

/// husky 9: `core.hooksPath = .husky/_`, whose hooks run `.husky/NAME` by the name they were called
/// by (husky, index.js and husky.sh).
#[test]
fn husky_goes_on() {
    let machine = machine();
    std::fs::create_dir_all(machine.path("work/.husky/_")).unwrap();
    machine.git(&["config", "core.hooksPath", ".husky/_"]);
    machine.write("work/.husky/_/.gitignore", "*\n");
    machine.write(
        "work/.husky/_/h",
        "n=$(basename \"$0\")\ns=$(dirname \"$(dirname \"$0\")\")/$n\n[ ! -f \"$s\" ] && exit 0\nsh -e \"$s\" \"$@\"\n",
    );
    machine.program(
        "work/.husky/_/pre-push",
        "#!/usr/bin/env sh\n. \"$(dirname \"$0\")/h\"",
    );
    machine.write("work/.husky/pre-push", "echo husky $1 >>\"$HOME/called\"\n");
    let before = state(&machine, "work/.husky");
    let said = call(&machine, Hooks::Install(LOCAL));
    assert!(!said.errors.contains("is in the work tree"), "{said:?}");
    machine.git(&["push", "--quiet", "origin", "main"]);
    let lines = called(&machine);
    assert!(
        lines.contains("ours pre-push") && lines.contains("husky origin"),
        "{lines}"
    );
    assert!(call(&machine, Hooks::Uninstall(LOCAL)).result.is_ok());
    assert_eq!(state(&machine, "work/.husky"), before);
}

#[test]
fn a_hook_that_was_changed_since_stays() {
    let machine = machine();
    machine.program("work/.git/hooks/pre-push", "#!/bin/sh\nexit 0\n");
    call(&machine, Hooks::Install(LOCAL)).result.unwrap();
    let text = machine.read("work/.git/hooks/pre-push");
    machine.write("work/.git/hooks/pre-push", &format!("{text}echo mine\n"));
    let said = call(&machine, Hooks::Uninstall(LOCAL));
    assert!(said.errors.contains("was changed after"), "{said:?}");
    assert!(
        machine
            .read("work/.git/hooks/pre-push")
            .ends_with("echo mine\n")
    );
}

#[test]
fn a_hooks_path_of_all_repositories_is_left_alone() {
    let machine = machine();
    machine.git(&["config", "--global", "core.hooksPath", "/somewhere"]);
    let said = call(&machine, Hooks::Install(LOCAL));
    assert!(matches!(said.result, Err(Error::Other { .. })), "{said:?}");
    machine.git(&["config", "--global", "--unset", "core.hooksPath"]);
    machine.git(&["config", "core.hooksPath", "shared"]);
    let said = call(&machine, Hooks::Install(LOCAL));
    assert!(said.errors.contains("is in the work tree"), "{said:?}");
    assert!(machine.path("work/shared/pre-push").exists());
}

#[test]
fn for_all_repositories_only_where_git_has_hooks_by_config() {
    let machine = machine();
    let real = machine.git(&["version"]);
    if crate::commands::git::version_in(&real).unwrap() < (2, 54) {
        let said = call(&machine, Hooks::Install(GLOBAL));
        let told = said.result.unwrap_err().explanation();
        assert!(
            told.what.contains("core.hooksPath would disable"),
            "{told:?}"
        );
        assert!(!machine.path("home/.gitconfig").exists());
    }
    machine.program(
        "bin/git",
        "#!/bin/sh\ncase \" $* \" in *\" version \"*) echo git version 2.54.0; exit ;; esac\nPATH=/usr/local/bin:/usr/bin:/bin exec git \"$@\"\n",
    );
    machine.write("home/.gitconfig", "[user]\n\tname = A\n");
    let before = machine.read("home/.gitconfig");
    call(&machine, Hooks::Install(GLOBAL)).result.unwrap();
    assert_eq!(
        machine.git(&["config", "hook.bitbucket-pre-push.command"]),
        "git bitbucket hook pre-push"
    );
    assert_eq!(
        machine.git(&["config", "hook.bitbucket-post-checkout.event"]),
        "post-checkout"
    );
    let written = machine.read("home/.gitconfig");
    call(&machine, Hooks::Install(GLOBAL)).result.unwrap();
    assert_eq!(machine.read("home/.gitconfig"), written);
    call(&machine, Hooks::Uninstall(GLOBAL)).result.unwrap();
    assert_eq!(machine.read("home/.gitconfig"), before);
}
