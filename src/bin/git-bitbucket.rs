//! `git bitbucket`.

use std::process::ExitCode;

use bitbucket_ssh::context::Context;
use bitbucket_ssh::{commands, diagnostics, secret};

#[expect(clippy::disallowed_methods, reason = "an entry point reads argv")]
fn main() -> ExitCode {
    secret::keep_out_of_dumps();
    let context = Context::capture();
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    diagnostics::begin(&context, "bitbucket", &arguments);
    let mut output = std::io::stdout().lock();
    let mut errors = std::io::stderr();
    let status = commands::run(&arguments, &context, &mut output, &mut errors);
    diagnostics::trace2::end(&context, status);
    ExitCode::from(status)
}
