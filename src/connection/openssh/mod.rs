//! A Bitbucket host that the system's ssh carries: `bitbucket.transport = openssh`, or options that
//! only it has. The plan's first identity goes, alone; ssh takes over the process.
//!
//! Whatever must be known or waited for is settled before: which endpoint answers, that a new key
//! is let in, the host key of a Data Center. Who was served, nobody is left to learn.

mod identity;
mod kept;
mod place;

use std::path::{Path, PathBuf};

use crate::connection::askpass;
use crate::connection::failure::Failure;
use crate::connection::managed_keys::ManagedKeys;
use crate::context::Context;
use crate::diagnostics;
use crate::identity::{Holder, Identity, Plan};
use crate::prompt::Prompt;
use crate::settings::SshConfig;
use crate::settings::ssh_config::effective::effective;
use crate::ssh_command::Request;
use crate::transport::system::{self, config_file::ConfigFile};
use crate::transport::{Endpoint, ExitStatus};
use identity::ChosenIdentity;
use kept::keep;
use place::Place;

/// One call that the system's ssh carries.
pub struct HandOver<'a> {
    /// The captured process surroundings.
    pub context: &'a Context,
    /// The ssh.
    pub ssh: &'a Path,
    /// What git asked.
    pub request: &'a Request,
    /// What the user's ssh_config says.
    pub config: &'a SshConfig,
    /// The user to log in as.
    pub user: &'a str,
    /// The site's places, in order.
    pub endpoints: Vec<Endpoint>,
    /// ManagedKeys that are made.
    pub keys: ManagedKeys<'a>,
    /// Who can be asked.
    pub prompt: &'a dyn Prompt,
    /// Why ssh carries it, in words.
    pub reason: &'a str,
}

impl HandOver<'_> {
    /// Makes the key if it is a new one, looks for the endpoint, writes the file, gives the process
    /// to ssh.
    pub fn run(&self, plan: Plan) -> Result<ExitStatus, Failure> {
        let ChosenIdentity { identity, answered } = self.going(plan)?;
        let place = self.place(answered)?;
        let file = identity.as_ref().map(|identity| self.file_of(identity));
        let file = file.transpose().map_err(|error| self.failed(&error))?;
        let text = self.text(&place, file.as_deref())?;
        let text = keep(self.context, "config", &text).map_err(|error| self.failed(&error))?;
        let managed = identity.as_ref().and_then(|one| one.managed.as_ref());
        let context = askpass::environment(self.context, managed);
        let whose = identity.as_ref().map(ToString::to_string);
        let whose = whose.unwrap_or_else(|| "its own identities".to_owned());
        let (host, port) = (&place.endpoint.address.host, place.endpoint.address.port);
        tracing::info!("the system's ssh goes to {host} port {port} with {whose}");
        tracing::info!("handing over to {} ({})", self.ssh.display(), self.reason);
        let argv = self.request.argv_with_config(&text);
        system::hand_over(&context, self.ssh, &argv).map_err(|error| self.failed(&error))
    }

    /// A private key file, or a `.pub` that names the agent's key.
    fn file_of(&self, identity: &Identity) -> std::io::Result<PathBuf> {
        let known = identity.file.as_ref().or(match &identity.holder {
            Holder::File(file) => Some(file),
            Holder::Agent => None,
        });
        match (known, &identity.public_key) {
            (Some(file), _) => Ok(self.context.directory.join(file)),
            (None, Some(key)) => {
                let line = key.to_openssh().map_err(std::io::Error::other)?;
                keep(self.context, "pub", &format!("{}\n", line.trim_end()))
            }
            (None, None) => Err(std::io::Error::other("a key without a name")),
        }
    }

    fn text(&self, place: &Place, identity: Option<&Path>) -> Result<String, Failure> {
        let said = effective(self.request, self.context, self.ssh)?;
        let mut printed = said.printed;
        if place.endpoint.published {
            // What is neither known nor published is refused, whatever ssh_config says.
            let others = printed.lines().filter(|line| {
                let key = line.split(' ').next();
                key != Some("stricthostkeychecking")
            });
            printed = others.collect::<Vec<_>>().join("\n");
            printed.push_str("\nstricthostkeychecking yes\n");
        }
        let file = ConfigFile {
            effective: &printed,
            compiled_in: &said.compiled_in,
            endpoint: &place.endpoint.address,
            identity,
            host_key_alias: self.config.host_keys.host_key_alias.as_deref(),
            known_hosts: place.known_hosts.as_deref(),
        };
        file.text().map_err(|error| Failure::HandOver {
            ssh: self.ssh.to_owned(),
            why: error.to_string(),
        })
    }

    fn failed(&self, error: &std::io::Error) -> Failure {
        Failure::HandOver {
            ssh: self.ssh.to_owned(),
            why: diagnostics::os_error_message(error),
        }
    }
}
