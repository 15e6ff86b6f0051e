//! russh's side of a session: the messages of the server as they arrive.
//!
//! Runs in russh's task. Output goes straight to git's descriptors; everything else becomes an
//! [`Event`] for the session.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use russh::client::{DisconnectReason, Handler, Session};
use russh::keys::PublicKeyOrCertificate;
use russh::keys::ssh_encoding::Decode as _;
use russh::{ChannelId, ChannelOpenFailure, Names, Sig};
use ssh_key::PublicKey;
use tokio::sync::mpsc;

use crate::diagnostics;
use crate::text::sanitise;
use crate::transport::denial::Held;
use crate::transport::server_key::{ServerKey, Trust};
use crate::transport::session::{Ending, Event, HandlerError, SessionParams, SessionState};
use crate::transport::stdio::{Gone, Outputs};
use crate::transport::update_host_keys::Updater;

/// The handler of one connection.
#[derive(Debug)]
pub(super) struct Client {
    params: Arc<SessionParams>,
    server_key: ServerKey,
    state: Arc<SessionState>,
    events: mpsc::UnboundedSender<Event>,
    outputs: Outputs,
    /// git closed its stdout pipe: output is dropped, the status is still waited for.
    reader_gone: bool,
    /// Writes the keys that the host announces to known_hosts, once.
    updater: Option<Updater>,
    /// A rekey does not verify the host key again.
    exchanged: bool,
}

impl Client {
    pub(super) fn new(
        params: &Arc<SessionParams>,
        server_key: ServerKey,
        state: &Arc<SessionState>,
        events: mpsc::UnboundedSender<Event>,
        outputs: Outputs,
    ) -> Self {
        Self {
            params: Arc::clone(params),
            server_key,
            state: Arc::clone(state),
            events,
            outputs,
            reader_gone: false,
            updater: None,
            exchanged: false,
        }
    }

    /// Sends the variables and the command, once.
    fn send_command(&mut self, id: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        if self.state.sent.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        for (name, value) in &self.params.exec.environment {
            tracing::debug!("channel 0: setting env {name}");
            session.set_env(id, false, name, value)?;
        }
        match &self.params.exec.command {
            Some(command) => {
                let text = String::from_utf8_lossy(command);
                tracing::info!("Sending command: {}", sanitise(&text));
                session.exec(id, true, command)
            }
            None => session.request_shell(true, id),
        }
    }

    fn report(&self, event: Event) {
        // The session may have ended first.
        let _ = self.events.send(event);
    }

    async fn pass_on(&mut self, held: Held) {
        self.report(Event::Serving);
        self.write_errors(&held.stderr).await;
        self.write_output(&held.stdout).await;
    }

    /// The channel's stdout, to git.
    async fn write_output(&mut self, bytes: &[u8]) {
        if !self.reader_gone && self.outputs.output.write(bytes).await == Err(Gone) {
            self.reader_gone = true;
            self.report(Event::ReaderGone);
        }
    }

    /// The channel's stderr. A caller that closed it may still want stdout.
    async fn write_errors(&self, bytes: &[u8]) {
        let _ = self.outputs.errors.write(bytes).await;
    }
}

/// The number russh gives its first channel.
fn first_channel() -> Option<ChannelId> {
    ChannelId::decode(&mut &2u32.to_be_bytes()[..]).ok()
}

impl Handler for Client {
    type Error = HandlerError;

    async fn auth_banner(
        &mut self,
        banner: &str,
        _session: &mut Session,
    ) -> Result<(), HandlerError> {
        diagnostics::banner(banner);
        Ok(())
    }

    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, HandlerError> {
        match self.server_key.check(key).await {
            Ok(trust) => {
                let changed = trust == Trust::Changed;
                self.state.distrusted.fetch_or(changed, Ordering::Relaxed);
                let _ = self.state.host_key.set(key.public_key());
                self.updater = self.server_key.updater(trust);
                Ok(true)
            }
            Err(error) => Err(HandlerError::Refused(Box::new(error))),
        }
    }

    async fn kex_done(
        &mut self,
        _secret: Option<&[u8]>,
        names: &Names,
        _session: &mut Session,
    ) -> Result<(), HandlerError> {
        tracing::info!("SSH2_MSG_NEWKEYS sent");
        let again = if self.exchanged { "re" } else { "" };
        self.exchanged = true;
        tracing::debug!(
            "{again}kex: algorithm: {}, host key {}, cipher {}, MAC {}{}",
            names.kex.as_ref(),
            names.key,
            names.cipher.as_ref(),
            names.server_mac.as_ref(),
            if names.strict_kex() { ", strict" } else { "" }
        );
        Ok(())
    }

    /// The channel's open request has been sent and OpenSSH numbers channels from 0: the command
    /// follows right behind it, which saves a round trip.
    async fn openssh_ext_host_keys_announced(
        &mut self,
        keys: Vec<PublicKey>,
        session: &mut Session,
    ) -> Result<(), HandlerError> {
        if let Some(first) = first_channel() {
            let opening = session.sender_window_size(first) > 0;
            if opening && session.remote_sshid().starts_with(b"SSH-2.0-OpenSSH_") {
                tracing::debug!("sending the command behind the channel's open");
                self.send_command(first, session)?;
            }
        }
        if let Some(updater) = self.updater.take() {
            self.report(Event::HostKeys(Box::new(updater), keys));
        }
        Ok(())
    }

