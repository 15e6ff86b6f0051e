//! The suite: the real programs, driven by real git, against real servers on loopback.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    reason = "test code: it starts processes, in an environment of their own"
)]

mod access_keys;
mod bad_input;
mod callers;
mod choice;
mod commands;
mod completions;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod crash;
mod data_center;
mod disks;
mod docs;
mod doctor;
mod environment;
mod errors;
mod faults;
mod first_clone;
mod hostile;
mod hostile_names;
mod hosts;
mod https;
mod keys;
mod login;
mod long_lists;
mod module_boundaries;
mod network;
mod openssh;
mod other_users;
mod properties;
mod repo;
mod rotation;
mod secrets;
mod sessions;
mod signals;
mod snapshots;
mod ssh_config;
mod ssh_in_path;
mod support;
mod terminal;
mod tools;
mod trace2;
mod undo;
