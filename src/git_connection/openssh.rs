//! A Bitbucket host that the system's ssh carries: `bitbucket.transport = openssh`, or options that
//! only it has. The plan's first identity goes, alone; ssh takes over the process.
//!
//! The generated files lie in the state directory, named by what they hold, since nobody is left to
//! remove them; old ones go when a new one comes.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha1::{Digest as _, Sha1};

use crate::context::Context;
use crate::diagnostics;
use crate::git_connection::askpass;
use crate::git_connection::failure::{Failure, Tried};
use crate::git_connection::keys::Keys;
use crate::host_key::published;
use crate::identity::{Holder, Identity, Offer, Plan, Rank};
use crate::prompt::Prompt;
use crate::settings::ssh_config::effective::effective;
use crate::settings::{self, SshConfig};
use crate::ssh_command::Request;
use crate::transport::system::{self, config_file::ConfigFile};
use crate::transport::{Endpoint, ExitStatus};

/// A generated file that was not used for so long is nobody's.
const OLD: Duration = Duration::from_secs(24 * 60 * 60);

/// One call that the system's ssh carries.
pub struct HandOver<'a> {
    /// The captured process surroundings.
    pub context: &'a Context,
    /// What git asked.
    pub request: &'a Request,
    /// What the user's ssh_config says.
    pub config: &'a SshConfig,
    /// Where to connect to.
    pub endpoint: &'a Endpoint,
    /// Keys that are made.
    pub keys: Keys<'a>,
    /// Who can be asked.
    pub prompt: &'a dyn Prompt,
    /// Why ssh carries it, in words.
    pub because: &'a str,
}

impl HandOver<'_> {
    /// Makes the key if it is a new one, writes the file, gives the process to ssh.
    pub fn run(&self, plan: Plan) -> Result<ExitStatus, Failure> {
        let Some(ssh) = system::find(self.context) else {
            return Err(Failure::NoSystemSsh {
                because: self.because.to_owned(),
            });
        };
        let failed = |why: String| Failure::HandOver {
            ssh: ssh.clone(),
            why,
        };
        let words = |error: &std::io::Error| diagnostics::system_words(error);
        let identity = self.identity(plan)?;
        let file = identity.as_ref().map(|identity| self.file_of(identity));
        let file = file.transpose().map_err(|error| failed(words(&error)))?;
        let text = self
            .text(&ssh, file.as_deref())
            .map_err(|error| match error {
                Text::Settings(error) => Failure::Settings(error),
                Text::Other(why) => failed(why),
            })?;
        let text = keep(self.context, "config", &text).map_err(|error| failed(words(&error)))?;
        let managed = identity.as_ref().and_then(|one| one.managed.as_ref());
        let context = askpass::environment(self.context, managed);
        let whose = identity.as_ref().map(ToString::to_string);
        let whose = whose.unwrap_or_else(|| "its own identities".to_owned());
        tracing::info!("the system's ssh goes with {whose}");
        tracing::info!("handing over to {} ({})", ssh.display(), self.because);
        let argv = self.request.argv_with_config(&text);
        system::hand_over(&context, &ssh, &argv).map_err(|error| failed(words(&error)))
    }

    /// The plan's first. `None`: ssh_config's identities and the agent stand as they are.
    fn identity(&self, plan: Plan) -> Result<Option<Identity>, Failure> {
        let provider = self.config.needs_system_ssh.as_deref().is_some_and(|said| {
            let said = said.to_ascii_lowercase();
            said.contains("pkcs11provider") || said.contains("securitykeyprovider")
        });
        if provider {
            return Ok(None);
        }
        if let Some(missing) = plan.missing.first() {
            return Err(Failure::IdentityFileMissing(missing.clone()));
        }
        let Some(first) = plan.candidates.first() else {
            if plan.closed_by.is_none() {
                return Ok(None);
            }
            return Err(Failure::NotServed(Box::new(Tried {
                passed_over: plan.passed_over,
                closed_by: plan.closed_by,
                ..Tried::default()
            })));
        };
        if matches!(first.reason.rank, Rank::SshConfigOnly | Rank::Rest) {
            return Ok(None);
        }
        match (&first.offer, &first.account) {
            (Offer::Identities(identities), _) => Ok(identities.first().cloned()),
            (Offer::NewKey, Some(account)) => {
                let new = self.keys.make(account, self.prompt)?;
                if new.by_hand.is_some() {
                    // Nobody sees here when the site accepts it: the person says so.
                    self.prompt.line("Press Enter when it is added: ")?;
                    self.keys.pasted(&new.identity)?;
                }
                Ok(Some(new.identity))
            }
            (Offer::NewKey, None) => Ok(None),
        }
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

    fn text(&self, ssh: &Path, identity: Option<&Path>) -> Result<String, Text> {
        let said = effective(self.request, self.context, ssh).map_err(Text::Settings)?;
        let known_hosts = if self.endpoint.published {
            let kept = keep(self.context, "known_hosts", published::lines());
            Some(kept.map_err(|error| Text::Other(diagnostics::system_words(&error)))?)
        } else {
            None
        };
        let mut printed = said.printed;
        if known_hosts.is_some() {
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
            endpoint: &self.endpoint.address,
            identity,
            host_key_alias: self.config.host_key_alias.as_deref(),
            known_hosts: known_hosts.as_deref(),
        };
        file.text().map_err(|error| Text::Other(error.to_string()))
    }
}

/// Why there is no file's text.
enum Text {
    Settings(settings::Error),
    Other(String),
}

/// Keeps a text in the state directory, in a file that only the user can read.
fn keep(context: &Context, kind: &str, text: &str) -> std::io::Result<PathBuf> {
    let base = context.state_directory();
    let folder = base
        .ok_or_else(|| std::io::Error::other("HOME is not set"))?
        .join("openssh");
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&folder)?;
    let mut name = String::new();
    for byte in &Sha1::digest(text.as_bytes())[..8] {
        let _ = write!(name, "{byte:02x}");
    }
    let file = folder.join(format!("{name}.{kind}"));
    // Written anew also where it is there: that tells its age.
    let mut draft = tempfile::NamedTempFile::new_in(&folder)?;
    draft.write_all(text.as_bytes())?;
    draft.persist(&file)?;
    remove_old(&folder);
    Ok(file)
}

fn remove_old(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let changed = entry.metadata().and_then(|metadata| metadata.modified());
        let age = changed.ok().and_then(|changed| changed.elapsed().ok());
        if age.is_some_and(|age| age > OLD) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
