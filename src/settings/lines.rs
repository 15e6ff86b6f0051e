//! The lines of a git configuration file: which line says a value, for people who want to change
//! it.
//!
//! gix and git give origin and value but no line, so the file is read again when one is shown.
//! Pure but for [`Lines::read`]; the syntax is git-config(1)'s.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::settings::Origin;

/// One value with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    section: String,
    subsection: Option<String>,
    name: String,
    value: String,
    line: usize,
}

/// The values of the files that were read, with their lines.
#[derive(Debug, Clone, Default)]
pub struct Lines(BTreeMap<PathBuf, Vec<Entry>>);

impl Lines {
    /// Reads the files that these origins name. One that cannot be read has no lines.
    pub fn read<'a>(origins: impl IntoIterator<Item = &'a Origin>) -> Self {
        let mut lines = BTreeMap::new();
        for origin in origins {
            if let Origin::GitConfig {
                file: Some(file), ..
            } = origin
            {
                lines.entry(file.clone()).or_insert_with(|| {
                    std::fs::read(file).map_or_else(
                        |_| Vec::new(),
                        |text| entries(&String::from_utf8_lossy(&text)),
                    )
                });
            }
        }
        Self(lines)
    }

    /// The line (from 1) of `file` that gives `key` this value, else the last that gives `key` any
    /// value. `None`: the file was not read, or has changed.
    pub fn find(&self, file: &Path, key: &str, value: &str) -> Option<usize> {
        let (section, rest) = key.split_once('.')?;
        let (subsection, name) = match rest.rsplit_once('.') {
            Some((subsection, name)) => (Some(subsection), name),
            None => (None, rest),
        };
        let said: Vec<_> = self
            .0
            .get(file)?
            .iter()
            .filter(|entry| {
                entry.section.eq_ignore_ascii_case(section)
                    && entry.name.eq_ignore_ascii_case(name)
                    && entry.subsection.as_deref() == subsection
            })
            .collect();
        said.iter()
            .rfind(|entry| entry.value == value)
            .or(said.last())
            .map(|entry| entry.line)
    }
}

/// Every value of a file, with the line its key stands on.
fn entries(text: &str) -> Vec<Entry> {
    let mut found = Vec::new();
    let (mut section, mut subsection) = (String::new(), None);
    let mut reader = Reader::new(text);
    while let Some(character) = reader.peek() {
        match character {
            '#' | ';' => reader.skip_line(),
            '[' => {
                reader.next();
                (section, subsection) = reader.header();
            }
            c if c.is_ascii_alphabetic() => {
                let line = reader.line;
                let name = reader.take_while(|c| c.is_ascii_alphanumeric() || c == '-');
                reader.take_while(|c| c == ' ' || c == '\t');
                let value = if reader.peek() == Some('=') {
                    reader.next();
                    reader.value()
                } else {
                    String::new()
                };
                found.push(Entry {
                    section: section.clone(),
                    subsection: subsection.clone(),
                    name,
                    value,
                    line,
                });
            }
            _ => {
                reader.next();
            }
        }
    }
    found
}

