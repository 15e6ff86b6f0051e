//! Which endpoint answers, for a session that another program carries: a version line is waited
//! for, or the host key as well; nobody is logged in.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ssh_key::PublicKey;
use tokio::sync::mpsc;

use crate::context::Context;
use crate::diagnostics;
use crate::prompt::Prompt;
use crate::settings::SshConfig;
use crate::transport::client::Client;
use crate::transport::endpoint::{self, Route};
use crate::transport::handshake::handshake;
use crate::transport::native::{AttemptError, PAUSES, local, to_the_end};
use crate::transport::prompt_bridge::{PromptClient, PromptServer};
use crate::transport::server_key::ServerKey;
use crate::transport::shared::SessionState;
use crate::transport::stdio::Output;
use crate::transport::{Endpoint, Error, Peer};

/// What is looked for.
pub struct Search<'a> {
    /// AttemptLog in order, staggered. Never empty.
    pub endpoints: Vec<Endpoint>,
    /// For `%r` of a proxy command.
    pub user: String,
    /// For `%n` of a proxy command.
    pub typed_host: String,
    /// What the user's ssh_config says for the host.
    pub config: &'a SshConfig,
    /// Host keys that the site told over HTTPS (`SHA256:…`).
    pub site_fingerprints: Vec<String>,
    /// Whether keys are exchanged, so that the host key is seen.
    pub host_key: bool,
    /// Who can be asked about an unknown host key.
    pub prompt: &'a dyn Prompt,
    /// The captured process surroundings.
    pub context: &'a Context,
}

/// An endpoint that answers.
#[derive(Debug)]
pub struct Reached {
    /// Which.
    pub endpoint: Endpoint,
    /// The key that it has proved to hold, and that was accepted. `None`: it was not looked for.
    pub host_key: Option<PublicKey>,
}

/// The first endpoint that answers, in the manner of [`super::native::run`]: staggered, and again
/// over the whole list where a connection ended early. With [`Search::host_key`] the host key is
/// judged as for a session: it may be asked about, and learned.
///
/// # Errors
///
/// As a session's, as far as one comes without a login.
pub fn find_endpoint(search: Search<'_>) -> Result<Reached, Error> {
    to_the_end(search.run())
}

impl Search<'_> {
    async fn run(self) -> Result<Reached, Error> {
        let route = Arc::new(Route {
            endpoints: self.endpoints.clone(),
            user: self.user.clone(),
            typed_host: self.typed_host.clone(),
            config: Arc::new(self.config.clone()),
            context: self.context.clone(),
        });
        let (mut prompt_bridge, asker) = PromptServer::new(self.prompt, &|_| None);
        tokio::select! {
            reached = self.patiently(&route, &asker) => reached,
            () = prompt_bridge.serve() => Err(Error::CallerGone),
        }
    }

    async fn patiently(&self, route: &Arc<Route>, asker: &PromptClient) -> Result<Reached, Error> {
        let mut pauses = PAUSES.iter();
        loop {
            match self.try_once(route, asker.clone()).await {
                Ok(reached) => return Ok(reached),
                Err(failed) => failed.pause(&mut pauses).await?,
            }
        }
    }

    async fn try_once(
        &self,
        route: &Arc<Route>,
        asker: PromptClient,
    ) -> Result<Reached, AttemptError> {
        let connected = endpoint::connect(route).await?;
        diagnostics::mark("banner");
        let endpoint = connected.endpoint.clone();
        if !self.host_key {
            return Ok(Reached {
                endpoint,
                host_key: None,
            });
        }
        let peer = Peer(connected.address);
        let server_key = ServerKey::new(
            &connected,
            self.config,
            &self.site_fingerprints,
            self.context,
            asker,
        );
        let shared = SessionState::new(false, Arc::new(AtomicBool::new(false)));
        let (output, errors) = (self.nowhere()?, self.nowhere()?);
        let client = Client {
            server_key,
            command: None,
            environment: Vec::new(),
            shared: Arc::clone(&shared),
            events: mpsc::unbounded_channel().0,
            output: output.clone(),
            errors: errors.clone(),
            reader_gone: false,
            exchanged: false,
            updater: None,
        };
        let shaken = handshake(connected.stream, &endpoint, peer, client, self.config).await;
        output.release();
        errors.release();
        let handle = shaken?;
        diagnostics::mark("kex");
        let said = handle
            .disconnect(russh::Disconnect::ByApplication, "", "")
            .await;
        if let Err(error) = said {
            tracing::debug!("{error}");
        }
        Ok(Reached {
            endpoint,
            host_key: shared.host_key.get().cloned(),
        })
    }

    /// No channel is opened: nothing is written to it.
    fn nowhere(&self) -> Result<Output, Error> {
        let words = |error: std::io::Error| local("cannot use a temporary file", &error);
        let file = tempfile::tempfile_in(self.context.temporary_directory()).map_err(words)?;
        Output::new(file, false).map_err(words)
    }
}
