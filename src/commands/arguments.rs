//! The command line of `git bitbucket`. Only this file and `manual` import clap.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::secret::TokenPlace;
use crate::settings::KeyType;

/// Bitbucket over SSH: the right key for every repository, created and registered automatically
#[derive(Debug, Parser)]
#[command(
    name = "git-bitbucket",
    bin_name = "git bitbucket",
    version,
    long_about = "Bitbucket over SSH: the right key for every repository, created and registered \
        automatically.\n\nExit status: 0 done, 1 failed, 2 wrong usage, 4 not logged in."
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(super) enum Verb {
    /// Make bitbucket-ssh git's SSH program
    Setup(Setup),
    /// Restore what `setup` changed
    Unsetup(Scopes),
    /// Check and store an API token, and record its account
    Login(Login),
    /// Remove an account's token and records; its keys stay
    Logout(Logout),
    /// Select the account for this repository, for a workspace, or for all repositories
    Use(Use),
    /// Show the account, the identities in order, and what the next fetch would do
    Status(Status),
    /// Find what keeps git from reaching Bitbucket, and show how to fix it
    Doctor(Doctor),
    /// List, create, register, load, rotate and remove keys
    #[command(subcommand)]
    Key(Key),
    /// Create a repository, or clone one by name
    #[command(subcommand)]
    Repo(Repo),
    /// Print or install the ssh_config blocks with which ssh uses the same identities
    SshConfig(SshConfig),
    /// Install or remove the git hooks that check authors' e-mail addresses
    #[command(subcommand)]
    Hooks(Hooks),
    /// Convert host aliases and `ssh -i` commands of this repository into settings and canonical URLs
    Migrate(Migrate),
    /// Print completions for a shell, also for `git bitbucket`
    Completions(Completions),
    /// Print the man page, or write all man pages into a directory
    Man(Man),
    /// Called by git as its credential helper
    #[command(hide = true)]
    Credential(Credential),
    /// Called by the git hooks
    #[command(hide = true)]
    Hook(Hook),
}

/// `key …`.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(super) enum Key {
    /// Show the keys on the site and on this machine
    List(KeyList),
    /// Create another key pair and register it
    New(KeyNew),
    /// Register an existing public key
    Add(KeyAdd),
    /// Add managed keys to the agent
    Load(KeyOf),
    /// Remove managed keys from the agent
    Unload(KeyOf),
    /// Replace managed keys: a new key is tested by a login before the old one is removed
    Rotate(KeyRotate),
    /// Remove keys from the site and the agent, and rename their files
    Revoke(KeyRevoke),
    /// Remove keys from the site whose files no longer exist
    Prune(KeyPrune),
}

/// Whose keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(super) struct KeyOf {
    /// The account (default: all known accounts)
    #[arg(long, value_name = "ACCOUNT")]
    pub(super) account: Option<String>,
    /// The site, by its web address
    #[arg(long, value_name = "URL")]
    pub(super) site: Option<String>,
}

/// `key list`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(super) struct KeyList {
    #[command(flatten)]
    pub(super) which: KeyOf,
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// `key new`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(super) struct KeyNew {
    #[command(flatten)]
    pub(super) which: KeyOf,
    /// An access key for this repository only, set as its identityFile in your git config
    #[arg(long, value_name = "URL", conflicts_with = "site")]
    pub(super) repository: Option<String>,
    /// The access key cannot push (always the case on Bitbucket Cloud)
    #[arg(long, requires = "repository")]
    pub(super) read_only: bool,
    /// The private key file; it must not exist
    #[arg(long, value_name = "PATH")]
    pub(super) file: Option<PathBuf>,
    /// ed25519, ecdsa, rsa or rsa-BITS
    #[arg(long = "type", value_name = "TYPE", value_parser = crate::settings::key_type)]
    pub(super) key_type: Option<KeyType>,
    /// How long it is valid: 90d, 12w, 1y, or a number of days
    #[arg(long, value_name = "TIME", value_parser = crate::settings::lifetime)]
    pub(super) expires: Option<u32>,
}

/// `key add`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(super) struct KeyAdd {
    /// A key file, its private or its public half
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// The key's label on the site (default: the comment of the key file)
    #[arg(long, value_name = "TITLE")]
    pub(super) title: Option<String>,
    #[command(flatten)]
    pub(super) which: KeyOf,
}

/// `key rotate`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(super) struct KeyRotate {
    #[command(flatten)]
    pub(super) which: KeyOf,
    /// Leave the old keys registered, for a token that cannot remove keys
    #[arg(long)]
    pub(super) keep_old: bool,
    /// Only keys at least this old: 90d, 12w, 1y, or a number of days
    #[arg(long, value_name = "AGE", value_parser = crate::settings::age)]
    pub(super) older_than: Option<u32>,
    /// Show what would be replaced, without changing anything
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    pub(super) yes: bool,
}

