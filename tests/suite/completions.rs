//! Completion in real shells, of `git-bitbucket` and of `git bitbucket`, from the files that `setup`
//! wrote.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::{World, run};
use crate::terminal::Terminal;

/// A machine after `setup`.
fn set_up() -> World {
    let world = World::new();
    world.git_bitbucket(&["setup"]).succeeds();
    world
}

/// What is typed, and what a shell makes of it at a tab: one command line, one answer.
const TYPED: [(&str, &str, &str); 8] = [
    ("git bitbucket uns", "unsetup", "through git"),
    ("git-bitbucket uns", "unsetup", "by its own name"),
    ("git bitbucket key rot", "rotate", "a verb below a verb"),
    (
        "git -C . bitbucket doctor --off",
        "--offline",
        "an option, behind git's own",
    ),
    ("git-bitbucket key rot", "rotate", "below, by its own name"),
    (
        "git-bitbucket key rotate --dr",
        "--dry-run",
        "an option below a verb",
    ),
    ("git bitbucket repo cr", "create", "another verb"),
    ("git bitbucket repo create --pub", "--public", "its option"),
];

/// By the functions that bash, or git's completion for it, calls.
#[test]
fn bash_completes() {
    let world = set_up();
    for (typed, expected, why) in TYPED {
        let words: Vec<&str> = typed.split(' ').collect();
        let last = words.len() - 1;
        let at = words.iter().position(|word| *word == "bitbucket");
        let call = match at {
            Some(at) => format!("__git_cmd_idx={at}; _git_bitbucket"),
            None => format!(
                "_git__bitbucket git-bitbucket \"{}\" \"{}\"",
                words[last],
                words[last - 1]
            ),
        };
        let script = format!(
            ". ~/.local/share/bash-completion/completions/git-bitbucket\n\
             COMP_WORDS=({typed}) COMP_CWORD={last}\n{call}\necho \"${{COMPREPLY[@]}}\"\n"
        );
        let mut bash = world.command("bash");
        bash.args(["-c", &script]);
        let output = run(bash).succeeds();
        assert_eq!(output.stdout().trim(), expected, "{why}: {output}");
    }
}

#[test]
fn zsh_completes() {
    let world = set_up();
    let start = "fpath=(~/.local/share/zsh/site-functions $fpath)\n\
        autoload -U compinit; compinit -u -D\n\
        report() { print -r -- \"$BUFFER\" >>$HOME/buffers; zle kill-buffer }\n\
        zle -N report; bindkey '^X' report; PS1='ready> '\n";
    fs::write(world.path("home/.zshrc"), start).unwrap();
    let mut zsh = Terminal::start(&world, "zsh", &["-i"]);
    zsh.sees("ready> ");
    let end = Instant::now() + Duration::from_secs(60);
    let mut buffers = String::new();
    // One after the other: what is typed during a completion is not kept.
    for (index, (typed, _, _)) in TYPED.iter().enumerate() {
        zsh.presses(&format!("{typed}\t\u{18}"));
        while buffers.lines().count() <= index && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
            buffers = fs::read_to_string(world.path("home/buffers")).unwrap_or_default();
        }
    }
    let completed: Vec<_> = buffers.lines().map(str::trim_end).collect();
    for (index, (typed, expected, why)) in TYPED.into_iter().enumerate() {
        let (head, _) = typed.rsplit_once(' ').unwrap();
        let line = format!("{head} {expected}");
        assert_eq!(
            completed.get(index),
            Some(&line.as_str()),
            "{why}: {buffers}"
        );
    }
    zsh.types("exit");
    zsh.ends();
}

/// By the command's own name; what fish's completion of git makes of `git bitbucket` is fish's.
#[test]
fn fish_completes() {
    let world = set_up();
    let own = TYPED
        .iter()
        .filter(|(typed, _, _)| typed.starts_with("git-"));
    for (typed, expected, why) in own {
        let mut fish = world.command("fish");
        fish.args(["-c", &format!("complete -C '{typed}'")]);
        let output = run(fish).succeeds();
        let found = output.stdout();
        let names: Vec<_> = found
            .lines()
            .filter_map(|line| line.split('\t').next())
            .collect();
        assert_eq!(names, [*expected], "{why}: {output}");
    }
}

#[test]
fn completions_are_printed_for_each_shell_and_unsetup_removes_setup_s_files() {
    let world = set_up();
    let files = [
        ("zsh", "home/.local/share/zsh/site-functions/_git-bitbucket"),
        (
            "fish",
            "home/.local/share/fish/vendor_completions.d/git-bitbucket.fish",
        ),
        (
            "bash",
            "home/.local/share/bash-completion/completions/git-bitbucket",
        ),
    ];
    for (shell, file) in files {
        let printed = world
            .git_bitbucket(&["completions", shell])
            .succeeds()
            .stdout();
        assert_eq!(
            fs::read_to_string(world.path(file)).unwrap(),
            printed,
            "{shell}"
        );
    }
    world.git_bitbucket(&["unsetup"]).succeeds();
    for (shell, file) in files {
        assert!(!world.path(file).exists(), "{shell}");
    }
}
