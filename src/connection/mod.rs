//! One git command from argv to exit status: the program's pipeline.
//!
//! [`run`] calls each module once, in this order: `ssh_command` parses argv, [`resolve`] turns the
//! request into settings, repository and plan, and `attempts` works through the plan until one of
//! its candidates completes. Two other endings exist: `openssh`, for a Bitbucket host that only
//! the system's ssh can serve, and `other_host`, for a host that is not Bitbucket.

mod attempts;
pub mod collect;
pub mod failure;
pub mod managed_keys;
mod openssh;
mod other_host;
mod renewal;
pub mod resolve;
pub mod verify_key;

use std::ffi::OsString;

use crate::bitbucket::credential;
use crate::context::Context;
use crate::diagnostics::{self, trace2};
use crate::prompt::{self, Prompt};
use crate::provision::Records;
use crate::settings::{GitConfig, SshConfig};
use crate::ssh_command::{self, Invocation, Request};
use crate::storage;
use crate::text::Shown;
use crate::transport::ExitStatus;
use crate::transport::system_ssh::{self, LedBack};
use failure::Failure;
use managed_keys::ManagedKeys;
use openssh::askpass;
use resolve::BitbucketTarget;

/// Programs that ask `ssh -V` match the beginning of this line.
const VERSION: &str = concat!(
    "OpenSSH_9.9p1 compatible, bitbucket-ssh ",
    env!("CARGO_PKG_VERSION")
);

/// Runs one call of `bitbucket-ssh`. Returns the remote command's exit status.
///
/// git's `-G` probe is answered before any file is opened.
///
/// # Errors
///
/// Every failure of this program; `report` turns it into a message.
pub fn run(arguments: Vec<OsString>, context: &Context) -> Result<ExitStatus, Failure> {
    if let Some(question) = askpass::question(&arguments, context) {
        trace2::leave_out();
        return Ok(askpass::answer(question, context));
    }
    if let Some(led_back) = system_ssh::led_back(context, &arguments) {
        return next_ssh(&led_back, arguments);
    }
    pipeline(arguments, context)
}

/// An `ssh` that was handed this call leads back to this program: the next one in PATH gets it as it
/// is. Where there is none, the call goes on as where no ssh is installed.
fn next_ssh(led_back: &LedBack, arguments: Vec<OsString>) -> Result<ExitStatus, Failure> {
    let LedBack { ssh, context } = led_back;
    let Some(next) = system_ssh::find(context) else {
        return pipeline(arguments, context);
    };
    let parsed = ssh_command::parse(arguments.clone());
    if let Ok(Invocation::Native(request) | Invocation::System { request, .. }) = parsed {
        diagnostics::start(&log_options(&request), context)?;
    }
    let shown = |path| Shown::path(path, context.home());
    tracing::info!("{} leads back to this program", shown(ssh));
    tracing::info!("the next ssh in PATH is {}", shown(&next));
    system_ssh::hand_over(context, &next, &arguments)
        .map_err(|error| Failure::hand_over(&next, &error))
}

