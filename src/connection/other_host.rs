//! A host that is no Bitbucket: the system's ssh takes over, or (`bitbucket.otherHosts = native`,
//! or where no ssh is installed) the native transport goes with the identities that ssh(1) would
//! use. Nothing is chosen by account, nothing learned, nothing provisioned.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use crate::connection::collect::Files;
use crate::connection::failure::{AttemptLog, Failure};
use crate::connection::variables;
use crate::context::Context;
use crate::identity::{Identity, Rank};
use crate::prompt;
use crate::repository::{Service, SshHost};
use crate::settings::SshConfig;
use crate::ssh_command::Request;
use crate::transport::{Endpoint, ExitStatus, Outcome, Session, native};

/// The key files that ssh(1) offers unasked, in its order (ssh_config(5), IdentityFile); `sk` ones
/// are the agent's matter.
const DEFAULT_FILES: [&str; 3] = ["id_rsa", "id_ecdsa", "id_ed25519"];

/// One session by the native transport, as ssh(1) would have it.
pub fn run(
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
        tracing::warn!("Pseudo-terminal will not be allocated reason stdin is not a terminal.");
    }
    let prompt = prompt::of(context, config.authentication.batch_mode == Some(true));
    let session = Session {
        endpoints: vec![Endpoint {
            address: SshHost {
                host,
                port: config.endpoint.port.unwrap_or(22),
            },
            published: false,
        }],
        user: user.unwrap_or_default(),
        typed_host: request.host.clone(),
        config,
        identities: identities(context, config),
        command: request.command.clone(),
        service: Service::Other,
        environment: variables::to_send(config, &context.environment),
        no_stdin: request.no_stdin,
        prompt: prompt.as_ref(),
        passphrase: &|_| None,
        site_fingerprints: Vec::new(),
        as_ssh: true,
        context,
    };
    match native::run(session).map_err(|error| elsewhere(Failure::Transport(error)))? {
        Outcome::Completed { status, .. }
        | Outcome::ServedWithoutKey { status }
        | Outcome::RepositoryDenied { status, .. } => Ok(status),
        Outcome::AuthenticationFailed(refusal) => {
            let mut tried = AttemptLog::default();
            tried.not_let_in.push((None, refusal));
            Err(elsewhere(Failure::NotServed(Box::new(tried))))
        }
    }
}

fn elsewhere(failure: Failure) -> Failure {
    Failure::Elsewhere(Box::new(failure))
}

/// A login shell whose stdin is a terminal: only the system's ssh makes one at the other end.
pub fn wants_a_terminal(request: &Request) -> bool {
    let shell = request.command.is_none() && !request.no_terminal;
    shell && !request.no_stdin && std::io::stdin().is_terminal()
}

/// In ssh(1)'s order (sshconnect2.c, `pubkey_prepare`): keys of the agent that a file names, the
/// agent's others unless IdentitiesOnly, then the files. No key twice.
fn identities(context: &Context, config: &SshConfig) -> Vec<Identity> {
    let mut files = Files::new(context, config, &[]);
    let none = |path: &&PathBuf| path.as_os_str() == "none";
    let typed = &config.identities.command_line_identity_files;
    let nobody = typed.iter().any(|path| none(&path));
    let typed: Vec<_> = typed.iter().filter(|path| !none(path)).cloned().collect();
    let mut named = files.existing(&typed, Rank::CommandLine);
    let defaults = named.is_empty() && config.identities.identity_files.is_empty() && !nobody;
    named.extend(files.existing(&config.identities.identity_files, Rank::SshConfigOnly));
    if defaults && let Some(folder) = context.ssh_directory() {
        named.extend(files.existing(&DEFAULT_FILES.map(|name| folder.join(name)), Rank::Fallback));
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
