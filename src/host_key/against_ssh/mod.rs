//! Verdicts, texts and files compared with the real ssh, talking to a real sshd through a pipe.

mod certificates;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ssh_key::PublicKey;

use super::known_hosts::{self, append, load, names};
use super::verify::{Question, preferred_algorithms, verify};
use super::{Verdict, messages};

/// A folder with a server's keys and its configuration; no port is opened.
struct Server {
    folder: tempfile::TempDir,
    keys: Vec<PublicKey>,
}

/// One call of ssh.
struct Call<'a> {
    host: &'a str,
    port: u16,
    strict: &'a str,
    more: &'a [String],
}

#[expect(clippy::disallowed_methods, reason = "the reference implementation")]
fn program(name: &str, home: &Path) -> Command {
    let mut command = Command::new(name);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .env("HOME", home);
    command
}

fn run(command: &mut Command) -> Output {
    let output = command.output().expect("it is installed");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

impl Server {
    fn new() -> Self {
        // sshd wants this folder where it runs as root.
        let _ = std::fs::create_dir_all("/run/sshd");
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let mut configuration = String::from("UsePAM no\nStrictModes no\n");
        let mut keys = Vec::new();
        for kind in ["ed25519", "ecdsa", "rsa"] {
            let mut keygen = program("ssh-keygen", folder.path());
            run(keygen
                .args(["-q", "-N", "", "-C", "", "-t", kind, "-f"])
                .arg(at(kind)));
            let text = std::fs::read_to_string(at(&format!("{kind}.pub"))).expect("a key");
            keys.push(PublicKey::from_openssh(&text).expect("a key"));
            let _ = writeln!(configuration, "HostKey {}", at(kind).display());
        }
        std::fs::write(at("sshd_config"), configuration).expect("a file");
        Self { folder, keys }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn known_hosts(&self, text: &str) -> PathBuf {
        let file = self.path("known_hosts");
        std::fs::write(&file, text).expect("a file");
        file
    }

    /// What ssh says on stderr.
    fn ssh(&self, call: &Call<'_>, environment: &[(&str, &str)]) -> String {
        let set = |key: &str, value: String| ["-o".to_owned(), format!("{key}={value}")];
        let sshd = format!(
            "/usr/sbin/sshd -i -f {} -E {}",
            self.path("sshd_config").display(),
            self.path("log").display()
        );
        let mut ssh = program("ssh", self.folder.path());
        ssh.args(["-F", "none", "-p", &call.port.to_string()])
            .args(set("ProxyCommand", sshd))
            .args(set(
                "UserKnownHostsFile",
                self.path("known_hosts").display().to_string(),
            ))
            .args(set("GlobalKnownHostsFile", "none".to_owned()))
            .args(set("StrictHostKeyChecking", call.strict.to_owned()))
            .args(set("UpdateHostKeys", "no".to_owned()))
            .args(set("PreferredAuthentications", "none".to_owned()))
            .args(call.more)
            .envs(environment.iter().copied())
            .arg(format!("nobody@{}", call.host))
            .arg("true");
        let output = ssh.output().expect("ssh is installed");
        String::from_utf8_lossy(&output.stderr).replace("\r\n", "\n")
    }
}

fn option(key: &str, value: &str) -> Vec<String> {
    vec!["-o".to_owned(), format!("{key}={value}")]
}

fn line(names: &str, key: &PublicKey) -> String {
    format!("{names} {}\n", key.to_openssh().expect("a key").trim_end())
}

fn question<'a>(
    name: &'a str,
    also: &'a [String],
    known_hosts: &'a known_hosts::KnownHosts,
) -> Question<'a> {
    Question {
        name,
        also,
        published: false,
        site_fingerprints: &[],
        known_hosts,
        revoked: None,
    }
}

/// What ssh would say before "Host key verification failed."; empty where it goes on.
fn expected(name: &str, key: &PublicKey, verdict: &Verdict, file: &Path) -> String {
    let failed = "\nHost key verification failed.\n";
    match verdict {
        Verdict::Known(_) => String::new(),
        Verdict::Unknown { .. } => messages::unknown_and_strict(name, key) + failed,
        Verdict::Changed { offending } => {
            let told = messages::changed(name, key, offending, file);
            format!("{told}\n{}{failed}", messages::changed_and_strict(name))
        }
        Verdict::Revoked { .. } => messages::revoked(name, key) + failed,
        other => panic!("no such case here: {other:?}"),
    }
}

