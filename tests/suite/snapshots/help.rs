//! `--help` of every command there is.

use std::fs;

use crate::support::World;

/// The help of a command and of those below it.
fn all(world: &World, words: &[String], names: &mut Vec<String>) {
    let mut arguments: Vec<&str> = words.iter().map(String::as_str).collect();
    // git handles --help of its own commands itself.
    let mut program = world.command(env!("CARGO_BIN_EXE_git-bitbucket"));
    arguments.push("--help");
    program.args(&arguments);
    let text = crate::support::run(program).succeeds().stdout();
    let name = match words {
        [] => "git-bitbucket.txt".to_owned(),
        words => format!("{}.txt", words.join("-")),
    };
    super::matches_snapshot(&format!("help/{name}"), &text);
    names.push(name);
    let below = text.split("\nCommands:\n").nth(1).unwrap_or_default();
    for line in below.lines().take_while(|line| !line.is_empty()) {
        let verb = line.split_whitespace().next().unwrap();
        if line.starts_with("  ") && !line.starts_with("   ") && verb != "help" {
            let words = [words, &[verb.to_owned()]].concat();
            all(world, &words, names);
        }
    }
}

#[test]
fn every_command_helps_in_these_words() {
    let world = World::new();
    let mut names = Vec::new();
    all(&world, &[], &mut names);
    names.sort();
    let folder = fs::read_dir(super::file("help")).unwrap();
    let mut kept: Vec<String> = folder
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    kept.sort();
    assert_eq!(kept, names, "a file for each command, and no other");
    assert!(names.contains(&"key-rotate.txt".to_owned()), "{names:?}");
}
