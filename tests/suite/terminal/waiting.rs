//! What lasts is shown on a terminal, and on nothing else.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::time::Duration;

use sandbox::RestFault;

use super::URL;
use crate::support::{ALICE, Screen, World};

/// A machine whose site answers once with a delay.
fn slow_site() -> World {
    let world = World::new();
    world.configure("bitbucket.passphrase", "none");
    let slow = RestFault::Slow(Duration::from_secs(3));
    world.sandbox.faults().rest("GET", "", slow, 1);
    world
}

const UTF8: &[&str] = &["LC_ALL=C.UTF-8", "TERM=screen"];

/// A machine on which another process creates a key, until the file is dropped.
fn busy_machine() -> (World, File) {
    let world = World::new();
    world.configure("bitbucket.passphrase", "none");
    let folder = world.path("home/.ssh/bitbucket-ssh");
    DirBuilder::new().mode(0o700).create(&folder).unwrap();
    let lock = File::create(folder.join("bitbucket.org.lock")).unwrap();
    lock.lock().unwrap();
    (world, lock)
}

/// The indicator is the last line, whatever it begins with.
fn is_shown(seen: &str) -> bool {
    let last = seen.lines().last().unwrap_or_default();
    last.contains(" waiting for process ") && !last.starts_with("bitbucket-ssh: ")
}

#[test]
fn a_wait_shows_a_line_and_removes_it() {
    let (world, lock) = busy_machine();
    let screen = Screen::start(&world, (80, 20), UTF8, &["git", "ls-remote", URL]);
    screen.until("an indicator below the notice", is_shown);
    let seen = screen.text();
    let last = seen.lines().last().unwrap();
    assert!(
        last.starts_with(['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']),
        "{seen}"
    );
    assert!(last.ends_with(" s)"), "{seen}");
    assert!(screen.coloured().contains("\u{1b}[36m"), "it has a colour");
    drop(lock);
    assert_eq!(screen.ends(), 0, "{}", screen.text());
    let seen = screen.text();
    assert!(seen.contains("refs/heads/main"), "{seen}");
    assert_eq!(
        seen.matches("waiting for process").count(),
        1,
        "the notice stays: {seen}"
    );
}

#[test]
fn a_terminal_gets_no_more_than_it_can_show() {
    for (variables, colour, why) in [
        (&["LC_ALL=C", "TERM=screen"][..], true, "no UTF-8"),
        (
            &["LC_ALL=C", "TERM=screen", "NO_COLOR=1"],
            false,
            "no colour",
        ),
    ] {
        let (world, lock) = busy_machine();
        let screen = Screen::start(&world, (80, 20), variables, &["git", "ls-remote", URL]);
        screen.until("an indicator", is_shown);
        let seen = screen.coloured();
        assert!(seen.is_ascii(), "{why}: {seen}");
        assert_eq!(seen.contains("\u{1b}[36m"), colour, "{why}: {seen:?}");
        drop(lock);
        assert_eq!(screen.ends(), 0, "{}", screen.text());
    }
    let world = slow_site();
    let dumb = ["LC_ALL=C.UTF-8", "TERM=dumb"];
    let screen = Screen::start(&world, (80, 20), &dumb, &["git", "ls-remote", URL]);
    assert_eq!(screen.ends(), 0, "{}", screen.text());
    let seen = screen.text();
    let output = "bitbucket-ssh: waiting for 127.0.0.1";
    let lines = seen.lines().filter(|line| line.starts_with(output));
    assert_eq!(lines.count(), 1, "one plain line, which stays: {seen}");
}

#[test]
fn a_narrow_window_is_not_filled_with_lines() {
    let (world, lock) = busy_machine();
    let program = ["git", "bitbucket", "key", "new", "--account", ALICE];
    let screen = Screen::start(&world, (20, 20), UTF8, &program);
    screen.until("an indicator", |seen| {
        seen.lines().any(|line| line.starts_with(['⠋', '⠙']))
    });
    let seen = screen.text();
    let moving = seen
        .lines()
        .filter(|line| line.contains("waiting for proc"));
    assert_eq!(
        moving.count(),
        1,
        "the notice is broken, the indicator is not: {seen}"
    );
    assert_eq!(seen.lines().count(), 3, "{seen}");
    // Wider, and narrower again, while it moves.
    screen.resize((60, 20));
    screen.until("all of it", |seen| is_shown(seen) && seen.ends_with(" s)"));
    screen.resize((24, 20));
    screen.until("less of it", |seen| is_shown(seen) && !seen.ends_with(')'));
    drop(lock);
    assert_eq!(screen.ends(), 0, "{}", screen.text());
    assert_eq!(world.sandbox.keys(ALICE).len(), 1);
}

#[test]
fn only_a_terminal_shows_it() {
    let world = slow_site();
    let output = world.git(&["ls-remote", URL]).succeeds();
    assert!(!output.stderr().contains("waiting for 127"), "{output}");
    assert!(!output.stderr().contains('\u{1b}'), "{output}");
    let world = slow_site();
    let to_a_file = ["sh", "-c", "git ls-remote \"$1\" 2>told", "sh", URL];
    let screen = Screen::start(&world, (80, 20), UTF8, &to_a_file);
    assert_eq!(screen.ends(), 0, "{}", screen.text());
    let message = std::fs::read_to_string(world.path("work/told")).unwrap();
    assert!(
        !message.contains("waiting for 127") && !message.contains('\u{1b}'),
        "{message}"
    );
    let world = slow_site();
    world
        .git(&["config", "--global", "core.sshCommand", "bitbucket-ssh -q"])
        .succeeds();
    let screen = Screen::start(&world, (80, 20), UTF8, &["git", "ls-remote", URL]);
    screen.until("an answer", |seen| {
        assert!(!seen.contains("waiting"), "{seen}");
        seen.contains("refs/heads/main")
    });
    assert_eq!(screen.ends(), 0, "{}", screen.text());
}

#[test]
fn servers_that_learn_late_are_waited_for_visibly() {
    let world = World::new();
    world.configure("bitbucket.passphrase", "none");
    let delay = Duration::from_secs(4);
    world.sandbox.faults().propagation_delay(delay);
    let screen = Screen::start(&world, (80, 20), UTF8, &["git", "ls-remote", URL]);
    screen.until("an indicator below the notice", |seen| {
        let output = "waiting until the SSH servers know the new key";
        seen.matches(output).count() == 2 && seen.ends_with(" s)")
    });
    assert_eq!(screen.ends(), 0, "{}", screen.text());
    let output = screen.text();
    assert_eq!(
        output.matches("waiting until").count(),
        1,
        "the notice stays: {output}"
    );
}
