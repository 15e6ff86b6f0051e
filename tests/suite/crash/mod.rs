//! Crash safety: the programs are ended, and calls of theirs fail, at every moment that matters;
//! after each, one more plain fetch puts everything in order.

mod aftermath;
mod calls;
mod clocks;
mod concurrent;
mod failing_calls;
mod random_times;
mod requests;
mod scenario;
mod sweep;
mod system_calls;
mod tracer;

/// The repository that is fetched.
const URL: &str = "git@bitbucket.org:acme/site.git";
