//! The most common failures: the output is the one in `docs/errors.md`, and what the printed lines
//! advise works when it is pasted.
//!
//! Each test makes one failure with the real programs, compares what is printed with the block
//! below its heading (`WRITE_DOCS=1` writes the block instead), pastes the `hint:` lines that are
//! commands into a shell, and expects the same git command to work afterwards.

mod accounts;
mod advice;
mod document;
mod hosts;
mod keys;
mod machine;
mod normalise;
mod site;

use std::any::Any;
use std::path::Path;

use crate::support::{Output, World, run};
use crate::terminal::Terminal;
use advice::Advice;

pub const SITE: &str = "git clone git@bitbucket.org:acme/site.git";
pub const TOOLS: &str = "git clone git@bitbucket.org:acme/tools.git";
pub const BOB: &str = "bob@example.com";

/// A machine on which a command fails.
pub struct Scene {
    pub world: World,
    command: String,
    goal: String,
    typed: Vec<(String, String)>,
    mend: Option<Mend>,
    kept: Vec<Box<dyn Any>>,
}

type Mend = Box<dyn FnOnce(&mut World)>;

impl Scene {
    /// This command fails there.
    pub fn new(world: World, command: &str) -> Self {
        Self {
            world,
            command: command.to_owned(),
            goal: command.to_owned(),
            typed: Vec::new(),
            mend: None,
            kept: Vec::new(),
        }
    }

    /// A pasted line that asks this is answered so.
    pub fn answer(mut self, question: &str, answer: &str) -> Self {
        self.typed.push((question.to_owned(), answer.to_owned()));
        self
    }

    /// What is to work in the end, where that is another command.
    pub fn goal(mut self, command: &str) -> Self {
        command.clone_into(&mut self.goal);
        self
    }

    /// What no pasted line does: the site is up again, a person is asked.
    pub fn afterwards(mut self, mend: impl FnOnce(&mut World) + 'static) -> Self {
        self.mend = Some(Box::new(mend));
        self
    }

    /// Runs as long as the scene exists.
    pub fn with(mut self, daemon: impl Any) -> Self {
        self.kept.push(Box::new(daemon));
        self
    }

    /// In `work`, by a shell.
    fn run(&self, script: &str) -> Output {
        let mut shell = self.world.command("sh");
        shell.args(["-c", script]);
        run(shell)
    }

    /// As [`Scene::run`], with the variables of this file and no other.
    fn as_exported(&self, variables: &Path, script: &str) -> Output {
        let mut shell = self.world.command("env");
        let script = format!(". '{}'\n{script}", variables.display());
        shell.args(["-i", "sh", "-c", &script]);
        run(shell)
    }

    #[track_caller]
    fn fails(&self) -> String {
        let output = self.run(&self.command);
        assert_ne!(output.status, Some(0), "nothing failed: {output}");
        output.stderr()
    }

    /// Pastes the lines, if there are any, does what needs no pasting, and repeats the command.
    #[track_caller]
    fn follow(mut self, lines: &[String]) {
        let mut text = String::new();
        let mut lines = lines.to_vec();
        if let Some(mend) = self.mend.take() {
            mend(&mut self.world);
        }
        // What was printed the second time may have its own next step.
        for _ in 0..3 {
            let kept = self.world.path("tmp/exported");
            let script = format!("{}\nexport -p >'{}'", lines.join("\n"), kept.display());
            let mut shell = Terminal::start(&self.world, "sh", &["-ec", &script]);
            if !lines.is_empty() {
                for (question, answer) in std::mem::take(&mut self.typed) {
                    shell.sees(&question);
                    shell.types(&answer);
                }
            }
            let (shown, status) = shell.ends();
            assert_eq!(status, 0, "{lines:?} does not work: {shown}");
            let output = self.as_exported(&kept, &self.goal);
            // What a pasted line started.
            let end = "[ -z \"$SSH_AGENT_PID\" ] || ssh-agent -k";
            self.as_exported(&kept, end).succeeds();
            if output.status == Some(0) {
                return;
            }
            text = output.to_string();
            let next = Advice::of(&output.stderr()).lines;
            if next.is_empty() || next == lines {
                break;
            }
            lines = next;
        }
        panic!("the advice was followed ({lines:?}), and still: {text}");
    }
}

/// The output is that below `title`, and its advice works: the bare command lines
/// together, and each that begins with "or" separately on a machine of its own.
#[track_caller]
pub fn holds(title: &str, scene: impl Fn() -> Scene) {
    let first = scene();
    let output = first.fails();
    document::holds(
        title,
        &first.command,
        &normalise::normalise(&first.world, &output),
    );
    let advice = Advice::of(&output);
    let root = |scene: &Scene| scene.world.path("").display().to_string();
    let first_root = root(&first);
    first.follow(&advice.lines);
    for alternative in advice.alternatives {
        let again = scene();
        again.fails();
        let alternative = alternative.replace(&first_root, &root(&again));
        again.follow(&[alternative]);
    }
}

/// A machine whose account has its managed key, without a passphrase.
pub fn served() -> World {
    let world = World::new();
    world.configure("bitbucket.passphrase", "none");
    world
        .git(&["ls-remote", "-q", "git@bitbucket.org:acme/site.git"])
        .succeeds();
    world
}

/// A machine without a token, without a question about passphrases.
pub fn without_login() -> World {
    let mut world = World::new();
    world.unset("BITBUCKET_EMAIL");
    world.unset("BITBUCKET_API_TOKEN");
    world.configure("bitbucket.passphrase", "none");
    world
}

/// Every failure in the document is caused by a test, and every test's failure is in the document.
#[test]
fn the_document_lists_what_is_tested() {
    let sources = [
        include_str!("accounts.rs"),
        include_str!("hosts.rs"),
        include_str!("keys.rs"),
        include_str!("machine.rs"),
        include_str!("site.rs"),
    ];
    let titles = document::titles();
    assert!(titles.len() >= 20, "{titles:?}");
    for title in &titles {
        let quoted = format!("\"{title}\"");
        assert!(
            sources.iter().any(|source| source.contains(&quoted)),
            "no test makes {title:?}"
        );
    }
    let made: usize = sources
        .iter()
        .map(|source| source.matches("holds(").count())
        .sum();
    assert_eq!(made, titles.len(), "headings and calls of holds()");
}
