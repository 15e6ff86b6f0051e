//! Provisioning against an account that is a folder, so that it outlives killed processes.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ssh_key::{HashAlg, PublicKey};

use super::{Made, Order, ensure, proved};
use crate::bitbucket::{
    Access, Error as SiteError, KeyId, KeyRegistry, NewKey, RegisteredKey, User,
};
use crate::clock::SystemClock;
use crate::context::{Context, Environment};
use crate::identity::{AccountName, Managed, PassphrasePlace, State, key_pair};
use crate::prompt::{Error as PromptError, Prompt, Silent};
use crate::provision::Error;
use crate::provision::record::{self, Records};
use crate::repository::{Repository, Site, SiteKind};
use crate::secret::Secret;
use crate::settings::{
    AuthorCheck, Carrier, KeyType, Origin, PassphraseStore, Provision, Settings, Sourced, Statement,
};

/// The child process of the kill tests is this test binary with these variables.
const HOME: &str = "PROVISION_TEST_HOME";

/// What goes wrong at the site.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// The answer to the first POST is lost; the key was stored.
    LostAfterStoring,
    /// The first POST is lost before it was stored.
    LostBeforeStoring,
    /// 500, and the key was stored.
    FailedAfterStoring,
    /// The site knows the first pair from elsewhere.
    TakenElsewhere,
    /// The site refuses whatever it is.
    Invalid,
    /// Stored before, and the site says so.
    AlreadyOurs,
}

/// An account's keys as files: name is a number, text the public key, a tab and the label.
struct Folder {
    path: PathBuf,
    fault: Cell<Fault>,
}

impl Folder {
    fn store(&self, key: &NewKey) -> RegisteredKey {
        let number = fs::read_dir(&self.path).expect("the account").count();
        let name = format!("{number}-{}", std::process::id());
        fs::write(
            self.path.join(&name),
            format!("{}\t{}", key.public_key, key.label),
        )
        .expect("stored");
        self.read(&name).expect("just stored")
    }

    fn read(&self, name: &str) -> Option<RegisteredKey> {
        let text = fs::read_to_string(self.path.join(name)).ok()?;
        let (key, label) = text.split_once('\t')?;
        let public = PublicKey::from_openssh(key).ok()?;
        Some(RegisteredKey {
            id: KeyId::new(name)?,
            public_key: key.to_owned(),
            fingerprint: public.fingerprint(HashAlg::Sha256).to_string(),
            label: label.to_owned(),
            created: None,
            last_used: None,
            expires: None,
        })
    }
}

impl KeyRegistry for Folder {
    fn user(&self) -> Result<User, SiteError> {
        Ok(User {
            id: "{1}".to_owned(),
            user_name: Some("you".to_owned()),
            display_name: "You".to_owned(),
        })
    }

    fn keys(&self, _user: &User) -> Result<Vec<RegisteredKey>, SiteError> {
        let names = fs::read_dir(&self.path).expect("the account");
        Ok(names
            .filter_map(|entry| self.read(&entry.ok()?.file_name().to_string_lossy()))
            .collect())
    }

    fn register(&self, _user: &User, key: &NewKey) -> Result<RegisteredKey, SiteError> {
        let lost = || SiteError::Unreachable {
            host: "api".to_owned(),
            why: "connection reset".to_owned(),
        };
        let refused = |message: &str| SiteError::Refused {
            status: 400,
            message: message.to_owned(),
        };
        match self.fault.replace(Fault::None) {
            Fault::None => Ok(self.store(key)),
            Fault::LostAfterStoring => {
                self.store(key);
                Err(lost())
            }
            Fault::LostBeforeStoring => Err(lost()),
            Fault::FailedAfterStoring => {
                self.store(key);
                Err(SiteError::Server {
                    status: 500,
                    message: String::new(),
                })
            }
            Fault::AlreadyOurs => {
                self.store(key);
                Err(refused("Someone has already registered that SSH key."))
            }
            Fault::TakenElsewhere => Err(refused("Someone has already registered that SSH key.")),
            Fault::Invalid => {
                self.fault.set(Fault::Invalid);
                Err(refused("That SSH key is invalid."))
            }
        }
    }

    fn remove(&self, _user: &User, _id: &KeyId) -> Result<(), SiteError> {
        Ok(())
    }

    fn access(&self, _repository: &Repository) -> Result<Access, SiteError> {
        Ok(Access::Write)
    }
}

/// A home and an account, both folders.
struct Machine {
    directory: PathBuf,
    _kept: Option<tempfile::TempDir>,
}

