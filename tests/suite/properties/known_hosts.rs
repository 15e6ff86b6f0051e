//! known_hosts lines, beside `ssh-keygen -F`.

use std::fs;
use std::path::Path;

use bitbucket_ssh::host_key::KnownFrom;
use bitbucket_ssh::host_key::known_hosts::{KnownHosts, load};

use super::{asked, damaged, each, joined, pick};

const KEYS: [&str; 3] = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIazEu89wgQZ4bqs3d63QSMzYVa0MuJ2e2gKTKqu+UUO",
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBPIQmuzMBuKdWeF4+a2sjSSp\
     BK0iqitSQ+5BM9KhpexuGt20JpTVM7u5BDZngncgrqDMbWdxMWWOGtZ9UgbqgZE=",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl comment here",
];
const NAMES: [&str; 7] = [
    "bitbucket.org",
    "ssh.bitbucket.org",
    "[ssh.bitbucket.org]:443",
    "[::1]:22",
    "10.0.0.1",
    "h",
    "host-with-dash",
];
const PIECES: [&str; 16] = [
    "bitbucket",
    ".org",
    "ssh.",
    "*",
    "?",
    "!",
    ",",
    "[",
    "]",
    ":443",
    "h",
    "10.0.0.1",
    "-",
    "BIT",
    "::1",
    "host",
];
const BLANKS: [&str; 5] = [" ", "\t", "  ", " \t ", "\t\t"];

/// A line, and whether ssh-keygen looks at its key no further than we do.
fn line(random: &mut fastrand::Rng, hashed: &[String]) -> String {
    let names = match random.u8(..5) {
        0 => pick(random, &NAMES).to_owned(),
        1 => hashed[random.usize(..hashed.len())].clone(),
        2 => format!("{},{}", pick(random, &NAMES), joined(random, &PIECES, 4)),
        _ => joined(random, &PIECES, 5),
    };
    let marker = match random.u8(..12) {
        0 => "@revoked ",
        1 => "@cert-authority ",
        2 => "@other ",
        _ => "",
    };
    let blank = pick(random, &BLANKS);
    match random.u8(..12) {
        0 => format!("# {names}"),
        1 => String::new(),
        2 => names,
        3 => format!(" {marker}{names}{blank}{}", pick(random, &KEYS)),
        _ => format!("{marker}{names}{blank}{}", pick(random, &KEYS)),
    }
}

/// Names as ssh-keygen -H hides them.
fn hashed(home: &Path) -> Vec<String> {
    let file = home.join("to_hash");
    let lines = NAMES.map(|name| format!("{name} {}\n", KEYS[0])).concat();
    fs::write(&file, lines).unwrap();
    assert!(asked("ssh-keygen", &["-H", "-f", "to_hash"], home).0);
    let text = fs::read_to_string(file).unwrap();
    text.lines()
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect()
}

#[test]
fn lines_match_the_same_names_as_for_ssh_keygen() {
    let home = tempfile::tempdir().unwrap();
    let hashed = hashed(home.path());
    let file = home.path().join("known_hosts");
    each("known_hosts", 150, |random| {
        let lines: Vec<String> = (0..random.usize(1..30))
            .map(|_| line(random, &hashed))
            .collect();
        let end = if random.bool() { "\n" } else { "" };
        let text = lines.join("\n") + end;
        fs::write(&file, &text).unwrap();
        let name = pick(random, &NAMES);
        let ours: Vec<usize> = KnownHosts::of_text(&file, &text)
            .keys_of(name)
            .into_iter()
            .map(|(_, from)| match from {
                KnownFrom::Line(line) => line.number,
                other => panic!("{other}"),
            })
            .collect();
        let (_, output) = asked(
            "ssh-keygen",
            &["-F", name, "-f", "known_hosts"],
            home.path(),
        );
        let theirs: Vec<usize> = output
            .lines()
            .filter_map(|line| line.strip_prefix("# Host ")?.split_once(" found: line "))
            // `12`, `12 REVOKED`, `12 CA`.
            .filter_map(|(_, number)| number.trim().parse().ok())
            // It shows a line without a key, which ssh(1) and we pass over.
            .filter(|number: &usize| lines[number - 1].split_whitespace().count() > 2)
            .collect();
        assert_eq!(ours, theirs, "{name} in\n{text}");
        !ours.is_empty()
    });
}

#[test]
fn a_damaged_file_says_what_its_whole_lines_say() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("known_hosts");
    each("known_hosts, damaged", 1500, |random| {
        let whole = format!("bitbucket.org {}", KEYS[0]);
        let others: Vec<String> = (0..5)
            .map(|_| line(random, &["|1|a|b".to_owned()]))
            .collect();
        let mut bytes = damaged(random, others.join("\n").as_bytes());
        bytes.push(b'\n');
        bytes.extend(whole.as_bytes());
        fs::write(&file, &bytes).unwrap();
        let found = load(std::slice::from_ref(&file)).keys_of("bitbucket.org");
        let last = found.last().map(|(key, _)| key.to_openssh().unwrap());
        assert_eq!(
            last.as_deref(),
            Some(KEYS[0]),
            "{}",
            String::from_utf8_lossy(&bytes)
        );
        true
    });
}
