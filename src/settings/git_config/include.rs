//! Reads files of git config and follows their includes as git does: at the place where they
//! stand, with `gitdir`, `onbranch` and `hasconfig` conditions (git-config(1), "Includes").

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gix::bstr::{BStr, ByteSlice};
use gix::config::File;
use gix::config::parse::Events;
use gix::glob::wildmatch::Mode;

use super::discover::Repository;
use super::entry::Entry;
use crate::context::Context;
use crate::settings::{Error, Scope};

/// git's MAX_INCLUDE_DEPTH (git, config.c).
const DEEPEST: usize = 10;

/// Sections that somebody here looks at; all others are only parsed.
const WANTED: [&str; 10] = [
    "bitbucket",
    "remote",
    "url",
    "user",
    "http",
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
        let parsed = parse(&bytes).map_err(|line| Error::BadGitConfig {
            file: file.to_owned(),
            line,
        })?;
        let path: Arc<Path> = Arc::from(file);
        for section in parsed.sections() {
            let header = section.header();
            let name = header.name().to_str_lossy().to_ascii_lowercase();
            let subsection = header
                .subsection_name()
                .map(|text| text.to_str_lossy().into_owned());
            let condition = match (name.as_str(), &subsection) {
                ("include", None) => Some((true, by_remote)),
                ("includeif", Some(condition)) => Some(self.holds(condition, file, by_remote)),
                _ => None,
            };
            if condition.is_none() && !WANTED.contains(&name.as_str()) {
                continue;
            }
            for (variable, value) in section.body() {
                match condition {
                    None => self.entries.push(Entry {
                        scope,
                        file: Arc::clone(&path),
                        section: name.clone(),
                        subsection: subsection.clone(),
                        bare: value.is_empty()
                            && section.body().value_implicit(&variable) == Some(None),
                        name: variable,
                        value: value.to_str_lossy().into_owned(),
                        by_remote,
                    }),
                    Some((true, by_remote)) if variable.eq_ignore_ascii_case("path") => {
                        if let Some(target) = self.target(value.as_ref(), file) {
                            self.read_at(&target, scope, depth + 1, by_remote)?;
                        }
                    }
                    Some(_) => {}
                }
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

    /// The file that an include names; `None` where it cannot be told.
    fn target(&self, value: &BStr, including: &Path) -> Option<PathBuf> {
        let path = interpolated(value, self.context)?;
        if path.is_absolute() {
            return Some(path);
        }
        Some(including.parent()?.join(path))
    }
}

/// `~`, `~user` resolved. `None`: an empty path, or a user that is not known.
pub fn interpolated(value: &BStr, context: &Context) -> Option<PathBuf> {
    let path = gix::config::Path::from(value.to_owned());
    let interpolation = gix::config::path::interpolate::Context {
        git_install_dir: None,
        home_dir: context.home(),
        home_for_user: Some(gix::config::path::interpolate::home_for_user),
    };
    path.interpolate(interpolation).ok()
}

/// The link-free path; the path itself where it is not there.
pub fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// `None`: not there, or a user's file that may not be read.
fn contents(file: &Path, scope: Scope) -> Result<Option<Vec<u8>>, Error> {
    use std::io::ErrorKind;
    match std::fs::read(file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(why) => match why.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory => Ok(None),
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

/// The line that cannot be read, on failure.
fn parse(bytes: &[u8]) -> Result<File, usize> {
    let events = Events::from_bytes(bytes, None).map_err(|error| error.line_number())?;
    Ok(File::from_parse_events_no_includes(
        events,
        gix::config::file::Metadata::default(),
    ))
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
