//! `git bitbucket doctor`: for every check harm is done, found, and the printed advice is pasted into
//! a shell, after which the same check says OK. One file for each group of checks.

mod account;
mod agent;
mod fix;
mod git;
mod host_keys;
mod key_files;
mod leftovers;
mod network;
mod remotes;
mod session;
mod settings;
mod ssh_config;

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::{Output, World, run};
use crate::terminal::Terminal;

/// The only repository, as it is typed.
const URL: &str = "git@bitbucket.org:acme/site.git";

/// A machine whose first clone has made a key.
fn served() -> World {
    let world = World::new();
    world.git(&["clone", "-q", URL, "site"]).succeeds();
    world
}

/// The managed key's file, below HOME as a shell takes it.
fn key_file(world: &World) -> String {
    let files = world.ssh_files();
    let name = files.iter().find(|name| name.ends_with("_ed25519"));
    format!("~/.ssh/{}", name.expect("a key was made"))
}

/// In the clone where there is one, else in `work`.
fn command(world: &World, program: &str) -> Command {
    let mut command = world.command(program);
    let clone = world.path("work/site");
    if clone.exists() {
        command.current_dir(clone);
    }
    command
}

/// `git bitbucket doctor --json …`: exit status and findings.
#[track_caller]
fn doctor(world: &World, further: &[&str]) -> (i32, Vec<Value>) {
    let mut git = command(world, "git-bitbucket");
    git.args(["doctor", "--json"]).args(further);
    let output = run(git);
    let list = serde_json::from_slice(&output.stdout);
    (
        output.status.unwrap(),
        list.unwrap_or_else(|why| panic!("{why}: {output}")),
    )
}

/// The first finding of this check and verdict whose text holds this.
#[track_caller]
fn finds<'l>(list: &'l [Value], check: &str, verdict: &str, text: &str) -> &'l Value {
    let found: Vec<_> = list.iter().filter(|one| one["check"] == check).collect();
    let hit = found.iter().find(|one| {
        one["verdict"] == verdict
            && one["text"]
                .as_str()
                .is_some_and(|output| output.contains(text))
    });
    hit.unwrap_or_else(|| panic!("{check}: no {verdict} with {text:?} in {found:#?}"))
}

/// Whether the check says nothing but OK.
#[track_caller]
fn is_well(list: &[Value], check: &str) {
    let found: Vec<_> = list.iter().filter(|one| one["check"] == check).collect();
    let well = found.iter().all(|one| one["verdict"] == "OK");
    assert!(well && !found.is_empty(), "{check}: {found:#?}");
}

/// The line to paste of a finding that FAILed or WARNs; a FAIL is exit status 1.
#[track_caller]
fn advice(world: &World, options: &[&str], found: (&str, &str, &str)) -> String {
    let (check, verdict, text) = found;
    let (status, list) = doctor(world, options);
    if verdict == "FAIL" {
        assert_eq!(status, 1, "something FAILed");
    }
    let next = &finds(&list, check, verdict, text)["next"];
    next.as_str().expect("a line to paste").to_owned()
}

/// The advice, then another look from the same shell.
fn script(next: &str, options: &[&str], world: &World) -> String {
    let options = options
        .iter()
        .fold(String::new(), |line, option| format!("{line} '{option}'"));
    let result = world.path("tmp/after");
    format!(
        "{next}\ngit-bitbucket doctor --json{options} >'{}'\n",
        result.display()
    )
}

#[track_caller]
fn after(world: &World, output: &impl std::fmt::Display) -> Vec<Value> {
    let text = fs::read(world.path("tmp/after")).unwrap();
    serde_json::from_slice(&text).unwrap_or_else(|why| panic!("{why}: {output}"))
}

/// Harm was done: it is found, the printed line is pasted into a shell without a terminal, exactly
/// as it stands, and from then on the check says OK. The line is the result.
#[track_caller]
fn is_fixed(world: &World, options: &[&str], found: (&str, &str, &str)) -> String {
    let next = advice(world, options, found);
    let output = paste(world, options, &next);
    let list = after(world, &output);
    let found: Vec<_> = list.iter().filter(|one| one["check"] == found.0).collect();
    let well = found.iter().all(|one| one["verdict"] == "OK");
    assert!(
        well && !found.is_empty(),
        "after {next:?}: {found:#?}\n{output}"
    );
    next
}

fn paste(world: &World, options: &[&str], next: &str) -> Output {
    let mut shell = command(world, "sh");
    shell.arg("-c").arg(script(next, options, world));
    run(shell)
}

/// As [`is_fixed`], for advice that asks something: a person sees the words and types the answers.
#[track_caller]
fn is_fixed_by_answers(
    world: &World,
    options: &[&str],
    found: (&str, &str, &str),
    answers: &[(&str, &str)],
) -> String {
    let next = advice(world, options, found);
    let folder = if world.path("work/site").exists() {
        "cd site\n"
    } else {
        ""
    };
    let line = format!("{folder}{}", script(&next, options, world));
    let mut terminal = Terminal::start(world, "sh", &["-c", &line]);
    for (question, answer) in answers {
        terminal.sees(question);
        terminal.types(answer);
    }
    let (output, _) = terminal.ends();
    let list = after(world, &output);
    is_well(&list, found.0);
    next
}

/// Puts a program of this name first in PATH.
fn program(world: &World, name: &str, script: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = world.path("bin");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join(name);
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The machine with those programs in front.
fn with_programs(world: &mut World) {
    let path = std::env::join_paths(
        [world.path("bin")]
            .into_iter()
            .chain(std::env::split_paths(world.variable("PATH").unwrap())),
    );
    world.set("PATH", &path.unwrap());
}

fn append(world: &World, file: &str, text: &str) {
    let file = world.path(file);
    let before = fs::read_to_string(&file).unwrap_or_default();
    fs::write(&file, before + text).unwrap();
}

fn chmod(world: &World, file: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(world.path(file), fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_machine_that_is_served_has_no_fail_and_keeps_its_token_for_itself() {
    let world = served();
    let (status, list) = doctor(&world, &[]);
    let failed: Vec<_> = list.iter().filter(|one| one["verdict"] == "FAIL").collect();
    assert_eq!((status, failed.len()), (0, 0), "{failed:#?}");
    for (check, text) in [
        ("git", "git version"),
        ("ssh-command", "bitbucket-ssh"),
        ("token", "valid"),
        ("account-keys", "registered as"),
        ("tcp", "connected"),
        ("ssh", "SSH-2.0-"),
        ("api", "answers"),
        ("session", "alice@example.com has access to acme/site"),
        ("leftovers", "no interrupted provisioning"),
    ] {
        finds(&list, check, "OK", text);
    }
    finds(&list, "remotes", "OK", "may need ssh.bitbucket.org");
    assert!(
        world
            .sandbox
            .commands()
            .iter()
            .any(|one| one.starts_with("git-upload-pack"))
    );
    let before = world.sandbox.connections().len();
    let (status, list) = doctor(&world, &["--offline"]);
    assert_eq!(
        (status, world.sandbox.connections().len()),
        (0, before),
        "no network"
    );
    finds(&list, "session", "SKIP", "--offline");
    let text = world.git_bitbucket(&["doctor", "--offline"]);
    assert!(text.stdout().contains(" FAIL, "), "{text}");
}
