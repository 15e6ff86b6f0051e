//! `git bitbucket …`: one file or folder for each command.

mod accounts;
mod arguments;
mod config_file;
mod context;
mod credential;
mod doctor;
mod git;
mod hook;
mod hooks;
mod key;
mod login;
mod logout;
mod manual;
mod migrate;
mod other_tools;
mod registry;
mod repo;
mod resolve;
mod setup;
mod ssh_blocks;
mod ssh_config;
mod status;
#[cfg(test)]
#[cfg(unix)]
mod testing;
mod undo;
mod use_account;

use std::ffi::OsString;
use std::io::{IsTerminal as _, Read, Write};

use crate::bitbucket;
use crate::context::Context;
use crate::diagnostics;
use crate::prompt;
pub(crate) use crate::report::commands::Error;
use crate::storage;
use accounts::Accounts;
use arguments::{Reading, Repo, Verb};
use context::CommandContext;
use hook::Verdict;

/// Runs the command given by the arguments (without the program's name). Results are written to
/// `output`, warnings and failures to `errors`; some commands read standard input. Returns the exit
/// status: 0 done, 1 failed, 2 wrong usage, 4 not logged in.
pub fn run(
    arguments: &[OsString],
    context: &Context,
    output: &mut dyn Write,
    errors: &mut dyn Write,
) -> u8 {
    let mode = mode(arguments);
    let verb = match arguments::read(arguments.to_vec()) {
        Reading::Do(verb) => verb,
        Reading::Print(text) => {
            let _ = output.write_all(text.as_bytes());
            return 0;
        }
        Reading::Wrong(text) => {
            let _ = errors.write_all(text.as_bytes());
            return 2;
        }
    };
    diagnostics::trace2::mode(&mode);
    storage::sweep_calls(context);
    let prompt = prompt::beyond_ssh(context, false);
    let input: &mut dyn Read = &mut std::io::stdin();
    let mut call = CommandContext {
        context,
        prompt: &*prompt,
        typed: arguments,
        input,
        colour: status::wants_colour(context, std::io::stdout().is_terminal()),
        columns: columns(),
        output,
        errors,
    };
    perform(&mut call, &verb)
}

/// The width of the terminal that standard output is.
#[cfg(unix)]
fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

#[cfg(not(unix))]
fn columns() -> Option<usize> {
    None
}

/// `status`, `key list`: the command's name in trace2.
fn mode(arguments: &[OsString]) -> String {
    let mut words = arguments.iter().map_while(|word| word.to_str());
    match (words.next(), words.next()) {
        (Some(verb @ ("key" | "repo" | "hooks" | "hook" | "credential")), Some(below)) => {
            format!("{verb} {below}")
        }
        (verb, _) => verb.unwrap_or_default().to_owned(),
    }
}

/// Runs the command and reports its failure.
fn perform(call: &mut CommandContext<'_>, verb: &Verb) -> u8 {
    let outcome = match verb {
        Verb::Setup(options) => setup::setup(call, options),
        Verb::Unsetup(scopes) => setup::unsetup(call, *scopes),
        Verb::Login(options) => login::login(call, options),
        Verb::Logout(options) => logout::logout(call, options),
        Verb::Use(options) => use_account::use_account(call, options),
        Verb::Status(options) => status::status(call, options),
        Verb::Doctor(options) => match doctor::doctor(call, options) {
            Ok(true) => Ok(()),
            Ok(false) => return 1,
            Err(error) => Err(error),
        },
        Verb::Key(verb) => key::key(call, verb).and_then(|()| ssh_config::refresh(call)),
        Verb::Repo(Repo::Create(options)) => repo::create(call, options),
        Verb::Repo(Repo::Clone(options)) => match repo::clone(call, options) {
            Ok(status) => return status,
            Err(error) => Err(error),
        },
        Verb::Credential(options) => credential::run(call, &options.operation),
        Verb::SshConfig(options) => ssh_config::ssh_config(call, *options),
        Verb::Hooks(options) => hooks::hooks(call, *options),
        Verb::Migrate(options) => match migrate::migrate(call, *options) {
            Ok(true) => Ok(()),
            Ok(false) => return 1,
            Err(error) => Err(error),
        },
        Verb::Completions(options) => {
            manual::completions(call, options);
            Ok(())
        }
        Verb::Man(options) => manual::man(call, options),
        Verb::Hook(options) => {
            return match hook::hook(call, options) {
                Verdict::Pass => 0,
                Verdict::Refuse => 1,
            };
        }
    };
    let Err(error) = outcome else {
        return 0;
    };
    let explanation = error.explanation();
    diagnostics::record_error(&explanation.what, &diagnostics::trace2::kind_of(&error));
    call.warn(format!("git-bitbucket: {}", explanation.what));
    if matches!(error, Error::NotLoggedIn(_))
        && let Some(fault) = bitbucket::credential::environment_fault(call.context)
    {
        call.warn(fault);
    }
    for hint in &explanation.hints {
        call.warn(format!("hint: {hint}"));
    }
    explanation.status
}
