//! A host that is not Bitbucket. The system's ssh takes over the process; with
//! `bitbucket.otherHosts = native`, or where no ssh is installed, the native transport connects
//! with the identities that ssh(1) would use. No account is chosen, nothing is remembered, and no
//! key is created.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use super::hand_over;
use crate::connection::collect::{KeyFiles, warn_missing};
use crate::connection::failure::{AttemptLog, Failure};
use crate::connection::resolve::variables_to_send;
use crate::context::Context;
use crate::identity::key_file::DEFAULT_FILES;
use crate::identity::{Identity, Rank};
use crate::prompt;
use crate::repository::{SSH_PORT, Service, SshHost};
use crate::settings::{GitConfig, OtherHosts, SshConfig};
use crate::ssh_command::Request;
use crate::transport::{
    Endpoint, ExecRequest, ExitStatus, Outcome, Route, Session, Streams, run as run_session,
    system_ssh,
};

/// `reason`: why only the system's ssh can serve the call.
pub(super) fn run(
    context: &Context,
    request: &Request,
    config: &SshConfig,
    git_config: &GitConfig,
    reason: Option<&str>,
) -> Result<ExitStatus, Failure> {
    let hand_over = |reason: &str| hand_over(context, request, reason);
    if let Some(reason) = reason {
        return hand_over(reason);
    }
    if wants_a_terminal(request) {
        return hand_over("a login shell on a terminal");
    }
    let installed = system_ssh::find(context).is_some();
    let other_hosts = git_config.other_hosts().map_err(Failure::InvalidSetting)?;
    if installed {
        if other_hosts.value != OtherHosts::Native {
            return hand_over("not a Bitbucket host");
        }
        if let Some(directive) = &config.unsupported.beyond_a_command {
            return hand_over(directive);
        }
    }
    match connect(context, request, config) {
        // Nothing was read from stdin yet, and ssh(1) supports more algorithms.
        Err(failure) if failure.is_no_common_algorithm() && installed => {
            hand_over("no algorithm in common")
        }
        // ssh(1) may be able to use a key that the native transport cannot.
        Err(failure) => match failure.key_for_ssh() {
            Some(key) => hand_over(&key.why),
            None => Err(failure),
        },
        outcome => outcome,
    }
}

/// A login shell whose stdin is a terminal: only the system's ssh can request a terminal.
fn wants_a_terminal(request: &Request) -> bool {
    let shell = request.command.is_none() && !request.no_terminal;
    shell && !request.no_stdin && std::io::stdin().is_terminal()
}

/// One session by the native transport, as ssh(1) would run it.
fn connect(
    context: &Context,
    request: &Request,
    config: &SshConfig,
) -> Result<ExitStatus, Failure> {
    let host = config
        .endpoint
        .host_name
        .clone()
        .unwrap_or(request.host.clone());
    let user = config
        .endpoint
        .user
        .clone()
        .or_else(|| context.login_name());
    if request.command.is_none() && !request.no_terminal {
        tracing::warn!("Pseudo-terminal will not be allocated because stdin is not a terminal.");
    }
    let prompt = prompt::of(context, config.authentication.batch_mode == Some(true));
    let session = Session {
        route: Route {
            endpoints: vec![Endpoint {
                address: SshHost {
                    host,
                    port: config.endpoint.port.unwrap_or(SSH_PORT),
                },
                published: false,
            }],
            user: user.unwrap_or_default(),
            typed_host: request.host.clone(),
            site_fingerprints: Vec::new(),
        },
        config,
        context,
        identities: identities(context, config),
        as_ssh: true,
        exec: ExecRequest {
            command: request.command.clone(),
            service: Service::Other,
            environment: variables_to_send(config, &context.environment),
        },
        prompt: prompt.as_ref(),
        passphrase: &|_| None,
    };
    let other_host = |failure| Failure::OtherHost(Box::new(failure));
    let outcome = Streams::standard(request.no_stdin)
        .and_then(|streams| run_session(session, streams))
        .map_err(|error| other_host(Failure::Transport(error)))?;
    match outcome {
        Outcome::Completed { status, .. }
        | Outcome::CompletedWithoutKey { status }
        | Outcome::RepositoryDenied { status, .. } => Ok(status),
        Outcome::AuthenticationFailed(refusal) => {
            let log = AttemptLog {
                refused_logins: vec![(None, refusal)],
                ..AttemptLog::default()
            };
            Err(other_host(Failure::PlanExhausted(Box::new(log))))
        }
    }
}

/// In ssh(1)'s order (sshconnect2.c, `pubkey_prepare`): keys of the agent that a file names, the
/// agent's others unless IdentitiesOnly, then the files. No key twice.
fn identities(context: &Context, config: &SshConfig) -> Vec<Identity> {
    let mut files = KeyFiles::new(context, config, &[]);
    let is_none = |path: &&PathBuf| path.as_os_str() == "none";
    let typed = &config.identities.command_line_identity_files;
    let no_defaults = typed.iter().any(|path| is_none(&path));
    let typed: Vec<_> = typed
        .iter()
        .filter(|path| !is_none(path))
        .cloned()
        .collect();
    // ssh(1) drops a missing file of `-i`, but not one of `-o`, which may name a key in the agent.
    let is_missing = |path: &PathBuf| {
        config.identities.files_of_i.contains(path) && !context.directory.join(path).exists()
    };
    let (gone, typed): (Vec<_>, Vec<_>) = typed.into_iter().partition(is_missing);
    for path in &gone {
        warn_missing(path);
    }
    let mut named = files.existing(&typed, Rank::CommandLine);
    let defaults = named.is_empty() && config.identities.identity_files.is_empty() && !no_defaults;
    named.extend(files.existing(&config.identities.identity_files, Rank::SshConfigOnly));
    if defaults && let Some(folder) = context.ssh_directory() {
        // ssh(1) prefers RSA to the others (readconf.c, `fill_default_options`).
        let paths = DEFAULT_FILES.map(|name| folder.join(name));
        let paths: Vec<_> = paths.into_iter().rev().collect();
        named.extend(files.existing(&paths, Rank::Fallback));
    }
    let agent = std::mem::take(&mut files.agent);
    in_order(
        named,
        agent,
        config.identities.identities_only == Some(true),
    )
}

fn in_order(named: Vec<Identity>, agent: Vec<Identity>, only_named: bool) -> Vec<Identity> {
    let same = |a: &Identity, b: &Identity| {
        let fingerprint = a.fingerprint();
        fingerprint.is_some() && fingerprint == b.fingerprint()
    };
    let mut first = Vec::new();
    let mut others = Vec::new();
    for key in agent {
        match named.iter().find(|file| same(file, &key)) {
            Some(file) => first.push(file.clone()),
            None if only_named => {}
            None => others.push(key),
        }
    }
    let mut ordered = first;
    for identity in others.into_iter().chain(named) {
        if !ordered.iter().any(|other| same(other, &identity)) {
            ordered.push(identity);
        }
    }
    ordered
}
