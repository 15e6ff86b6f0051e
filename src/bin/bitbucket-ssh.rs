//! Doorframe of `bitbucket-ssh`: argv, environment, working directory and clock go in, the exit
//! status comes out. Nothing else reads the environment or exits.

use std::process::ExitCode;
use std::sync::Arc;

use bitbucket_ssh::clock::SystemClock;
use bitbucket_ssh::context::{Context, Environment};
use bitbucket_ssh::{connection, diagnostics, report, secret};

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
    diagnostics::begin(&context, "bitbucket-ssh", &arguments);
    let status = match connection::run(arguments, &context) {
        Ok(status) => status.0,
        Err(failure) => report::connection::report(&failure),
    };
    diagnostics::trace2::end(&context, status);
    ExitCode::from(status)
}
