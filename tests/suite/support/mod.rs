//! The hermetic environment of the suite, in one place.
//!
//! A [`World`] is a machine: a HOME of its own, a Bitbucket on loopback, git set up for it, and the
//! programs under test in PATH. Nothing of the caller's environment reaches a child but PATH.
//! Waits end after [`process::DEADLINE`], and what was started is killed with its children.

mod accounts;
mod agent;
mod process;
mod screen;
mod servers;
mod sshd;
mod tls;
mod world;

pub use accounts::{Accounts, PASSWORD, USER};
pub use agent::Agent;
pub use process::{DEADLINE, Output, Running, run};
pub use screen::Screen;
pub use servers::{Implementation, Server, ServerOptions};
pub use sshd::Sshd;
pub use tls::Tls;
pub use world::{ALICE, World};
