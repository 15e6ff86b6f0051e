//! The command line of what stands around accounts and keys: looking, repositories, other programs'
//! configuration, hooks, pages.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `doctor`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(in crate::commands) struct Doctor {
    /// A remote or a URL; without it the current branch's remote, else `origin`, else Cloud
    #[arg(value_name = "REMOTE | URL")]
    pub(in crate::commands) target: Option<String>,
    /// As JSON
    #[arg(long)]
    pub(in crate::commands) json: bool,
    /// Touch no network
    #[arg(long)]
    pub(in crate::commands) offline: bool,
    /// Do the steps that are safe, asking before each: permissions, a missing .pub, revoked or new
    /// host keys, leftovers
    #[arg(long)]
    pub(in crate::commands) fix: bool,
    /// Do not ask
    #[arg(long, requires = "fix")]
    pub(in crate::commands) yes: bool,
}

/// `repo`.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(in crate::commands) enum Repo {
    /// Create a repository on the site and add it as a remote of the current one
    Create(RepoCreate),
    /// Clone by the site's SSH URL
    Clone(RepoClone),
}

/// `repo create`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(in crate::commands) struct RepoCreate {
    /// Workspace (on Data Center: project key or ~user) and slug
    #[arg(value_name = "WORKSPACE/SLUG")]
    pub(in crate::commands) name: String,
    /// The project it belongs to (Cloud)
    #[arg(long, value_name = "KEY")]
    pub(in crate::commands) project: Option<String>,
    /// Everybody may read it
    #[arg(long)]
    pub(in crate::commands) public: bool,
    /// The remote's name
    #[arg(long, value_name = "NAME", default_value = "origin")]
    pub(in crate::commands) remote: String,
    /// The site's web address
    #[arg(long, value_name = "URL")]
    pub(in crate::commands) site: Option<String>,
}

/// `repo clone`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(in crate::commands) struct RepoClone {
    /// Workspace (on Data Center: project key or ~user) and slug
    #[arg(value_name = "WORKSPACE/SLUG")]
    pub(in crate::commands) name: String,
    /// Where to; without it a directory with the slug's name
    pub(in crate::commands) directory: Option<PathBuf>,
    /// The site's web address
    #[arg(long, value_name = "URL")]
    pub(in crate::commands) site: Option<String>,
    /// Options for git clone
    #[arg(last = true, value_name = "GIT OPTIONS")]
    pub(in crate::commands) git_options: Vec<OsString>,
}

/// `ssh-config`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
#[group(multiple = false)]
pub(in crate::commands) struct SshConfig {
    /// Keep it in ~/.ssh/bitbucket-ssh/ssh_config, included from ~/.ssh/config
    #[arg(long)]
    pub(in crate::commands) write: bool,
    /// Take both away again
    #[arg(long)]
    pub(in crate::commands) remove: bool,
}

/// `hooks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(in crate::commands) enum Hooks {
    /// Install pre-push and post-checkout; hooks that are there are kept and called
    Install(HookScope),
    /// Take them away and put back what was there
    Uninstall(HookScope),
}

/// Where hooks are installed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
#[group(multiple = false)]
pub(in crate::commands) struct HookScope {
    /// For this repository (the default)
    #[arg(long)]
    pub(in crate::commands) local: bool,
    /// For all repositories, by configuration (git 2.54 or newer)
    #[arg(long)]
    pub(in crate::commands) global: bool,
}

/// `migrate`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub(in crate::commands) struct Migrate {
    /// Show what would be changed, and change nothing
    #[arg(long, conflicts_with = "undo")]
    pub(in crate::commands) dry_run: bool,
    /// Take the last migration of this repository back
    #[arg(long)]
    pub(in crate::commands) undo: bool,
    /// Do not ask
    #[arg(long)]
    pub(in crate::commands) yes: bool,
}

/// `completions`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(in crate::commands) struct Completions {
    /// Which shell
    pub(in crate::commands) shell: clap_complete::Shell,
}

/// `man`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(in crate::commands) struct Man {
    /// Where the pages are written; without it git-bitbucket.1 goes to standard output
    #[arg(value_name = "DIR")]
    pub(in crate::commands) directory: Option<PathBuf>,
}
