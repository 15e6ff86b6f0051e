//! `bitbucket-ssh`: git's SSH program for Bitbucket. The right identity for every repository,
//! made and registered on the way where there is none.
//!
//! The walk of one `git fetch` through the modules, which stand in this order:
//!
//! 1. [`ssh_command`]: what git asked (argv).
//! 2. [`repository`]: which site and repository is meant.
//! 3. [`settings`]: what is wished (git config, ssh_config, environment).
//! 4. [`identity`]: who may go, in which order, and why.
//! 5. [`host_key`]: who answers.
//! 6. [`transport`]: the session.
//! 7. [`bitbucket`] and [`provision`]: a new key, where the plan says so.
//!
//! The corridor that calls them in turn is `connection`; the ground floor that every room may
//! use is [`context`], [`clock`], [`secret`], [`sanitise`], [`prompt`] and [`diagnostics`]; [`report`] words
//! every failure; [`commands`] is `git bitbucket`.

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
