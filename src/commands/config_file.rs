//! git's configuration files: which one a scope means, edited by git on a copy, put in place
//! whole, and restored byte for byte.
//!
//! git writes into the copy (so that comments and formatting stay as git leaves them); the real
//! file changes once, under git's own lock.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::arguments::Scopes;
use super::{Error, git};
use crate::context::Context;
use crate::storage;

/// Whose configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Scope {
    /// The repository's.
    Local,
    /// The user's.
    Global,
    /// The machine's.
    System,
}

impl Scope {
    /// As given on the command line; without a flag, global.
    pub(super) fn of(scopes: Scopes) -> Self {
        if scopes.local {
            Self::Local
        } else if scopes.system {
            Self::System
        } else {
            Self::Global
        }
    }

    /// As git's configuration is read.
    pub(super) fn of_settings(self) -> crate::settings::Scope {
        match self {
            Self::Local => crate::settings::Scope::Local,
            Self::Global => crate::settings::Scope::Global,
            Self::System => crate::settings::Scope::System,
        }
    }

    /// As an option.
    pub(super) fn option(self) -> &'static str {
        match self {
            Self::Local => "--local",
            Self::Global => "--global",
            Self::System => "--system",
        }
    }
}

/// The file that `setup` writes for a scope. Global scope: `$GIT_CONFIG_GLOBAL`, else `~/.gitconfig`
/// itself, since npm reads that file alone (@npmcli/git, lib/opts.js), also where
/// `$XDG_CONFIG_HOME/git/config` exists.
pub(super) fn file(context: &Context, scope: Scope) -> Result<PathBuf, Error> {
    match scope {
        Scope::Global => match context.environment.raw("GIT_CONFIG_GLOBAL") {
            Some(path) => Ok(context.directory.join(path)),
            None => Ok(context
                .home()
                .ok_or(storage::Error::NoHome)?
                .join(".gitconfig")),
        },
        Scope::System => system(context),
        Scope::Local => {
            let outside = |error| match error {
                // git's message names the file and the line.
                Error::Git { message, verb } if message.contains("bad config") => {
                    Error::Git { message, verb }
                }
                _ => Error::NoRepository(context.directory.clone()),
            };
            let path = git::line(context, &["rev-parse", "--git-path", "config"])
                .map_err(outside)?
                .ok_or_else(|| Error::NoRepository(context.directory.clone()))?;
            let path = context.directory.join(path);
            Ok(std::fs::canonicalize(&path).unwrap_or(path))
        }
    }
}

/// `git var GIT_CONFIG_SYSTEM` reports it since git 2.41; older versions show it as an origin, if
/// the file exists.
fn system(context: &Context) -> Result<PathBuf, Error> {
    if let Some(path) = context.environment.raw("GIT_CONFIG_SYSTEM") {
        return Ok(context.directory.join(path));
    }
    if let Ok(Some(path)) = git::line(context, &["var", "GIT_CONFIG_SYSTEM"]) {
        return Ok(PathBuf::from(path));
    }
    let listed = git::ask(
        context,
        &["config", "--system", "--show-origin", "--null", "--list"],
    );
    listed
        .ok()
        .flatten()
        .and_then(|listed| {
            let origin = listed.split(|byte| *byte == 0).next()?.to_owned();
            let origin = String::from_utf8(origin).ok()?;
            origin.strip_prefix("file:").map(PathBuf::from)
        })
        .ok_or(Error::NoSystemFile)
}

/// Whether a file is the one that `setup --global` writes, or one that git reads before it.
pub(super) fn is_global(context: &Context, path: &Path) -> bool {
    let Ok(global) = file(context, Scope::Global) else {
        return false;
    };
    let same = |one: &Path, other: &Path| {
        one == other || std::fs::canonicalize(one).ok() == std::fs::canonicalize(other).ok()
    };
    // git-config(1), FILES: $XDG_CONFIG_HOME/git/config first, ~/.gitconfig after it.
    same(path, &global) || path.ends_with("git/config") && global.ends_with(".gitconfig")
}

