//! The files of ssh_config that count for one call: which options they mention, and copies of them
//! where `$HOME` is not the home of the password database.
//!
//! ssh(1) takes `~` and the user's file from the password database, git from `$HOME`. Where the two
//! differ, ssh is given copies in which `~` and relative includes name `$HOME`. A copy has the lines of
//! its original, so that the line number in a complaint is right; its name is put back.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use super::tokens::{self, Tokens};
use crate::context::Context;
use crate::settings::{Error, FileLine};
use crate::ssh_command::{Request, options};
use crate::storage;
use crate::text::matches_pattern;

/// The machine's file (OpenSSH's compiled-in path on every system that packages it).
const SYSTEM_FILE: &str = "/etc/ssh/ssh_config";

/// READCONF_MAX_DEPTH (OpenSSH, readconf.c).
const MAX_DEPTH: usize = 16;

/// Options whose paths `ssh -G` prints resolved; it prints all others as they are written.
const RESOLVED_BY_SSH: [&str; 5] = [
    "userknownhostsfile",
    "globalknownhostsfile",
    "identityagent",
    "controlpath",
    "revokedhostkeys",
];

/// The config files of one call, as far as they exist.
#[derive(Debug, PartialEq, Eq)]
pub enum Files {
    /// None exists, or `-F none`.
    None,
    /// The usual ones.
    Usual {
        user: Option<PathBuf>,
        system: Option<PathBuf>,
    },
    /// `-F FILE` alone, whether it exists or not.
    Named(PathBuf),
}

/// Whose file it is: relative includes start at `~/.ssh` or at `/etc/ssh`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    User,
    System,
}

impl Files {
    /// The files for a call.
    pub fn of(request: &Request, context: &Context) -> Self {
        match request.config_file.as_deref() {
            Some(file) if file == OsStr::new("none") => Self::None,
            Some(file) => Self::Named(context.directory.join(file)),
            None => {
                let user = context.ssh_directory().map(|ssh| ssh.join("config"));
                let user = user.filter(|file| file.exists());
                let system = Some(PathBuf::from(SYSTEM_FILE)).filter(|file| file.exists());
                if user.is_none() && system.is_none() {
                    Self::None
                } else {
                    Self::Usual { user, system }
                }
            }
        }
    }

    /// The first one, to name it.
    pub fn first(&self) -> Option<&Path> {
        self.roots().first().map(|(file, _)| *file)
    }

    fn roots(&self) -> Vec<(&Path, Kind)> {
        match self {
            Self::None => Vec::new(),
            Self::Named(file) => vec![(file, Kind::User)],
            Self::Usual { user, system } => {
                let user = user.iter().map(|file| (file.as_path(), Kind::User));
                let system = system.iter().map(|file| (file.as_path(), Kind::System));
                user.chain(system).collect()
            }
        }
    }

    /// Every option that the files and their includes mention, for whatever host: in lower case, old
    /// names replaced. `None`: an include cannot be followed here.
    pub fn mentioned(&self, context: &Context) -> Option<BTreeSet<String>> {
        let home = context.home()?;
        let mut mentioned = BTreeSet::new();
        for (file, kind) in self.roots() {
            mention(&mut mentioned, file, kind, home, 0)?;
        }
        Some(mentioned)
    }
}

impl Files {
    /// Every IdentityFile that the files and their includes name, for whatever host, with its line.
    /// What cannot be read or followed here is left out.
    pub fn identity_lines(&self, tokens: &Tokens<'_>) -> Vec<(PathBuf, FileLine)> {
        let mut lines = Vec::new();
        for (file, kind) in self.roots() {
            identity_lines(&mut lines, file, kind, tokens, 0);
        }
        lines
    }
}

fn identity_lines(
    lines: &mut Vec<(PathBuf, FileLine)>,
    file: &Path,
    kind: Kind,
    tokens: &Tokens<'_>,
    depth: usize,
) {
    if depth > MAX_DEPTH || !file.is_file() {
        return;
    }
    let Ok(text) = storage::read_file(file) else {
        return;
    };
    for (line, number) in String::from_utf8_lossy(&text).lines().zip(1..) {
        let (keyword, rest) = directive(line);
        match keyword.as_str() {
            "include" => {
                let home = tokens.context.home().unwrap_or(Path::new("/"));
                for word in words(rest) {
                    for file in matching(&include_pattern(&word, kind, home)) {
                        identity_lines(lines, &file, kind, tokens, depth + 1);
                    }
                }
            }
            "identityfile" | "identityfile2" => {
                if let (Some(word), Some(line)) = (words(rest).first(), NonZeroU32::new(number)) {
                    let file = file.to_owned();
                    lines.push((tokens.path(word), FileLine { file, line }));
                }
            }
            _ => {}
        }
    }
}

