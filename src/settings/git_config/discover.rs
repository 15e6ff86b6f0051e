//! The repository of the working directory, and whether git would trust it.
//!
//! `GIT_DIR` is not looked at: git takes it out of its ssh child's environment, and a JGit that
//! leaves it there means another repository than the connection's.

use std::path::{Path, PathBuf};

use gix::bstr::BStr;
use gix::discover::upwards::{Options, TrustPolicy};

use super::entry::Entry;
use super::include::{interpolated, real};
use crate::context::Context;

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
    pub fn discover(context: &Context) -> Option<Self> {
        let options = Options {
            trust: TrustPolicy::Assume(gix::sec::Trust::Full),
            ceiling_dirs: ceilings(context),
            match_ceiling_dir_or_error: false,
            cross_fs: super::files::boolean(context, "GIT_DISCOVERY_ACROSS_FILESYSTEM"),
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
        let head = std::fs::read_to_string(self.git_directory.join("HEAD")).ok()?;
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
    match std::fs::read_to_string(git_directory.join("commondir")) {
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
