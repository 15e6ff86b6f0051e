//! The reply to a command, and the copying of bytes between its channel and a real git.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use bytes::BytesMut;
use russh::server::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::ChildStdin;

use super::command::Service;
use super::cut::Cut;
use crate::model::{AccessMode, LfsGrant, Principal, new_uuid};
use crate::sandbox::Shared;

/// Code of standard error in extended data (RFC 4254 section 5.2).
const STDERR: u32 = 1;

/// OpenSSH never sends more in one packet, and git's side band fits twice.
const CHUNK: usize = 32 * 1024;

/// How a command is answered.
#[derive(Debug)]
pub(super) enum Reply {
    /// These bytes on standard output and standard error, then the status.
    Output {
        stdout: Vec<u8>,
        stderr: Vec<u8>,
        status: u32,
    },
    /// A real git serves this repository.
    Git(Service, PathBuf),
    /// The channel is closed without an answer.
    Closed,
}

impl Reply {
    pub(super) fn output(text: impl Into<Vec<u8>>) -> Self {
        Self::Output {
            stdout: text.into(),
            stderr: Vec::new(),
            status: 0,
        }
    }

    /// A refusal, on standard error or as git's first packet.
    pub(super) fn refused(text: &str, status: u32, as_packet: bool) -> Self {
        let (stdout, stderr) = if as_packet {
            (format!("{:04x}ERR {text}\n", text.len() + 9), String::new())
        } else {
            (String::new(), format!("{text}\n"))
        };
        Self::Output {
            stdout: stdout.into_bytes(),
            stderr: stderr.into_bytes(),
            status,
        }
    }
}

pub(super) fn git(
    shared: &Shared,
    principal: &Principal,
    service: Service,
    workspace: &str,
    slug: &str,
) -> Reply {
    let mode = match service {
        Service::ReceivePack => AccessMode::Write,
        Service::UploadPack | Service::UploadArchive => AccessMode::Read,
    };
    let model = shared.model();
    match model.access(principal, workspace, slug, mode) {
        Ok(repository) => Reply::Git(service, repository.path.clone()),
        Err(denied) => {
            let refusals = &model.refusals;
            Reply::refused(refusals.text(denied), refusals.status, refusals.as_packet)
        }
    }
}

/// The address of the site's LFS server and a header that opens it.
pub(super) fn lfs_authenticate(
    shared: &Shared,
    principal: &Principal,
    workspace: &str,
    slug: &str,
    upload: bool,
) -> Reply {
    let mode = if upload {
        AccessMode::Write
    } else {
        AccessMode::Read
    };
    let mut model = shared.model();
    let full_name = match model.access(principal, workspace, slug, mode) {
        Ok(repository) => repository.full_name(),
        Err(denied) => {
            return Reply::refused(model.refusals.text(denied), model.refusals.status, false);
        }
    };
    let secret = new_uuid().trim_matches(['{', '}']).to_owned();
    let answer = json!({
        "href": format!("{}/{full_name}.git/info/lfs", shared.origin),
        "header": {"Authorization": format!("Bearer {secret}")},
        "expires_in": 3600,
    });
    model
        .lfs_grants
        .insert(secret, LfsGrant { full_name, mode });
    Reply::output(answer.to_string())
}

pub(super) struct Job {
    pub(super) reply: Reply,
    /// Value of GIT_PROTOCOL, where it was sent.
    pub(super) git_protocol: Option<String>,
    pub(super) home: PathBuf,
    /// The connection is cut after this many bytes of standard output.
    pub(super) limit: Option<u64>,
    pub(super) cut: Cut,
}

/// Runs the command; `note` gets the exit status before the client does.
pub(super) async fn run(
    channel: Channel<Msg>,
    job: Job,
    note: impl Fn(u32),
) -> Result<(), russh::Error> {
    let (mut read, write) = channel.split();
    let status = match job.reply {
        Reply::Closed => return write.close().await,
        Reply::Output {
            stdout,
            stderr,
            status,
        } => {
            write.data_bytes(stdout).await?;
            write.extended_data_bytes(STDERR, stderr).await?;
            status
        }
        Reply::Git(service, path) => {
            let mut command = super::git::command(&job.home);
            command.arg(service.subcommand()).arg(path);
            if let Some(protocol) = &job.git_protocol {
                command.env("GIT_PROTOCOL", protocol);
            }
            serve(command, &mut read, &write, job.limit, &job.cut).await?
        }
    };
    note(status);
    write.eof().await?;
    write.exit_status(status).await?;
    write.close().await
}

/// Until git has ended and all it wrote was sent. Both directions are bounded: the client's by the
/// channel's queue, git's by the client's window.
async fn serve(
    command: std::process::Command,
    read: &mut ChannelReadHalf,
    write: &ChannelWriteHalf<Msg>,
    limit: Option<u64>,
    cut: &Cut,
) -> Result<u32, russh::Error> {
    let mut child = tokio::process::Command::from(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(russh::Error::Inconsistent);
    };
    let outward = async {
        tokio::try_join!(
            pump(stdout, write, None, limit, cut),
            pump(stderr, write, Some(STDERR), None, cut),
        )
    };
    tokio::pin!(outward);
    tokio::select! {
        done = &mut outward => { done?; }
        () = feed(read, stdin) => { outward.await?; }
    }
    let status = child.wait().await?;
    Ok(status
        .code()
        .and_then(|code| u32::try_from(code).ok())
        .unwrap_or(255))
}

/// The client's bytes to git, until its EOF; then this side keeps listening, so that the queue
/// never fills, until the client is gone.
async fn feed(read: &mut ChannelReadHalf, stdin: ChildStdin) {
    let mut stdin = Some(stdin);
    while let Some(message) = read.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                if let Some(pipe) = &mut stdin
                    && pipe.write_all(&data).await.is_err()
                {
                    stdin = None;
                }
            }
            ChannelMsg::Eof => stdin = None,
            ChannelMsg::Close => return,
            _ => {}
        }
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    write: &ChannelWriteHalf<Msg>,
    extended: Option<u32>,
    limit: Option<u64>,
    cut: &Cut,
) -> Result<(), russh::Error> {
    let mut left = limit;
    loop {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        if from.read_buf(&mut chunk).await? == 0 {
            return Ok(());
        }
        if let Some(left) = &mut left {
            let size = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            if size > *left {
                chunk.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                write.data_bytes(chunk.freeze()).await?;
                // Behind the bytes that are still queued in the session.
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                cut.now();
                return Err(io::Error::from(io::ErrorKind::ConnectionAborted).into());
            }
            *left -= size;
        }
        match extended {
            None => write.data_bytes(chunk.freeze()).await?,
            Some(code) => write.extended_data_bytes(code, chunk.freeze()).await?,
        }
    }
}
