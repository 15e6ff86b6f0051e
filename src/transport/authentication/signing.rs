//! The signature the server asks for once it has accepted a public key. Only then is the private key
//! opened, and only then is a person asked for its passphrase.

use std::path::{Path, PathBuf};
use std::time::Duration;

use russh::keys::agent::AgentIdentity;
use russh::{SendError, Signer};
use ssh_key::{Certificate, HashAlg, PrivateKey, PublicKey, Signature};
use tokio::time::timeout;

use crate::identity::key_file::{self, KeyFileError};
use crate::identity::{Holder, Identity, agent, signer};
use crate::prompt;
use crate::text::{Shown, sanitise, ssh_seconds};
use crate::transport::session::SessionParams;

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotSigned {
    /// The connection is gone.
    #[error("the connection was lost")]
    Lost,
    /// git has ended.
    #[error("the calling program has ended")]
    CallerGone,
    /// The key file was not opened: which one and why; and the fault of the file, if any.
    #[error("{0}")]
    NotOpened(String, Option<KeyFileError>),
    /// The agent has the key and does not sign: which, and its words.
    #[error("{0}")]
    AgentRefused(String),
    /// The key is on a security key, and no agent has it.
    #[error("{0}")]
    SecurityKey(String),
    /// The key cannot be used: which, and why.
    #[error("{0}")]
    Unusable(String),
}

impl NotSigned {
    /// Whether ssh(1) may be able to sign: it reads more formats, tells the agent which host it
    /// connects to, and talks to security keys.
    pub(super) fn ssh_may_help(&self) -> bool {
        match self {
            Self::AgentRefused(_) | Self::SecurityKey(_) => true,
            Self::NotOpened(_, Some(error)) => matches!(
                error,
                KeyFileError::ForeignFormat { .. } | KeyFileError::Malformed { .. }
            ),
            _ => false,
        }
    }

    /// The line for the refusal: why, or the remedy if ssh(1)'s message has already said why.
    pub(super) fn hint(&self) -> String {
        match self {
            Self::NotOpened(_, Some(error)) => error.remedy().unwrap_or_else(|| self.to_string()),
            error => error.to_string(),
        }
    }
}

impl From<SendError> for NotSigned {
    fn from(_: SendError) -> Self {
        Self::Lost
    }
}

fn not_opened(error: &KeyFileError) -> NotSigned {
    NotSigned::NotOpened(error.to_string(), Some(error.clone()))
}

/// One identity while it is offered.
pub(super) struct Signing<'a> {
    params: &'a SessionParams,
    identity: &'a Identity,
    key: Option<PublicKey>,
    certificate: Option<Certificate>,
    opened: Option<PrivateKey>,
}

impl<'a> Signing<'a> {
    pub(super) fn new(params: &'a SessionParams, identity: &'a Identity) -> Self {
        Self {
            params,
            identity,
            key: None,
            certificate: None,
            opened: None,
        }
    }