#[test]
fn verdicts_and_their_texts_are_ssh_s() {
    let server = Server::new();
    let other = super::published::keys();
    let mut random = fastrand::Rng::with_seed(11);
    let patterns = ["h", "H", "[h]:2222", "*", "h,!*", "x", "[*]:2222", "?"];
    for _ in 0..24 {
        let mut text = String::from("# a comment\n");
        for _ in 0..random.usize(0..4) {
            let names = random.choice(patterns).expect("one");
            let keys = if random.u8(0..3) > 0 {
                &server.keys
            } else {
                other
            };
            let key = random.choice(keys).expect("one");
            let marker = match random.u8(0..12) {
                0 => "@revoked ",
                1 => "@cert-authority\t",
                2 => "@odd ",
                _ => "",
            };
            text.push_str(marker);
            text += &line(names, key);
        }
        let file = server.known_hosts(&text);
        let port = if random.bool() { 22 } else { 2222 };
        let key = &server.keys[random.usize(0..2)];
        let said = server.ssh(
            &Call {
                host: "h",
                port,
                strict: "yes",
                more: &option("HostKeyAlgorithms", key.algorithm().as_str()),
            },
            &[],
        );
        let (name, also) = names(None, "h", port, false);
        let known = load(std::slice::from_ref(&file));
        let verdict = verify(&question(&name, &also, &known), key);
        let told = match &verdict {
            // Of the host without its port ssh says so, and goes on to find the name unknown.
            Verdict::Revoked {
                line: Some(line), ..
            } if !known
                .matches(&name, &[])
                .iter()
                .any(|found| found.line() == *line) =>
            {
                messages::revoked("h", key)
            }
            verdict => expected(&name, key, verdict, &file),
        };
        if told.is_empty() {
            assert!(said.contains("Permission denied"), "{said}\n{text}");
        }
        assert!(
            said.starts_with(&told),
            "ssh:\n{said}\nhere:\n{told}\nport {port} in\n{text}"
        );
    }
}

#[test]
fn the_question_is_ssh_s() {
    let server = Server::new();
    let ask = server.path("ask");
    // EncodedKey by another process: a file that is still open for writing in a child of some other
    // test cannot be run.
    run(program("sh", server.folder.path())
        .args(["-c", r#"printf '%s' "$1" >"$2"; chmod 755 "$2""#, "sh"])
        .arg("#!/bin/sh\nprintf %s \"$1\" >>\"$HOME/asked\"\necho no\n")
        .arg(&ask));
    let key = &server.keys[0];
    for many in [0, 1, 8, 11] {
        let mut text = String::new();
        for number in 0..many {
            text += &line(&format!("host{number},alias{number}"), key);
        }
        let file = server.known_hosts(&text);
        let _ = std::fs::remove_file(server.path("asked"));
        server.ssh(
            &Call {
                host: "h",
                port: 22,
                strict: "ask",
                more: &option("HostKeyAlgorithms", "ssh-ed25519"),
            },
            &[
                ("SSH_ASKPASS", ask.to_str().expect("a name")),
                ("SSH_ASKPASS_REQUIRE", "force"),
            ],
        );
        let known = load(&[file]);
        let Verdict::Unknown { same_key } = verify(&question("h", &[], &known), key) else {
            panic!("nobody knows h")
        };
        let text = messages::question(
            "h",
            "<no hostip for proxy command>",
            key,
            &same_key,
            Some(server.folder.path()),
        );
        // OpenSSH 10 writes a colon and no full stop; front ends parse the older form.
        let asked = std::fs::read_to_string(server.path("asked")).expect("it asked");
        let fingerprint = key.fingerprint(ssh_key::HashAlg::Sha256);
        let older = asked.replace(
            &format!("fingerprint is: {fingerprint}\n"),
            &format!("fingerprint is {fingerprint}.\n"),
        );
        assert_eq!(text, older, "{many} other names");
    }
}

#[test]
fn a_new_line_is_written_as_ssh_writes_it() {
    let server = Server::new();
    let key = &server.keys[0];
    for (host, port, before, hash, why) in [
        ("h", 22, "", false, "an empty file"),
        ("Host", 2222, "# a comment\n", false, "names have no case"),
        ("h", 2222, "", true, "hashed"),
    ] {
        let file = server.known_hosts(before);
        let mut more = option("HostKeyAlgorithms", "ssh-ed25519");
        more.extend(option("HashKnownHosts", if hash { "yes" } else { "no" }));
        let said = server.ssh(
            &Call {
                host,
                port,
                strict: "accept-new",
                more: &more,
            },
            &[],
        );
        let theirs = std::fs::read_to_string(&file).expect("a file");
        let (name, _) = names(None, host, port, false);
        server.known_hosts(before);
        append(&file, &name, key, hash).expect("written");
        let ours = std::fs::read_to_string(&file).expect("a file");
        assert!(
            said.starts_with(&(messages::added(&name, key) + "\n")),
            "{said}"
        );
        if hash {
            let length = |text: &str| text.trim_end().len();
            assert_eq!(length(&ours), length(&theirs), "{why}");
            assert_eq!(load(&[file]).matches(&name, &[]).len(), 1, "{why}");
        } else {
            assert_eq!(ours.trim_end(), theirs.trim_end(), "{why}");
        }
    }
}

#[test]
fn the_key_that_is_asked_for_is_the_one_ssh_asks_for() {
    let server = Server::new();
    for (number, why) in [
        (None, "nothing is known"),
        (Some(0), "the best type"),
        (Some(1), "another"),
        (Some(2), "RSA, by SHA-2 only"),
    ] {
        let text = number.map_or_else(String::new, |number: usize| line("h", &server.keys[number]));
        let file = server.known_hosts(&text);
        let said = server.ssh(
            &Call {
                host: "h",
                port: 22,
                strict: "yes",
                more: &["-v".to_owned()],
            },
            &[],
        );
        let known = load(&[file]);
        let first = preferred_algorithms(&question("h", &[], &known)).remove(0);
        let wanted = format!("debug1: kex: host key algorithm: {}", first.as_str());
        assert!(said.contains(&wanted), "{why}: {wanted} in\n{said}");
    }
}
