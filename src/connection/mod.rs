//! The corridor: what git asked → which repository → what is wished → who may go → the session.
//!
//! Calls each room once, in this order; no room calls back. `prospect` is the way to the plan,
//! `attempts` the only loop behind it.

mod askpass;
mod attempts;
pub mod collect;
mod connections;
pub mod endpoints;
pub mod failure;
pub mod managed_keys;
mod openssh;
mod other_host;
mod probe;
mod renewal;
pub mod resolve;
mod variables;
pub mod verify_key;

use std::ffi::OsString;

use crate::context::Context;
use crate::diagnostics::{self, trace2};
use crate::prompt;
use crate::provision::record::Records;
use crate::repository::SshHost;
use crate::settings::{GitConfig, OtherHosts, SshConfig, TransportKind};
use crate::ssh_command::{self, Invocation, Request};
use crate::transport::{ExitStatus, none_supported, system};
use attempts::Attempts;
use failure::Failure;
use managed_keys::ManagedKeys;
use openssh::HandOver;
use resolve::{BitbucketTarget, ResolvedCall};

/// What programs that look at `ssh -V` read: they match its beginning.
const VERSION: &str = concat!(
    "OpenSSH_9.9p1 compatible, bitbucket-ssh ",
    env!("CARGO_PKG_VERSION")
);

/// git config, with the places of SSH that `login` found on Data Centers.
pub fn with_found_hosts(git_config: GitConfig, records: &Records) -> GitConfig {
    let found = records.ssh_places().iter().filter_map(|place| {
        let host = SshHost {
            host: place.host.clone()?,
            port: place.port,
        };
        Some((place.site.clone(), host))
    });
    git_config.with_ssh_hosts(found.collect())
}

