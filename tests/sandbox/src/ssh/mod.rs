//! The SSH server: Bitbucket Cloud's `conker`.
//!
//! As far as is known it is written in Go: no `hostkeys-00@openssh.com`, one channel for a
//! connection, no compression, at most six refused keys.

mod command;
mod cut;
pub(crate) mod git;
mod host_keys;
mod reply;
mod session;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{MethodKind, MethodSet, Preferred, SshId, cipher, compression, server};
use tokio::net::{TcpListener, TcpStream};

pub(crate) use host_keys::HostKeys;

use crate::faults::SshFault;
use crate::sandbox::Shared;
use session::Session;

/// Format as seen in public logs of August 2026; the part after the dash is our own.
const VERSION: &str = "SSH-2.0-conker_20260806-sandbox";

/// Apache MINA, as Data Center embeds it.
const DATA_CENTER_VERSION: &str = "SSH-2.0-SSHD-CORE-2.13.2-ATLASSIAN-1-sandbox";

/// Go's x/crypto/ssh ends a connection after this many refused keys (`MaxAuthTries`).
const REFUSED_KEYS: usize = 6;

pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let usual = Arc::new(config(&shared, shared.host_keys.current()));
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, Arc::clone(&shared), Arc::clone(&usual)));
    }
}

async fn answer(stream: TcpStream, shared: Arc<Shared>, usual: Arc<server::Config>) {
    let number = {
        let mut log = shared.call_log();
        log.connections.push(crate::call_log::Connection::default());
        log.connections.len() - 1
    };
    let taken = |wanted: fn(&SshFault) -> bool| shared.faults.take_ssh(wanted);
    if taken(|fault| *fault == SshFault::ResetBeforeBanner).is_some() {
        let _ = stream.set_zero_linger();
        return;
    }
    if taken(|fault| *fault == SshFault::Silent).is_some() {
        hold(stream).await;
        return;
    }
    if let Some(SshFault::Slow(delay)) = taken(|fault| matches!(fault, SshFault::Slow(_))) {
        tokio::time::sleep(delay).await;
    }
    let config = if taken(|fault| *fault == SshFault::OtherHostKey).is_some() {
        Arc::new(config(&shared, HostKeys::generate(false).current()))
    } else {
        usual
    };
    let _ = stream.set_nodelay(true);
    let Ok((stream, cut)) = cut::severable(stream) else {
        return;
    };
    let handler = Session::new(shared, number, cut);
    if let Ok(running) = server::run_stream(config, stream, handler).await {
        let _ = running.await;
    }
}

/// Until the client disconnects.
async fn hold(stream: TcpStream) {
    let mut scrap = [0; 1024];
    loop {
        if stream.readable().await.is_err() {
            return;
        }
        match stream.try_read(&mut scrap) {
            Ok(0) => return,
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
            _ => {}
        }
    }
}

fn config(shared: &Shared, keys: Vec<russh::keys::PrivateKey>) -> server::Config {
    let version = if shared.data_center {
        DATA_CENTER_VERSION
    } else {
        VERSION
    };
    server::Config {
        server_id: SshId::Standard(Cow::Borrowed(version)),
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        max_auth_attempts: REFUSED_KEYS,
        keys,
        preferred: Preferred {
            key: Cow::Borrowed(&[
                Algorithm::Ed25519,
                Algorithm::Ecdsa {
                    curve: EcdsaCurve::NistP256,
                },
                Algorithm::Rsa {
                    hash: Some(HashAlg::Sha512),
                },
                Algorithm::Rsa {
                    hash: Some(HashAlg::Sha256),
                },
            ]),
            cipher: Cow::Borrowed(&[
                cipher::AES_128_GCM,
                cipher::CHACHA20_POLY1305,
                cipher::AES_256_GCM,
                cipher::AES_128_CTR,
                cipher::AES_192_CTR,
                cipher::AES_256_CTR,
            ]),
            compression: Cow::Borrowed(&[compression::NONE]),
            ..Preferred::DEFAULT
        },
        ..server::Config::default()
    }
}
