//! Between git's descriptors and the channel.
//!
//! Plain read(2) and write(2): tokio's stdin and stdout cost four to six times the CPU. The
//! descriptors' flags are never touched, since other processes share them. What the server sends
//! faster than git reads is queued up to a bound, so that the other direction goes on.

mod backpressure;
mod descriptor;
mod input;
mod output;
#[cfg(unix)]
mod ready;
mod streams;

pub(super) use input::Input;
pub(super) use output::{Gone, Output};
pub use streams::Streams;