    pub(super) fn identity(&self) -> &'a Identity {
        self.identity
    }

    /// What is offered now.
    pub(super) fn begin(&mut self, key: &PublicKey, certificate: Option<&Certificate>) {
        self.key = Some(key.clone());
        self.certificate = certificate.cloned();
    }

    /// The opened key of a file: as it is, by the stored passphrase, or by the one a person types.
    pub(super) async fn open(&mut self) -> Result<&PrivateKey, NotSigned> {
        if self.opened.is_none() {
            let Holder::File(file) = &self.identity.holder else {
                return Err(NotSigned::Unusable("the agent keeps its keys".to_owned()));
            };
            let key = match self.open_without_asking(file).await {
                Ok(key) => key,
                Err(KeyFileError::Encrypted { .. }) => self.open_asking(file).await?,
                Err(error) => return Err(not_opened(&error)),
            };
            self.opened = Some(key);
        }
        Ok(self.opened.as_ref().expect("opened above"))
    }

    /// [`KeyFileError::Encrypted`]: a person has to be asked.
    async fn open_without_asking(&self, file: &Path) -> Result<PrivateKey, KeyFileError> {
        let encrypted = match key_file::open(file, None) {
            Err(KeyFileError::Encrypted { path }) => path,
            opened => return opened,
        };
        let Some(stored) = self.params.prompt.stored_passphrase(file).await else {
            return Err(KeyFileError::Encrypted { path: encrypted });
        };
        match key_file::open(file, Some(&stored)) {
            Err(KeyFileError::WrongPassphrase { path }) => {
                tracing::warn!("the stored passphrase does not open {}", path.display());
                Err(KeyFileError::Encrypted { path })
            }
            opened => opened,
        }
    }

    async fn open_asking(&self, file: &Path) -> Result<PrivateKey, NotSigned> {
        let text = format!("Enter passphrase for key '{}': ", file.display());
        let unusable = |why: &dyn std::fmt::Display| {
            NotSigned::NotOpened(format!("{}: {why}", file.display()), None)
        };
        for _ in 0..super::password_prompts(&self.params.config) {
            let passphrase = match self.params.prompt.secret(text.clone()).await {
                Ok(passphrase) if passphrase.is_empty() => {
                    return Err(unusable(&"no passphrase given"));
                }
                Ok(passphrase) => passphrase,
                Err(prompt::Error::CallerGone) => return Err(NotSigned::CallerGone),
                Err(error) => {
                    return Err(unusable(&format!(
                        "it is protected by a passphrase, and {error}"
                    )));
                }
            };
            match key_file::open(file, Some(&passphrase)) {
                Err(KeyFileError::WrongPassphrase { .. }) => {
                    tracing::info!("bad passphrase given, try again...");
                }
                opened => return opened.map_err(|error| not_opened(&error)),
            }
        }
        Err(unusable(
            &"incorrect passphrase supplied to decrypt private key",
        ))
    }

    /// The agent's socket, where it holds the offered key.
    async fn agent_with_key(&self) -> Option<PathBuf> {
        let socket = self.params.agent.clone()?;
        let holds = agent::holds(&socket, self.key.as_ref()?).await;
        holds.then_some(socket)
    }

    async fn sign_by_agent(
        &self,
        socket: &Path,
        hash: Option<HashAlg>,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, NotSigned> {
        let key = self.key.as_ref().expect("a key is offered");
        agent::sign(socket, key, self.certificate.as_ref(), hash, data)
            .await
            .map_err(|error| {
                let text = format!("{} from agent: {error}", self.name(key));
                match error {
                    agent::Error::Refused => NotSigned::AgentRefused(text),
                    _ => NotSigned::Unusable(text),
                }
            })
    }

    async fn signature(
        &mut self,
        hash: Option<HashAlg>,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, NotSigned> {
        let Holder::File(file) = &self.identity.holder else {
            let Some(socket) = self.params.agent.clone() else {
                return Err(NotSigned::Unusable("there is no agent".to_owned()));
            };
            return self.sign_by_agent(&socket, hash, data).await;
        };
        if self.opened.is_none() {
            // What opens without a person, then the agent, then the person.
            match self.open_without_asking(file).await {
                Ok(key) => self.opened = Some(key),
                Err(error) => {
                    if let Some(socket) = self.agent_with_key().await {
                        match self.sign_by_agent(&socket, hash, data.clone()).await {
                            Ok(signed) => return Ok(signed),
                            Err(error) => tracing::info!("{error}"),
                        }
                    }
                    if !matches!(error, KeyFileError::Encrypted { .. }) {
                        return Err(not_opened(&error));
                    }
                }
            }
        }
        let key = self.open().await?;
        match signer::sign(key, hash, &data) {
            Ok(signature) => Ok(appended(data, &signature)),
            Err(error @ signer::Error::SecurityKey) => {
                if let Some(socket) = self.agent_with_key().await {
                    return self.sign_by_agent(&socket, hash, data).await;
                }
                let text = format!("{}: {error}", file.display());
                Err(NotSigned::SecurityKey(text))
            }
            Err(error) => Err(NotSigned::Unusable(format!("{}: {error}", file.display()))),
        }
    }

    fn name(&self, key: &PublicKey) -> String {
        let kind = crate::host_key::messages::key_type(key);
        let file = self.identity.file.as_ref();
        let file = file.map_or_else(|| key.comment().to_string(), |f| f.display().to_string());
        format!("{kind} \"{}\"", crate::text::sanitise(&file))
    }

    /// AddKeysToAgent, once the key has been accepted.
    pub(super) async fn add_to_agent(&self) {
        if let Some(key) = &self.opened {
            add_to_agent(self.params, self.identity, key).await;
        }
    }
}

impl Signer for Signing<'_> {
    type Error = NotSigned;

    async fn auth_sign(
        &mut self,
        _key: &AgentIdentity,
        hash: Option<HashAlg>,
        to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, NotSigned> {
        tracing::debug!("the server accepts the key");
        self.signature(hash, to_sign).await
    }
}

/// `data` and behind it the signature as one SSH string (RFC 4252 section 7).
fn appended(mut data: Vec<u8>, signature: &Signature) -> Vec<u8> {
    let algorithm = signature.algorithm();
    let name = algorithm.as_str().as_bytes();
    let bytes = signature.as_bytes();
    let mut put = |number: usize| {
        let number = u32::try_from(number).expect("signatures are small");
        data.extend(number.to_be_bytes());
    };
    put(4 + name.len() + 4 + bytes.len());
    put(name.len());
    data.extend(name);
    let length = u32::try_from(bytes.len()).expect("signatures are small");
    data.extend(length.to_be_bytes());
    data.extend(bytes);
    data
}

/// The value of AddKeysToAgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct AgentLifetime {
    ask: bool,
    /// The agent asks at each use.
    confirm: bool,
    /// Seconds.
    lifetime: Option<u32>,
}

