//! Who may know whom, held by reading the sources.

use std::fs;
use std::path::{Path, PathBuf};

/// Every room may use these.
const GROUND: [&str; 6] = [
    "context",
    "clock",
    "secret",
    "text",
    "prompt",
    "diagnostics",
];

/// A room, and the rooms below it that it may use beside the ground floor.
const ROOMS: [(&str, &[&str]); 16] = [
    ("context", &[]),
    ("clock", &[]),
    ("secret", &[]),
    ("text", &[]),
    ("prompt", &[]),
    ("diagnostics", &[]),
    ("ssh_command", &[]),
    ("repository", &["ssh_command"]),
    ("settings", &["repository", "ssh_command"]),
    ("host_key", &["settings", "repository"]),
    ("identity", &["settings", "repository"]),
    (
        "transport",
        &[
            "identity",
            "host_key",
            "settings",
            "repository",
            "ssh_command",
        ],
    ),
    ("bitbucket", &["repository"]),
    (
        "provision",
        &[
            "transport",
            "bitbucket",
            "identity",
            "settings",
            "repository",
        ],
    ),
    (
        "connection",
        &[
            "provision",
            "bitbucket",
            "transport",
            "identity",
            "host_key",
            "settings",
            "repository",
            "ssh_command",
        ],
    ),
    (
        "report",
        &[
            "connection",
            "provision",
            "bitbucket",
            "transport",
            "identity",
            "host_key",
            "settings",
            "repository",
            "ssh_command",
        ],
    ),
];

/// A crate that only the files that begin with one of these paths may name.
const IMPORTS: [(&str, &[&str]); 8] = [
    ("gix", &["settings/git_config"]),
    (
        "russh",
        &["transport/", "identity/agent", "identity/signer"],
    ),
    ("ureq", &["bitbucket/http"]),
    ("rustls", &["bitbucket/http"]),
    ("clap", &["commands/"]),
    // The system's keyrings; our own module has the name of the crate for the others.
    ("secret_service", &["bitbucket/keyring"]),
    ("zbus", &["bitbucket/keyring"]),
    ("which", &["transport/system", "settings/stamp"]),
];

struct Source {
    /// Below `src`, with `/`.
    path: String,
    /// The lines that are code, without comments.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of sources") {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                let code = text
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("//"))
                    .collect::<Vec<_>>()
                    .join("\n");
                let path = path.strip_prefix(&root).expect("below src");
                found.push(Source {
                    path: path.to_string_lossy().replace('\\', "/"),
                    code,
                });
            }
        }
    }
    assert!(found.len() > 40, "the sources were not found");
    found
}

/// The names behind `crate::`, also in groups (`crate::{a, b::c}`).
fn rooms_named(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let group = &group[..group.find("};").unwrap_or(group.len())];
            let mut depth = 0;
            let mut word = String::new();
            for character in group.chars() {
                match character {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 0 => names.push(std::mem::take(&mut word)),
                    c if depth == 0 => word.push(c),
                    _ => {}
                }
            }
            names.push(word);
        } else {
            names.push(rest.to_owned());
        }
    }
    names
        .iter()
        .map(|name| {
            name.trim_start()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        })
        .filter(|name: &String| !name.is_empty())
        .collect()
}

/// Whether `code` names the crate in a path (`gix::`), not as a part of a longer name.
fn names_crate(code: &str, name: &str) -> bool {
    let path = format!("{name}::");
    code.match_indices(&path).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

#[test]
fn no_arrow_points_upwards() {
    let rooms: Vec<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    for source in sources() {
        let room = source.path.split(['/', '.']).next().expect("a first part");
        let Some((_, below)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            assert!(
                ["bin", "lib", "commands"].contains(&room),
                "src/{} stands in no room",
                source.path
            );
            continue;
        };
        for named in rooms_named(&source.code) {
            let known = rooms.contains(&named.as_str()) || named == "commands";
            let allowed = named == room
                || below.contains(&named.as_str())
                || GROUND.contains(&named.as_str());
            assert!(
                !known || allowed,
                "src/{} names crate::{named}, which {room} may not know",
                source.path
            );
        }
    }
}

#[test]
fn each_outside_crate_has_one_room() {
    for source in sources() {
        if source.path.contains("test") {
            continue;
        }
        let code = source.code.split("#[cfg(test)]").next().unwrap_or_default();
        for (name, places) in IMPORTS {
            let allowed = places.iter().any(|place| source.path.starts_with(place));
            assert!(
                allowed || !names_crate(code, name),
                "src/{} names {name}, which is {places:?}'s alone",
                source.path
            );
        }
    }
}

#[test]
fn only_the_named_places_touch_the_process() {
    for (call, places) in [
        ("env::var", &["bin/"] as &[&str]),
        ("env::args", &["bin/"]),
        ("env::current_", &["bin/"]),
        ("env::home_dir", &[]),
        ("env::temp_dir", &[]),
        ("process::exit", &["bin/"]),
        ("SystemTime::now", &["clock"]),
        ("Timestamp::now", &["clock"]),
        ("println!", &[]),
        ("eprintln!", &[]),
    ] {
        for source in sources() {
            // Unit tests stand at the bottom; they may do what they need.
            let code = source.code.split("#[cfg(test)]").next().unwrap_or_default();
            let test_file = ["test", "fixture", "against"]
                .iter()
                .any(|word| source.path.contains(word));
            let allowed = places.iter().any(|place| source.path.starts_with(place));
            assert!(
                allowed || test_file || !code.contains(call),
                "src/{} contains {call}",
                source.path
            );
        }
    }
}

#[test]
fn files_stay_small() {
    let mut lines: Vec<(usize, String)> = sources()
        .into_iter()
        .filter(|source| !source.path.contains("test") && !source.path.contains("against_ssh"))
        .map(|source| {
            let code = source.code.split("#[cfg(test)]").next().unwrap_or_default();
            (code.lines().count(), source.path.clone())
        })
        .collect();
    lines.sort();
    let (median, _) = &lines[lines.len() / 2];
    assert!(
        *median <= 150,
        "half of the files are longer than {median} lines"
    );
    let long: Vec<_> = lines.iter().filter(|(count, _)| *count > 300).collect();
    assert!(long.len() <= 5, "too many long files: {long:?}");
}