impl Machine {
    fn new() -> Self {
        let kept = tempfile::tempdir().expect("a folder");
        fs::create_dir(kept.path().join("home")).expect("a home");
        fs::create_dir(kept.path().join("account")).expect("an account");
        Self {
            directory: kept.path().to_owned(),
            _kept: Some(kept),
        }
    }

    fn context(&self) -> Context {
        let home = self.directory.join("home").into_os_string();
        Context {
            environment: Environment::new([("HOME".into(), home)]),
            directory: self.directory.clone(),
            program: PathBuf::new(),
            clock: Arc::new(SystemClock),
        }
    }

    fn ssh(&self) -> PathBuf {
        self.directory.join("home/.ssh")
    }

    fn account(&self, fault: Fault) -> Folder {
        Folder {
            path: self.directory.join("account"),
            fault: Cell::new(fault),
        }
    }

    /// Fingerprints on the account.
    fn on_the_site(&self) -> Vec<String> {
        let keys = self.account(Fault::None).keys(&self.user());
        keys.expect("a list")
            .into_iter()
            .map(|key| key.fingerprint)
            .collect()
    }

    fn user(&self) -> User {
        self.account(Fault::None).user().expect("a user")
    }

    fn ensure(&self, fault: Fault) -> Result<Made, Error> {
        self.ensure_with(fault, &settings(), &Silent)
    }

    fn ensure_with(
        &self,
        fault: Fault,
        settings: &Settings,
        prompt: &dyn Prompt,
    ) -> Result<Made, Error> {
        let context = self.context();
        let path = self.directory.join("account");
        ensure(&Order {
            context: &context,
            site: &site(),
            account: &account(),
            settings,
            prompt,
            replaces: None,
            further: None,
            registry: &move || {
                Ok(Some(Box::new(Folder {
                    path: path.clone(),
                    fault: Cell::new(fault),
                })))
            },
        })
    }

    /// One key on the site, its private half here, and nothing half done.
    fn is_in_order(&self, why: &str) {
        let on_the_site = self.on_the_site();
        assert_eq!(on_the_site.len(), 1, "{why}: one key on the site");
        let records = Records::open(&self.context()).expect("records");
        let usable = records.usable(&account(), None).expect(why);
        assert_eq!(usable.fingerprint, on_the_site[0], "{why}: recorded");
        let private = key_pair::open(&usable.file, None).expect(why);
        let print = private.fingerprint(HashAlg::Sha256).to_string();
        assert_eq!(print, on_the_site[0], "{why}: its private half is here");
        let public = fs::read_to_string(format!("{}.pub", usable.file.display()));
        assert!(
            public.is_ok_and(|line| line.starts_with("ssh-")),
            "{why}: .pub"
        );
        let pending = records
            .identities()
            .iter()
            .any(|r| r.state == State::Pending);
        assert!(!pending, "{why}: nothing pending");
        for folder in [self.ssh(), self.ssh().join("bitbucket-ssh")] {
            for entry in fs::read_dir(folder).expect("a folder") {
                let name = entry.expect("an entry").file_name();
                let name = name.to_string_lossy().into_owned();
                assert!(!name.starts_with('.'), "{why}: {name} is left behind");
            }
        }
    }