/// One call of `bitbucket-ssh`, with git's `-G` probe answered before anything is opened. The exit
/// status is the remote command's.
///
/// # Errors
///
/// Every failure of our own; the doorframe has `report` word it.
pub fn run(arguments: Vec<OsString>, context: &Context) -> Result<ExitStatus, Failure> {
    if let Some(question) = askpass::question(&arguments, context) {
        trace2::leave_out();
        return Ok(askpass::answer(question, context));
    }
    let (request, system_only) = match ssh_command::parse(arguments)? {
        Invocation::Probe(_) if probe::stdout_is_null() => {
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
    diagnostics::start(&told(&request), context)?;
    if let Some(reason) = system_only.as_deref().filter(|_| request.host.is_empty()) {
        return hand_over(context, &request, reason);
    }
    let git_config = GitConfig::open(context)?;
    listen(context, &git_config);
    let looking = trace2::region("plan", String::new);
    let Some((prospect, git_config)) = resolve::resolve(context, &request, git_config)? else {
        return hand_over(context, &request, "an error in ssh_config");
    };
    drop(looking);
    let ResolvedCall { config, ours } = prospect;
    if let Some(level) = &config.log_level {
        diagnostics::log_level(level);
    }
    for directive in &config.unsupported.ignored {
        tracing::debug!("ssh_config: {directive} is ignored");
    }
    let reason = system_only
        .as_deref()
        .or(config.unsupported.needs_system_ssh.as_deref())
        .or_else(|| none_supported(&config));
    let carrier = ours.as_ref().map(|ours| ours.settings.transport.value);
    let reason = reason.or(match carrier {
        Some(TransportKind::OpenSsh) => Some("bitbucket.transport = openssh"),
        _ => None,
    });
    match (ours, reason) {
        (Some(ours), reason) => at_site(context, &request, &git_config, &config, ours, reason),
        (None, None) if other_host::wants_a_terminal(&request) => {
            hand_over(context, &request, "a login shell on a terminal")
        }
        (None, None) if goes_natively(context, &git_config)? => {
            natively(context, &request, &config)
        }
        (None, None) => hand_over(context, &request, "a host that is no Bitbucket"),
        (None, Some(reason)) => hand_over(context, &request, reason),
    }
}

/// A host of a site: the plan is made, somebody goes. `reason`: only the system's ssh carries it.
fn at_site(
    context: &Context,
    request: &Request,
    git_config: &GitConfig,
    config: &SshConfig,
    mut ours: BitbucketTarget,
    reason: Option<&str>,
) -> Result<ExitStatus, Failure> {
    tell(&ours);
    if let Some(fault) = ours.settings.invalid_for_call() {
        return Err(Failure::InvalidSetting(fault.clone()));
    }
    let prompt = prompt::of(context, config.authentication.batch_mode == Some(true));
    let plan = std::mem::take(&mut ours.plan);
    let keys = ManagedKeys::new(context, &ours.located.site, &ours.settings, git_config);
    if let Some(reason) = reason {
        let Some(ssh) = system::find(context) else {
            return Err(Failure::NoSystemSsh {
                reason: reason.to_owned(),
            });
        };
        let hand_over = HandOver {
            context,
            ssh: &ssh,
            request,
            config,
            user: &ours.user,
            endpoints: ours.endpoints.clone(),
            keys,
            prompt: prompt.as_ref(),
            reason,
        };
        return hand_over.run(plan);
    }
    let attempts = Attempts {
        context,
        target: ours.target(config),
        request,
        endpoints: ours.endpoints.clone(),
        environment: variables::to_send(config, &context.environment),
        prompt: prompt.as_ref(),
        site_fingerprints: ours.records.site_fingerprints(&ours.located.site.url),
        rotation_begun: {
            let site = &ours.located.site.url;
            ours.records.rotation_begun(site).cloned()
        },
        keys,
    };
    let status = attempts.run(plan);
    diagnostics::timeline();
    status
}

/// `bitbucket.otherHosts`; without a system's ssh there is no other way.
fn goes_natively(context: &Context, git_config: &GitConfig) -> Result<bool, Failure> {
    let wished = git_config.other_hosts().map_err(Failure::InvalidSetting)?;
    Ok(wished.value == OtherHosts::Native || system::find(context).is_none())
}

/// A host of no site: as far as it can be carried here, else by the system's ssh where there is one.
fn natively(
    context: &Context,
    request: &Request,
    config: &SshConfig,
) -> Result<ExitStatus, Failure> {
    let installed = system::find(context).is_some();
    if let Some(directive) = config
        .unsupported
        .beyond_a_command
        .as_deref()
        .filter(|_| installed)
    {
        return hand_over(context, request, directive);
    }
    match other_host::run(context, request, config) {
        // ssh(1) speaks algorithms that are not spoken here, and nothing was read yet.
        Err(failure) if failure.is_no_common_algorithm() && installed => {
            hand_over(context, request, "no algorithm in common")
        }
        outcome => outcome,
    }
}

/// The system's ssh takes over the process.
fn hand_over(context: &Context, request: &Request, reason: &str) -> Result<ExitStatus, Failure> {
    let Some(ssh) = system::find(context) else {
        return Err(Failure::NoSystemSsh {
            reason: reason.to_owned(),
        });
    };
    tracing::info!("handing over to {} ({reason})", ssh.display());
    system::hand_over(context, &ssh, &request.argv).map_err(|error| Failure::HandOver {
        ssh,
        why: diagnostics::os_error_message(&error),
    })
}

/// git's own log begins, where its configuration (or a variable) asks for one.
pub fn listen(context: &Context, git_config: &GitConfig) {
    let said = trace2::Said {
        setting: &|name| git_config.trace2(name),
        params: &|patterns| git_config.matching(patterns),
    };
    trace2::configured(context, &said);
}

fn told(request: &Request) -> diagnostics::LogOptions {
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

/// One line for each decision.
fn tell(ours: &BitbucketTarget) {
    tracing::info!("site {}", ours.located.site.url);
    trace2::data("site", || ours.located.site.url.clone());
    if let Some(repository) = &ours.located.repository {
        let name = repository.to_string();
        trace2::data("repository", || name.clone());
        tracing::info!("repository {}", crate::text::sanitise(&name));
    }
    for ignored in &ours.settings.ignored {
        tracing::info!("{} ignored: {}", ignored.value, ignored.why);
    }
    for (number, candidate) in ours.plan.candidates.iter().enumerate() {
        tracing::info!("plan {}: {candidate}", number + 1);
    }
    for skipped in &ours.plan.skipped {
        tracing::info!("passed over: {}: {}", skipped.what, skipped.why);
    }
    if ours.plan.candidates.is_empty() {
        tracing::info!("plan: nobody may go");
    }
}
