//! What tests of commands stand on: a home of their own, real git, nothing of the caller's.

use std::cell::RefCell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use tempfile::TempDir;

use super::context::CommandContext;
use crate::clock::SystemClock;
use crate::context::{Context, Environment};
use crate::identity::Account;
use crate::prompt::{Error, Prompt, Silent};
use crate::provision::Records;
use crate::secret::Secret;

/// A machine with a home, an empty system configuration and a `bitbucket-ssh` beside
/// `git-bitbucket`.
pub(super) struct Machine {
    _directory: TempDir,
    root: PathBuf,
    pub(super) context: Context,
}

/// What a command printed, and what it came to.
#[derive(Debug)]
pub(super) struct Said<T> {
    pub(super) output: String,
    pub(super) errors: String,
    pub(super) result: T,
}

impl Machine {
    pub(super) fn new() -> Self {
        Self::below("")
    }

    /// The programs lie in a directory of this name.
    pub(super) fn below(name: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap().join(name);
        for part in ["home", "bin", "work"] {
            std::fs::create_dir_all(root.join(part)).unwrap();
        }
        std::fs::write(root.join("system"), "").unwrap();
        let machine = Self {
            context: Context {
                environment: Environment::default(),
                directory: root.join("work"),
                program: root.join("bin/git-bitbucket"),
                clock: Arc::new(SystemClock),
            },
            root,
            _directory: directory,
        };
        machine.program(
            "bin/bitbucket-ssh",
            "#!/bin/sh\nprintf '%s\\n' \"$@\" >>\"$HOME/called\"\nexit 255\n",
        );
        machine.with(&[])
    }

    /// The same machine with further variables.
    pub(super) fn with(mut self, variables: &[(&str, &str)]) -> Self {
        let path = |name: &str| self.path(name).into_os_string();
        let mut all: Vec<(OsString, OsString)> = vec![
            ("HOME".into(), path("home")),
            ("GIT_CONFIG_SYSTEM".into(), path("system")),
            ("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into()),
            ("LC_ALL".into(), "C".into()),
        ];
        all.extend(
            variables
                .iter()
                .map(|(name, value)| (OsString::from(name), OsString::from(value))),
        );
        self.context.environment = Environment::new(all);
        self
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(super) fn read(&self, name: &str) -> String {
        String::from_utf8(std::fs::read(self.path(name)).unwrap()).unwrap()
    }

    pub(super) fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).unwrap();
    }

    /// Writes an executable file.
    pub(super) fn program(&self, name: &str, content: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        self.write(name, content);
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Every path below a directory, sorted.
    pub(super) fn tree(&self, name: &str) -> Vec<PathBuf> {
        fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                found.push(path.clone());
                if path.is_dir() && !path.is_symlink() {
                    walk(&path, found);
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.path(name), &mut found);
        found.sort();
        found
    }

    /// Records accounts as a login does.
    pub(super) fn record(&self, accounts: &[Account]) {
        Records::update(&self.context, |records| {
            for account in accounts {
                records.set_account(account.clone());
            }
        })
        .unwrap();
    }

    /// Configures a Data Center for the whole machine.
    pub(super) fn site(&self, url: &str) {
        let key = format!("bitbucket.{url}.type");
        self.git(&["config", "--system", &key, "datacenter"]);
    }

    /// Runs git in the working directory.
    pub(super) fn try_git(&self, arguments: &[&str]) -> Output {
        self.context
            .command("git")
            .args(arguments)
            .current_dir(&self.context.directory)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .output()
            .unwrap()
    }

    /// Runs git, which must succeed, and gives what it printed.
    pub(super) fn git(&self, arguments: &[&str]) -> String {
        let output = self.try_git(arguments);
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
        String::from_utf8(output.stdout)
            .unwrap()
            .trim_end()
            .to_owned()
    }

    /// Runs a command's function with this standard input; the user cannot be asked.
    pub(super) fn call<T>(
        &self,
        input: &str,
        act: impl FnOnce(&mut CommandContext<'_>) -> T,
    ) -> Said<T> {
        self.perform(input, &Silent, act)
    }

    /// Runs a command's function for a person with these answers.
    pub(super) fn ask<T>(
        &self,
        who: &dyn Prompt,
        act: impl FnOnce(&mut CommandContext<'_>) -> T,
    ) -> Said<T> {
        self.perform("", who, act)
    }

    fn perform<T>(
        &self,
        input: &str,
        prompt: &dyn Prompt,
        act: impl FnOnce(&mut CommandContext<'_>) -> T,
    ) -> Said<T> {
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let result = act(&mut CommandContext {
            context: &self.context,
            colour: false,
            columns: None,
            prompt,
            typed: &[],
            input: &mut input.as_bytes(),
            output: &mut output,
            errors: &mut errors,
        });
        Said {
            output: String::from_utf8(output).unwrap(),
            errors: String::from_utf8(errors).unwrap(),
            result,
        }
    }
}

/// A person with prepared answers, who remembers the questions.
pub(super) struct Answers {
    left: RefCell<Vec<String>>,
    asked: RefCell<Vec<String>>,
}

impl Answers {
    pub(super) fn new(answers: &[&str]) -> Self {
        Self {
            left: RefCell::new(
                answers
                    .iter()
                    .rev()
                    .map(|text| (*text).to_owned())
                    .collect(),
            ),
            asked: RefCell::default(),
        }
    }

    pub(super) fn questions(&self) -> Vec<String> {
        self.asked.borrow().clone()
    }

    fn answer(&self, question: &str) -> Result<String, Error> {
        self.asked.borrow_mut().push(question.to_owned());
        self.left.borrow_mut().pop().ok_or(Error::Cancelled)
    }
}

impl Prompt for Answers {
    fn available(&self) -> bool {
        true
    }

    fn terminal(&self) -> bool {
        true
    }

    fn secret(&self, text: &str) -> Result<Secret, Error> {
        self.answer(text).map(Secret::new)
    }

    fn line(&self, text: &str) -> Result<String, Error> {
        self.answer(text)
    }

    fn confirm(&self, text: &str) -> Result<bool, Error> {
        self.answer(text).map(|answer| answer == "y")
    }
}
