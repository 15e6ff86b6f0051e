//! Making a key: generate, register, prove, record; each step durable before the next.
//!
//! Knows `bitbucket`, `identity`, `settings`, `repository` and the ground floor. The records it
//! keeps lie in `~/.ssh/bitbucket-ssh/`; it asks through `prompt`, and the proof by a connection is
//! the corridor's.

pub mod ensure;
mod error;
mod generate;
pub mod inventory;
mod key_file;
pub mod key_status;
pub mod local_keys;
mod manual;
mod names;
mod new_pair;
mod passphrase;
pub mod person;
mod provisioner;
pub mod record;
mod registration;
pub mod removal;
mod request;
pub mod site_pages;
pub mod ssh_config_file;
#[cfg(all(test, unix))]
mod tests;

pub use error::Error;
