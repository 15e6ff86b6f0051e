//! What the plan is made from: everything about keys and accounts found on this machine, as values.
//!
//! `connection` collects them, reading files and asking the agent;
//! [`plan`](crate::identity::plan) only judges.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::identity::key_file::KeyFileError;
use crate::identity::{Account, AccountId, Identity, ManagedKey, Rank};
use crate::repository::{Direction, Site};
use crate::settings::{FileLine, Origin, Settings, Sourced};

/// Everything that decides which identities are used.
#[derive(Debug, Clone)]
pub struct PlanInputs<'a> {
    /// The site that is connected to.
    pub site: &'a Site,
    /// Which way the objects go.
    pub direction: Direction,
    /// The user to log in as: `git`, or an account's own name.
    pub user: &'a str,
    /// Rank 1.
    pub command_line: CommandLine,
    /// Ranks 2, 3 and 5.
    pub configured: Configured<'a>,
    /// Rank 4.
    pub ssh_config: SshConfigKeys,
    /// Rank 6.
    pub history: ServedBefore,
    /// Rank 7.
    pub accounts: KnownAccounts<'a>,
    /// The keys that accounts and rank 8 can use.
    pub keys: KeysHere,
}

/// What this call chooses.
#[derive(Debug, Clone, Default)]
pub struct CommandLine {
    /// `-i` and `-o IdentityFile`, those that exist. `None`: not given.
    pub files: Option<Vec<Identity>>,
    /// `--account`, else `BITBUCKET_ACCOUNT`.
    pub account: Option<Sourced<String>>,
}

/// What git config chooses.
#[derive(Debug, Clone)]
pub struct Configured<'a> {
    /// The settings, which also say whether a key may be created.
    pub settings: &'a Settings,
    /// Every key file that the settings name.
    pub files: BTreeMap<PathBuf, NamedFile>,
}

/// A key file that a setting names.
#[derive(Debug, Clone)]
pub enum NamedFile {
    /// It can be offered.
    Usable(Box<Identity>),
    /// There is no such file.
    Missing,
    /// It exists and cannot be used.
    Unusable(KeyFileError),
}

/// What ssh_config chooses.
#[derive(Debug, Clone, Default)]
pub struct SshConfigKeys {
    /// Its IdentityFile lines, those that exist, in order.
    pub files: Vec<Identity>,
    /// Those that do not exist, without the files of managed keys unless the host is an alias.
    pub missing: Vec<PathBuf>,
    /// Where it names them.
    pub lines: Vec<(PathBuf, FileLine)>,
    /// It names a key file that is not a managed key's, so ssh(1) would not take the default ones.
    pub names_files: bool,
    /// IdentitiesOnly is set, in a file or as an option.
    pub identities_only: bool,
    /// The typed host is an alias of ssh_config.
    pub alias: bool,
}

impl SshConfigKeys {
    /// Where ssh_config names a key file.
    pub fn origin(&self, file: Option<&Path>) -> Origin {
        let mut lines = self.lines.iter();
        let line = lines.find(|(path, _)| Some(path.as_path()) == file);
        Origin::SshConfig(line.map(|(_, line)| line.clone()))
    }
}

/// The identities with which earlier connections in the same direction succeeded.
#[derive(Debug, Clone, Default)]
pub struct ServedBefore {
    /// For this repository.
    pub repository: Option<LastServed>,
    /// For a repository of this workspace.
    pub workspace: Option<LastServed>,
}

/// An account, or a key whose account is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LastServed {
    /// By account name.
    Account(String),
    /// By fingerprint, `SHA256:…`.
    Key(String),
}

/// The accounts that are known on this machine.
#[derive(Debug, Clone)]
pub struct KnownAccounts<'a> {
    /// Recorded accounts of every site, in the order of their last login.
    pub recorded: &'a [Account],
    /// The account of `BITBUCKET_EMAIL` and `BITBUCKET_API_TOKEN`, where they are for this site.
    pub environment: Option<String>,
    /// Accounts of other sites that may be in no record: those that only have a key, and the
    /// environment's.
    pub elsewhere: Vec<AccountId>,
}

/// The keys on this machine.
#[derive(Debug, Clone, Default)]
pub struct KeysHere {
    /// Managed keys of the site whose file exists, newest first.
    pub managed: Vec<Identity>,
    /// Managed keys of the site whose file does not exist.
    pub lost: Vec<ManagedKey>,
    /// The agent's keys.
    pub agent: Vec<Identity>,
    /// `~/.ssh/id_ed25519`, `id_ecdsa`, `id_rsa`, those that exist.
    pub default_files: Vec<Identity>,
    /// The other key pairs in `~/.ssh`, where an account may stand for one that its key list shows.
    pub other_files: Vec<Identity>,
    /// Key files of the command line, of ssh_config (as rank 4) and default ones that exist and
    /// cannot be used.
    pub unusable: Vec<(Rank, KeyFileError)>,
}