/// `key revoke`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(super) struct KeyRevoke {
    /// SHA256:…, as `key list` shows it
    #[arg(value_name = "FINGERPRINT", required = true)]
    pub(super) fingerprints: Vec<String>,
    /// The key may be known to others: replace it first wherever it is used
    #[arg(long)]
    pub(super) compromised: bool,
    /// The site, by its web address
    #[arg(long, value_name = "URL")]
    pub(super) site: Option<String>,
}

/// `key prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(super) struct KeyPrune {
    #[command(flatten)]
    pub(super) which: KeyOf,
    /// Keys of any machine that were last used longer ago than this: 90d, 12w, 1y, or days
    #[arg(long, value_name = "AGE", value_parser = crate::settings::age)]
    pub(super) unused: Option<u32>,
    /// Show what would be removed, without changing anything
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    pub(super) yes: bool,
}

/// Which configuration file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
#[group(multiple = false)]
pub(super) struct Scopes {
    /// This repository's configuration
    #[arg(long)]
    pub(super) local: bool,
    /// Your configuration: $GIT_CONFIG_GLOBAL or ~/.gitconfig (default)
    #[arg(long)]
    pub(super) global: bool,
    /// The machine's configuration
    #[arg(long)]
    pub(super) system: bool,
}

/// `setup`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(super) struct Setup {
    #[command(flatten)]
    pub(super) scopes: Scopes,
    /// Also create an `ssh` link in DIR, for tools that call ssh themselves
    #[arg(long, value_name = "DIR")]
    pub(super) shim: Option<PathBuf>,
    /// Also use SSH for https:// URLs of Bitbucket
    #[arg(long)]
    pub(super) rewrite_https: bool,
    /// Also give git the password for https:// URLs of Bitbucket
    #[arg(long, conflicts_with = "rewrite_https")]
    pub(super) https: bool,
}

/// `credential`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct Credential {
    /// get, store or erase
    #[arg(value_name = "OPERATION")]
    pub(super) operation: String,
}

/// `login`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(super) struct Login {
    /// Atlassian e-mail address (Cloud) or user name (Data Center)
    pub(super) account: Option<String>,
    /// The site's web address (default: the only site with this account)
    #[arg(long, value_name = "URL")]
    pub(super) site: Option<String>,
    /// Read the API token from standard input
    #[arg(long)]
    pub(super) with_token: bool,
    /// Where to store the token (default: the keyring if available, else a file)
    #[arg(long, value_name = "PLACE")]
    pub(super) store: Option<Store>,
}

/// Where a token can be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Store {
    /// The system's keyring
    Keyring,
    /// git's credential helper
    GitCredential,
    /// A file of mode 0600
    File,
}

impl From<Store> for TokenPlace {
    fn from(store: Store) -> Self {
        match store {
            Store::Keyring => Self::Keyring,
            Store::GitCredential => Self::GitCredential,
            Store::File => Self::File,
        }
    }
}

/// `logout`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(super) struct Logout {
    /// The account (default: the only one that is logged in)
    pub(super) account: Option<String>,
    /// The site's web address
    #[arg(long, value_name = "URL")]
    pub(super) site: Option<String>,
}

/// `use`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(super) struct Use {
    /// The account
    #[arg(required_unless_present = "unset")]
    pub(super) account: Option<String>,
    /// For this repository (default)
    #[arg(long, conflicts_with_all = ["workspace", "global"])]
    pub(super) local: bool,
    /// For all repositories of a workspace (Data Center: of a project)
    #[arg(long, value_name = "WS", conflicts_with = "global")]
    pub(super) workspace: Option<String>,
    /// For all repositories
    #[arg(long)]
    pub(super) global: bool,
    /// The site's web address (default: the only site with this account)
    #[arg(long, value_name = "URL")]
    pub(super) site: Option<String>,
    /// Remove the selection
    #[arg(long, conflicts_with = "account")]
    pub(super) unset: bool,
}

/// `status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(super) struct Status {
    /// A remote or URL (default: the current branch's remote, else `origin`)
    #[arg(value_name = "REMOTE | URL")]
    pub(super) target: Option<String>,
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// `doctor`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(super) struct Doctor {
    /// A remote or URL (default: the current branch's remote, else `origin`, else Cloud)
    #[arg(value_name = "REMOTE | URL")]
    pub(super) target: Option<String>,
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Do not use the network
    #[arg(long)]
    pub(super) offline: bool,
    /// Fix what can be fixed safely, asking before each step: permissions, a missing .pub file,
    /// revoked or new host keys, unfinished files
    #[arg(long)]
    pub(super) fix: bool,
    /// Do not ask for confirmation
    #[arg(long, requires = "fix")]
    pub(super) yes: bool,
}

/// `repo`.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(super) enum Repo {
    /// Create a repository on the site and add it as a remote of the current one
    Create(RepoCreate),
    /// Clone from the site's SSH URL
    Clone(RepoClone),
}

