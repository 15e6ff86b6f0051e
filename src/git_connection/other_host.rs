//! A host that is no Bitbucket: the system's ssh takes over, or (`bitbucket.otherHosts = native`,
//! or where no ssh is installed) the native transport goes with the identities that ssh(1) would
//! use. Nothing is chosen by account, nothing learned, nothing provisioned.

use crate::context::Context;
use crate::git_connection::failure::{Failure, Tried};
use crate::git_connection::survey::Files;
use crate::git_connection::variables;
use crate::identity::Identity;
use crate::prompt;
use crate::repository::{Service, SshHost};
use crate::settings::SshConfig;
use crate::ssh_command::Request;
use crate::transport::{Endpoint, ExitStatus, Outcome, Session, native};

/// One session by the native transport, as ssh(1) would have it.
pub fn run(
    context: &Context,
    request: &Request,
    config: &SshConfig,
) -> Result<ExitStatus, Failure> {
    let host = config.host_name.clone().unwrap_or(request.host.clone());
    let user = config.user.clone().or_else(|| login_name(context));
    let prompt = prompt::of(context, config.batch_mode == Some(true));
    let session = Session {
        endpoints: vec![Endpoint {
            address: SshHost {
                host,
                port: config.port.unwrap_or(22),
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
        context,
    };
    match native::run(session)? {
        Outcome::Served { status, .. } | Outcome::NoAccess { status, .. } => Ok(status),
        Outcome::NotLetIn(refusal) => {
            let mut tried = Tried::default();
            tried.not_let_in.push((None, refusal));
            Err(Failure::NotServed(Box::new(tried)))
        }
    }
}

/// In ssh(1)'s order: files that were named, then the agent's keys and the default files unless
/// IdentitiesOnly; no key twice.
fn identities(context: &Context, config: &SshConfig) -> Vec<Identity> {
    let mut files = Files::new(context, config, &[]);
    let mut named = files.existing(&config.command_line_identity_files, true);
    named.extend(files.existing(&config.identity_files, false));
    let nothing_named = named.is_empty();
    if config.identities_only != Some(true) {
        named.extend(std::mem::take(&mut files.agent));
    }
    if nothing_named {
        named.extend(files.default_files());
    }
    let mut seen = Vec::new();
    named.retain(|identity| {
        let fingerprint = identity.fingerprint();
        let again = fingerprint.is_some() && seen.contains(&fingerprint);
        seen.push(fingerprint);
        !again
    });
    named
}

/// The name of the user who runs this, as ssh(1) takes it where no user was named.
fn login_name(context: &Context) -> Option<String> {
    #[cfg(unix)]
    if let Ok(Some(user)) = nix::unistd::User::from_uid(nix::unistd::getuid()) {
        return Some(user.name);
    }
    ["USER", "USERNAME"]
        .iter()
        .find_map(|name| context.environment.text(name))
        .map(str::to_owned)
}
