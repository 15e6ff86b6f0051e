use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use ssh_key::{Certificate, PublicKey};

use super::{Krl, MAGIC};
use crate::host_key::revocation;

#[expect(clippy::disallowed_methods, reason = "the reference implementation")]
fn keygen(folder: &Path, arguments: &[&str]) -> bool {
    Command::new("ssh-keygen")
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("ssh-keygen")
        .success()
}

/// Keys `one`, `two`, and certificates for both by two authorities, numbered and named.
fn keys_and_certificates(folder: &Path) -> Vec<String> {
    for name in ["ca", "other_ca", "one", "two", "bare"] {
        assert!(keygen(
            folder,
            &["-q", "-t", "ed25519", "-N", "", "-f", name]
        ));
    }
    let mut files: Vec<String> = ["one.pub", "two.pub", "bare.pub", "ca.pub"]
        .map(str::to_owned)
        .to_vec();
    for (authority, name, serial, id) in [
        ("ca", "one", "1", "first"),
        ("ca", "two", "70", "second"),
        ("other_ca", "one", "5", "first"),
        ("other_ca", "two", "0", "third"),
    ] {
        let copy = format!("{authority}_{name}");
        fs::copy(
            folder.join(format!("{name}.pub")),
            folder.join(format!("{copy}.pub")),
        )
        .expect("a copy");
        let public = format!("{copy}.pub");
        let sign = ["-q", "-h", "-s", authority, "-I", id, "-z", serial, &public];
        assert!(keygen(folder, &sign));
        files.push(format!("{copy}-cert.pub"));
    }
    files
}

/// What `RevokedHostKeys` does with a file's key or certificate.
fn refused(list: &revocation::RevokedKeys, file: &Path) -> bool {
    let text = fs::read_to_string(file).expect("a file");
    if let Ok(certificate) = Certificate::from_openssh(&text) {
        list.refuses_certificate(&certificate).is_some()
    } else {
        let key = PublicKey::from_openssh(&text).expect("a key");
        list.refuses(key.key_data()).is_some()
    }
}

#[test]
fn lists_mean_what_ssh_keygen_means_by_them() {
    let directory = tempfile::tempdir().expect("a folder");
    let folder = directory.path();
    let files = keys_and_certificates(folder);
    let key = |name: &str| fs::read_to_string(folder.join(name)).expect("a key");
    let mut many = String::new();
    for serial in (2..200).step_by(2) {
        let _ = writeln!(many, "serial: {serial}");
    }
    for (specification, authority, why) in [
        (String::new(), None, "an empty list"),
        (
            format!("key: {}", key("one.pub")),
            None,
            "a key, and so its certificates",
        ),
        (format!("sha1: {}", key("one.pub")), None, "by SHA-1"),
        (format!("sha256: {}", key("two.pub")), None, "by SHA-256"),
        (
            format!("key: {}", key("ca.pub")),
            None,
            "an authority, and so its certificates",
        ),
        (
            "serial: 1\n".to_owned(),
            Some("ca.pub"),
            "a number of one authority",
        ),
        (
            "serial: 5\n".to_owned(),
            Some("none"),
            "a number of any authority",
        ),
        ("serial: 3-80\n".to_owned(), Some("ca.pub"), "a range"),
        (
            "serial: 60-100000\nserial: 5\n".to_owned(),
            Some("none"),
            "a range and a number",
        ),
        (many, Some("none"), "a bitmap"),
        ("id: first\n".to_owned(), Some("ca.pub"), "an identity"),
        (
            "id: third\nid: nobody\n".to_owned(),
            Some("none"),
            "identities",
        ),
        (
            format!("id: second\nserial: 1\nkey: {}", key("bare.pub")),
            Some("other_ca.pub"),
            "several sections",
        ),
    ] {
        fs::write(folder.join("spec"), &specification).expect("a specification");
        let mut make = vec!["-q", "-k", "-f", "krl", "-z", "7"];
        make.extend(
            authority
                .map(|authority| ["-s", authority])
                .into_iter()
                .flatten(),
        );
        make.push("spec");
        assert!(keygen(folder, &make), "{why}");
        let list = revocation::load(&folder.join("krl"));
        for file in &files {
            let theirs = !keygen(folder, &["-Q", "-f", "krl", file]);
            assert_eq!(refused(&list, &folder.join(file)), theirs, "{why}: {file}");
        }
    }
}

#[test]
fn a_list_that_is_cut_off_or_garbled_never_panics_and_is_not_half_read() {
    let directory = tempfile::tempdir().expect("a folder");
    let folder = directory.path();
    keys_and_certificates(folder);
    let key = fs::read_to_string(folder.join("one.pub")).expect("a key");
    fs::write(
        folder.join("spec"),
        format!("serial: 1-9\nid: a\nkey: {key}"),
    )
    .expect("a specification");
    assert!(keygen(
        folder,
        &["-q", "-k", "-f", "krl", "-s", "ca.pub", "spec"]
    ));
    let whole = fs::read(folder.join("krl")).expect("a list");
    let parsed = Krl::parse(&whole).expect("a list");
    for length in 0..whole.len() {
        // Between two sections a shorter list is one, too.
        if let Ok(list) = Krl::parse(&whole[..length]) {
            assert_ne!(list, parsed, "{length} bytes");
        }
    }
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..2000 {
        let mut bytes = whole.clone();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(MAGIC.len()..bytes.len());
            bytes[at] = random.u8(..);
        }
        let _ = Krl::parse(&bytes);
    }
}
