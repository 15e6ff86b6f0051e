//! What git config is read from: the machine's and the user's files, and the repository of the working
//! directory, with whether git would trust it.
//!
//! `GIT_DIR` is ignored: git takes it out of its ssh child's environment, and a JGit that leaves it
//! there means another repository than the connection's.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::UNIX_EPOCH;

use gix::bstr::BStr;
use gix::discover::upwards::{Options, TrustPolicy};

use super::Entry;
use crate::context::Context;
use crate::settings::Scope;
use crate::storage::{Directory, read_text, short_name};

/// Where git built with the usual prefix looks; used where no git is installed.
const USUAL_SYSTEM_FILE: &str = "/etc/gitconfig";

/// The machine's and the user's files, lowest first; they need not exist.
pub fn outside_repositories(context: &Context) -> Vec<(Scope, PathBuf)> {
    let mut files = Vec::new();
    if let Some(file) = system(context) {
        files.push((Scope::System, file));
    }
    files.extend(
        global(context)
            .into_iter()
            .map(|file| (Scope::Global, file)),
    );
    files
}

/// GIT_CONFIG_GLOBAL alone, else the XDG file and `~/.gitconfig` (git-config(1), FILES).
fn global(context: &Context) -> Vec<PathBuf> {
    if let Some(file) = context.environment.raw("GIT_CONFIG_GLOBAL") {
        return vec![context.directory.join(file)];
    }
    let xdg = context.environment.raw("XDG_CONFIG_HOME");
    let xdg = xdg.filter(|path| !path.is_empty()).map(PathBuf::from);
    let xdg = xdg.or_else(|| Some(context.home()?.join(".config")));
    let xdg = xdg.map(|base| context.directory.join(base).join("git/config"));
    let home = context.home().map(|home| home.join(".gitconfig"));
    xdg.into_iter().chain(home).collect()
}

/// GIT_CONFIG_SYSTEM, unless GIT_CONFIG_NOSYSTEM; else what git reports.
fn system(context: &Context) -> Option<PathBuf> {
    if boolean(context, "GIT_CONFIG_NOSYSTEM") {
        return None;
    }
    if let Some(file) = context.environment.raw("GIT_CONFIG_SYSTEM") {
        return Some(context.directory.join(file));
    }
    let git = context.programs("git".as_ref()).next();
    let file = git.and_then(|git| kept(context, "git-system-config", &git, || ask(context, &git)));
    Some(file.map_or_else(|| PathBuf::from(USUAL_SYSTEM_FILE), PathBuf::from))
}

/// `git var GIT_CONFIG_SYSTEM` (git 2.42), else where `git config --system` finds its values or
/// misses its file.
fn ask(context: &Context, git: &Path) -> Option<String> {
    let (text, _) = output(context, git, &["var", "GIT_CONFIG_SYSTEM"])?;
    if let Some(line) = text.lines().rfind(|line| !line.is_empty()) {
        return Some(line.to_owned());
    }
    let listing = ["config", "--system", "--show-origin", "--null", "--list"];
    let (listed, complaint) = output(context, git, &listing)?;
    if let Some(origin) = listed
        .split('\0')
        .next()
        .and_then(|text| text.strip_prefix("file:"))
    {
        return Some(origin.to_owned());
    }
    let (_, quoted) = complaint.split_once('\'')?;
    let (path, _) = quoted.rsplit_once('\'')?;
    Some(path.to_owned())
}

fn output(context: &Context, git: &Path, arguments: &[&str]) -> Option<(String, String)> {
    let output = context
        .command(git)
        .args(arguments)
        .env("LC_ALL", "C")
        .env_remove("GIT_DIR")
        .env_remove("GIT_CONFIG_PARAMETERS")
        .env_remove("GIT_CONFIG_COUNT")
        .current_dir("/")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .ok()?;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).ok();
    Some((text(output.stdout)?, text(output.stderr)?))
}

/// A boolean variable as git reads it: set, and none of its words for no.
pub fn boolean(context: &Context, name: &str) -> bool {
    let value = context.environment.raw(name).unwrap_or_default();
    let value = value.to_string_lossy().to_ascii_lowercase();
    !matches!(value.as_str(), "" | "0" | "false" | "no" | "off")
}

/// The answer of `program` to the question `topic`, from the state directory where the program's
/// file is the same as then (path, size, time of change), else from `ask`, kept for the next time. It may
/// be lost.
/// `None`: `ask` had no answer; that is not kept.
fn kept(
    context: &Context,
    topic: &str,
    program: &Path,
    ask: impl FnOnce() -> Option<String>,
) -> Option<String> {
    let directory = Directory::state(context)
        .ok()
        .map(|state| state.below("programs"));
    let name = format!(
        "{topic}-{}",
        short_name(program.as_os_str().as_encoded_bytes())
    );
    let key = key(program);
    if let (Some(directory), Some(key)) = (&directory, &key)
        && let Ok(Some(text)) = directory.read(&name)
        && let Ok(text) = String::from_utf8(text)
        && let Some((first, answer)) = text.split_once('\n')
        && first == key
    {
        return Some(answer.to_owned());
    }
    let answer = ask()?;
    if let (Some(directory), Some(key)) = (directory, key)
        && let Err(error) = directory.replace(&name, format!("{key}\n{answer}").as_bytes())
    {
        tracing::debug!("{error}");
    }
    Some(answer)
}