fn mention(
    mentioned: &mut BTreeSet<String>,
    file: &Path,
    kind: Kind,
    home: &Path,
    depth: usize,
) -> Option<()> {
    if !file.exists() {
        return Some(());
    }
    if depth > MAX_DEPTH || !file.is_file() {
        return None;
    }
    let text = storage::read_file(file).ok()?;
    for line in String::from_utf8_lossy(&text).lines() {
        let (keyword, rest) = directive(line);
        if keyword.is_empty() || keyword.starts_with('#') {
            continue;
        }
        if keyword != "include" {
            let known = options::find(&keyword);
            mentioned.insert(known.map_or(keyword, |option| option.name.to_ascii_lowercase()));
            continue;
        }
        for word in words(rest) {
            let pattern = include_pattern(&word, kind, home);
            let above = pattern.parent()?.to_str()?;
            // Another user's home, tokens, classes of characters, directories by wildcard.
            if !pattern.is_absolute()
                || word.contains(['[', '%', '$'])
                || above.contains(['*', '?'])
            {
                return None;
            }
            for file in matching(&pattern) {
                mention(mentioned, &file, kind, home, depth + 1)?;
            }
        }
    }
    Some(())
}

/// Copies of the files for another home; removed when this is dropped.
pub struct Relocated<'a> {
    context: &'a Context,
    home: PathBuf,
    /// The file that includes the copies.
    file: PathBuf,
    /// Copy and original.
    copies: Vec<(PathBuf, PathBuf)>,
}

impl Drop for Relocated<'_> {
    fn drop(&mut self) {
        let copies = self.copies.iter().map(|(copy, _)| copy);
        for file in copies.chain([&self.file]) {
            let _ = std::fs::remove_file(file);
        }
    }
}

impl<'a> Relocated<'a> {
    /// `None`: both homes are the same, or there is no file to copy, or no private directory for
    /// copies; ssh reads its files itself.
    ///
    /// # Errors
    ///
    /// A file that ssh would refuse, in its words, or one that cannot be copied.
    pub fn new(context: &'a Context, files: &Files) -> Result<Option<Self>, Error> {
        let Some(home) = context.home() else {
            return Ok(None);
        };
        let same = tokens::password_database_home().is_none_or(|other| {
            other == home || other.canonicalize().ok() == home.canonicalize().ok()
        });
        // ssh reads a pipe once, and complains itself about a named file that is missing.
        let is_copied = match files {
            Files::None => false,
            Files::Named(file) => file.is_file(),
            Files::Usual { .. } => true,
        };
        if same || !is_copied {
            return Ok(None);
        }
        // Its place is tried first, and its content written last.
        let file = match storage::write_for_call(context, "conf", "") {
            Ok(file) => file,
            Err(error) => {
                tracing::info!("ssh reads ssh_config with its own idea of the home: {error}");
                return Ok(None);
            }
        };
        let mut relocated = Self {
            context,
            home: home.to_owned(),
            file,
            copies: Vec::new(),
        };
        let mut includes = String::new();
        for (file, kind) in files.roots() {
            // ssh does not check the permissions of a file named by -F.
            if !matches!(files, Files::Named(_)) {
                check_permissions(file, kind)?;
            }
            let copy = relocated.copy(file, kind, 0)?;
            let _ = writeln!(includes, "Include {}", quoted(&copy));
        }
        let _ = std::fs::remove_file(&relocated.file);
        relocated.file = relocated.write(&includes)?;
        Ok(Some(relocated))
    }

    /// The file for `-F`.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Writes a file that ssh accepts whatever the umask is: it refuses those that others may write.
    fn write(&self, text: &str) -> Result<PathBuf, Error> {
        storage::write_for_call(self.context, "conf", text).map_err(|why| Error::Unreadable {
            file: self.file.clone(),
            why: std::io::Error::other(why),
        })
    }

    /// A complaint of ssh with the names of the original files.
    pub fn original(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (copy, original) in &self.copies {
            text = text.replace(&*copy.to_string_lossy(), &original.to_string_lossy());
        }
        text
    }

    /// The path to be read in place of `file`: itself where it cannot be copied.
    fn copy(&mut self, file: &Path, kind: Kind, depth: usize) -> Result<PathBuf, Error> {
        if depth > MAX_DEPTH || !file.is_file() {
            return Ok(file.to_owned());
        }
        let Ok(text) = storage::read_text(file) else {
            return Ok(file.to_owned());
        };
        let mut lines = String::new();
        for line in text.lines() {
            lines.push_str(&self.relocated_line(line, kind, depth)?);
            lines.push('\n');
        }
        let copy = self.write(&lines)?;
        self.copies.push((copy.clone(), file.to_owned()));
        Ok(copy)
    }

