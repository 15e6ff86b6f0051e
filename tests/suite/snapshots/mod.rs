//! What the commands print, as text files beside this one, so that a change of wording is visible
//! in the diff. `WRITE_SNAPSHOTS=1 cargo test --test suite snapshots` updates them.
//!
//! What differs from machine to machine and from day to day is replaced by [`normalise::normalise`].

mod commands;
mod help;
mod normalise;
pub(crate) mod statuses;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::support::{Output, Running, World};

/// A file of this folder.
fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/suite/snapshots")
        .join(name)
}

/// Fails the test unless the file holds this text; or writes it.
#[track_caller]
fn matches_snapshot(name: &str, text: &str) {
    let file = file(name);
    if std::env::var_os("WRITE_SNAPSHOTS").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        return fs::write(&file, text).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        kept,
        text,
        "{} is stale; WRITE_SNAPSHOTS=1 cargo test --test suite snapshots writes it",
        file.display()
    );
}

/// Commands one after the other on one machine, with what they print.
struct Transcript<'a> {
    world: &'a World,
    text: String,
}

impl<'a> Transcript<'a> {
    fn new(world: &'a World) -> Self {
        let text = String::new();
        Self { world, text }
    }

    /// `git bitbucket …`, in `work` or a folder of it.
    fn runs(&mut self, folder: &str, arguments: &[&str]) -> Output {
        self.reads(folder, arguments, "")
    }

    /// The same with an input.
    fn reads(&mut self, folder: &str, arguments: &[&str], input: &str) -> Output {
        let mut git = self.world.command("git");
        git.current_dir(self.world.path("work").join(folder));
        git.arg("bitbucket").args(arguments);
        let output = Running::start(git, input.as_bytes().to_vec()).wait();
        writeln!(self.text, "$ git bitbucket {}", arguments.join(" ")).unwrap();
        self.text.push_str(&output.stdout());
        for line in output.stderr().lines() {
            writeln!(self.text, "2> {line}").unwrap();
        }
        let status = output.status.unwrap();
        writeln!(self.text, "status {status}\n").unwrap();
        output
    }

    /// Fails the test unless the file holds all of it.
    #[track_caller]
    fn matches_snapshot(self, name: &str) {
        matches_snapshot(name, &normalise::normalise(self.world, &self.text));
    }
}