/// One line without line breaks.
fn key(program: &Path) -> Option<String> {
    let metadata = std::fs::metadata(program).ok()?;
    let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(format!("1 {} {}", metadata.len(), changed.as_nanos()))
}

/// A repository as git finds it from the working directory.
#[derive(Debug, Clone)]
pub struct Repository {
    /// The worktree's own git directory.
    pub git_directory: PathBuf,
    /// Where the shared `config` lies; the same but for linked worktrees.
    pub common_directory: PathBuf,
    /// `None`: bare.
    pub worktree: Option<PathBuf>,
}

impl Repository {
    /// Upwards from the working directory, held by GIT_CEILING_DIRECTORIES and by file systems as
    /// git is. `None`: no repository here.
    ///
    /// A directory in which git would have to wait for a pipe, or to read a device or a huge file,
    /// ends the search: anybody may have made it, as in `/tmp`.
    pub fn discover(context: &Context) -> Option<Self> {
        let mut ceilings = ceilings(context);
        let mut above = context.directory.ancestors().peekable();
        let last = loop {
            let directory = above.next()?;
            if !can_be_read(directory) {
                log_unreadable(directory);
                return None;
            }
            match above.peek() {
                Some(next) if can_be_read(next) => {}
                Some(next) => {
                    log_unreadable(next);
                    break Some(directory);
                }
                None => break None,
            }
        };
        match last {
            // gix has no limit for the search that is the working directory itself.
            Some(last) if last == context.directory && !is_repository(last) => return None,
            // gix looks into this one, too.
            Some(last) => ceilings.push(last.to_owned()),
            None => {}
        }
        let options = Options {
            trust: TrustPolicy::Assume(gix::sec::Trust::Full),
            ceiling_dirs: ceilings,
            match_ceiling_dir_or_error: false,
            cross_fs: boolean(context, "GIT_DISCOVERY_ACROSS_FILESYSTEM"),
            dot_git_only: false,
            current_dir: Some(&context.directory),
        };
        let (path, _) = gix::discover::upwards_opts(&context.directory, options).ok()?;
        let (git_directory, worktree) = path.into_repository_and_work_tree_directories();
        let git_directory = context.directory.join(git_directory);
        let common_directory = common_directory(&git_directory);
        Some(Self {
            common_directory,
            git_directory,
            worktree: worktree.map(|worktree| context.directory.join(worktree)),
        })
    }

    /// The short name of the branch that is checked out, by the file `HEAD`.
    pub fn branch(&self) -> Option<String> {
        let head = read_text(&self.git_directory.join("HEAD")).ok()?;
        let name = head.strip_prefix("ref:")?.trim();
        Some(name.strip_prefix("refs/heads/")?.to_owned())
    }

    /// Whether `path` lies in the worktree or in a git directory. All paths link-free.
    pub fn contains(&self, path: &Path) -> bool {
        [
            Some(&self.git_directory),
            Some(&self.common_directory),
            self.worktree.as_ref(),
        ]
        .into_iter()
        .flatten()
        .any(|directory| path.starts_with(real(directory)))
    }

    /// Whether git would work in it: it is the user's, or `safe.directory` names it
    /// (git, setup.c, `ensure_valid_ownership`), and `safe.bareRepository` does not forbid it.
    /// `protected` gives the entries of system and global configuration, read without a
    /// repository, and is only called where ownership alone does not decide.
    pub fn is_trusted<E>(
        &self,
        context: &Context,
        protected: impl FnOnce() -> Result<Vec<Entry>, E>,
    ) -> Result<bool, E> {
        let owned = self.is_owned();
        let discovered_bare = self.worktree.is_none() && !within_dot_git(&self.git_directory);
        if owned && !discovered_bare {
            return Ok(true);
        }
        let protected = protected()?;
        if discovered_bare && bare_is_forbidden(&protected) {
            return Ok(false);
        }
        Ok(owned || self.is_named_safe(context, &protected))
    }

    fn is_owned(&self) -> bool {
        let git_file = self.worktree.as_ref().map(|worktree| worktree.join(".git"));
        let git_file = git_file.filter(|file| file.is_file());
        [
            git_file.as_deref(),
            self.worktree.as_deref(),
            Some(&self.git_directory),
        ]
        .into_iter()
        .flatten()
        .all(is_the_users)
    }

