//! An HTTPS front of a plain server, with a certificate of a CA of one's own.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::run;

/// Extensions of the CA and of the server's certificate.
const EXTENSIONS: &str = "[req]\ndistinguished_name=dn\n[dn]\n\
    [ca]\nbasicConstraints=critical,CA:TRUE\n\
    [leaf]\nbasicConstraints=CA:FALSE\nsubjectAltName=IP:127.0.0.1,DNS:bitbucket.org,DNS:api.bitbucket.org\n";

/// Listens on a free port of 127.0.0.1 until the process ends.
#[derive(Debug)]
pub struct Tls {
    /// The front's port.
    pub port: u16,
    /// PEM file of the CA.
    pub ca: PathBuf,
}

impl Tls {
    /// In front of `127.0.0.1:behind`; `folder` keeps the certificates, made by `openssl`.
    pub fn start(folder: &Path, openssl: impl Fn() -> Command, behind: u16) -> Self {
        fs::write(folder.join("openssl.cnf"), EXTENSIONS).unwrap();
        for (name, further) in [
            ("ca", &[][..]),
            ("leaf", &["-CA", "ca.pem", "-CAkey", "ca.key"]),
        ] {
            let mut command = openssl();
            command.current_dir(folder).args(["req", "-x509", "-nodes"]);
            command.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
            command.args(["-config", "openssl.cnf", "-extensions", name, "-days", "30"]);
            command
                .args(["-subj", &format!("/CN={name}")])
                .args(further);
            command.args([
                "-keyout",
                &format!("{name}.key"),
                "-out",
                &format!("{name}.pem"),
            ]);
            run(command).succeeds();
        }
        let certificate = CertificateDer::from_pem_file(folder.join("leaf.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.join("leaf.key")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let config = Arc::new(config);
        let door = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = door.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in door.incoming().flatten() {
                let config = Arc::clone(&config);
                thread::spawn(move || pass(stream, config, behind));
            }
        });
        let ca = folder.join("ca.pem");
        Self { port, ca }
    }
}

/// One request and its answer. `None`: the client disconnected, or did not accept the certificate.
fn pass(stream: TcpStream, config: Arc<ServerConfig>, behind: u16) -> Option<()> {
    let connection = ServerConnection::new(config).ok()?;
    let mut tls = StreamOwned::new(connection, stream);
    let mut request = Vec::new();
    let head = loop {
        let mut bytes = [0; 4096];
        let length = tls.read(&mut bytes).ok().filter(|length| *length > 0)?;
        request.extend_from_slice(&bytes[..length]);
        if let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 2;
        }
    };
    let text = String::from_utf8_lossy(&request[..head]).to_lowercase();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
        .unwrap_or(0);
    let mut rest = vec![0; (head + 2 + length).saturating_sub(request.len())];
    tls.read_exact(&mut rest).ok()?;
    request.extend(rest);
    request.splice(head..head, *b"connection: close\r\n");
    let mut server = TcpStream::connect(("127.0.0.1", behind)).ok()?;
    server.write_all(&request).ok()?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).ok()?;
    tls.write_all(&answer).ok()?;
    tls.conn.send_close_notify();
    tls.flush().ok()
}
