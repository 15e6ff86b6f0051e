//! Host certificates, signed by the real ssh-keygen.

use ssh_key::PublicKey;

use super::{Call, Server, line, option, program, question, run};
use crate::clock::{Clock as _, SystemClock};
use crate::host_key::known_hosts::load;
use crate::host_key::verify::verify_certificate;
use crate::host_key::verify::wants_certificates;
use crate::host_key::{KnownFrom, Verdict};

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn certificates_are_judged_as_by_ssh() {
    let server = Server::new();
    let authority = server.path("authority");
    run(program("ssh-keygen", server.folder.path())
        .args(["-q", "-N", "", "-t", "ed25519", "-f"])
        .arg(&authority));
    let text = std::fs::read_to_string(server.path("authority.pub")).expect("a key");
    let signer = PublicKey::from_openssh(&text).expect("a key");
    let configuration = server.path("sshd_config");
    let before = std::fs::read_to_string(&configuration).expect("a file");
    let certificate = server.path("ed25519-cert.pub");
    let with = format!("{before}HostCertificate {}\n", certificate.display());
    std::fs::write(&configuration, with).expect("a file");
    let by_name = line("@cert-authority h", &signer);
    for (principals, validity, text, expected, why) in [
        ("h", "-1d:+1d", by_name.clone(), "authority", "it holds"),
        ("h", "-2d:-1d", by_name.clone(), "expired", "too late"),
        (
            "h",
            "+1d:+2d",
            by_name.clone(),
            "not yet valid",
            "too early",
        ),
        (
            "x",
            "-1d:+1d",
            by_name.clone(),
            "name is not a listed principal",
            "another host",
        ),
        (
            "x",
            "-1d:+1d",
            by_name.clone() + &line("h", &server.keys[0]),
            "line",
            "the plain key is known",
        ),
        (
            "h",
            "-1d:+1d",
            by_name.clone() + &line("@revoked h", &signer),
            "revoked",
            "the authority is revoked",
        ),
        (
            "h",
            "-1d:+1d",
            by_name + &line("@revoked h", &server.keys[0]),
            "revoked",
            "the key is revoked",
        ),
        (
            "h",
            "-1d:+1d",
            line("@cert-authority x", &signer),
            "unknown",
            "no authority for the name",
        ),
    ] {
        run(program("ssh-keygen", server.folder.path())
            .args([
                "-q", "-h", "-I", "id", "-n", principals, "-V", validity, "-s",
            ])
            .arg(&authority)
            .arg(server.path("ed25519.pub")));
        let shown = std::fs::read_to_string(&certificate).expect("a certificate");
        let shown = ssh_key::Certificate::from_openssh(&shown).expect("a certificate");
        let file = server.known_hosts(&text);
        let said = server.ssh(
            &Call {
                host: "h",
                port: 22,
                strict: "yes",
                more: &option(
                    "HostKeyAlgorithms",
                    "ssh-ed25519-cert-v01@openssh.com,ssh-ed25519",
                ),
            },
            &[],
        );
        let known = load(&[file]);
        let asked = question("h", &[], &known);
        assert_eq!(
            wants_certificates(&asked),
            text.starts_with("@cert-authority h")
        );
        let now = SystemClock.now();
        let now = u64::try_from(now.as_second()).expect("after 1970");
        let (ours, theirs) = match verify_certificate(&asked, &shown, now) {
            Verdict::Known(KnownFrom::Authority(_)) => {
                ("authority".to_owned(), "Permission denied")
            }
            Verdict::Known(_) => ("line".to_owned(), "Permission denied"),
            Verdict::Revoked { .. } => ("revoked".to_owned(), "REVOKED HOST KEY"),
            Verdict::Unknown { .. } => ("unknown".to_owned(), "No ED25519 host key is known"),
            Verdict::BadCertificate(why) => (why, expected),
            verdict => panic!("{why}: {verdict:?}"),
        };
        assert_eq!(ours, expected, "{why}");
        assert!(said.contains(theirs), "{why}: {said}");
    }
}
