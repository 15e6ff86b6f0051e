//! A person on a real terminal, in the middle of a git command.

mod interrupted;
mod narrow;
mod waiting;

use std::time::Duration;

use expectrl::process::unix::WaitStatus;
use expectrl::session::OsSession;
use expectrl::{Eof, Expect as _, Regex};

use crate::support::{ALICE, Running, World, run};
use sandbox::SCOPES_MINIMUM;

pub(crate) const URL: &str = "git@bitbucket.org:acme/site.git";

/// A machine without a token; every question about passphrases is settled.
fn without_login() -> World {
    let mut world = World::new();
    world.unset("BITBUCKET_EMAIL");
    world.unset("BITBUCKET_API_TOKEN");
    world.configure("bitbucket.passphrase", "none");
    world
}

/// A program of this machine on a terminal of its own.
pub struct Terminal(pub OsSession);

impl Terminal {
    /// Starts it; it waits a minute for what it is to show.
    pub fn start(world: &World, program: &str, arguments: &[&str]) -> Self {
        let mut command = world.command(program);
        command.args(arguments).env("TERM", "dumb");
        let mut session = OsSession::spawn(command).unwrap();
        session.set_expect_timeout(Some(Duration::from_secs(60)));
        Self(session)
    }

    /// Fails the test unless this text is shown.
    #[track_caller]
    pub fn sees(&mut self, text: &str) {
        if let Err(error) = self.0.expect(text) {
            let rest = self.0.check(Regex("(?s).*"));
            panic!("{text:?} is not shown: {error} {rest:?}");
        }
    }

    /// Types keys, without the one that ends a line.
    pub fn presses(&mut self, keys: &str) {
        self.0.send(keys).unwrap();
    }

    /// Types a line.
    pub fn types(&mut self, line: &str) {
        self.0.send_line(line).unwrap();
    }

    /// What is shown from here on, and the exit status.
    pub fn ends(mut self) -> (String, i32) {
        let rest = self.0.expect(Eof).unwrap_or_else(|error| {
            let shown = self.0.check(Regex("(?s).*"));
            panic!("it does not end: {error} {shown:?}")
        });
        let text = String::from_utf8_lossy(rest.as_bytes()).into_owned();
        match self.0.get_process().wait().unwrap() {
            WaitStatus::Exited(_, status) => (text, status),
            other => panic!("{other:?}: {text}"),
        }
    }
}

