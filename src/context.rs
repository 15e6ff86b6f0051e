//! The process's surroundings: environment, working directory, the program's own path, the clock.
//!
//! Captured once, by [`Context::capture`], and passed on as a value. Children are started by
//! [`Context::command`], the one place that removes the API token from their environment. Uses only `clock` and `text`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use crate::clock::{Clock, SystemClock};
use crate::text::{Pasted, Shown};

/// Set for a git that is started to read other credential helpers' tokens, so that this program
/// does not answer as a helper and start git again.
pub const ASKED_FOR_CREDENTIAL: &str = "BITBUCKET_SSH_ASKED_FOR_CREDENTIAL";

/// The variable that holds an API token; no child ever inherits it.
pub const API_TOKEN: &str = "BITBUCKET_API_TOKEN";

/// The environment variables of the process, as they were at its start.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
    /// What this process adds for its children, shared by all clones.
    handed_down: Arc<OnceLock<Vec<(&'static str, String)>>>,
}

impl Environment {
    /// These variables.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self {
            variables: variables.into_iter().collect(),
            handed_down: Arc::default(),
        }
    }

    /// Adds variables for every child from now on, also for those of clones. Only the first call has an
    /// effect.
    pub fn hand_down(&self, variables: impl IntoIterator<Item = (&'static str, String)>) {
        let _ = self.handed_down.set(variables.into_iter().collect());
    }

    /// The value, which may be empty. `None`: not set.
    pub fn raw(&self, name: &str) -> Option<&OsStr> {
        self.variables
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
    }

    /// The value where it is UTF-8 and not empty; `None` otherwise.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.raw(name)?.to_str().filter(|value| !value.is_empty())
    }

    /// As [`Environment::text`], without white space around it: for variables of this program, which
    /// are often read from a file with its line feed.
    pub fn trimmed(&self, name: &str) -> Option<&str> {
        let value = self.text(name)?.trim();
        Some(value).filter(|value| !value.is_empty())
    }

    /// Sets a variable for children; `None` removes it.
    pub fn set(&mut self, name: &str, value: Option<OsString>) {
        match value {
            Some(value) => self.variables.insert(name.into(), value),
            None => self.variables.remove(OsStr::new(name)),
        };
    }

    /// Every variable whose name and value are UTF-8, by name.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables
            .iter()
            .filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)))
    }

    /// Whether the variable is set at all, to whatever value.
    pub fn is_set(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }
}

