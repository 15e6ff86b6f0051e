//! A Bitbucket host that is served by the system's ssh: `bitbucket.transport = openssh`, or an
//! option that only ssh supports. ssh gets the plan's first identity, alone, and takes over the
//! process.
//!
//! So whatever may have to be waited for is settled before: which endpoint answers, that a new key
//! is accepted, the host key of a Data Center. Which identity served the repository stays unknown.

pub(super) mod askpass;
mod config_file;
mod identity;

use std::path::Path;

use super::Connection;
use crate::connection::failure::Failure;
use crate::identity::Identity;
use crate::settings::SshConfig;
use crate::transport::{
    Endpoint, ExitStatus, ForSsh, Reached, Route, Search, find_endpoint, system_ssh,
};
use identity::ChosenIdentity;

/// Chooses the identity (a new key is created and verified) and the endpoint, writes the
/// configuration file and replaces this process with ssh. `reason`: why ssh is needed.
pub(super) fn run(
    connection: &Connection<'_>,
    ssh: &Path,
    reason: &str,
) -> Result<ExitStatus, Failure> {
    let chosen = connection.choose_identity()?;
    run_with(connection, ssh, reason, chosen)
}

/// Replaces this process with ssh, which gets a key that only it can use, alone.
pub(super) fn run_with_key(
    connection: &Connection<'_>,
    key: ForSsh,
    endpoint: Endpoint,
) -> Result<ExitStatus, Failure> {
    let ssh = system_ssh::find(connection.context);
    let ssh = ssh.ok_or_else(|| super::no_system_ssh(&key.why))?;
    let chosen = ChosenIdentity::of(key.identity, Some(endpoint));
    run_with(connection, &ssh, &key.why, chosen)
}

fn run_with(
    connection: &Connection<'_>,
    ssh: &Path,
    reason: &str,
    chosen: ChosenIdentity,
) -> Result<ExitStatus, Failure> {
    let context = connection.context;
    let failed = |error: std::io::Error| Failure::hand_over(ssh, &error);
    let ChosenIdentity {
        identity,
        accepted_by,
    } = chosen;
    let endpoint = match accepted_by.or_else(|| connection.only_endpoint()) {
        Some(endpoint) => endpoint,
        None => {
            connection
                .reach(&connection.target.route.endpoints, false)?
                .endpoint
        }
    };
    let (file, variables) = connection.config_file(ssh, &endpoint, identity.as_ref())?;
    let managed = identity.as_ref().and_then(|one| one.managed.as_ref());
    let mut context = askpass::environment(context, managed).map_err(failed)?;
    for (name, value) in variables {
        context.environment.set(&name, Some(value.into()));
    }
    let (host, port) = (&endpoint.address.host, endpoint.address.port);
    let name = identity.as_ref().map(Identity::to_string);
    let name = name.unwrap_or_else(|| "its own identities".to_owned());
    tracing::info!("the system's ssh connects to {host} port {port} with {name}");
    tracing::info!("handing over to {} ({reason})", ssh.display());
    let argv = connection.request.argv_with_config(&file);
    system_ssh::hand_over(&context, ssh, &argv).map_err(failed)
}

impl Connection<'_> {
    /// The endpoint, where there is no choice: ssh itself reports what is wrong with it. A proxy
    /// command that names no host always leads to the same one, and a proxy that passes a
    /// descriptor works with ssh only.
    fn only_endpoint(&self) -> Option<Endpoint> {
        let config = self.config;
        let proxy = config.endpoint.proxy_command.as_deref();
        let same = proxy.is_some_and(|command| !command.replace("%%", "").contains("%h"))
            && config.endpoint.proxy_jump.is_none();
        let (first, others) = self.target.route.endpoints.split_first()?;
        let only = others.is_empty() || same || passes_descriptor(config);
        only.then(|| first.clone())
    }

    /// The first endpoint that shows its version line, which is remembered. `host_key`: the host
    /// key is verified, too.
    fn reach(&self, endpoints: &[Endpoint], host_key: bool) -> Result<Reached, Failure> {
        let reached = find_endpoint(Search {
            route: Route {
                endpoints: endpoints.to_vec(),
                ..self.target.route.clone()
            },
            config: self.config,
            context: self.context,
            host_key,
            prompt: self.prompt,
        })?;
        self.keys.remember_endpoint(&reached.endpoint);
        Ok(reached)
    }
}

/// ProxyUseFdpass: the proxy command passes a descriptor to ssh, which nothing else can use.
fn passes_descriptor(config: &SshConfig) -> bool {
    config.unsupported.needs_system_ssh.as_deref() == Some("ProxyUseFdpass")
}
