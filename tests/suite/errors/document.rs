//! `docs/errors.md`: a heading for each failure, below it a block with what is printed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// One writes at a time.
static WRITER: Mutex<()> = Mutex::new(());

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md")
}

/// The headings.
pub fn titles() -> Vec<String> {
    let text = fs::read_to_string(file()).unwrap();
    let titles = text.lines().filter_map(|line| line.strip_prefix("## "));
    titles.map(str::to_owned).collect()
}

/// The block below the heading shows the command and exactly what it prints. With
/// `WRITE_DOCS` set it is written, and a missing heading is added.
#[track_caller]
pub fn holds(title: &str, command: &str, output: &str) {
    let block = format!("```text\n$ {command}\n{}\n```\n", output.trim_end());
    if std::env::var_os("WRITE_DOCS").is_some() {
        let _alone = WRITER.lock().unwrap_or_else(PoisonError::into_inner);
        let text = fs::read_to_string(file()).unwrap_or_default();
        fs::write(file(), with_block(&text, title, &block)).unwrap();
    }
    let text = fs::read_to_string(file()).unwrap();
    let found = find(&text, title).map(|(from, to)| &text[from..to]);
    assert_eq!(
        found,
        Some(block.as_str()),
        "docs/errors.md is stale; WRITE_DOCS=1 cargo test --test suite errors writes it"
    );
}

/// Where the block of this heading begins and ends.
fn find(text: &str, title: &str) -> Option<(usize, usize)> {
    let section = text.find(&format!("## {title}\n"))?;
    let end = text[section + 3..]
        .find("\n## ")
        .map_or(text.len(), |at| section + 3 + at + 1);
    let from = section + text[section..end].find("```text\n")?;
    let to = from + 3 + text[from + 3..end].find("\n```\n")? + 5;
    Some((from, to))
}

fn with_block(text: &str, title: &str, block: &str) -> String {
    match find(text, title) {
        Some((from, to)) => format!("{}{block}{}", &text[..from], &text[to..]),
        None => format!("{text}\n## {title}\n\n{block}"),
    }
}