    /// git, setup.c, `safe_directory_cb`: an empty value forgets those before it.
    fn is_named_safe(&self, context: &Context, protected: &[Entry]) -> bool {
        let here = real(self.worktree.as_ref().unwrap_or(&self.git_directory));
        let mut safe = false;
        for entry in protected
            .iter()
            .filter(|entry| entry.is("safe", "directory"))
        {
            safe = match entry.value.as_str() {
                "" => false,
                "*" => true,
                "." => safe || here == real(&context.directory),
                value => {
                    let (value, below) = match value.strip_suffix("/*") {
                        Some(value) => (value, true),
                        None => (value, false),
                    };
                    let value: &BStr = value.into();
                    let named = interpolated(value, context).map(|path| real(&path));
                    let matches = named.is_some_and(|named| {
                        here == named && !below
                            || below && here.starts_with(&named) && here != named
                    });
                    safe || matches
                }
            };
        }
        safe
    }
}

/// What is read to recognise a repository is never as large as this.
const LARGEST: u64 = 1 << 20;

fn log_unreadable(directory: &Path) {
    let directory = directory.display();
    tracing::info!("{directory}: a repository there could not be read without waiting");
}

/// Whether the search for a repository ends in this directory. Call after [`can_be_read`].
fn is_repository(directory: &Path) -> bool {
    let is_git = |directory: &Path| gix::discover::is_git(directory).is_ok();
    let dot_git = directory.join(".git");
    is_git(directory) || is_git(&dot_git) || linked(&dot_git).is_some_and(|linked| is_git(&linked))
}

/// The git directory that a `.git` file names. `None`: it is no such file.
fn linked(dot_git: &Path) -> Option<PathBuf> {
    let text = read_text(dot_git).ok()?;
    let target = text.strip_prefix("gitdir:")?.trim();
    Some(dot_git.parent()?.join(target))
}

/// Whether the files by which a repository is recognised, in the directory or in its `.git`, can be
/// read without waiting, where they exist.
fn can_be_read(directory: &Path) -> bool {
    let is_small_file = |path: &Path| match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => metadata.len() < LARGEST,
        Ok(metadata) => metadata.is_dir(),
        Err(_) => true,
    };
    let is_readable = |directory: &Path| {
        let names = ["HEAD", "commondir"];
        names
            .iter()
            .all(|name| is_small_file(&directory.join(name)))
    };
    let dot_git = directory.join(".git");
    if !is_small_file(&dot_git) || !is_readable(directory) {
        return false;
    }
    is_readable(&dot_git) && linked(&dot_git).is_none_or(|linked| is_readable(&linked))
}

/// Whether the file is the effective user's (for root also that of the user who called sudo, as
/// git has it).
pub fn is_the_users(path: &Path) -> bool {
    gix::sec::identity::is_path_owned_by_current_user(path).unwrap_or(false)
}

fn bare_is_forbidden(protected: &[Entry]) -> bool {
    let last = protected
        .iter()
        .rfind(|entry| entry.is("safe", "bareRepository"));
    last.is_some_and(|entry| entry.value.eq_ignore_ascii_case("explicit"))
}

/// git, setup.c, `is_implicit_bare_repo`: git directories of worktrees and submodules are no
/// bare repositories.
fn within_dot_git(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == ".git")
}

fn common_directory(git_directory: &Path) -> PathBuf {
    match read_text(&git_directory.join("commondir")) {
        Ok(text) => real(&git_directory.join(text.trim_end_matches(['\n', '\r']))),
        Err(_) => git_directory.to_owned(),
    }
}

/// git resolves links in those in front of an empty one only (git(1), GIT_CEILING_DIRECTORIES).
fn ceilings(context: &Context) -> Vec<PathBuf> {
    let Some(list) = context.environment.raw("GIT_CEILING_DIRECTORIES") else {
        return Vec::new();
    };
    let mut resolve = true;
    let mut ceilings = Vec::new();
    for path in std::env::split_paths(list) {
        if path.as_os_str().is_empty() {
            resolve = false;
        } else if path.is_absolute() {
            ceilings.push(if resolve { real(&path) } else { path });
        }
    }
    ceilings
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::git_config::fixture::Home;

    #[test]
    fn a_program_is_asked_again_when_its_file_changes() {
        let home = Home::new();
        let context = home.context();
        let program = home.write("bin/tool", "one");
        let ask =
            |answer: &'static str| kept(&context, "test", &program, || Some(answer.to_owned()));
        assert_eq!(ask("first").as_deref(), Some("first"));
        assert_eq!(ask("second").as_deref(), Some("first"), "kept");
        home.write("bin/tool", "another size");
        assert_eq!(
            ask("third").as_deref(),
            Some("third"),
            "the file is another one"
        );
        assert_eq!(
            kept(&context, "other", &program, || None),
            None,
            "no answer is not kept"
        );
        assert_eq!(
            kept(&context, "other", &program, || Some("x".to_owned())).as_deref(),
            Some("x"),
        );
    }
}
