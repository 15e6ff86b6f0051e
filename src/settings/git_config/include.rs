//! Reads files of git config and follows their includes as git does: at the place where they
//! are, with `gitdir`, `onbranch` and `hasconfig` conditions (git-config(1), "Includes").

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gix::bstr::{BStr, BString, ByteSlice};
use gix::config::parse::{EventRef, Events};
use gix::glob::wildmatch::Mode;

use super::Entry;
use super::discover::{Repository, interpolated, real};
use crate::context::Context;
use crate::settings::{Error, Scope};
use crate::storage;

/// git's MAX_INCLUDE_DEPTH (git, config.c).
const DEEPEST: usize = 10;

/// Sections that are used here; all others are only parsed.
const WANTED: [&str; 11] = [
    "bitbucket",
    "remote",
    "url",
    "user",
    "http",
    "credential",
    "safe",
    "extensions",
    // For git's own log.
    "trace2",
    "core",
    "ssh",
];

/// Collects entries, file by file.
pub struct Reader<'a> {
    /// For `~`.
    context: &'a Context,
    /// For `gitdir` and `onbranch`. `None`: both conditions fail.
    repository: Option<&'a Repository>,
    /// For `hasconfig`, as configured. `None`: not known yet, the condition fails.
    remote_urls: Option<&'a [String]>,
    /// A `hasconfig` condition was seen.
    pub has_config_condition: bool,
    /// What was read.
    pub entries: Vec<Entry>,
}

impl<'a> Reader<'a> {
    /// Nothing read yet.
    pub fn new(
        context: &'a Context,
        repository: Option<&'a Repository>,
        remote_urls: Option<&'a [String]>,
    ) -> Self {
        Self {
            context,
            repository,
            remote_urls,
            has_config_condition: false,
            entries: Vec::new(),
        }
    }

    /// One file with everything it includes. A file that is not there, or that one is not
    /// allowed to read, is as good as empty (so it is for git, except that a repository's own
    /// and the system's must be readable).
    pub fn read(&mut self, file: &Path, scope: Scope) -> Result<(), Error> {
        self.read_at(file, scope, 0, false)
    }

    fn read_at(
        &mut self,
        file: &Path,
        scope: Scope,
        depth: usize,
        by_remote: bool,
    ) -> Result<(), Error> {
        if depth > DEEPEST {
            return Err(Error::IncludeDepth {
                file: file.to_owned(),
                depth: DEEPEST,
            });
        }
        let Some(bytes) = contents(file, scope)? else {
            return Ok(());
        };
        let variables = variables(&bytes).map_err(|line| Error::BadGitConfig {
            file: file.to_owned(),
            line,
        })?;
        let path: Arc<Path> = Arc::from(file);
        for variable in variables {
            let condition = match (variable.section.as_str(), &variable.subsection) {
                ("include", None) => (true, by_remote),
                ("includeif", Some(condition)) => self.holds(condition, file, by_remote),
                (section, _) if WANTED.contains(&section) => {
                    self.entries.push(Entry {
                        scope,
                        file: Arc::clone(&path),
                        line: variable.line,
                        section: variable.section,
                        subsection: variable.subsection,
                        name: variable.name,
                        value: variable.value.to_str_lossy().into_owned(),
                        bare: variable.bare,
                        by_remote,
                    });
                    continue;
                }
                _ => continue,
            };
            if let (true, by_remote) = condition
                && variable.name.eq_ignore_ascii_case("path")
                && let Some(target) = self.target(variable.value.as_ref(), file)
            {
                self.read_at(&target, scope, depth + 1, by_remote)?;
            }
        }
        Ok(())
    }

    /// Whether the condition holds, and whether what it includes hangs on the remotes.
    fn holds(&mut self, condition: &str, file: &Path, by_remote: bool) -> (bool, bool) {
        if let Some(pattern) = condition.strip_prefix("hasconfig:remote.*.url:") {
            self.has_config_condition = true;
            let urls = self.remote_urls.unwrap_or_default();
            let any = urls
                .iter()
                .any(|url| wildmatch(pattern, url, Mode::empty()));
            return (any, true);
        }
        let Some(repository) = self.repository else {
            return (false, by_remote);
        };
        let holds = if let Some(pattern) = condition.strip_prefix("gitdir:") {
            self.git_directory_matches(pattern, repository, file, Mode::empty())
        } else if let Some(pattern) = condition.strip_prefix("gitdir/i:") {
            self.git_directory_matches(pattern, repository, file, Mode::IGNORE_CASE)
        } else if let Some(pattern) = condition.strip_prefix("onbranch:") {
            let branch = repository.branch();
            branch.is_some_and(|branch| wildmatch(&with_tail(pattern), &branch, Mode::empty()))
        } else {
            false
        };
        (holds, by_remote)
    }

    /// git, config.c, `include_by_gitdir`.
    fn git_directory_matches(
        &self,
        pattern: &str,
        repository: &Repository,
        file: &Path,
        case: Mode,
    ) -> bool {
        let pattern = if pattern == "~" || pattern.starts_with("~/") {
            let home = self.context.home().map(real);
            let rest = pattern.trim_start_matches('~');
            home.map_or_else(|| pattern.to_owned(), |home| slashes(&home) + rest)
        } else if let Some(rest) = pattern.strip_prefix("./") {
            let directory = file.parent().map(real).unwrap_or_default();
            format!("{}/{rest}", slashes(&directory))
        } else if Path::new(pattern).is_absolute() || pattern.starts_with('/') {
            pattern.to_owned()
        } else {
            format!("**/{pattern}")
        };
        let pattern = with_tail(&pattern);
        let directory = &repository.git_directory;
        wildmatch(&pattern, &slashes(&real(directory)), case)
            || wildmatch(&pattern, &slashes(directory), case)
    }

