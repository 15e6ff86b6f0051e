//! A Bitbucket Cloud on loopback: REST and SSH over real git repositories in a temporary folder.
//!
//! For the tests and for README's first command. It answers as `reference/` (the OpenAPI subset of
//! the real service) declares, which `tests/contract.rs` holds; what no page declares (texts of SSH
//! refusals, removed calls, limits) follows what users of the real service report.
//!
//! The rooms: `model` (accounts, keys, repositories: what the site knows), `rest` and `ssh` (the
//! two doors to it), [`Faults`] (what is to go wrong next), `seen` (what callers did). It knows
//! nothing of the crate `bitbucket-ssh`.
#![expect(
    clippy::disallowed_methods,
    reason = "test code that stands for a remote machine: own clock, own processes"
)]

mod faults;
mod hold;
mod model;
mod rest;
mod sandbox;
mod seen;
mod ssh;

pub use faults::{Faults, RestFault, SshFault};
pub use hold::{Hold, Moment};
pub use model::{
    Account, DeployKey, Key, Permission, Refusals, SCOPES_ALL, SCOPES_MINIMUM, Visibility,
};
pub use sandbox::{Options, Sandbox};
pub use seen::{Command, Connection, Login, Offer, Request};
