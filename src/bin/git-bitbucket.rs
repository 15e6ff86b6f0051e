//! Doorframe of `git bitbucket`: argv, environment, working directory, clock and the two streams
//! go in, the exit status comes out. Nothing else reads the environment or exits.

use std::process::ExitCode;
use std::sync::Arc;

use bitbucket_ssh::clock::SystemClock;
use bitbucket_ssh::commands;
use bitbucket_ssh::context::{Context, Environment};
use bitbucket_ssh::{diagnostics, secret};

#[expect(
    clippy::disallowed_methods,
    reason = "the doorframe captures the process once"
)]
fn main() -> ExitCode {
    secret::keep_out_of_dumps();
    let context = Context {
        environment: Environment::new(std::env::vars_os()),
        directory: std::env::current_dir().unwrap_or_default(),
        program: std::env::current_exe().unwrap_or_default(),
        clock: Arc::new(SystemClock),
    };
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    diagnostics::begin(&context, "bitbucket", &arguments);
    let mut output = std::io::stdout().lock();
    let mut errors = std::io::stderr();
    let status = commands::run(arguments, &context, &mut output, &mut errors);
    diagnostics::trace2::end(&context, status);
    ExitCode::from(status)
}
