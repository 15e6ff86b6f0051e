//! `docs/first-clone.svg`: a person's terminal during the first clone, and the second command.
//!
//! Drawn from what the real programs print on a real terminal; `WRITE_DOCS=1` updates it.

use std::fmt::Write as _;
use std::fs;

use super::page;
use crate::support::{ALICE, World};
use crate::terminal::Terminal;

/// What is typed.
const TYPED: [&str; 3] = [
    "git clone git@bitbucket.org:acme/site.git",
    "git -C site fetch",
    "git -C site bitbucket status",
];

/// Between two rows.
const ADVANCE: usize = 20;

#[test]
fn the_first_clone_is_as_in_the_picture() {
    let world = World::new();
    world.configure("bitbucket.passphrase", "none");
    let mut lines = Vec::new();
    for typed in TYPED {
        lines.push(format!("$ {typed}"));
        let script = format!("stty cols 100; {typed}");
        let (text, status) = Terminal::start(&world, "sh", &["-c", &script]).ends();
        assert_eq!(status, 0, "{text}");
        lines.extend(rows(&world, &text));
    }
    let drawn = draw(&lines);
    let file = page("first-clone.svg");
    if std::env::var_os("WRITE_DOCS").is_some() {
        fs::write(&file, &drawn).unwrap();
    }
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        drawn,
        "docs/first-clone.svg is stale; WRITE_DOCS=1 cargo test --test suite docs draws it"
    );
}

/// The final rows (without what a carriage return overwrote), normalised as for
/// any machine.
fn rows(world: &World, text: &str) -> Vec<String> {
    let text = text.replace("\r\n", "\n");
    let settled = text.lines().map(|line| {
        let last = line.rsplit('\r').find(|part| !part.trim().is_empty());
        plain(last.unwrap_or_default())
    });
    // git's progress has numbers of its own on each machine.
    let counted = ["remote: ", "Receiving objects", "Resolving deltas"];
    let rows = settled.filter(|line| !counted.iter().any(|start| line.starts_with(start)));
    let rows = rows.map(|line| everybody_s(world, &line));
    rows.filter(|line| !line.is_empty()).collect()
}

/// Without escape sequences.
fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if c == '\x1b' {
            for c in rest.by_ref() {
                if c.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            text.push(c);
        }
    }
    text.trim_end().to_owned()
}

fn everybody_s(world: &World, line: &str) -> String {
    let key = &world.sandbox.keys(ALICE)[0];
    let label = "bitbucket-ssh you@machine 2026-11-25 kolibu";
    let port = world.sandbox.ssh_port().to_string();
    let mut line = line
        .replace(&key.label, label)
        .replace(&key.fingerprint, "…")
        .replace(ALICE, "you@example.com")
        .replace(&format!("127.0.0.1:{port}"), "ssh.bitbucket.org")
        .replace(
            &format!("127.0.0.1 port {port}"),
            "ssh.bitbucket.org port 22",
        );
    for host_key in world.sandbox.known_hosts().lines() {
        let public = host_key.split_once(' ').unwrap().1;
        let public = ssh_key::PublicKey::from_openssh(public).unwrap();
        let print = public.fingerprint(ssh_key::HashAlg::Sha256).to_string();
        line = line.replace(&print, "SHA256:…");
    }
    line
}

fn draw(lines: &[String]) -> String {
    let width = lines
        .iter()
        .map(|line| line.chars().count())
        .max()
        .unwrap_or(0)
        * 8
        + 40;
    let height = lines.len() * ADVANCE + 60;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"The first clone in a terminal\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#1e1e2e\"/>\n\
         <circle cx=\"22\" cy=\"18\" r=\"6\" fill=\"#f38ba8\"/><circle cx=\"42\" cy=\"18\" r=\"6\" fill=\"#f9e2af\"/>\
         <circle cx=\"62\" cy=\"18\" r=\"6\" fill=\"#a6e3a1\"/>\n\
         <g font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, monospace\" font-size=\"13\" \
         xml:space=\"preserve\">\n"
    );
    for (number, line) in lines.iter().enumerate() {
        let colour = match line {
            line if line.starts_with("$ ") => "#a6e3a1",
            line if line.starts_with("bitbucket-ssh: ") => "#89b4fa",
            _ => "#cdd6f4",
        };
        let line = line
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        let y = 50 + number * ADVANCE;
        writeln!(
            svg,
            "<text x=\"20\" y=\"{y}\" fill=\"{colour}\">{line}</text>"
        )
        .unwrap();
    }
    svg + "</g>\n</svg>\n"
}