fn pipeline(arguments: Vec<OsString>, context: &Context) -> Result<ExitStatus, Failure> {
    let (request, system_only) = match ssh_command::parse(arguments)? {
        Invocation::Probe(_) if stdout_is_null() => {
            trace2::leave_out();
            return Ok(ExitStatus(0));
        }
        Invocation::Probe(request) => return hand_over(context, &request, "-G"),
        Invocation::Version => {
            diagnostics::say(VERSION);
            return Ok(ExitStatus(0));
        }
        Invocation::Native(request) => (request, None),
        Invocation::System { request, reason } => (request, Some(reason)),
    };
    diagnostics::start(&log_options(&request), context)?;
    storage::sweep_calls(context);
    if let Some(reason) = system_only.as_deref().filter(|_| request.host.is_empty()) {
        return hand_over(context, &request, reason);
    }
    let git_config = GitConfig::open(context)?;
    start_trace2(context, &git_config);

    let planning = trace2::region("plan", String::new);
    let records = Records::open(context);
    let Some(resolved) = resolve::resolve(context, &request, git_config, records)? else {
        return hand_over(context, &request, "an error in ssh_config");
    };
    drop(planning);
    resolved.log();

    let reason = resolved.needs_system_ssh(system_only.as_deref());
    let (config, git_config) = (&resolved.config, &resolved.git_config);
    let Some(target) = &resolved.target else {
        return other_host::run(context, &request, config, git_config, reason);
    };
    if let Some(invalid) = target.settings.invalid_for_call() {
        return Err(Failure::InvalidSetting(invalid.clone()));
    }
    let batch_mode = config.authentication.batch_mode == Some(true);
    let prompt = prompt::of(context, batch_mode);
    let beyond_ssh = prompt::beyond_ssh(context, batch_mode);
    let connection = Connection {
        context,
        request: &request,
        config,
        target,
        keys: ManagedKeys::new(context, &target.located.site, &target.settings, git_config)
            .with_ssh_config(config),
        prompt: prompt.as_ref(),
        beyond_ssh: beyond_ssh.as_ref(),
    };
    let site = &target.located.site;
    if let Some(reason) = reason {
        let ssh = system_ssh::find(context).ok_or_else(|| no_system_ssh(reason))?;
        return openssh::run(&connection, &ssh, reason).map_err(|failure| failure.at(site));
    }
    let fault = credential::environment_fault(context);
    if let Some(fault) = &fault {
        tracing::info!("{fault}");
    }
    let status = attempts::run(&connection);
    if let (Err(failure), Some(fault)) = (&status, &fault)
        && failure.is_about_login()
    {
        diagnostics::notice(fault);
    }
    diagnostics::timeline();
    status.map_err(|failure| failure.at(site))
}

/// A git command for a Bitbucket host: everything that is decided before connecting.
struct Connection<'a> {
    context: &'a Context,
    request: &'a Request,
    config: &'a SshConfig,
    target: &'a BitbucketTarget,
    keys: ManagedKeys<'a>,
    /// For ssh(1)'s questions.
    prompt: &'a dyn Prompt,
    /// For all others.
    beyond_ssh: &'a dyn Prompt,
}

/// Replaces this process with the system's ssh, which gets the arguments as they came.
fn hand_over(context: &Context, request: &Request, reason: &str) -> Result<ExitStatus, Failure> {
    let ssh = system_ssh::find(context).ok_or_else(|| no_system_ssh(reason))?;
    tracing::info!("handing over to {} ({reason})", ssh.display());
    system_ssh::hand_over(context, &ssh, &request.argv)
        .map_err(|error| Failure::hand_over(&ssh, &error))
}

fn no_system_ssh(reason: &str) -> Failure {
    Failure::NoSystemSsh {
        reason: reason.to_owned(),
    }
}

/// Starts git's own log, where its configuration or a variable asks for one.
pub fn start_trace2(context: &Context, git_config: &GitConfig) {
    let settings = trace2::GitSettings {
        setting: &|name| git_config.trace2(name),
        params: &|patterns| git_config.matching(patterns),
    };
    trace2::configured(context, &settings);
}

fn log_options(request: &Request) -> diagnostics::LogOptions {
    let mut options = request.options.iter();
    diagnostics::LogOptions {
        verbosity: request.verbosity,
        quiet: request.quiet,
        log_level: options
            .find(|(key, _)| key == "loglevel")
            .map(|(_, value)| value.clone()),
        log_file: request.log_file.as_ref().map(Into::into),
    }
}

/// Whether stdout is the null device, as it is for git's probe (connect.c).
#[cfg(unix)]
fn stdout_is_null() -> bool {
    let Ok(stdout) = rustix::fs::fstat(rustix::stdio::stdout()) else {
        return true;
    };
    let kind = rustix::fs::FileType::from_raw_mode(stdout.st_mode);
    kind == rustix::fs::FileType::CharacterDevice
        && rustix::fs::stat("/dev/null").is_ok_and(|null| null.st_rdev == stdout.st_rdev)
}

/// Elsewhere (untested): everything but a terminal counts as git's probe.
#[cfg(not(unix))]
fn stdout_is_null() -> bool {
    use std::io::IsTerminal as _;
    !std::io::stdout().is_terminal()
}
