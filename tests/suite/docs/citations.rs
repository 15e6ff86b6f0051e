//! Every path, test and item of the code that the pages about the code mention exists.

use std::fs;
use std::path::{Path, PathBuf};

/// The pages, in the root of the repository.
const PAGES: [&str; 3] = ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"];

/// How a path in one of the pages begins.
const FOLDERS: [&str; 6] = ["src/", "tests/", "docs/", "hooks/", "benches/", ".ci/"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// What a page mentions but the repository does not contain.
fn missing(page: &str) -> Vec<String> {
    let named = code_spans(page).chain(commands(page));
    named.filter(|name| !exists(name)).collect()
}

/// Paths (`src/report/mod.rs`), tests (`tests/suite/secrets.rs::no_core_dump`) and items
/// (`identity::plan`) in code spans.
fn code_spans(page: &str) -> impl Iterator<Item = String> {
    let prose: Vec<&str> = page.split("```").step_by(2).collect();
    let prose = prose.concat();
    let spans: Vec<String> = prose
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    spans
        .into_iter()
        .filter(|span| is_path(span) || is_item(span))
}

/// The test filters of `cargo test` in code blocks, as paths.
fn commands(page: &str) -> impl Iterator<Item = String> {
    let blocks: Vec<&str> = page.split("```").skip(1).step_by(2).collect();
    let lines: Vec<String> = blocks
        .iter()
        .flat_map(|block| block.lines())
        .map(str::to_owned)
        .collect();
    lines.into_iter().filter_map(|line| {
        let (command, rest) = line.split_once(" -- ")?;
        let filter = rest
            .split_whitespace()
            .next()
            .filter(|word| !word.starts_with('-'))?;
        match command.trim() {
            "cargo test --lib" => Some(format!("src/::{filter}")),
            "cargo test --test suite" => Some(format!("tests/suite/::{filter}")),
            _ => None,
        }
    })
}

fn is_path(span: &str) -> bool {
    FOLDERS.iter().any(|folder| span.starts_with(folder)) && !span.contains([' ', '*'])
}

/// `module::item`, except those of the standard library.
fn is_item(span: &str) -> bool {
    let words: Vec<&str> = span.split("::").collect();
    let word =
        |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || c == '_');
    words.len() > 1 && words.iter().all(word) && words[0] != "std"
}

fn exists(name: &str) -> bool {
    let (path, items) = match name.split_once("::") {
        Some((path, items)) if is_path(path) => (root().join(path), items),
        Some(_) => (root().join("src"), name),
        None => return root().join(name).exists(),
    };
    let mut place = path;
    let mut words = items.split("::").peekable();
    while let Some(word) = words.next() {
        let Some(inner) = module(&place, word) else {
            // A module may be a directory with a file of the same name beside it.
            let found = defines(&place, word) || defines(&place.with_extension("rs"), word);
            return words.peek().is_none() && found;
        };
        place = inner;
    }
    place.exists()
}

/// The directory of a module, otherwise its file.
fn module(folder: &Path, name: &str) -> Option<PathBuf> {
    let folder = folder.join(name);
    let file = folder.with_extension("rs");
    [folder, file].into_iter().find(|place| place.exists())
}

/// Whether a file, or any file below a directory, defines this name.
fn defines(place: &Path, name: &str) -> bool {
    if place.is_dir() {
        let entries = fs::read_dir(place).unwrap();
        return entries
            .map(|entry| entry.unwrap().path())
            .any(|inner| defines(&inner, name));
    }
    let text = fs::read(place).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    ["fn", "struct", "enum", "trait", "mod", "const", "type"]
        .iter()
        .any(|kind| {
            let definition = format!("{kind} {name}");
            text.match_indices(&definition).any(|(at, _)| {
                let next = text[at + definition.len()..].chars().next();
                !next.is_some_and(|c| c.is_alphanumeric() || c == '_')
            })
        })
}

#[test]
fn everything_the_pages_mention_exists() {
    let mut gone = Vec::new();
    for page in PAGES {
        let text = fs::read_to_string(root().join(page)).unwrap();
        assert!(code_spans(&text).count() > 5, "{page} mentions nothing");
        gone.extend(missing(&text).iter().map(|name| format!("{page}: {name}")));
    }
    assert_eq!(gone, Vec::<String>::new());
}

#[test]
fn something_missing_is_found() {
    let page = "`src/nowhere.rs`, `src/lib.rs`, `tests/suite/secrets.rs::no_child_gets_the_token`,
        `tests/suite/secrets.rs::no_such_test`, `identity::nothing_of_this_name`, `std::fs`

```sh
cargo test --test suite -- docs::citations::something_missing_is_found --exact
cargo test --test suite -- docs::citations::no_such_test
cargo test --lib -- identity::nowhere --nocapture
cargo test -p sandbox
```
";
    assert_eq!(
        missing(page),
        [
            "src/nowhere.rs",
            "tests/suite/secrets.rs::no_such_test",
            "identity::nothing_of_this_name",
            "tests/suite/::docs::citations::no_such_test",
            "src/::identity::nowhere",
        ]
    );
}