/// Adds the key to the agent, if AddKeysToAgent says so. A failure has no effect on the session.
async fn add_to_agent(params: &SessionParams, identity: &Identity, key: &PrivateKey) {
    let (Some(lifetime), Some(socket)) = (
        lifetime(params.config.identities.add_keys_to_agent.as_deref()),
        &params.agent,
    ) else {
        return;
    };
    if agent::holds(socket, key.public_key()).await {
        return;
    }
    let file = identity.file.clone().unwrap_or_default();
    let comment = key_file::comment(&file, key);
    if lifetime.ask {
        let named = sanitise(&String::from_utf8_lossy(&comment));
        let file_name = Shown::path(&file, None);
        let text = format!("Add key {file_name} ({named}) to agent?");
        if !matches!(params.prompt.confirm(text).await, Ok(true)) {
            return;
        }
    }
    let entry = agent::NewKey {
        key,
        comment: &comment,
        lifetime: lifetime.lifetime,
        confirm: lifetime.confirm,
    };
    match timeout(Duration::from_secs(2), agent::add_to(socket, entry)).await {
        Ok(Ok(())) => tracing::info!("identity added to agent: {}", file.display()),
        Ok(Err(error)) => tracing::info!("could not add identity to agent: {error}"),
        Err(_) => tracing::info!("could not add identity to agent: it does not answer"),
    }
}

/// `false`, `true`, `ask`, `confirm`, a time, or `confirm` and a time. `None`: nothing is added.
fn lifetime(text: Option<&str>) -> Option<AgentLifetime> {
    let mut lifetime = AgentLifetime::default();
    let mut any = false;
    for word in text?.split_whitespace() {
        match word.to_ascii_lowercase().as_str() {
            "no" | "false" => return None,
            "yes" | "true" => {}
            "ask" => lifetime.ask = true,
            "confirm" => lifetime.confirm = true,
            time => lifetime.lifetime = Some(ssh_seconds(time).filter(|seconds| *seconds > 0)?),
        }
        any = true;
    }
    any.then_some(lifetime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_is_read_as_ssh_writes_it() {
        let of = |ask, confirm, lifetime| {
            Some(AgentLifetime {
                ask,
                confirm,
                lifetime,
            })
        };
        for (text, expected) in [
            (None, None),
            (Some("false"), None),
            (Some("no"), None),
            (Some("true"), of(false, false, None)),
            (Some("ask"), of(true, false, None)),
            (Some("confirm"), of(false, true, None)),
            (Some("confirm 3600"), of(false, true, Some(3600))),
            (Some("1h30m"), of(false, false, Some(5400))),
            (Some("soon"), None),
        ] {
            assert_eq!(lifetime(text), expected, "{text:?}");
        }
    }
}