    fn child(&self) -> Child {
        #[expect(clippy::disallowed_methods, reason = "this test, once more")]
        Command::new(std::env::current_exe().expect("this program"))
            .args([
                "--exact",
                "provision::ensure::tests::child_process",
                "--nocapture",
            ])
            .env(HOME, &self.directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a child")
    }
}

fn site() -> Site {
    Site {
        kind: SiteKind::Cloud,
        url: "https://bitbucket.org".to_owned(),
        api_url: "https://api.bitbucket.org/2.0".to_owned(),
        ssh_hosts: Vec::new(),
    }
}

fn account() -> AccountName {
    AccountName {
        site: "https://bitbucket.org".to_owned(),
        name: "you@example.com".to_owned(),
    }
}

fn settings() -> Settings {
    fn said<T>(value: T) -> Sourced<T> {
        Sourced::new(value, Origin::Default)
    }
    Settings {
        own: Statement::default(),
        by_url: Statement::default(),
        plain: Statement::default(),
        provision: said(Provision::Auto),
        key_type: said(KeyType::Ed25519),
        key_lifetime: None,
        passphrase: said(PassphraseStore::None),
        transport: said(Carrier::Native),
        author_check: said(AuthorCheck::Warn),
        ignored: Vec::new(),
    }
}

/// Runs in a child of the tests below only.
#[test]
fn child_process() {
    #[expect(clippy::disallowed_methods, reason = "set by the parent")]
    let Some(directory) = std::env::var_os(HOME) else {
        return;
    };
    let machine = Machine {
        directory: PathBuf::from(directory),
        _kept: None,
    };
    let made = machine.ensure(Fault::None).expect("a key");
    proved(&machine.context(), &made.record).expect("recorded");
}

#[test]
fn a_bare_machine_gets_one_key() {
    use std::os::unix::fs::PermissionsExt as _;
    let machine = Machine::new();
    let first = machine.ensure(Fault::None).expect("a key").record;
    machine.is_in_order("the first key");
    assert_eq!(
        first.file,
        machine.ssh().join("bitbucket_you@example.com_ed25519")
    );
    assert_eq!(first.state, State::Registered);
    let mode = |path: &Path| {
        let metadata = fs::metadata(path).expect("there");
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode(&first.file), 0o600);
    assert_eq!(mode(&machine.ssh()), 0o700);
    assert_eq!(mode(&machine.ssh().join("bitbucket-ssh")), 0o700);
    assert_eq!(
        mode(&record::file(&machine.context()).expect("a home")),
        0o600
    );
    let label = &first.label;
    assert!(
        label.starts_with("bitbucket-ssh ") && label.len() < 100,
        "{label}"
    );

    let again = machine.ensure(Fault::None).expect("the same key").record;
    assert_eq!(
        again.fingerprint, first.fingerprint,
        "the second call makes nothing"
    );
    proved(&machine.context(), &again).expect("recorded");
    let records = Records::open(&machine.context()).expect("records");
    assert_eq!(records.identities()[0].state, State::Proved);
}

#[test]
fn every_fault_of_the_site_ends_with_one_key() {
    for (fault, why) in [
        (Fault::LostAfterStoring, "stored, and the answer was lost"),
        (Fault::LostBeforeStoring, "lost on the way"),
        (Fault::FailedAfterStoring, "stored, and 500"),
        (Fault::AlreadyOurs, "already there"),
        (
            Fault::TakenElsewhere,
            "another account has it: another pair",
        ),
    ] {
        let machine = Machine::new();
        machine.ensure(fault).expect(why);
        machine.is_in_order(why);
    }
    let machine = Machine::new();
    let error = machine.ensure(Fault::Invalid).expect_err("refused");
    assert!(
        error.to_string().contains("That SSH key is invalid."),
        "{error}"
    );
    let refused = Records::open(&machine.context())
        .expect("records")
        .identities()[0]
        .clone();
    machine.ensure(Fault::None).expect("the next run");
    machine.is_in_order("the next run goes on");
    assert_eq!(
        machine.on_the_site(),
        [refused.fingerprint],
        "with the same pair"
    );
}

#[test]
fn what_is_there_is_adopted_or_left_alone() {
    let machine = Machine::new();
    let first = machine.ensure(Fault::None).expect("a key").record;
    let records = record::file(&machine.context()).expect("a home");
    fs::remove_file(&records).expect("the records are lost");
    let adopted = machine.ensure(Fault::None).expect("the same key").record;
    assert_eq!(
        adopted.fingerprint, first.fingerprint,
        "the account lists it"
    );
    machine.is_in_order("adopted");

    let machine = Machine::new();
    fs::create_dir(machine.ssh()).expect("a folder");
    let name = machine.ssh().join("bitbucket_you@example.com_ed25519");
    fs::write(&name, "somebody's own file").expect("a file");
    let made = machine.ensure(Fault::None).expect("a key").record;
    assert_eq!(made.file, PathBuf::from(format!("{}-2", name.display())));
    assert_eq!(
        fs::read_to_string(&name).expect("there"),
        "somebody's own file"
    );
}

#[test]
fn a_pending_record_without_its_file_is_dropped() {
    let machine = Machine::new();
    let ghost = Managed {
        account: account(),
        file: machine.ssh().join("bitbucket_you@example.com_ed25519"),
        public_key: String::new(),
        fingerprint: "SHA256:ghost".to_owned(),
        key_id: None,
        label: String::new(),
        created: jiff::Timestamp::UNIX_EPOCH,
        expires: None,
        state: State::Pending,
        passphrase: PassphrasePlace::None,
        repository: None,
        read_only: false,
    };
    record::update(&machine.context(), |records| records.set_identity(ghost)).expect("recorded");
    machine.ensure(Fault::None).expect("a key");
    machine.is_in_order("the ghost has gone");
}

#[test]
fn broken_records_are_an_error_and_stay() {
    let machine = Machine::new();
    machine.ensure(Fault::None).expect("a key");
    let file = record::file(&machine.context()).expect("a home");
    for text in ["{", "{\"version\": 99}"] {
        fs::write(&file, text).expect("broken");
        let error = machine.ensure(Fault::None).expect_err("an error");
        assert!(error.to_string().contains("records.json"), "{error}");
        assert_eq!(
            fs::read_to_string(&file).expect("there"),
            text,
            "nothing is lost"
        );
    }
    assert_eq!(machine.on_the_site().len(), 1);
}

#[test]
fn nothing_is_made_without_leave() {
    let machine = Machine::new();
    let mut never = settings();
    never.provision = Sourced::new(Provision::Never, Origin::Default);
    let error = machine
        .ensure_with(Fault::None, &never, &Silent)
        .expect_err("never");
    assert!(matches!(error, Error::NotAllowed { .. }), "{error}");
    let mut ask = settings();
    ask.provision = Sourced::new(Provision::Ask, Origin::Default);
    let error = machine
        .ensure_with(Fault::None, &ask, &Silent)
        .expect_err("nobody");
    assert!(
        matches!(error, Error::Prompt(PromptError::Nobody)),
        "{error}"
    );
    let error = machine
        .ensure_with(Fault::None, &ask, &Answers::new(&[]))
        .expect_err("no");
    assert!(matches!(error, Error::Declined { .. }), "{error}");
    assert!(machine.on_the_site().is_empty());
    let made = machine.ensure_with(Fault::None, &ask, &Answers::new(&["yes"]));
    made.expect("yes");
    machine.is_in_order("after a yes");
}

#[test]
fn a_chosen_passphrase_locks_the_file() {
    let machine = Machine::new();
    let mut wish = settings();
    wish.passphrase = Sourced::new(PassphraseStore::Ask, Origin::Default);
    let answers = Answers::new(&["one", "two", "open sesame", "open sesame"]);
    let made = machine
        .ensure_with(Fault::None, &wish, &answers)
        .expect("a key");
    assert_eq!(made.record.passphrase, PassphrasePlace::Person);
    assert_eq!(
        made.passphrase.expect("known to this run").reveal(),
        "open sesame"
    );
    let file = &made.record.file;
    assert!(key_pair::open(file, None).is_err(), "it is locked");
    let opened = key_pair::open(file, Some(&Secret::new("open sesame".to_owned())));
    assert!(opened.is_ok(), "and opens");
}

#[test]
fn processes_side_by_side_make_one_key() {
    let machine = Machine::new();
    let children: Vec<_> = (0..8).map(|_| machine.child()).collect();
    for mut child in children {
        assert!(child.wait().expect("its end").success());
    }
    machine.is_in_order("eight processes");
}

#[test]
fn a_kill_at_any_moment_loses_nothing() {
    let mut random = fastrand::Rng::with_seed(42);
    for round in 0..60 {
        let machine = Machine::new();
        for _ in 0..random.u8(1..3) {
            let mut child = machine.child();
            std::thread::sleep(Duration::from_micros(random.u64(1_000..25_000)));
            child.kill().expect("killed");
            child.wait().expect("its end");
        }
        machine.ensure(Fault::None).expect("the next run");
        machine.is_in_order(&format!("round {round}"));
    }
}

/// A person with prepared answers: `yes` to a question, then these lines.
struct Answers(std::cell::RefCell<Vec<&'static str>>);

impl Answers {
    fn new(answers: &[&'static str]) -> Self {
        Self(std::cell::RefCell::new(
            answers.iter().rev().copied().collect(),
        ))
    }

    fn next(&self) -> Option<&'static str> {
        self.0.borrow_mut().pop()
    }
}

impl Prompt for Answers {
    fn available(&self) -> bool {
        true
    }

    fn terminal(&self) -> bool {
        true
    }

    fn secret(&self, _text: &str) -> Result<Secret, PromptError> {
        let answer = self.next().ok_or(PromptError::Cancelled)?;
        Ok(Secret::new(answer.to_owned()))
    }

    fn line(&self, _text: &str) -> Result<String, PromptError> {
        self.next().map(str::to_owned).ok_or(PromptError::Cancelled)
    }

    fn confirm(&self, _text: &str) -> Result<bool, PromptError> {
        Ok(self.next() == Some("yes"))
    }
}