    async fn channel_open_confirmation(
        &mut self,
        id: ChannelId,
        _max_packet_size: u32,
        _window_size: u32,
        session: &mut Session,
    ) -> Result<(), HandlerError> {
        Ok(self.send_command(id, session)?)
    }

    async fn channel_open_failure(
        &mut self,
        _channel: ChannelId,
        reason: ChannelOpenFailure,
        description: &str,
        _language: &str,
        _session: &mut Session,
    ) -> Result<(), HandlerError> {
        // RFC 4254 section 5.1, as ssh(1) words it.
        let reason = match reason {
            ChannelOpenFailure::AdministrativelyProhibited => "administratively prohibited",
            ChannelOpenFailure::ConnectFailed => "connect failed",
            ChannelOpenFailure::UnknownChannelType => "unknown channel type",
            ChannelOpenFailure::ResourceShortage => "resource shortage",
            ChannelOpenFailure::Other { .. } => "unknown reason",
        };
        let description = sanitise(description);
        self.report(Event::NotOpened(format!("{reason}: {description}")));
        Ok(())
    }

    async fn channel_failure(
        &mut self,
        _channel: ChannelId,
        _session: &mut Session,
    ) -> Result<(), HandlerError> {
        self.report(Event::Refused);
        Ok(())
    }

    async fn data(
        &mut self,
        _channel: ChannelId,
        data: &[u8],
        _session: &mut Session,
    ) -> Result<(), HandlerError> {
        if !self.state.answered.swap(true, Ordering::Relaxed) {
            diagnostics::mark("first byte");
        }
        let count = data.len() as u64;
        self.state.received.fetch_add(count, Ordering::Relaxed);
        if self.state.is_serving() {
            self.write_output(data).await;
        } else if let Some(held) = self.state.with_buffer(|buffer| buffer.stdout(data)) {
            self.pass_on(held).await;
        }
        Ok(())
    }

    async fn extended_data(
        &mut self,
        _channel: ChannelId,
        kind: u32,
        data: &[u8],
        _session: &mut Session,
    ) -> Result<(), HandlerError> {
        // SSH_EXTENDED_DATA_STDERR, the only one there is (RFC 4254 section 5.2).
        if kind != 1 {
            return Ok(());
        }
        if self.state.is_serving() {
            self.write_errors(data).await;
        } else if let Some(held) = self.state.with_buffer(|buffer| buffer.stderr(data)) {
            self.pass_on(held).await;
        }
        Ok(())
    }

    async fn channel_eof(
        &mut self,
        _channel: ChannelId,
        _session: &mut Session,
    ) -> Result<(), HandlerError> {
        tracing::debug!("channel 0: rcvd eof");
        if self.state.is_serving() {
            self.outputs.output.end();
        }
        Ok(())
    }

    async fn exit_status(
        &mut self,
        _channel: ChannelId,
        status: u32,
        _session: &mut Session,
    ) -> Result<(), HandlerError> {
        tracing::debug!("channel 0: exit-status {status}");
        self.report(Event::Status(status));
        Ok(())
    }

    async fn exit_signal(
        &mut self,
        _channel: ChannelId,
        signal: Sig,
        _core_dumped: bool,
        message: &str,
        _language: &str,
        _session: &mut Session,
    ) -> Result<(), HandlerError> {
        let text = sanitise(&format!("{signal:?} {message}"));
        self.report(Event::Signal(text));
        Ok(())
    }

    async fn channel_close(
        &mut self,
        _channel: ChannelId,
        _session: &mut Session,
    ) -> Result<(), HandlerError> {
        diagnostics::mark("close");
        self.report(Event::Closed);
        Ok(())
    }

    async fn disconnected(
        &mut self,
        reason: DisconnectReason<HandlerError>,
    ) -> Result<(), HandlerError> {
        let (ending, result) = match reason {
            DisconnectReason::ReceivedDisconnect(info) => (
                Ending::Disconnected(info.reason_code as u32, sanitise(&info.message)),
                Ok(()),
            ),
            DisconnectReason::Error(error) => (ending(&error), Err(error)),
        };
        match &ending {
            Ending::Disconnected(_, why) | Ending::Lost(why) => {
                tracing::debug!("disconnected: {why}");
            }
            Ending::Damaged(_) => tracing::debug!("disconnected: a packet was damaged"),
            Ending::Silent => tracing::debug!("disconnected: the server no longer answers"),
            Ending::NoMethods => tracing::debug!("disconnected: no method of authentication left"),
        }
        self.state.set_ending(ending);
        result
    }
}

fn ending(error: &HandlerError) -> Ending {
    match error {
        HandlerError::Refused(error) => Ending::Lost(error.to_string()),
        HandlerError::Ssh(error) => Ending::of(error),
    }
}
