//! What the plan is made from: everything that was found on this machine, as values.
//!
//! Gathered by the corridor (which may read files and ask the agent), judged by
//! [`plan`](crate::identity::plan), which may not. Knows `settings`, `repository`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::identity::key_file::KeyFileError;
use crate::identity::{Account, Identity, ManagedKey, Rank};
use crate::repository::{Direction, Repository, Site};
use crate::settings::{Settings, Sourced};

/// A key file that a setting names.
#[derive(Debug, Clone)]
pub enum NamedFile {
    /// It can be offered.
    Usable(Box<Identity>),
    /// There is no such file.
    Missing,
    /// It is there and cannot be used.
    Unusable(KeyFileError),
}

/// Who served something before: an account, or a key whose account is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LastServed {
    /// By account name.
    Account(String),
    /// By fingerprint, `SHA256:…`.
    Key(String),
}

/// Everything that speaks about who may go. All lists are of this site unless said otherwise.
#[derive(Debug, Clone)]
pub struct PlanInputs<'a> {
    /// The site that is connected to.
    pub site: &'a Site,
    /// `None`: no repository is meant (`ssh -T`).
    pub repository: Option<&'a Repository>,
    /// Which way the objects go.
    pub direction: Direction,
    /// The user to log in as: `git`, or an account's own name.
    pub user: &'a str,
    /// Rank 1: `-i` and `-o IdentityFile`, those that exist. `None`: not given.
    pub command_line_files: Option<Vec<Identity>>,
    /// Rank 1: `--account`, else `BITBUCKET_ACCOUNT`.
    pub command_line_account: Option<Sourced<String>>,
    /// Ranks 2, 3 and 5, and whether a key may be made.
    pub settings: &'a Settings,
    /// Every file that `settings` names.
    pub named_files: BTreeMap<PathBuf, NamedFile>,
    /// ssh_config's IdentityFile lines, those that exist, in order.
    pub ssh_config_files: Vec<Identity>,
    /// IdentitiesOnly, said by a file or an option.
    pub identities_only: bool,
    /// The typed host is an alias of ssh_config.
    pub alias: bool,
    /// Who last served this repository in this direction.
    pub served_repository: Option<LastServed>,
    /// Who last served this workspace in this direction.
    pub served_workspace: Option<LastServed>,
    /// The account of `BITBUCKET_EMAIL` and `BITBUCKET_API_TOKEN`, where they speak for this site.
    pub environment_account: Option<String>,
    /// Recorded accounts of every site, in the order of their login.
    pub accounts: &'a [Account],
    /// ManagedKey identities of the site whose key file is here, newest first.
    pub managed: Vec<Identity>,
    /// ManagedKey identities of the site whose key file has gone.
    pub lost: Vec<ManagedKey>,
    /// Key files of the command line, of ssh_config (as rank 4) and the default ones that are there
    /// and cannot be used.
    pub unusable: Vec<(Rank, KeyFileError)>,
    /// The agent's keys.
    pub agent: Vec<Identity>,
    /// `~/.ssh/id_ed25519`, `id_ecdsa`, `id_rsa`, those that exist.
    pub default_files: Vec<Identity>,
}