    fn relocated_line(&mut self, line: &str, kind: Kind, depth: usize) -> Result<String, Error> {
        let (keyword, rest) = directive(line);
        if keyword == "include" {
            let mut files = Vec::new();
            for word in words(rest) {
                let pattern = include_pattern(&word, kind, &self.home);
                let named = matching(&pattern);
                if named.is_empty() {
                    files.push(quoted(&pattern));
                }
                for file in named {
                    check_permissions(&file, kind)?;
                    files.push(quoted(&self.copy(&file, kind, depth + 1)?));
                }
            }
            return Ok(format!("Include {}", files.join(" ")));
        }
        if RESOLVED_BY_SSH.contains(&keyword.as_str()) {
            let home = self.home.to_string_lossy().into_owned();
            let words = words(rest);
            let words = words
                .iter()
                .map(|word| format!("\"{}\"", in_home(word, &home)));
            return Ok(format!("{keyword} {}", words.collect::<Vec<_>>().join(" ")));
        }
        Ok(line.to_owned())
    }
}

/// ssh's rule for the user's own file and what it includes (readconf.c, `SSHCONF_CHECKPERM`).
fn check_permissions(file: &Path, kind: Kind) -> Result<(), Error> {
    #[cfg(unix)]
    if kind == Kind::User
        && let Ok(metadata) = std::fs::metadata(file)
    {
        use std::os::unix::fs::MetadataExt as _;
        let owned = metadata.uid() == 0 || metadata.uid() == tokens::user_id();
        if !owned || metadata.mode() & 0o022 != 0 {
            let text = format!("Bad owner or permissions on {}", file.display());
            return Err(Error::SshConfig(text));
        }
    }
    #[cfg(not(unix))]
    let _ = (file, kind);
    Ok(())
}

/// A word, or `Option=word`, with a `~` in front of it replaced by the home.
pub fn in_home(text: &str, home: &str) -> String {
    let (option, path) = match text.split_once(['=', ' ']) {
        Some((option, path)) if option.chars().all(|c| c.is_ascii_alphanumeric()) => {
            (&text[..=option.len()], path)
        }
        _ => ("", text),
    };
    let words: Vec<_> = path
        .split(' ')
        .map(|word| match word.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{home}{rest}"),
            _ => word.to_owned(),
        })
        .collect();
    format!("{option}{}", words.join(" "))
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

/// A line's keyword in lower case (empty: a comment or nothing), and what follows it.
fn directive(line: &str) -> (String, &str) {
    let trimmed = line.trim_start();
    let end = trimmed.find([' ', '\t', '=', '"']).unwrap_or(trimmed.len());
    let (keyword, rest) = trimmed.split_at(end);
    let rest = rest.trim_start_matches([' ', '\t']);
    let keyword = keyword.to_ascii_lowercase();
    (keyword, rest.strip_prefix('=').unwrap_or(rest))
}

/// The path, perhaps with wildcards, that a word of an Include means.
fn include_pattern(word: &str, kind: Kind, home: &Path) -> PathBuf {
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
fn words(text: &str) -> Vec<String> {
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
fn matching(pattern: &Path) -> Vec<PathBuf> {
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

    #[test]
    fn what_files_and_their_includes_mention() {
        let home = crate::settings::git_config::fixture::Home::new();
        let context = home.context();
        let main = home.write(
            ".ssh/config",
            "Include more/*.conf ~/.ssh/one\nHost other\n  PubkeyAcceptedKeyTypes x\n  # MACs x\n",
        );
        home.write(".ssh/more/a.conf", "Include nested\n");
        home.write(".ssh/more/b.txt", "Port 1\n");
        home.write(".ssh/one", "USER=alice\n");
        home.write(".ssh/nested", "\tCiphers x\n");
        let files = Files::Named(main.clone());
        let mentioned = files.mentioned(&context).unwrap();
        let mentioned: Vec<_> = mentioned.iter().map(String::as_str).collect();
        assert_eq!(
            mentioned,
            ["ciphers", "host", "pubkeyacceptedalgorithms", "user"]
        );
        for include in ["~root/x", "sub*/x", "%d/x", "${X}/x", "[ab]"] {
            home.write(".ssh/config", &format!("Include {include}\n"));
            assert_eq!(files.mentioned(&context), None, "{include}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn copies_are_private_and_removed() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = crate::settings::git_config::fixture::Home::new();
        let file = home.write("config", "Host *\n  IdentityAgent ~/sock\n");
        let context = home.context();
        let relocated = Relocated::new(&context, &Files::Named(file)).unwrap();
        let relocated = relocated.expect("the test's home is in no password database");
        let main = relocated.file().to_owned();
        let directory = main.parent().unwrap().to_owned();
        assert!(directory.starts_with(home.path()), "no shared directory");
        for (path, wanted) in [(&directory, 0o700), (&main, 0o600)] {
            let mode = std::fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, wanted);
        }
        let copy = std::fs::read_to_string(&relocated.copies[0].0).unwrap();
        let agent = home.path().join("sock");
        assert_eq!(
            copy,
            format!("Host *\nidentityagent \"{}\"\n", agent.display())
        );
        drop(relocated);
        assert_eq!(std::fs::read_dir(directory).unwrap().count(), 0);
    }
}
