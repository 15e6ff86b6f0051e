//! `bitbucket-ssh`: git's SSH program for Bitbucket. It selects the account and key for each
//! repository, and creates and registers a key if the account has none here.
//!
//! One `git fetch` passes through the modules in this order:
//!
//! 1. [`ssh_command`]: the command line that git called.
//! 2. [`settings`]: git config, ssh_config and the environment.
//! 3. [`repository`]: the site and the repository.
//! 4. [`identity`]: which keys may be used, in which order, and why.
//! 5. [`transport`]: the SSH session; [`host_key`] checks the server's key.
//! 6. [`provision`] with [`bitbucket`]: a new key, if the plan contains one.
//!
//! [`connection`] calls them in turn. [`report`] turns every error into a message, [`commands`] is
//! `git bitbucket`. [`context`], [`clock`], [`secret`], [`storage`], [`text`], [`prompt`] and
//! [`diagnostics`] are used everywhere.

pub mod ssh_command;

pub mod repository;

pub mod settings;

pub mod identity;

pub mod host_key;

pub mod transport;

pub mod bitbucket;

pub mod provision;

pub mod connection;

pub mod prompt;

pub mod diagnostics;

pub mod commands;

pub mod report;

pub mod clock;
pub mod context;
pub mod secret;
pub mod storage;
pub mod text;