impl std::fmt::Debug for Environment {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

/// The name of the user who runs this, by the password database. `None`: it has none, or the system
/// has no such database.
pub fn login_name() -> Option<String> {
    #[cfg(unix)]
    return Some(
        nix::unistd::User::from_uid(nix::unistd::getuid())
            .ok()??
            .name,
    );
    #[cfg(not(unix))]
    None
}

/// The process's surroundings.
#[derive(Clone)]
pub struct Context {
    /// The variables at the start.
    pub environment: Environment,
    /// The working directory (getcwd, never `PWD`: git does not keep that one up to date).
    pub directory: PathBuf,
    /// The program's own file, from the system and not from `argv[0]`.
    pub program: PathBuf,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl Context {
    /// The surroundings of this process. Only the entry points call it.
    #[expect(clippy::disallowed_methods, reason = "the only place that reads them")]
    pub fn capture() -> Self {
        Self {
            environment: Environment::new(std::env::vars_os()),
            directory: std::env::current_dir().unwrap_or_default(),
            program: std::env::current_exe().unwrap_or_default(),
            clock: Arc::new(SystemClock),
        }
    }

    /// `$HOME`, as for git. `None` where it is not set or empty.
    pub fn home(&self) -> Option<&Path> {
        self.environment
            .raw("HOME")
            .filter(|home| !home.is_empty())
            .map(Path::new)
    }

    /// `~/.ssh`; `None` without a home.
    pub fn ssh_directory(&self) -> Option<PathBuf> {
        Some(self.home()?.join(".ssh"))
    }

    /// `~/.ssh/bitbucket-ssh`: accounts, records and locks, beside the keys that they describe.
    pub fn records_directory(&self) -> Option<PathBuf> {
        Some(self.ssh_directory()?.join("bitbucket-ssh"))
    }

    /// `$XDG_STATE_HOME/bitbucket-ssh` (an absolute path only), else
    /// `~/.local/state/bitbucket-ssh`: what may be lost.
    pub fn state_directory(&self) -> Option<PathBuf> {
        let base = match self.environment.raw("XDG_STATE_HOME").map(Path::new) {
            Some(path) if path.is_absolute() => path.to_owned(),
            _ => self.home()?.join(".local/state"),
        };
        Some(base.join("bitbucket-ssh"))
    }

    /// Where temporary files go: `TMPDIR`, else `/tmp` (on Windows `TEMP`).
    pub fn temporary_directory(&self) -> PathBuf {
        let (variable, otherwise) = if cfg!(windows) {
            ("TEMP", r"C:\Windows\Temp")
        } else {
            ("TMPDIR", "/tmp")
        };
        let named = self.environment.raw(variable).map(Path::new);
        let named = named.filter(|path| path.is_absolute());
        named.unwrap_or(Path::new(otherwise)).to_owned()
    }

    /// `~` and `~/…` resolved against `$HOME`; every other text as it is.
    pub fn expand_home(&self, path: &str) -> PathBuf {
        match (path.strip_prefix('~'), self.home()) {
            (Some(""), Some(home)) => home.to_owned(),
            (Some(rest), Some(home)) if rest.starts_with('/') => {
                home.join(rest.trim_start_matches('/'))
            }
            _ => PathBuf::from(path),
        }
    }

    /// A path in prose: `~/…` for what is below the home.
    pub fn shown(&self, path: &Path) -> Shown {
        Shown::path(path, self.home())
    }

    /// A path as a word of a command to paste: `~/…` for what is below the home.
    pub fn pasted(&self, path: &Path) -> Pasted {
        Pasted::path(path, self.home())
    }

    /// The name of the user who runs this: as ssh(1) takes it from the password database, else from
    /// the environment. `None`: neither has one.
    pub fn login_name(&self) -> Option<String> {
        login_name().or_else(|| {
            ["USER", "LOGNAME", "USERNAME"]
                .iter()
                .find_map(|name| self.environment.text(name))
                .map(str::to_owned)
        })
    }

    /// The programs of this name in PATH, in order. Only its absolute directories are searched: every
    /// other component means the working directory or one below it, which may be anybody's repository.
    pub fn programs(&self, name: &OsStr) -> impl Iterator<Item = PathBuf> {
        let path = self.environment.raw("PATH").unwrap_or_default();
        let absolute: Vec<PathBuf> = std::env::split_paths(path)
            .filter(|directory| directory.is_absolute())
            .collect();
        // An empty list would be one empty component.
        let listed = std::env::join_paths(&absolute).ok();
        let listed = listed.filter(|list| !list.is_empty());
        let found = listed.and_then(|list| which::which_in_all(name, Some(list), "/").ok());
        found.into_iter().flatten()
    }

    /// A child with the captured environment but without the API token. Its standard streams are not
    /// git's: stdin and stdout are the null device unless the caller sets them, stderr is inherited.
    ///
    /// A bare name is searched for as by [`Self::programs`]: without PATH the system's own search would
    /// begin in the working directory.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that starts children"
    )]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let program = program.as_ref();
        let is_name = Path::new(program).file_name() == Some(program);
        let mut command = if is_name {
            let found = self.programs(program).next();
            // Starting it fails with "No such file or directory".
            Command::new(found.unwrap_or_else(|| Path::new("/nonexistent").join(program)))
        } else {
            Command::new(program)
        };
        command
            .env_clear()
            .envs(
                self.environment
                    .variables
                    .iter()
                    .filter(|(name, _)| *name != API_TOKEN),
            )
            .envs(
                self.environment
                    .handed_down
                    .get()
                    .into_iter()
                    .flatten()
                    .map(|(name, value)| (name, value)),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("environment", &self.environment)
            .field("directory", &self.directory)
            .field("program", &self.program)
            .finish_non_exhaustive()
    }
}
