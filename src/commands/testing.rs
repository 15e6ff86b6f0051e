//! What tests of commands stand on: a home of their own, real git, nothing of the caller's.

use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use tempfile::TempDir;

use super::accounts::Accounts;
use super::context::CommandContext;
use super::hook::PushTarget;
use super::rooms::Examined;
use super::status::StatusReport;
use super::{Error as Failure, House, Rooms};
use crate::bitbucket::credential::Token;
use crate::bitbucket::{self, Access, KeyId, KeyRegistry, NewKey, RegisteredKey, User};
use crate::clock::SystemClock;
use crate::context::{Context, Environment};
use crate::identity::{Account, AccountId};
use crate::prompt::{Error, Prompt, Silent};
use crate::provision::record::SshPlace;
use crate::repository::{Direction, Repository, Site};
use crate::secret::{Secret, TokenPlace};

/// A machine with a home, an empty system configuration and a `bitbucket-ssh` beside
/// `git-bitbucket`.
pub(super) struct Machine {
    _directory: TempDir,
    root: PathBuf,
    pub(super) context: Context,
    pub(super) rooms: Sandbox,
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
            rooms: Sandbox::default(),
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

    /// Runs a command's function with this standard input; nobody can be asked.
    pub(super) fn call<T>(
        &self,
        input: &str,
        act: impl FnOnce(&mut CommandContext<'_>) -> T,
    ) -> Said<T> {
        self.perform(input, &Silent, &self.rooms, act)
    }

    /// As [`Machine::ask`], with the real rooms of this machine.
    pub(super) fn really<T>(
        &self,
        who: &dyn Prompt,
        act: impl FnOnce(&mut CommandContext<'_>) -> T,
    ) -> Said<T> {
        self.perform("", who, &House::new(&self.context), act)
    }

    /// Runs a command's function for a person with these answers.
    pub(super) fn ask<T>(
        &self,
        who: &Answers,
        act: impl FnOnce(&mut CommandContext<'_>) -> T,
    ) -> Said<T> {
        self.perform("", who, &self.rooms, act)
    }

    fn perform<T>(
        &self,
        input: &str,
        prompt: &dyn Prompt,
        rooms: &dyn Rooms,
        act: impl FnOnce(&mut CommandContext<'_>) -> T,
    ) -> Said<T> {
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let result = act(&mut CommandContext {
            context: &self.context,
            rooms,
            colour: false,
            columns: None,
            prompt,
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

/// Rooms without a network: one token is accepted, everything else is kept in memory.
pub(super) struct Sandbox {
    known: RefCell<Accounts>,
    going: RefCell<Option<(String, PushTarget)>>,
    pub(super) keyring: Cell<bool>,
    /// Site, account, token and place of everything that is stored.
    pub(super) tokens: RefCell<Vec<(String, String, String, TokenPlace)>>,
}

/// The token that [`Sandbox`]'s sites accept.
pub(super) const GOOD_TOKEN: &str = "ATATT-good";
/// A token that may not read keys.
pub(super) const POOR_TOKEN: &str = "ATATT-poor";

impl Default for Sandbox {
    fn default() -> Self {
        Self {
            known: RefCell::new(Accounts {
                sites: vec![super::accounts::tests::site(super::accounts::tests::CLOUD)],
                accounts: Vec::new(),
            }),
            going: RefCell::default(),
            keyring: Cell::new(true),
            tokens: RefCell::default(),
        }
    }
}

impl Sandbox {
    pub(super) fn set_known(&self, known: Accounts) {
        *self.known.borrow_mut() = known;
    }

    pub(super) fn set_going(&self, url: &str, going: PushTarget) {
        *self.going.borrow_mut() = Some((url.to_owned(), going));
    }

    pub(super) fn accounts(&self) -> Vec<Account> {
        self.known.borrow().accounts.clone()
    }
}

impl Rooms for Sandbox {
    fn make(
        &self,
        _site: &Site,
        account: &AccountId,
        _new_key: super::rooms::NewKeyOptions<'_>,
        _prompt: &dyn Prompt,
    ) -> Result<crate::identity::ManagedKey, Failure> {
        Err(Failure::NotLoggedIn(account.to_string()))
    }

    fn prove(
        &self,
        site: &Site,
        _record: &crate::identity::ManagedKey,
        _prompt: &dyn Prompt,
    ) -> Result<(), Failure> {
        Err(Failure::NoBitbucket(site.url.clone()))
    }

    fn known(&self) -> Result<Accounts, Failure> {
        Ok(self.known.borrow().clone())
    }

    fn keyring(&self) -> bool {
        self.keyring.get()
    }

    fn connect(
        &self,
        _site: &Site,
        _account: &str,
        secret: &Secret,
    ) -> Result<Box<dyn KeyRegistry>, bitbucket::Error> {
        Ok(Box::new(Holder(secret.clone())))
    }

    fn store(
        &self,
        site: &Site,
        account: &str,
        secret: &Secret,
        place: TokenPlace,
    ) -> Result<(), Failure> {
        let token = secret.reveal().to_owned();
        let mut tokens = self.tokens.borrow_mut();
        tokens
            .retain(|(url, name, _, at)| (url, name.as_str(), *at) != (&site.url, account, place));
        tokens.push((site.url.clone(), account.to_owned(), token, place));
        Ok(())
    }

    fn forget(&self, site: &Site, account: &str) -> Result<Vec<TokenPlace>, Failure> {
        let gone = |token: &mut (String, String, String, TokenPlace)| {
            token.0 == site.url && token.1 == account
        };
        let tokens = &mut *self.tokens.borrow_mut();
        Ok(tokens.extract_if(.., gone).map(|token| token.3).collect())
    }

    fn record(&self, account: Account) -> Result<(), Failure> {
        self.erase(&account.account)?;
        self.known.borrow_mut().accounts.push(account);
        Ok(())
    }

    fn record_ssh(&self, _place: SshPlace) -> Result<(), Failure> {
        Ok(())
    }

    fn erase(&self, account: &AccountId) -> Result<(), Failure> {
        let accounts = &mut self.known.borrow_mut().accounts;
        accounts.retain(|record| record.account != *account);
        Ok(())
    }

    fn going(&self, url: &str, _direction: Direction) -> Result<Option<PushTarget>, Failure> {
        let known = self.going.borrow().clone();
        Ok(known
            .filter(|(known, _)| known == url)
            .map(|(_, going)| going))
    }

    fn status(&self, _url: &str) -> Result<Option<StatusReport>, Failure> {
        Ok(None)
    }

    fn examine(&self, _url: Option<&str>) -> Result<Option<Examined>, Failure> {
        Ok(None)
    }

    fn token(&self, site: &Site, account: &str) -> Result<Option<Token>, Failure> {
        let tokens = self.tokens.borrow();
        let mut found = tokens
            .iter()
            .filter(|token| (&token.0, token.1.as_str()) == (&site.url, account));
        Ok(found.next().map(|(_, account, secret, place)| Token {
            account: account.clone(),
            secret: Secret::new(secret.clone()),
            place: *place,
        }))
    }
}

/// A site seen with a token.
struct Holder(Secret);

impl KeyRegistry for Holder {
    fn user(&self) -> Result<User, bitbucket::Error> {
        if [GOOD_TOKEN, POOR_TOKEN].contains(&self.0.reveal()) {
            Ok(User {
                id: "{u}".to_owned(),
                user_name: Some("alice".to_owned()),
                display_name: "Alice".to_owned(),
            })
        } else {
            Err(bitbucket::Error::TokenRefused {
                message: "Token is invalid".to_owned(),
            })
        }
    }

    fn keys(&self, _user: &User) -> Result<Vec<RegisteredKey>, bitbucket::Error> {
        if self.0.reveal() == GOOD_TOKEN {
            Ok(Vec::new())
        } else {
            Err(bitbucket::Error::ScopeMissing {
                required: vec!["read:ssh-key:bitbucket".to_owned()],
                granted: vec!["read:user:bitbucket".to_owned()],
            })
        }
    }

    fn register(&self, _: &User, _: &NewKey) -> Result<RegisteredKey, bitbucket::Error> {
        unreachable!("no command here registers a key")
    }

    fn remove(&self, _: &User, _: &KeyId) -> Result<(), bitbucket::Error> {
        unreachable!("no command here removes a key")
    }

    fn access(&self, _: &Repository) -> Result<Access, bitbucket::Error> {
        unreachable!("no command here asks for a repository")
    }

    fn access_keys(&self, _: &Repository) -> Result<Vec<RegisteredKey>, bitbucket::Error> {
        unreachable!("no command here asks for a repository")
    }

    fn register_access_key(
        &self,
        _: &Repository,
        _: &NewKey,
        _: bool,
    ) -> Result<RegisteredKey, bitbucket::Error> {
        unreachable!("no command here asks for a repository")
    }

    fn remove_access_key(&self, _: &Repository, _: &KeyId) -> Result<(), bitbucket::Error> {
        unreachable!("no command here asks for a repository")
    }
}
