//! A key for the agent, with the name that `ssh-add -l` shows. russh's own call gives it none.
//!
//! One message and its answer (draft-ietf-sshm-ssh-agent, section 5.2). Reads no file.

use std::path::Path;

use ssh_key::PrivateKey;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use zeroize::Zeroizing;

use super::{Error, unreachable};

/// Message numbers: draft-ietf-sshm-ssh-agent, section 6.1.
const SUCCESS: u8 = 6;
const FAILURE: u8 = 5;
const ADD: u8 = 17;
const ADD_CONSTRAINED: u8 = 25;
/// Constraints: section 6.2.
const LIFETIME: u8 = 1;
const CONFIRM: u8 = 2;

/// An opened key as the agent is to hold it.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The opened key.
    pub key: &'a PrivateKey,
    /// What lists call it: any bytes, as a key file's comment may be.
    pub comment: &'a [u8],
    /// Seconds until the agent forgets it; `None`: never.
    pub lifetime: Option<u32>,
    /// The agent's owner is asked at each use.
    pub confirm: bool,
}

impl Entry<'_> {
    /// The whole message with its length in front.
    fn message(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        use russh::keys::ssh_encoding::Encode as _;
        let broken = |error: &dyn std::fmt::Display| Error::Protocol(error.to_string());
        let key = self.key.key_data();
        let length = key.encoded_len().map_err(|error| broken(&error))?;
        // Room for all of it, so that no copy of the key is left behind by growing.
        let mut message = Zeroizing::new(Vec::with_capacity(length + self.comment.len() + 32));
        message.extend([0; 4]);
        let constrained = self.lifetime.is_some() || self.confirm;
        message.push(if constrained { ADD_CONSTRAINED } else { ADD });
        key.encode(&mut *message).map_err(|error| broken(&error))?;
        self.comment
            .encode(&mut *message)
            .map_err(|error| broken(&error))?;
        if let Some(seconds) = self.lifetime {
            message.push(LIFETIME);
            message.extend(seconds.to_be_bytes());
        }
        if self.confirm {
            message.push(CONFIRM);
        }
        let length = u32::try_from(message.len() - 4).map_err(|error| broken(&error))?;
        message[..4].copy_from_slice(&length.to_be_bytes());
        Ok(message)
    }

    /// Gives it to the agent at `socket`.
    pub(super) async fn give(&self, socket: &Path) -> Result<(), Error> {
        let message = self.message()?;
        #[cfg(unix)]
        let stream = tokio::net::UnixStream::connect(socket).await;
        #[cfg(windows)]
        let stream = tokio::net::windows::named_pipe::ClientOptions::new().open(socket);
        let mut stream = stream.map_err(|error| unreachable(socket, &error))?;
        let lost = |error: std::io::Error| Error::Protocol(error.to_string());
        stream.write_all(&message).await.map_err(lost)?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await.map_err(lost)?;
        match answer[4] {
            SUCCESS => Ok(()),
            FAILURE => Err(Error::Refused),
            other => Err(Error::Protocol(format!("message {other}"))),
        }
    }
}
