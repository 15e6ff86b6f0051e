//! ssh_config's lines as words, and which files an Include names. Reads folders, no file's text.
//! Knows nobody.

use std::path::{Path, PathBuf};

use crate::text::matches_pattern;

/// ssh's READCONF_MAX_DEPTH (OpenSSH, readconf.c).
pub const DEEPEST: usize = 16;

/// Whose file it is: relative includes start at `~/.ssh` or at `/etc/ssh`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    User,
    System,
}

/// A line's keyword in lower case (empty: a comment or nothing), and what follows it.
pub fn directive(line: &str) -> (String, &str) {
    let trimmed = line.trim_start();
    let end = trimmed.find([' ', '\t', '=', '"']).unwrap_or(trimmed.len());
    let (keyword, rest) = trimmed.split_at(end);
    let rest = rest.trim_start_matches([' ', '\t']);
    let keyword = keyword.to_ascii_lowercase();
    (keyword, rest.strip_prefix('=').unwrap_or(rest))
}

/// The path, perhaps with wildcards, that a word of an Include means.
pub fn pattern(word: &str, kind: Kind, home: &Path) -> PathBuf {
    if let Some(rest) = word.strip_prefix("~/") {
        return home.join(rest);
    }
    let base = match kind {
        Kind::User => home.join(".ssh"),
        Kind::System => PathBuf::from("/etc/ssh"),
    };
    if word.starts_with(['/', '~', '$', '%']) {
        PathBuf::from(word)
    } else {
        base.join(word)
    }
}

/// Words with quotes taken off; a `#` in front of a word ends them.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() && !rest.starts_with('#') {
        let (word, behind) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once([' ', '\t']).unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = behind.trim_start();
    }
    words
}

/// The files that an include names, in glob(3)'s order; wildcards count in the last component.
pub fn matching(pattern: &Path) -> Vec<PathBuf> {
    let (Some(directory), Some(name)) = (pattern.parent(), pattern.file_name()) else {
        return Vec::new();
    };
    let name = name.to_string_lossy();
    if !name.contains(['*', '?']) {
        return if pattern.is_file() {
            vec![pattern.to_owned()]
        } else {
            Vec::new()
        };
    }
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .flatten()
        .filter(|entry| {
            let file = entry.file_name();
            let file = file.to_string_lossy();
            (!file.starts_with('.') || name.starts_with('.')) && matches_pattern(&name, &file)
        })
        .map(|entry| entry.path())
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_falls_into_words() {
        for (line, expected) in [
            ("Include a b", ("include", "a b")),
            ("\tINCLUDE=a", ("include", "a")),
            ("include \"a b\"", ("include", "\"a b\"")),
            ("# Include a", ("#", "Include a")),
            ("", ("", "")),
        ] {
            let (keyword, rest) = directive(line);
            assert_eq!((keyword.as_str(), rest.trim_start()), expected, "{line}");
        }
        assert_eq!(words("\"a b\" c # d"), ["a b", "c"]);
    }
}
