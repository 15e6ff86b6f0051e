//! Ctrl-C at each question: nothing is left behind, the terminal echoes again, the status is right.

use std::collections::BTreeMap;
use std::fs::File;
use std::time::{Duration, Instant};

use super::{Terminal, URL, without_login};
use crate::snapshots::statuses;
use crate::support::{ALICE, DEADLINE, World};

/// Runs what it is given, then says how that ended and whether the terminal echoes. The shell itself
/// lives on; git ends at once, and the program that it started puts the terminal right after it.
const SHELL: &str = r#"trap : INT; stty echo; "$@"; echo "[status $?]"; rounds=0
while [ $rounds -lt 100 ]; do
    case " $(stty -a | tr -d ';') " in
    *" -echo "*) sleep 0.05; rounds=$((rounds + 1));;
    *) echo "[echoes]"; exit;;
    esac
done"#;

/// All files but locks and what is only remembered to be faster, and the keys on the site. Of the
/// records the identities: what the site says about an account is no change.
fn everything(world: &World) -> (BTreeMap<String, Vec<u8>>, Vec<String>) {
    let (mut files, keys) = statuses::everything(world);
    let is_lock = |name: &str| {
        std::path::Path::new(name)
            .extension()
            .is_some_and(|end| end == "lock")
    };
    files.retain(|name, _| !is_lock(name));
    let name = world.path("home/.ssh/bitbucket-ssh/records.json");
    let name = name.display().to_string();
    if let Some(records) = files.remove(&name) {
        let records: serde_json::Value = serde_json::from_slice(&records).unwrap();
        let identities = records["identities"].to_string();
        if identities != "[]" {
            files.insert(name, identities.into_bytes());
        }
    }
    (files, keys)
}

/// Answers all questions but the last one, and interrupts at that.
#[track_caller]
fn interrupted(world: &World, program: &[&str], questions: &[(&str, &str)], last: &str) {
    let before = everything(world);
    let mut words = vec!["-c", SHELL, "sh"];
    words.extend(program);
    let mut terminal = Terminal::start(world, "sh", &words);
    for (question, answer) in questions {
        terminal.sees(question);
        terminal.types(answer);
    }
    terminal.sees(last);
    terminal.presses("\u{3}");
    let (text, _) = terminal.ends();
    let why = format!("{program:?} at {last:?}: {text}");
    assert!(text.contains("[status 130]"), "{why}");
    assert!(text.contains("[echoes]"), "{why}");
    let after = everything(world);
    assert_eq!(before.1, after.1, "keys on the site: {why}");
    let names = |all: &BTreeMap<String, Vec<u8>>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&before.0), names(&after.0), "{why}");
    for (name, bytes) in &before.0 {
        assert!(after.0[name] == *bytes, "{name} is another: {why}");
    }
    let folder = world.path("home/.ssh/bitbucket-ssh");
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "lock") {
            let lock = File::open(&path).unwrap();
            // The terminal is closed a moment before the lock is.
            let end = Instant::now() + DEADLINE;
            while lock.try_lock().is_err() {
                assert!(Instant::now() < end, "{} is held: {why}", path.display());
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

const FETCH: [&str; 3] = ["git", "ls-remote", URL];

#[test]
fn at_the_questions_without_an_account() {
    let world = without_login();
    interrupted(&world, &FETCH, &[], &format!("[{ALICE}]: "));
    interrupted(&world, &FETCH, &[("]: ", "")], "by hand): ");
    let login = ["git", "bitbucket", "login", ALICE];
    let site = ["--site", "https://bitbucket.org"];
    interrupted(&world, &[&login[..], &site].concat(), &[], "API token");
}

#[test]
fn at_the_question_whether_a_key_is_made() {
    let world = World::new();
    world.configure("bitbucket.passphrase", "none");
    world.configure("bitbucket.provision", "ask");
    interrupted(&world, &FETCH, &[], "[y/N] ");
    world.configure("bitbucket.provision", "auto");
    world.git(&FETCH[1..]).succeeds();
}

#[test]
fn at_the_question_about_an_unknown_host_key() {
    let world = World::new();
    world.configure("bitbucket.passphrase", "none");
    world.git(&FETCH[1..]).succeeds();
    std::fs::write(world.path("home/.ssh/known_hosts"), "").unwrap();
    interrupted(&world, &FETCH, &[], "yes/no");
    let mut git = Terminal::start(&world, "git", &FETCH[1..]);
    git.sees("yes/no");
    git.types("yes");
    let (text, status) = git.ends();
    assert_eq!(status, 0, "{text}");
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
}

/// The key was made for this connection before it: it is gone on with.
#[test]
fn a_first_key_is_gone_on_with_after_an_unknown_host_key() {
    let world = World::new();
    world.configure("bitbucket.passphrase", "none");
    std::fs::write(world.path("home/.ssh/known_hosts"), "").unwrap();
    for keys in ["\u{3}", "yes\n"] {
        let mut git = Terminal::start(&world, "git", &FETCH[1..]);
        git.sees("yes/no");
        git.presses(keys);
        super::wait_status(git);
        assert_eq!(world.sandbox.keys(ALICE).len(), 1);
    }
    let login = world.sandbox.connections().pop().unwrap().login.unwrap();
    assert_eq!(login.fingerprint, world.sandbox.keys(ALICE)[0].fingerprint);
}

#[test]
fn at_a_passphrase() {
    let world = World::new();
    world.configure("bitbucket.passphrase", "ask");
    let first = "Passphrase for the new key of alice@example.com (empty for none): ";
    let again = "Enter same passphrase again: ";
    interrupted(&world, &FETCH, &[], first);
    interrupted(&world, &FETCH, &[(first, "open sesame")], again);
    let mut git = Terminal::start(&world, "git", &FETCH[1..]);
    git.sees(first);
    git.types("open sesame");
    git.sees(again);
    git.types("open sesame");
    let (text, status) = git.ends();
    assert_eq!(status, 0, "{text}");
    interrupted(&world, &FETCH, &[], "Enter passphrase for key '");
}

#[test]
fn before_something_is_changed() {
    let world = statuses::machine();
    let own = "home/.ssh/bitbucket_alice@example.com_ed25519";
    let verb = |words: &[&'static str]| [&["git", "-C", "site", "bitbucket"], words].concat();
    interrupted(&world, &verb(&["key", "rotate"]), &[], "[y/N] ");
    interrupted(&world, &verb(&["migrate"]), &[], "[y/N] ");
    std::fs::remove_file(world.path(&format!("{own}.pub"))).unwrap();
    let fix = verb(&["doctor", "--offline", "--fix"]);
    interrupted(&world, &fix, &[], "[y/N] ");
    std::fs::remove_file(world.path(own)).unwrap();
    interrupted(&world, &verb(&["key", "prune"]), &[], "[y/N] ");
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
}
