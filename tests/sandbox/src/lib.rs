//! A simulated Bitbucket on loopback: REST and SSH over real git repositories in a temporary
//! folder.
//!
//! It is used by the tests and by README's first command. It answers as `reference/` (subsets of
//! the OpenAPI files of the real service) declares, which `tests/contract/`
//! checks. What is declared nowhere (texts of SSH refusals, removed calls, limits) follows what users
//! of the real service report.
//!
//! The modules: `model` (accounts, keys, repositories), `rest` and `ssh` (the two servers),
//! [`Faults`] (what fails next), `call_log` (what clients did). It does not use the crate
//! `bitbucket-ssh`.
#![expect(
    clippy::disallowed_methods,
    reason = "test code that stands for a remote machine: own clock, own processes"
)]

mod call_log;
mod faults;
mod hold;
mod model;
mod rest;
mod sandbox;
mod ssh;

pub use call_log::{Command, Connection, Login, Offer, Request};
pub use faults::{Faults, RestFault, SshFault};
pub use hold::{Hold, Moment};
pub use model::{
    Account, DeployKey, Key, Permission, Refusals, SCOPES_ALL, SCOPES_MINIMUM, Visibility,
};
pub use sandbox::{Options, Sandbox};