/// `repo create`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(super) struct RepoCreate {
    /// Workspace (Data Center: project key or ~user) and slug
    #[arg(value_name = "WORKSPACE/SLUG")]
    pub(super) name: String,
    /// Its project (Cloud)
    #[arg(long, value_name = "KEY")]
    pub(super) project: Option<String>,
    /// Readable by everyone
    #[arg(long)]
    pub(super) public: bool,
    /// The remote's name
    #[arg(long, value_name = "NAME", default_value = "origin")]
    pub(super) remote: String,
    /// The site's web address
    #[arg(long, value_name = "URL")]
    pub(super) site: Option<String>,
}

/// `repo clone`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(super) struct RepoClone {
    /// Workspace (Data Center: project key or ~user) and slug
    #[arg(value_name = "WORKSPACE/SLUG")]
    pub(super) name: String,
    /// The directory (default: the slug)
    pub(super) directory: Option<PathBuf>,
    /// The site's web address
    #[arg(long, value_name = "URL")]
    pub(super) site: Option<String>,
    /// Options for git clone
    #[arg(last = true, value_name = "GIT OPTIONS")]
    pub(super) git_options: Vec<OsString>,
}

/// `ssh-config`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
#[group(multiple = false)]
pub(super) struct SshConfig {
    /// Write them to ~/.ssh/bitbucket-ssh/ssh_config and include that in ~/.ssh/config
    #[arg(long)]
    pub(super) write: bool,
    /// Remove both
    #[arg(long)]
    pub(super) remove: bool,
}

/// `hooks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(super) enum Hooks {
    /// Install pre-push and post-checkout; existing hooks are kept and called
    Install(HookScope),
    /// Remove them and restore existing hooks
    Uninstall(HookScope),
}

/// Where hooks are installed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
#[group(multiple = false)]
pub(super) struct HookScope {
    /// For this repository (default)
    #[arg(long)]
    pub(super) local: bool,
    /// For all repositories, by configuration (git 2.54 or newer)
    #[arg(long)]
    pub(super) global: bool,
}

/// `migrate`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub(super) struct Migrate {
    /// Show what would change, without changing anything
    #[arg(long, conflicts_with = "undo")]
    pub(super) dry_run: bool,
    /// Undo the last migration of this repository
    #[arg(long)]
    pub(super) undo: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    pub(super) yes: bool,
}

/// `completions`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct Completions {
    /// Which shell
    pub(super) shell: clap_complete::Shell,
}

/// `man`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(super) struct Man {
    /// Where to write the pages (default: git-bitbucket.1 to standard output)
    #[arg(value_name = "DIR")]
    pub(super) directory: Option<PathBuf>,
}

/// `hook`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct Hook {
    /// Which hook
    pub(super) name: HookName,
    /// The arguments from git
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(super) arguments: Vec<OsString>,
}

/// The hooks that have a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum HookName {
    /// Before a push
    PrePush,
    /// After a checkout
    PostCheckout,
}

/// The parsed command line.
#[derive(Debug)]
pub(super) enum Reading {
    /// Run this command.
    Do(Verb),
    /// `--help`, `--version`: print this text.
    Print(String),
    /// Wrong usage: clap's message, with a newline at the end.
    Wrong(String),
}

/// Parses the arguments, without the program's name.
pub(super) fn read(arguments: Vec<OsString>) -> Reading {
    let argv = std::iter::once(OsString::from("git-bitbucket")).chain(arguments);
    match Arguments::try_parse_from(argv) {
        Ok(arguments) => Reading::Do(arguments.verb),
        Err(error) if error.use_stderr() => Reading::Wrong(error.render().to_string()),
        Err(error) => Reading::Print(error.render().to_string()),
    }
}

/// The whole command line, for man pages and completions.
pub(super) fn command() -> clap::Command {
    Arguments::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn what_may_be_typed() {
        for (line, expected, why) in [
            ("setup", "Do", "global by default"),
            ("setup --local --shim bin", "Do", "a shim with any scope"),
            ("setup --local --global", "Wrong", "one file"),
            ("unsetup --system", "Do", "the undo takes the same scopes"),
            ("use alice@example.com --global", "Do", ""),
            ("use", "Wrong", "whose account?"),
            ("use --unset", "Do", "nothing to name"),
            ("use --unset alice", "Wrong", "all values go"),
            ("use a --global --workspace acme", "Wrong", "one place"),
            ("login --store attic", "Wrong", "three places"),
            ("key new --repository u --read-only", "Do", ""),
            ("key new --read-only", "Wrong", "of which repository?"),
            ("key new --expires 12w", "Do", "as keyLifetime"),
            ("key new --expires 30", "Do", "days"),
            ("key new --expires 0", "Wrong", "at once"),
            ("key rotate --older-than 1y", "Do", ""),
            ("key rotate --older-than 0", "Do", "every key"),
            ("key prune --unused 90d", "Do", ""),
            ("key prune --unused soon", "Wrong", "no time"),
            ("hook pre-push origin -x", "Do", "what git gives is passed"),
            ("--version", "Print", ""),
            ("-h", "Print", ""),
            ("", "Wrong", "nothing is no command"),
            ("frobnicate", "Wrong", ""),
        ] {
            let reading = format!("{:?}", read(words(line)));
            assert!(reading.starts_with(expected), "{line}: {why}: {reading}");
        }
    }
}