/// The text's characters with the line they stand on; `\r\n` counts as `\n`, as for git.
struct Reader<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    line: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text.chars().peekable(),
            line: 1,
        }
    }

    fn peek(&mut self) -> Option<char> {
        self.rest.peek().copied()
    }

    fn next(&mut self) -> Option<char> {
        let mut character = self.rest.next()?;
        if character == '\r' && self.rest.peek() == Some(&'\n') {
            self.rest.next();
            character = '\n';
        }
        if character == '\n' {
            self.line += 1;
        }
        Some(character)
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(character) = self.peek().filter(|c| wanted(*c)) {
            taken.push(character);
            self.next();
        }
        taken
    }

    fn skip_line(&mut self) {
        while self.next().is_some_and(|character| character != '\n') {}
    }

    /// Behind `[`: section and subsection, up to `]`. `[section.sub]` is the old way to write a
    /// subsection, without regard to case.
    fn header(&mut self) -> (String, Option<String>) {
        let name = self.take_while(|c| !matches!(c, ']' | ' ' | '\t' | '"' | '\n'));
        self.take_while(|c| c == ' ' || c == '\t');
        let mut quoted = None;
        if self.peek() == Some('"') {
            self.next();
            let mut subsection = String::new();
            while let Some(character) = self.next().filter(|c| *c != '"') {
                match character {
                    '\\' => subsection.extend(self.next()),
                    c => subsection.push(c),
                }
            }
            quoted = Some(subsection);
        }
        self.take_while(|c| c != ']' && c != '\n');
        self.next();
        match (quoted, name.split_once('.')) {
            (None, Some((section, old))) => (section.to_owned(), Some(old.to_lowercase())),
            (quoted, _) => (name, quoted),
        }
    }

    /// Behind `=`: the value, over continued lines, without quotes and comment.
    fn value(&mut self) -> String {
        let mut value = String::new();
        let mut quoted = false;
        // Blanks count only when something follows.
        let mut solid = 0;
        while let Some(character) = self.next() {
            match character {
                '\n' => break,
                '"' => quoted = !quoted,
                '#' | ';' if !quoted => {
                    self.skip_line();
                    break;
                }
                '\\' => match self.next() {
                    Some('\n') | None => continue,
                    Some('n') => value.push('\n'),
                    Some('t') => value.push('\t'),
                    Some('b') => value.push('\u{8}'),
                    Some(c) => value.push(c),
                },
                c if c.is_ascii_whitespace() && !quoted => {
                    if !value.is_empty() {
                        value.push(c);
                    }
                    continue;
                }
                c => value.push(c),
            }
            solid = value.len();
        }
        value.truncate(solid);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# a comment\n[bitbucket]\n\taccount = alice ; mine\n\tACCOUNT = \"bob # no\"\n\n[Bitbucket \"https://bitbucket.org/a\\\"cme\"] account = carol\n\tidentityFile = ~/.ssh/\\\n  key\n\tprovision\r\n[bitbucket.Old]\naccount = dave\n";

    #[test]
    fn a_value_is_found_by_its_line() {
        let file = PathBuf::from("config");
        let lines = Lines(BTreeMap::from([(file.clone(), entries(FILE))]));
        for (key, value, line, why) in [
            (
                "bitbucket.account",
                "alice",
                Some(3),
                "the comment is no part of it",
            ),
            ("bitbucket.account", "bob # no", Some(4), "quoted"),
            ("bitbucket.account", "zoe", Some(4), "else the last"),
            (
                "bitbucket.https://bitbucket.org/a\"cme.account",
                "carol",
                Some(6),
                "behind the header",
            ),
            (
                "bitbucket.https://bitbucket.org/a\"cme.identityfile",
                "~/.ssh/  key",
                Some(7),
                "where it begins",
            ),
            (
                "bitbucket.https://bitbucket.org/a\"cme.provision",
                "",
                Some(9),
                "no value",
            ),
            (
                "bitbucket.old.account",
                "dave",
                Some(11),
                "the old spelling",
            ),
            ("bitbucket.https://other.account", "", None, "another URL"),
        ] {
            assert_eq!(lines.find(&file, key, value), line, "{key}: {why}");
        }
        assert_eq!(
            lines.find(Path::new("other"), "bitbucket.account", ""),
            None
        );
    }

    /// git lists the same keys and values in the same order.
    #[cfg(unix)]
    #[test]
    fn values_are_read_as_git_reads_them() {
        let home = crate::settings::git_config::fixture::Home::new();
        let pieces = [
            "[a]\n",
            "[a \"B c\"]\n",
            "[A.B]",
            "k = v\n",
            "k=\"q ; q\"  x  # c\n",
            "k = a\\\n  b\n",
            "  long-name  =  x\\ty  \n",
            "; c\n",
            "\n",
            "k\n",
            "k =\n",
            "k = \"\\\"\\\\\" ; \"\n",
            "k = v \"  \" \n",
            "k = a\r\n",
        ];
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..60 {
            let mut text = String::from("[first]\n");
            for _ in 0..random.usize(1..9) {
                text.push_str(pieces[random.usize(0..pieces.len())]);
            }
            home.write("config", &text);
            let listed = home.git(
                &home.path(),
                &["config", "--file", "config", "--null", "--list"],
            );
            let mut ours = String::new();
            for entry in entries(&text) {
                let key = match &entry.subsection {
                    Some(sub) => format!("{}.{sub}", entry.section.to_lowercase()),
                    None => entry.section.to_lowercase(),
                };
                ours.extend([&key, ".", &entry.name.to_lowercase()]);
                let line = text.lines().nth(entry.line - 1).unwrap();
                if line.contains('=') {
                    ours.push('\n');
                    ours.push_str(&entry.value);
                }
                ours.push('\0');
            }
            assert_eq!(ours.trim_end(), listed, "{text}");
        }
    }
}
