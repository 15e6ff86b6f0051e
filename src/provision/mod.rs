//! Making a key: generate, register, prove, record; each step durable before the next.
//!
//! Knows `bitbucket`, `identity`, `settings`, `repository` and the ground floor. The records it
//! keeps lie in `~/.ssh/bitbucket-ssh/`; it asks through `prompt`, and the proof by a connection is
//! the corridor's.

mod by_hand;
mod desk;
pub mod ensure;
mod error;
mod folder;
mod generate;
pub mod guide;
pub mod held;
pub mod inventory;
pub mod judge;
mod key_file;
mod lock;
mod names;
mod new_pair;
mod order;
mod passphrase;
pub mod person;
pub mod plain_ssh;
pub mod record;
mod registration;
pub mod removal;
#[cfg(all(test, unix))]
mod tests;

pub use error::Error;