    /// The file that an include names; `None` where it cannot be resolved.
    fn target(&self, value: &BStr, including: &Path) -> Option<PathBuf> {
        let path = interpolated(value, self.context)?;
        if path.is_absolute() {
            return Some(path);
        }
        Some(including.parent()?.join(path))
    }
}

/// `None`: not there, or a user's file that may not be read.
fn contents(file: &Path, scope: Scope) -> Result<Option<Vec<u8>>, Error> {
    use std::io::ErrorKind;
    match storage::read_file(file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(why) => match why.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory => Ok(None),
            // git would wait for it, or read without end.
            ErrorKind::InvalidInput | ErrorKind::FileTooLarge => {
                tracing::warn!("warning: unable to access '{}': {why}", file.display());
                Ok(None)
            }
            ErrorKind::PermissionDenied if scope == Scope::Global => {
                tracing::warn!("warning: unable to access '{}': {why}", file.display());
                Ok(None)
            }
            _ => Err(Error::Unreadable {
                file: file.to_owned(),
                why,
            }),
        },
    }
}

/// One variable of a file.
struct Variable {
    /// In lower case.
    section: String,
    subsection: Option<String>,
    name: String,
    value: BString,
    /// It has no `=`.
    bare: bool,
    /// Counted from 1.
    line: u32,
}

/// Every variable of a file, in order. On failure, the line that cannot be read.
fn variables(text: &[u8]) -> Result<Vec<Variable>, usize> {
    let events = Events::from_bytes(text, None).map_err(|error| error.line_number())?;
    let mut variables: Vec<Variable> = Vec::new();
    let (mut section, mut subsection) = (String::new(), None);
    let mut line = 1;
    let mut unfinished = BString::default();
    for event in events.iter() {
        match (event, variables.last_mut()) {
            (
                EventRef::SectionHeader {
                    name,
                    separator,
                    subsection_name,
                },
                _,
            ) => {
                section = name.to_str_lossy().to_ascii_lowercase();
                let text = subsection_name.map(|text| text.to_str_lossy().into_owned());
                // `[section.Sub]`: without regard to case (git-config(1), Syntax).
                let is_old = separator.is_some_and(|separator| separator == ".");
                subsection = text.map(|text| if is_old { text.to_lowercase() } else { text });
            }
            (EventRef::SectionValueName(name), _) => variables.push(Variable {
                section: section.clone(),
                subsection: subsection.clone(),
                name: name.to_string(),
                value: BString::default(),
                bare: true,
                line,
            }),
            (EventRef::KeyValueSeparator, Some(variable)) => variable.bare = false,
            (EventRef::ValueNotDone(text), _) => unfinished.extend_from_slice(text),
            (EventRef::Value(text) | EventRef::ValueDone(text), Some(variable)) => {
                unfinished.extend_from_slice(text);
                variable.value = gix::config::value::normalize(&unfinished).into_owned();
                unfinished.clear();
            }
            (EventRef::Newline(text), _) => {
                let lines = text.find_iter("\n").count();
                line += u32::try_from(lines).unwrap_or(u32::MAX - line);
            }
            _ => {}
        }
    }
    Ok(variables)
}

fn with_tail(pattern: &str) -> String {
    if pattern.ends_with('/') {
        format!("{pattern}**")
    } else {
        pattern.to_owned()
    }
}

fn wildmatch(pattern: &str, text: &str, case: Mode) -> bool {
    let mode = Mode::NO_MATCH_SLASH_LITERAL | case;
    gix::glob::wildmatch(pattern.into(), text.into(), mode)
}

fn slashes(path: &Path) -> String {
    let text = path.to_string_lossy();
    if cfg!(windows) {
        text.replace('\\', "/")
    } else {
        text.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# a comment\n[bitbucket]\n\taccount = alice ; mine\n\tACCOUNT = \"bob # no\"\n\n[Bitbucket \"https://bitbucket.org/a\\\"cme\"] account = carol\n\tidentityFile = ~/.ssh/\\\n  key\n\tprovision\r\n[bitbucket.Old]\naccount = dave\n";

    #[test]
    fn a_variable_knows_its_line() {
        let found = variables(FILE.as_bytes()).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|variable| {
                let subsection = variable.subsection.as_deref().unwrap_or("-");
                let value = variable.value.to_str().unwrap();
                (
                    subsection,
                    variable.name.as_str(),
                    value,
                    variable.line,
                    variable.bare,
                )
            })
            .collect();
        let by_url = "https://bitbucket.org/a\"cme";
        assert_eq!(
            found,
            [
                ("-", "account", "alice", 3, false),
                ("-", "ACCOUNT", "bob # no", 4, false),
                (by_url, "account", "carol", 6, false),
                (by_url, "identityFile", "~/.ssh/  key", 7, false),
                (by_url, "provision", "", 9, true),
                ("old", "account", "dave", 11, false),
            ]
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
            let mut read = String::new();
            for entry in variables(text.as_bytes()).unwrap() {
                let key = match &entry.subsection {
                    Some(sub) => format!("{}.{sub}", entry.section),
                    None => entry.section.clone(),
                };
                read.extend([&key, ".", &entry.name.to_lowercase()]);
                let line = text.lines().nth(entry.line as usize - 1).unwrap();
                assert!(line.contains(&entry.name), "{text}");
                if !entry.bare {
                    read.push('\n');
                    read.push_str(entry.value.to_str().unwrap());
                }
                read.push('\0');
            }
            assert_eq!(read.trim_end(), listed, "{text}");
        }
    }
}
