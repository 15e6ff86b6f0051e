//! Which module may use which, and which crate is used where: enforced by reading the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The base modules, which every module may use.
const BASE: [&str; 7] = [
    "context",
    "clock",
    "secret",
    "storage",
    "text",
    "prompt",
    "diagnostics",
];

/// A module, and the modules below it that it may use besides the base modules.
const MODULES: [(&str, &[&str]); 17] = [
    ("context", &[]),
    ("clock", &[]),
    ("secret", &[]),
    ("storage", &[]),
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
    ("bitbucket", &["settings", "repository"]),
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
const IMPORTS: [(&str, &[&str]); 9] = [
    ("gix", &["settings/git_config"]),
    (
        "russh",
        &[
            "transport/",
            "identity/agent",
            "identity/key_file/open",
            "identity/signer",
        ],
    ),
    ("ureq", &["bitbucket/http"]),
    ("rustls", &["bitbucket/http"]),
    ("clap", &["commands/"]),
    // The `keyring` crate is missing here, because a module has the same name.
    ("secret_service", &["bitbucket/credential/keyring"]),
    ("zbus", &["bitbucket/credential/keyring"]),
    ("indicatif", &["diagnostics"]),
    ("which", &["context.rs", "settings/git_config"]),
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

/// The paths that begin with `crate::` or `super::`, with groups (`crate::{a, b::c}`) expanded.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                expand(&code[at..], &[], &mut paths);
            }
        }
    }
    paths
}

/// Reads one path or group at the start of `code`; returns what follows it.
fn expand<'c>(code: &'c str, prefix: &[String], paths: &mut Vec<Vec<String>>) -> &'c str {
    let code = code.trim_start();
    let end = code.find(|c: char| !c.is_alphanumeric() && c != '_');
    let (name, rest) = code.split_at(end.unwrap_or(code.len()));
    let mut path = prefix.to_vec();
    path.push(name.to_owned());
    if let Some(rest) = rest.strip_prefix("::") {
        let Some(mut rest) = rest.strip_prefix('{') else {
            return expand(rest, &path, paths);
        };
        loop {
            rest = expand(rest, &path, paths).trim_start();
            match rest.strip_prefix(',') {
                Some(next) if !next.trim_start().starts_with('}') => rest = next,
                _ => break,
            }
        }
        return rest
            .trim_start_matches(',')
            .trim_start()
            .trim_start_matches('}');
    }
    paths.push(path);
    match rest.strip_prefix(" as ") {
        Some(alias) => alias.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'),
        None => rest,
    }
}

/// The modules named behind `crate::`.
fn modules_used(code: &str) -> BTreeSet<String> {
    let paths = paths(code).into_iter();
    paths
        .filter(|path| path[0] == "crate")
        .filter_map(|path| path.get(1).cloned())
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

/// The module of a file below `src`: `a/b.rs` and `a/b/mod.rs` are `a::b`.
fn module_of(path: &str) -> Vec<String> {
    let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').map(str::to_owned).collect()
}

/// The modules that each module uses, other than those it contains and those that contain it.
fn graph() -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let sources: Vec<Source> = sources()
        .into_iter()
        .filter(|source| !is_test(&source.path) && !source.path.starts_with("bin/"))
        .collect();
    let modules: BTreeSet<Vec<String>> = sources.iter().map(|s| module_of(&s.path)).collect();
    let mut graph = BTreeMap::new();
    for source in &sources {
        let module = module_of(&source.path);
        let mut used = BTreeSet::new();
        for path in paths(without_unit_tests(&source.code)) {
            let ups = path.iter().take_while(|name| *name == "super").count();
            let absolute: Vec<String> = if ups == 0 {
                path[1..].to_vec()
            } else {
                let above = module.len().saturating_sub(ups);
                [&module[..above], &path[ups..]].concat()
            };
            let target = (1..=absolute.len())
                .rev()
                .map(|length| &absolute[..length])
                .find(|prefix| modules.contains(*prefix));
            if let Some(target) = target
                && !module.starts_with(target)
                && !target.starts_with(&module)
            {
                used.insert(target.to_vec());
            }
        }
        graph.insert(module, used);
    }
    graph
}

/// Everything that can be reached from a module.
fn reachable(
    graph: &BTreeMap<Vec<String>, BTreeSet<Vec<String>>>,
    from: &[String],
) -> BTreeSet<Vec<String>> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<_> = graph[from].iter().collect();
    while let Some(module) = next.pop() {
        if reached.insert(module.clone()) {
            next.extend(&graph[module]);
        }
    }
    reached
}

fn is_test(path: &str) -> bool {
    ["test", "fixture", "against", "hostile"]
        .iter()
        .any(|word| path.contains(word))
}

/// Unit tests are at the end of a file.
fn without_unit_tests(code: &str) -> &str {
    code.split("#[cfg(test)]").next().unwrap_or_default()
}

#[test]
fn files_do_not_import_each_other_in_a_loop() {
    let graph = graph();
    assert!(
        graph.values().map(BTreeSet::len).sum::<usize>() > 100,
        "the imports were not found"
    );
    let mut loops = Vec::new();
    for (module, used) in &graph {
        for other in used {
            if reachable(&graph, other).contains(module) {
                loops.push(format!("{} uses {}", module.join("::"), other.join("::")));
            }
        }
    }
    assert!(loops.is_empty(), "files import each other: {loops:#?}");
}

#[test]
fn no_arrow_points_upwards() {
    let modules: Vec<&str> = MODULES.iter().map(|(module, _)| *module).collect();
    for source in sources() {
        let module = source.path.split(['/', '.']).next().expect("a first part");
        let Some((_, below)) = MODULES.iter().find(|(name, _)| *name == module) else {
            assert!(
                ["bin", "lib", "commands"].contains(&module),
                "src/{} belongs to no module of the list",
                source.path
            );
            continue;
        };
        for used in modules_used(&source.code) {
            let known = modules.contains(&used.as_str()) || used == "commands";
            let allowed =
                used == module || below.contains(&used.as_str()) || BASE.contains(&used.as_str());
            assert!(
                !known || allowed,
                "src/{} uses crate::{used}, which {module} may not",
                source.path
            );
        }
    }
}

#[test]
fn each_outside_crate_is_used_in_one_place() {
    for source in sources() {
        if is_test(&source.path) {
            continue;
        }
        let code = without_unit_tests(&source.code);
        for (name, places) in IMPORTS {
            let allowed = places.iter().any(|place| source.path.starts_with(place));
            assert!(
                allowed || !names_crate(code, name),
                "src/{} uses {name}, which only {places:?} may",
                source.path
            );
        }
    }
}

#[test]
fn only_the_listed_files_touch_the_process() {
    for (call, places) in [
        ("env::var", &["context"] as &[&str]),
        ("env::args", &["bin/"]),
        ("env::current_", &["context"]),
        ("env::home_dir", &[]),
        ("env::temp_dir", &[]),
        ("process::exit", &["bin/"]),
        ("SystemTime::now", &["clock"]),
        ("Timestamp::now", &["clock"]),
        ("println!", &[]),
        ("eprintln!", &[]),
    ] {
        for source in sources() {
            // Unit tests may do what they need.
            let code = without_unit_tests(&source.code);
            let allowed = places.iter().any(|place| source.path.starts_with(place));
            assert!(
                allowed || is_test(&source.path) || !code.contains(call),
                "src/{} contains {call}",
                source.path
            );
        }
    }
}
