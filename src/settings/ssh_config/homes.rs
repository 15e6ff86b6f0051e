//! `$HOME` where it is not the home of the password database: ssh(1) would read that one's files.
//!
//! A generated file stands for the usual two. Files that themselves speak of `~`, or include
//! others by a relative path, are copied with those words put right, line by line, so that ssh's
//! complaints still name the right line; their names in complaints are put back.

use std::path::{Path, PathBuf};

use super::Files;
use super::include::{self, DEEPEST, Kind, matching, words};
use crate::context::Context;
use crate::settings::{Error, paths};

/// Directives whose paths ssh itself resolves while it prints them; the others it prints as they
/// are.
const RESOLVED_BY_SSH: [&str; 5] = [
    "userknownhostsfile",
    "globalknownhostsfile",
    "identityagent",
    "controlpath",
    "revokedhostkeys",
];

/// A directory with generated files; it is removed when this is dropped.
pub struct Relocated {
    directory: tempfile::TempDir,
    home: PathBuf,
    copies: Vec<(PathBuf, PathBuf)>,
}

/// `None`: the homes are the same, or a file was named; then ssh is asked as it is.
pub fn relocated(context: &Context, files: &Files) -> Result<Option<Relocated>, Error> {
    let Some(home) = context.home() else {
        return Ok(None);
    };
    let same = paths::password_database_home()
        .is_none_or(|other| other == home || other.canonicalize().ok() == home.canonicalize().ok());
    let roots: Vec<(&Path, Kind)> = match files {
        Files::None => return Ok(None),
        _ if same => return Ok(None),
        Files::Named(file) => vec![(file, Kind::User)],
        Files::Usual { user, system } => {
            let user = user.iter().map(|file| (file.as_path(), Kind::User));
            let system = system.iter().map(|file| (file.as_path(), Kind::System));
            user.chain(system).collect()
        }
    };
    let directory =
        tempfile::tempdir_in(context.temporary_directory()).map_err(|why| Error::Unreadable {
            file: context.temporary_directory(),
            why,
        })?;
    let mut relocated = Relocated {
        directory,
        home: home.to_owned(),
        copies: Vec::new(),
    };
    let mut main = Vec::new();
    for (file, kind) in roots {
        // ssh reads a file that was named with -F whoever may write it.
        if !matches!(files, Files::Named(_)) {
            check(file, kind)?;
        }
        main.push(relocated.relocate(file, kind, 0)?);
    }
    if matches!(files, Files::Named(_)) && relocated.copies.is_empty() {
        // ssh reads the file itself, and says so where it is missing.
        return Ok(None);
    }
    relocated.write_main(&main)?;
    Ok(Some(relocated))
}

impl Relocated {
    /// The file for `-F`.
    pub fn file(&self) -> PathBuf {
        self.directory.path().join("config")
    }

    /// ssh's complaint with the names of the files as people know them.
    pub fn original(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (copy, original) in &self.copies {
            text = text.replace(&*copy.to_string_lossy(), &original.to_string_lossy());
        }
        text
    }

    fn write_main(&self, files: &[PathBuf]) -> Result<(), Error> {
        let lines: Vec<_> = files
            .iter()
            .map(|file| format!("Include {}\n", quoted(file)))
            .collect();
        write(&self.file(), &lines.concat())
    }

    /// The file to be read in place of `file`: itself where nothing in it has to be put right.
    fn relocate(&mut self, file: &Path, kind: Kind, depth: usize) -> Result<PathBuf, Error> {
        if !file.is_file() {
            // Nothing, a device, or a pipe that can be read only once.
            return Ok(file.to_owned());
        }
        let Ok(text) = std::fs::read_to_string(file) else {
            return Ok(file.to_owned());
        };
        if depth > DEEPEST {
            return Ok(file.to_owned());
        }
        let mut changed = false;
        let mut lines = Vec::new();
        for line in text.lines() {
            let put_right = self.put_right(line, kind, depth)?;
            changed |= put_right.is_some();
            lines.push(put_right.unwrap_or_else(|| line.to_owned()));
        }
        if !changed {
            return Ok(file.to_owned());
        }
        let copy = self
            .directory
            .path()
            .join(format!("{}.conf", self.copies.len()));
        write(&copy, &(lines.join("\n") + "\n"))?;
        self.copies.push((copy.clone(), file.to_owned()));
        Ok(copy)
    }

    /// `None`: the line may stay.
    fn put_right(&mut self, line: &str, kind: Kind, depth: usize) -> Result<Option<String>, Error> {
        let (keyword, rest) = include::directive(line);
        if keyword == "include" {
            let mut files = Vec::new();
            let mut changed = false;
            for word in words(rest) {
                let pattern = include::pattern(&word, kind, &self.home);
                changed |= pattern != Path::new(&word);
                let named = matching(&pattern);
                if named.is_empty() {
                    files.push(pattern);
                }
                for file in named {
                    check(&file, kind)?;
                    let copy = self.relocate(&file, kind, depth + 1)?;
                    changed |= copy != file;
                    files.push(copy);
                }
            }
            let files: Vec<_> = files.iter().map(|file| quoted(file)).collect();
            return Ok(changed.then(|| format!("Include {}", files.join(" "))));
        }
        if RESOLVED_BY_SSH.contains(&keyword.as_str()) {
            let home = self.home.to_string_lossy().into_owned();
            let here: Vec<_> = words(rest);
            let there: Vec<_> = here.iter().map(|word| in_home(word, &home)).collect();
            if here != there {
                let there: Vec<_> = there.iter().map(|word| format!("\"{word}\"")).collect();
                return Ok(Some(format!("{keyword} {}", there.join(" "))));
            }
        }
        Ok(None)
    }
}

/// ssh's rule for the user's own files and what they include (readconf.c, `SSHCONF_CHECKPERM`).
fn check(file: &Path, kind: Kind) -> Result<(), Error> {
    if kind == Kind::User && file.exists() && paths::others_may_write(file) {
        let words = format!("Bad owner or permissions on {}", file.display());
        return Err(Error::SshConfig(words));
    }
    Ok(())
}

/// A word, or `Key=word`, with `~/` in front as the home's path.
pub fn in_home(text: &str, home: &str) -> String {
    let (key, path) = match text.split_once(['=', ' ']) {
        Some((key, path)) if key.chars().all(|c| c.is_ascii_alphanumeric()) => {
            (&text[..=key.len()], path)
        }
        _ => ("", text),
    };
    let words: Vec<_> = path
        .split(' ')
        .map(|word| match word.strip_prefix('~') {
            Some("") => home.to_owned(),
            Some(rest) if rest.starts_with('/') => format!("{home}{rest}"),
            _ => word.to_owned(),
        })
        .collect();
    format!("{key}{}", words.join(" "))
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

fn write(file: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(file, text).map_err(|why| Error::Unreadable {
        file: file.to_owned(),
        why,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_takes_the_place_of_the_tilde() {
        for (text, expected) in [
            ("~/x", "/h/x"),
            ("~", "/h"),
            ("~other/x", "~other/x"),
            ("UserKnownHostsFile=~/a ~/b", "UserKnownHostsFile=/h/a /h/b"),
            ("identityagent ~/s", "identityagent /h/s"),
            ("/a/~/b", "/a/~/b"),
            ("ProxyCommand=nc %h %p", "ProxyCommand=nc %h %p"),
        ] {
            assert_eq!(in_home(text, "/h"), expected);
        }
    }
}