/// The file that git writes for `--global`: `$GIT_CONFIG_GLOBAL`; else the first of `~/.gitconfig`
/// and `$XDG_CONFIG_HOME/git/config` that exists (git-config(1), FILES).
pub(super) fn global_file(context: &Context) -> Result<PathBuf, Error> {
    let usual = file(context, Scope::Global)?;
    if context.environment.raw("GIT_CONFIG_GLOBAL").is_some() || usual.exists() {
        return Ok(usual);
    }
    let base = match context.environment.raw("XDG_CONFIG_HOME") {
        Some(base) if !base.is_empty() => PathBuf::from(base),
        _ => context
            .home()
            .ok_or(storage::Error::NoHome)?
            .join(".config"),
    };
    let other = base.join("git/config");
    Ok(if other.exists() { other } else { usual })
}

/// A copy of a configuration file that git edits.
pub(super) struct Draft<'a> {
    context: &'a Context,
    /// Holds the copy; removed when this is dropped.
    _directory: TempDir,
    file: PathBuf,
}

impl<'a> Draft<'a> {
    /// A copy with this text, in a new directory (0700) below `beside`.
    pub(super) fn of(context: &'a Context, beside: &Path, text: &[u8]) -> Result<Draft<'a>, Error> {
        let directory = tempfile::Builder::new()
            .prefix(".setup-")
            .tempdir_in(beside)
            .map_err(|why| Error::file(beside, why))?;
        let file = directory.path().join("config");
        fs::write(&file, text).map_err(|why| Error::file(&file, why))?;
        Ok(Self {
            context,
            _directory: directory,
            file,
        })
    }

    /// Every value, with git's spelling of its key (section and name in lower case), in order.
    pub(super) fn entries(&self) -> Result<Vec<(String, String)>, Error> {
        let listed = git::run(self.context, &self.arguments(&["--null", "--list"]))?;
        let listed = String::from_utf8(listed).map_err(|_| Error::NotUtf8)?;
        Ok(listed
            .split_terminator('\0')
            .map(|entry| entry.split_once('\n').unwrap_or((entry, "")))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect())
    }

    /// The values of one key, in order.
    pub(super) fn values(&self, key: &str) -> Result<Vec<String>, Error> {
        let key = spelling(key);
        Ok(self
            .entries()?
            .into_iter()
            .filter(|(name, _)| *name == key)
            .map(|(_, value)| value)
            .collect())
    }

    /// Makes these the values of the key; without a value the key is removed.
    pub(super) fn set(&self, key: &str, values: &[String]) -> Result<(), Error> {
        let Some((first, others)) = values.split_first() else {
            return self.change(&["--unset-all", key]);
        };
        self.change(&["--replace-all", key, first])?;
        others.iter().try_for_each(|value| self.add(key, value))
    }

    /// Adds a value after the existing ones.
    pub(super) fn add(&self, key: &str, value: &str) -> Result<(), Error> {
        self.change(&["--add", key, value])
    }

    /// Removes one value of a key and keeps the others.
    pub(super) fn remove(&self, key: &str, value: &str) -> Result<(), Error> {
        self.change(&["--unset-all", key, &literally(value)])
    }

    /// The present content of the copy.
    pub(super) fn content(&self) -> Result<Vec<u8>, Error> {
        fs::read(&self.file).map_err(|why| Error::file(&self.file, why))
    }

    fn change(&self, words: &[&str]) -> Result<(), Error> {
        git::run(self.context, &self.arguments(words)).map(|_| ())
    }

    fn arguments<'b>(&'b self, words: &[&'b str]) -> Vec<&'b std::ffi::OsStr> {
        let mut arguments: Vec<&std::ffi::OsStr> =
            vec!["config".as_ref(), "--file".as_ref(), self.file.as_os_str()];
        arguments.extend(words.iter().map(|word| std::ffi::OsStr::new(*word)));
        arguments
    }
}

/// git's spelling of a key in a list: section and name in lower case, the part between unchanged.
fn spelling(key: &str) -> String {
    let (section, rest) = key.split_once('.').unwrap_or((key, ""));
    let section = section.to_lowercase();
    match rest.rsplit_once('.') {
        Some((middle, name)) => format!("{section}.{middle}.{}", name.to_lowercase()),
        None => format!("{section}.{}", rest.to_lowercase()),
    }
}

/// A POSIX extended regular expression for exactly this text (`--fixed-value` needs git 2.30).
pub(super) fn literally(text: &str) -> String {
    let mut pattern = String::from("^");
    for character in text.chars() {
        if "\\.[]{}()*+?^$|".contains(character) {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('$');
    pattern
}

/// How to get the old bytes from the new ones: only the part that differs is stored, not a copy of
/// the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Splice {
    /// Bytes from the start that are the same.
    at: usize,
    /// How many of the new bytes are not among the old ones.
    inserted: usize,
    /// The old bytes in their place, in base64.
    removed: String,
}

impl Splice {
    /// The difference between two contents.
    fn between(before: &[u8], after: &[u8]) -> Self {
        let at = before.iter().zip(after).take_while(|(a, b)| a == b).count();
        let (old, new) = (&before[at..], &after[at..]);
        let end = old
            .iter()
            .rev()
            .zip(new.iter().rev())
            .take_while(|(a, b)| a == b)
            .count();
        Self {
            at,
            inserted: new.len() - end,
            removed: STANDARD.encode(&old[..old.len() - end]),
        }
    }

    /// The old bytes. `None`: `after` is not what this was made from (it is too short, or the
    /// record is damaged).
    fn undo(&self, after: &[u8]) -> Option<Vec<u8>> {
        let removed = STANDARD.decode(&self.removed).ok()?;
        let head = after.get(..self.at)?;
        let tail = after.get(self.at.checked_add(self.inserted)?..)?;
        Some([head, &removed, tail].concat())
    }
}

/// How to restore a file from the content that was written into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reversal {
    /// `None`: other programs changed the file between two edits, so its original bytes are not
    /// known.
    splice: Option<Splice>,
    /// SHA-256 of the content that was written.
    after: String,
}

impl Reversal {
    /// From `after` back to `before`; `None`: what was there before is not known.
    pub(super) fn new(before: Option<&[u8]>, after: &[u8]) -> Self {
        Self {
            splice: before.map(|before| Splice::between(before, after)),
            after: digest(after),
        }
    }

    /// Whether the file is unchanged since.
    pub(super) fn is_current(&self, now: &[u8]) -> bool {
        self.after == digest(now)
    }

    /// The content before. `None`: it is not known, or the file was changed since.
    pub(super) fn original(&self, now: &[u8]) -> Option<Vec<u8>> {
        let splice = self.splice.as_ref().filter(|_| self.is_current(now));
        splice.and_then(|splice| splice.undo(now))
    }
}

/// The content's SHA-256, in hexadecimal.
pub(super) fn digest(content: &[u8]) -> String {
    use std::fmt::Write as _;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, content);
    digest
        .as_ref()
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_splice_gives_the_old_bytes_back() {
        for (before, after, why) in [
            ("", "[core]\n", "made new"),
            ("[core]\n", "[core]\n", "nothing changed"),
            ("a\nb\nc\n", "a\nX\nY\nc\n", "replaced in the middle"),
            ("aaa", "aaaa", "repeated bytes count once"),
            ("aaaa", "aa", "shorter"),
            ("# end", "", "emptied"),
        ] {
            let splice = Splice::between(before.as_bytes(), after.as_bytes());
            assert_eq!(
                splice.undo(after.as_bytes()).as_deref(),
                Some(before.as_bytes()),
                "{why}"
            );
        }
        let generated = fastrand::Rng::with_seed(7);
        let mut random = generated;
        for _ in 0..2000 {
            let mut text =
                || -> Vec<u8> { (0..random.usize(0..12)).map(|_| random.u8(0..3)).collect() };
            let (before, after) = (text(), text());
            assert_eq!(
                Splice::between(&before, &after).undo(&after),
                Some(before.clone()),
                "{before:?} {after:?}"
            );
        }
        let splice = Splice::between(b"long", b"quite long");
        assert_eq!(splice.undo(b"x"), None, "of another file");
    }

    #[test]
    fn keys_are_spelt_as_git_lists_them() {
        for (key, listed) in [
            ("core.sshCommand", "core.sshcommand"),
            (
                "url.git@ssh.bitbucket.org:.insteadOf",
                "url.git@ssh.bitbucket.org:.insteadof",
            ),
            ("ssh.variant", "ssh.variant"),
        ] {
            assert_eq!(spelling(key), listed);
        }
    }
}