fn state(world: &World) -> String {
    let records = std::fs::read(world.path("home/.ssh/bitbucket-ssh/records.json")).unwrap();
    let records: serde_json::Value = serde_json::from_slice(&records).unwrap();
    assert_eq!(records["identities"].as_array().unwrap().len(), 1);
    records["identities"][0]["state"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn without_an_account_a_person_gives_a_token_and_git_continues() {
    let world = without_login();
    let token = world.sandbox.add_token(ALICE, SCOPES_MINIMUM);
    let mut git = Terminal::start(&world, "git", &["clone", URL, "site"]);
    git.sees(&format!("[{ALICE}]: "));
    git.types("");
    git.sees("https://id.atlassian.com/manage-profile/security/api-tokens");
    git.sees("read:user:bitbucket read:ssh-key:bitbucket write:ssh-key:bitbucket");
    git.sees("by hand): ");
    git.types("ATATT-wrong");
    git.sees("does not accept the API token");
    git.sees("by hand): ");
    git.types(&token);
    let (rest, status) = git.ends();
    assert_eq!(status, 0, "{rest}");
    assert!(!rest.contains(&token), "it is not echoed");
    assert!(world.path("work/site/README.md").exists());
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
    assert_eq!(state(&world), "proved");
    // Logged in as by `login`: the token is found again.
    let known = std::fs::read_to_string(world.path("home/.ssh/bitbucket-ssh/records.json"));
    assert!(known.unwrap().contains("\"logged_in\": true"));
    let tokens = std::fs::read_to_string(world.path("home/.ssh/bitbucket-ssh/tokens.json"));
    assert!(tokens.unwrap().contains(&token));
}

/// A machine without an account, whose only key belongs to an account that cannot see the
/// repository.
fn with_a_stranger_s_key() -> World {
    let world = without_login();
    world.sandbox.add_account("bob@example.com", "bob");
    let line = world.make_key("id_ed25519", "");
    world.sandbox.add_key("bob@example.com", &line, "laptop");
    world
}

#[test]
fn keys_without_access_lead_to_how_to_log_in() {
    let world = with_a_stranger_s_key();
    let token = world.sandbox.add_token(ALICE, sandbox::SCOPES_ALL);
    let mut git = Terminal::start(&world, "git", &["clone", URL, "site"]);
    git.sees("No key on this machine has access to acme/site (conq: repository access denied.).");
    git.sees(&format!("[{ALICE}]: "));
    git.types("");
    git.sees("by hand): ");
    git.types(&token);
    let (rest, status) = git.ends();
    assert_eq!(status, 0, "{rest}");
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
    assert_eq!(state(&world), "proved");
    // Without a terminal the hints say the same, beside the server's message.
    let world = with_a_stranger_s_key();
    let mut program = world.command(env!("CARGO_BIN_EXE_bitbucket-ssh"));
    program.args(["git@bitbucket.org", "git-upload-pack 'acme/site.git'"]);
    run(program)
        .fails_with(1)
        .says("conq: repository access denied.")
        .says("hint: git bitbucket login\n")
        .says("hint: or set BITBUCKET_EMAIL");
}

#[test]
fn no_key_is_created_for_an_account_without_access() {
    let world = with_a_stranger_s_key();
    let token = world
        .sandbox
        .add_token("bob@example.com", sandbox::SCOPES_ALL);
    let mut git = Terminal::start(&world, "git", &["ls-remote", URL]);
    git.sees(&format!("[{ALICE}]: "));
    git.types("bob@example.com");
    git.sees("by hand): ");
    git.types(&token);
    let (text, status) = git.ends();
    assert_eq!(status, 128, "{text}");
    assert!(
        text.contains("no key was created for bob@example.com"),
        "{text}"
    );
    assert_eq!(world.sandbox.keys("bob@example.com").len(), 1);
    // It cannot be read: a person is asked. And a key that is pasted is wanted.
    let world = with_a_stranger_s_key();
    let token = world.sandbox.add_token(ALICE, SCOPES_MINIMUM);
    let mut git = Terminal::start(&world, "git", &["ls-remote", URL]);
    git.sees("]: ");
    git.types("");
    git.sees("by hand): ");
    git.types(&token);
    git.sees(&format!("whether {ALICE} has access to"));
    git.types("y");
    let (text, status) = git.ends();
    assert_eq!(status, 0, "{text}");
    let world = with_a_stranger_s_key();
    let mut git = Terminal::start(&world, "git", &["ls-remote", URL]);
    git.sees("]: ");
    git.types("");
    git.sees("by hand): ");
    git.types("");
    let key = git.0.expect(Regex(r"ssh-ed25519 [A-Za-z0-9+/=]+")).unwrap();
    let key = String::from_utf8(key.get(0).unwrap().to_vec()).unwrap();
    world.sandbox.add_key(ALICE, &key, "pasted");
    let (text, status) = git.ends();
    assert_eq!(status, 0, "{text}");
}

#[test]
fn without_a_token_the_key_is_pasted_and_a_login_verifies_it() {
    let world = without_login();
    let mut git = Terminal::start(&world, "git", &["clone", URL, "site"]);
    git.sees(&format!("[{ALICE}]: "));
    git.types("");
    git.sees("by hand): ");
    git.types("");
    git.sees("https://bitbucket.org/account/settings/ssh-keys/");
    let key = git.0.expect(Regex(r"ssh-ed25519 [A-Za-z0-9+/=]+")).unwrap();
    let key = String::from_utf8(key.get(0).unwrap().to_vec()).unwrap();
    git.sees("waiting until the site accepts it");
    assert_eq!(state(&world), "pending");
    world.sandbox.add_key(ALICE, &key, "pasted");
    let (rest, status) = git.ends();
    assert_eq!(status, 0, "{rest}");
    assert_eq!(state(&world), "unverified");
    let status = world.git_bitbucket(&["status", URL]).succeeds();
    assert!(
        status.stdout().contains("account not confirmed"),
        "{status}"
    );
    world.git(&["-C", "site", "fetch", "-q"]).succeeds();

    let token = world.sandbox.add_token(ALICE, SCOPES_MINIMUM);
    let mut login = world.command("git");
    login
        .args(["bitbucket", "login", ALICE, "--with-token"])
        .args(["--store", "file"]);
    Running::start(login, token.into_bytes()).wait().succeeds();
    assert_eq!(state(&world), "proved");
}

#[test]
fn an_interrupted_paste_continues_with_the_same_key() {
    let world = without_login();
    let mut shown = Vec::new();
    for paste in [false, true] {
        let mut git = Terminal::start(&world, "git", &["ls-remote", URL]);
        if !paste {
            // The second time the account of the pending key is known.
            git.sees("]: ");
            git.types("");
        }
        git.sees("by hand): ");
        git.types("");
        let key = git.0.expect(Regex(r"ssh-ed25519 [A-Za-z0-9+/=]+")).unwrap();
        shown.push(String::from_utf8(key.get(0).unwrap().to_vec()).unwrap());
        git.sees("waiting until");
        if paste {
            world.sandbox.add_key(ALICE, &shown[0], "pasted");
            let (rest, status) = git.ends();
            assert_eq!(status, 0, "{rest}");
        } else {
            git.0.send("\u{3}").unwrap();
            assert_ne!(wait_status(git), 0);
        }
    }
    assert_eq!(shown[0], shown[1]);
}

fn wait_status(mut terminal: Terminal) -> i32 {
    let _ = terminal.0.expect(Eof);
    match terminal.0.get_process().wait().unwrap() {
        WaitStatus::Exited(_, status) => status,
        _ => -1,
    }
}

#[test]
fn without_a_terminal_three_lines_say_what_to_do() {
    let world = without_login();
    let program = || {
        let mut program = world.command(env!("CARGO_BIN_EXE_bitbucket-ssh"));
        program.args(["git@bitbucket.org", "git-upload-pack 'acme/site.git'"]);
        program
    };
    let output = run(program()).fails_with(255).says("git bitbucket login");
    assert_eq!(output.stderr().lines().count(), 3, "{output}");
    world.configure("bitbucket.account", ALICE);
    let output = run(program()).fails_with(255).says("git bitbucket login");
    assert_eq!(output.stderr().lines().count(), 3, "{output}");
    assert!(
        world
            .ssh_files()
            .iter()
            .all(|name| !name.contains("ed25519"))
    );
    // BatchMode on a terminal does not ask either.
    let words = [
        "-o",
        "BatchMode=yes",
        "git@bitbucket.org",
        "git-upload-pack 'acme/site.git'",
    ];
    let batch = Terminal::start(&world, env!("CARGO_BIN_EXE_bitbucket-ssh"), &words);
    let (text, status) = batch.ends();
    assert_eq!(status, 255, "{text}");
    assert_eq!(text.trim_end().lines().count(), 3, "{text}");
}

#[test]
fn a_key_that_was_removed_is_asked_about() {
    let world = World::new();
    world.configure("bitbucket.passphrase", "none");
    world.git(&["ls-remote", URL]).succeeds();
    world.sandbox.remove_keys(ALICE, None);
    for (answer, keys) in [("n", 0), ("y", 1)] {
        let mut git = Terminal::start(&world, "git", &["ls-remote", URL]);
        git.sees("[y/N] ");
        git.types(answer);
        let (text, status) = git.ends();
        assert_eq!(status == 0, keys == 1, "{text}");
        assert_eq!(world.sandbox.keys(ALICE).len(), keys, "{answer}: {text}");
    }
}

#[test]
fn a_token_that_cannot_read_the_repository_is_asked_about_after_a_refusal() {
    let world = crate::choice::two_accounts_with(SCOPES_MINIMUM);
    world.git(&["ls-remote", crate::choice::SITE]).succeeds();
    for (answer, keys) in [("n", 0), ("y", 1)] {
        let mut git = Terminal::start(&world, "git", &["ls-remote", crate::choice::TOOLS]);
        git.sees("whether bob@example.com has access to");
        git.sees("[y/N] ");
        git.types(answer);
        let (text, status) = git.ends();
        assert_eq!(status == 0, keys == 1, "{text}");
        let bob = world.sandbox.keys(crate::choice::BOB);
        assert_eq!(bob.len(), keys, "{answer}: {text}");
    }
}

#[test]
fn ask_asks_before_a_key_is_made() {
    let world = World::new();
    world.configure("bitbucket.passphrase", "none");
    world.configure("bitbucket.provision", "ask");
    world.git(&["ls-remote", URL]).fails_with(128);
    for (answer, keys) in [("n", 0), ("", 0), ("y", 1)] {
        let mut git = Terminal::start(&world, "git", &["ls-remote", URL]);
        git.sees("[y/N] ");
        git.types(answer);
        let (text, status) = git.ends();
        assert_eq!(status == 0, keys == 1, "{text}");
        assert_eq!(world.sandbox.keys(ALICE).len(), keys, "{answer}: {text}");
    }
}

#[test]
fn a_passphrase_is_asked_for_twice_and_then_known_to_this_run() {
    let world = World::new();
    world.configure("bitbucket.passphrase", "ask");
    let mut git = Terminal::start(&world, "git", &["ls-remote", URL]);
    git.sees("Passphrase for the new key of alice@example.com (empty for none): ");
    git.types("open sesame");
    git.sees("Enter same passphrase again: ");
    git.types("open sesame");
    let (text, status) = git.ends();
    assert_eq!(status, 0, "{text}");
    assert!(!text.contains("Enter passphrase"), "{text}");
    let mut git = Terminal::start(&world, "git", &["ls-remote", URL]);
    git.sees("Enter passphrase for key '");
    git.types("open sesame");
    let (text, status) = git.ends();
    assert_eq!(status, 0, "{text}");
}

#[test]
fn a_second_process_says_what_it_waits_for_and_uses_the_same_key() {
    let world = without_login();
    world.configure("bitbucket.account", ALICE);
    let token = world.sandbox.add_token(ALICE, SCOPES_MINIMUM);
    let mut first = Terminal::start(&world, "git", &["ls-remote", URL]);
    first.sees("by hand): ");
    let lock = world.path("home/.ssh/bitbucket-ssh/bitbucket.org.lock");
    let holder = std::fs::read_to_string(lock).unwrap();
    let output = world.path("tmp/told");
    let mut second = world.command("sh");
    second
        .args(["-c", "exec git ls-remote \"$1\" 2>\"$2\"", "sh", URL])
        .arg(&output);
    let second = Running::start(second, Vec::new());
    let waiting = format!("bitbucket-ssh: waiting for process {holder}");
    let end = std::time::Instant::now() + Duration::from_secs(30);
    while !std::fs::read_to_string(&output).is_ok_and(|text| text.contains(&waiting)) {
        assert!(std::time::Instant::now() < end, "{waiting:?} is not said");
        std::thread::sleep(Duration::from_millis(10));
    }
    first.types(&token);
    let (text, status) = first.ends();
    assert_eq!(status, 0, "{text}");
    second.wait().succeeds();
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
}

#[test]
fn git_terminal_prompt_forbids_only_what_ssh_does_not_ask() {
    let mut world = without_login();
    world.set("GIT_TERMINAL_PROMPT", "0");
    let git = Terminal::start(&world, "git", &["ls-remote", URL]);
    let (text, status) = git.ends();
    assert_eq!(status, 128, "{text}");
    assert!(text.contains("git bitbucket login"), "{text}");

    let line = world.make_key("id_ed25519", "open sesame");
    world.sandbox.add_key(ALICE, &line, "laptop");
    std::fs::remove_file(world.path("home/.ssh/known_hosts")).unwrap();
    let mut git = Terminal::start(&world, "git", &["ls-remote", URL]);
    git.sees("Are you sure you want to continue connecting (yes/no/[fingerprint])? ");
    git.types("yes");
    git.sees("Enter passphrase for key '");
    git.types("open sesame");
    let (text, status) = git.ends();
    assert_eq!(status, 0, "{text}");
}
