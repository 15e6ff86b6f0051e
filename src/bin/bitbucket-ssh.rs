//! `bitbucket-ssh`, which git calls.

use std::process::ExitCode;

use bitbucket_ssh::context::Context;
use bitbucket_ssh::{connection, diagnostics, report, secret};

#[expect(clippy::disallowed_methods, reason = "an entry point reads argv")]
fn main() -> ExitCode {
    secret::keep_out_of_dumps();
    let context = Context::capture();
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    diagnostics::begin(&context, "bitbucket-ssh", &arguments);
    let status = match connection::run(arguments, &context) {
        Ok(status) => status.0,
        Err(failure) => report::connection::report(&failure),
    };
    diagnostics::trace2::end(&context, status);
    ExitCode::from(status)
}
