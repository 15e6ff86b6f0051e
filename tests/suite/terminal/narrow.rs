//! `key list` in windows of several widths.

use super::URL;
use crate::support::{ALICE, Screen, World};

const LIST: [&str; 4] = ["git", "bitbucket", "key", "list"];

/// Alice with a key of this machine and one with a long label.
fn world() -> World {
    let world = World::new();
    world.configure("bitbucket.passphrase", "none");
    world.git(&["ls-remote", "-q", URL]).succeeds();
    let foreign = world.make_key("foreign", "");
    let label = "the old laptop that stands in the attic";
    world.sandbox.add_key(ALICE, &foreign, label);
    world
}

/// What the window shows, and the fingerprints of the keys on the site.
fn shown(world: &World, columns: u16) -> (String, Vec<String>) {
    let variables = ["LC_ALL=C.UTF-8", "TERM=screen"];
    let screen = Screen::start(world, (columns, 30), &variables, &LIST);
    assert_eq!(screen.ends(), 0, "{}", screen.text());
    let prints = world.sandbox.keys(ALICE).into_iter();
    let prints = prints.map(|key| format!("SHA256:{}", key.fingerprint));
    (screen.text(), prints.collect())
}

#[test]
fn a_wide_window_has_a_line_for_each_key() {
    let world = world();
    let (text, prints) = shown(&world, 200);
    assert_eq!(text.lines().count(), 3, "{text}");
    for (line, print) in text.lines().skip(1).zip(&prints) {
        assert!(line.contains(print) && line.contains("used"), "{text}");
    }
    let piped = world.git_bitbucket(&LIST[2..]).succeeds().stdout();
    assert_eq!(text.trim_end(), piped.trim_end(), "as it is piped");
}

#[test]
fn a_window_that_is_too_narrow_has_lines_of_its_own_for_each_key() {
    let world = world();
    let (text, prints) = shown(&world, 80);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 7, "{text}");
    assert!(lines[1].starts_with("  bitbucket-ssh "), "{text}");
    assert_eq!(lines[2], format!("    {}", prints[0]), "{text}");
    assert_eq!(lines[3], "    this machine, works, used today", "{text}");
    assert_eq!(
        lines[4], "  the old laptop that stands in the attic",
        "{text}"
    );
    assert_eq!(lines[5], format!("    {}", prints[1]), "{text}");
    assert_eq!(lines[6], "    other machine, never used", "{text}");
}

#[test]
fn a_very_narrow_window_breaks_between_words_and_no_fingerprint() {
    let world = world();
    let (text, prints) = shown(&world, 40);
    // The terminal wraps a fingerprint into the next row: there is no newline in it.
    let joined = text.replace('\n', "");
    for print in &prints {
        assert!(joined.contains(print), "{text}");
    }
    let words = "  the old laptop that stands in the\n    attic\n";
    assert!(text.contains(words), "between words: {text}");
    assert!(text.ends_with("    other machine, never used"), "{text}");
}

/// A pipe gets the same text, whatever the size of the terminal.
#[test]
fn a_pipe_has_no_width() {
    let world = world();
    let piped = world.git_bitbucket(&LIST[2..]).succeeds().stdout();
    let program = ["sh", "-c", "git bitbucket key list | cat >told"];
    let screen = Screen::start(&world, (40, 30), &["TERM=screen"], &program);
    assert_eq!(screen.ends(), 0, "{}", screen.text());
    let output = std::fs::read_to_string(world.path("work/told")).unwrap();
    assert_eq!(output, piped);
    assert_eq!(output.lines().count(), 3, "{output}");
}
