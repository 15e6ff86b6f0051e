//! One SSH connection: authentication, and its one channel.

use std::sync::Arc;

use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, Pty, server};

use super::command::{self, Command};
use super::cut::Cut;
use super::reply::{self, Reply};
use crate::call_log::{self, Login, Offer};
use crate::faults::SshFault;
use crate::model::{Principal, key};
use crate::sandbox::Shared;

/// `ssh -T` with a key of an account; the current text names no account.
const GREETING: &str = "authenticated via ssh key.\n\n\
     You can use git to connect to Bitbucket. Shell access is disabled\n";

pub(super) struct Session {
    shared: Arc<Shared>,
    number: usize,
    cut: Cut,
    principal: Option<Principal>,
    channel: Option<Channel<Msg>>,
    opened: bool,
    git_protocol: Option<String>,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, number: usize, cut: Cut) -> Self {
        Self {
            shared,
            number,
            cut,
            principal: None,
            channel: None,
            opened: false,
            git_protocol: None,
        }
    }

    fn note(&self, change: impl FnOnce(&mut call_log::Connection)) {
        change(&mut self.shared.call_log().connections[self.number]);
    }

    /// The reply to a command, decided before anything is sent.
    fn reply(&self, line: &str) -> Reply {
        if let Some(SshFault::Refuse { text, status }) = self
            .shared
            .faults
            .take_ssh(|fault| matches!(fault, SshFault::Refuse { .. }))
        {
            return Reply::refused(&text, status, false);
        }
        let closing = |fault: &SshFault| *fault == SshFault::CloseChannel;
        if self.shared.faults.take_ssh(closing).is_some() {
            return Reply::Closed;
        }
        let Some(principal) = &self.principal else {
            return Reply::Closed;
        };
        match command::parse(line) {
            Command::Git(service, workspace, slug) => {
                reply::git(&self.shared, principal, service, &workspace, &slug)
            }
            Command::LfsAuthenticate(workspace, slug, upload) => {
                reply::lfs_authenticate(&self.shared, principal, &workspace, &slug, upload)
            }
            Command::LfsTransfer => {
                Reply::refused("git-lfs-transfer: command not found", 127, false)
            }
            Command::HostKeyInfo => {
                Reply::output(self.shared.host_keys.known_hosts("bitbucket.org"))
            }
            Command::Other => Reply::refused(&format!("Invalid command: {line}"), 1, false),
        }
    }

    fn greeting(&self) -> String {
        let Some(Principal::AccessKey(fingerprint)) = &self.principal else {
            return GREETING.to_owned();
        };
        let model = self.shared.model();
        let mut text = "authenticated via a deploy key.\n\n\
             You can use git to connect to Bitbucket. Shell access is disabled.\n\n\
             This deploy key has read access to the following repositories:\n\n"
            .to_owned();
        for repository in &model.repositories {
            if repository
                .deploy_keys
                .iter()
                .any(|key| &key.fingerprint == fingerprint)
            {
                text.push_str(&repository.full_name());
                text.push('\n');
            }
        }
        text
    }

    fn begin(&mut self, line: &str, reply: Reply) {
        let Some(channel) = self.channel.take() else {
            return;
        };
        self.note(|connection| {
            connection.commands.push(call_log::Command {
                line: line.to_owned(),
                status: None,
            });
        });
        let limit = match self
            .shared
            .faults
            .take_ssh(|f| matches!(f, SshFault::CutAfter(_)))
        {
            Some(SshFault::CutAfter(bytes)) => Some(bytes),
            _ => None,
        };
        let job = reply::Job {
            reply,
            git_protocol: self.git_protocol.clone(),
            home: self.shared.folder.clone(),
            limit,
            cut: self.cut.clone(),
        };
        let (shared, number) = (Arc::clone(&self.shared), self.number);
        tokio::spawn(async move {
            let note = |status| note_status(&shared, number, status);
            let _ = reply::run(channel, job, note).await;
        });
    }
}

fn note_status(shared: &Shared, number: usize, status: u32) {
    if let Some(command) = shared.call_log().connections[number].commands.last_mut() {
        command.status = Some(status);
    }
}

impl Handler for Session {
    type Error = russh::Error;

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        let ending = |fault: &SshFault| *fault == SshFault::DisconnectAtAuthentication;
        if self.shared.faults.take_ssh(ending).is_some() || key::unacceptable(offer.public_key) {
            self.cut.now();
            return Err(russh::Error::Disconnect);
        }
        let fingerprint = key::fingerprint(offer.public_key);
        let refusing = |fault: &SshFault| *fault == SshFault::RefuseKey;
        let accepted = self.shared.faults.take_ssh(refusing).is_none()
            && self.shared.model().principal(user, &fingerprint).is_some();
        self.note(|connection| {
            connection.offers.push(Offer {
                user: user.to_owned(),
                fingerprint,
                accepted,
            });
        });
        Ok(if accepted {
            Auth::Accept
        } else {
            Auth::reject()
        })
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        verified: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        let fingerprint = key::fingerprint(verified.public_key);
        let principal = {
            let mut model = self.shared.model();
            let Some(principal) = model.principal(user, &fingerprint) else {
                return Ok(Auth::reject());
            };
            model.used(&fingerprint);
            principal
        };
        let account = match &principal {
            Principal::Account(email) => Some(email.clone()),
            Principal::AccessKey(_) => None,
        };
        self.note(|connection| {
            connection.login = Some(Login {
                user: user.to_owned(),
                fingerprint,
                account,
            });
        });
        self.principal = Some(principal);
        Ok(Auth::Accept)
    }

    async fn auth_succeeded(&mut self, session: &mut server::Session) -> Result<(), Self::Error> {
        let client = String::from_utf8_lossy(session.remote_sshid()).into_owned();
        self.note(|connection| connection.client = client);
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut server::Session,
    ) -> Result<(), Self::Error> {
        if std::mem::replace(&mut self.opened, true) {
            reply
                .reject(ChannelOpenFailure::AdministrativelyProhibited)
                .await;
        } else {
            self.channel = Some(channel);
            reply.accept().await;
        }
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _col_width: u32,
        _row_height: u32,
        _pix_width: u32,
        _pix_height: u32,
        _modes: &[(Pty, u32)],
        session: &mut server::Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        value: &str,
        session: &mut server::Session,
    ) -> Result<(), Self::Error> {
        let variable = (name.to_owned(), value.to_owned());
        self.note(|connection| connection.environment.push(variable));
        if name == "GIT_PROTOCOL" {
            self.git_protocol = Some(value.to_owned());
            session.channel_success(channel)
        } else {
            session.channel_failure(channel)
        }
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut server::Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)?;
        let reply = Reply::output(self.greeting());
        self.begin("", reply);
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut server::Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)?;
        let line = String::from_utf8_lossy(data).into_owned();
        let reply = self.reply(&line);
        self.begin(&line, reply);
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        session: &mut server::Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }
}
