//! Key files, whole and damaged, beside `ssh-keygen -y` and `-l`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use bitbucket_ssh::identity::key_file::{self, KeyFileError};
use bitbucket_ssh::secret::Secret;

use super::{asked, damaged, each};

const TYPES: [&[&str]; 9] = [
    &["-t", "ed25519"],
    &["-t", "ecdsa"],
    &["-t", "ecdsa", "-b", "384"],
    &["-t", "rsa", "-b", "2048"],
    &["-t", "rsa", "-b", "2048", "-m", "PEM"],
    &["-t", "ecdsa", "-m", "PEM"],
    &["-t", "rsa", "-b", "2048", "-m", "PKCS8"],
    &["-t", "ecdsa", "-m", "PKCS8"],
    &["-t", "ecdsa", "-b", "521", "-m", "PKCS8"],
];

/// A key of every type: the private files' and the public files' bytes.
fn keys(home: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut made = Vec::new();
    for (number, words) in TYPES.iter().enumerate() {
        let name = format!("key{number}");
        let mut all = vec!["-q", "-N", "", "-C", "a comment", "-f", &name];
        all.extend(*words);
        assert!(asked("ssh-keygen", &all, home).0, "{words:?}");
        let read = |name: &str| fs::read(home.join(name)).unwrap();
        made.push((read(&name), read(&format!("{name}.pub"))));
    }
    made
}

/// Type and base64.
fn words(line: &str) -> Option<(String, String)> {
    let mut words = line.split_whitespace();
    Some((words.next()?.to_owned(), words.next()?.to_owned()))
}

#[test]
fn a_private_key_that_opens_is_the_one_that_ssh_keygen_opens() {
    let home = tempfile::tempdir().unwrap();
    let keys = keys(home.path());
    let file = home.path().join("key");
    each("private key files", 200, |random| {
        let (private, _) = &keys[random.usize(..keys.len())];
        let bytes = match random.u8(..5) {
            0 => private.clone(),
            1 => String::from_utf8_lossy(private)
                .replace('\n', "\r\n")
                .into_bytes(),
            _ => damaged(random, private),
        };
        fs::write(&file, &bytes).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let ours = key_file::open(&file, None);
        let _ = key_file::identity(&file);
        if let Err(error) = &ours {
            assert!(!error.to_string().is_empty());
            assert!(!error.complaint().is_empty());
        }
        let (opened, public) = asked("ssh-keygen", &["-y", "-P", "", "-f", "key"], home.path());
        match (&ours, opened) {
            (Ok(ours), true) => {
                let ours = words(&ours.public_key().to_openssh().unwrap());
                assert_eq!(ours, words(&public), "{}", String::from_utf8_lossy(&bytes));
                true
            }
            (Err(error), true) => {
                // What was not touched has to open.
                let whole = keys.iter().any(|(private, _)| *private == bytes);
                assert!(!whole, "{error}: {}", String::from_utf8_lossy(&bytes));
                false
            }
            (Ok(_), false) => {
                assert!(bytes != *private);
                false
            }
            (Err(error), false) => !matches!(error, KeyFileError::Encrypted { .. }),
        }
    });
}

#[test]
fn a_public_key_has_the_fingerprint_that_ssh_keygen_gives_it() {
    let home = tempfile::tempdir().unwrap();
    let keys = keys(home.path());
    let file = home.path().join("key.pub");
    each("public key files", 150, |random| {
        let (_, public) = &keys[random.usize(..keys.len())];
        let bytes = match random.u8(..3) {
            0 => public.clone(),
            _ => damaged(random, public),
        };
        fs::write(&file, &bytes).unwrap();
        let ours = key_file::identity(&file);
        let ours = ours.ok().and_then(|identity| identity.fingerprint());
        let (read, output) = asked("ssh-keygen", &["-l", "-f", "key.pub"], home.path());
        let theirs = output.split(' ').nth(1).filter(|_| read).map(str::to_owned);
        let both = ours.is_some() && theirs.is_some();
        // Damaged, it may be a key for one of them alone.
        if both || bytes == *public {
            assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(&bytes));
        }
        both
    });
}

#[test]
fn every_cipher_of_openssh_is_read_or_known_to_be_foreign() {
    let home = tempfile::tempdir().unwrap();
    for cipher in [
        "3des-cbc",
        "aes128-cbc",
        "aes192-cbc",
        "aes256-cbc",
        "aes128-ctr",
        "aes192-ctr",
        "aes256-ctr",
        "aes128-gcm@openssh.com",
        "aes256-gcm@openssh.com",
        "chacha20-poly1305@openssh.com",
    ] {
        let words = ["-q", "-t", "ed25519", "-Z", cipher, "-N", "secret", "-f"];
        let made = asked("ssh-keygen", &[&words[..], &[cipher]].concat(), home.path());
        assert!(made.0, "{cipher}");
        let file = home.path().join(cipher);
        let closed = key_file::open(&file, None).unwrap_err();
        if cipher == "3des-cbc" {
            assert!(matches!(closed, KeyFileError::ForeignFormat { .. }));
            continue;
        }
        assert!(matches!(closed, KeyFileError::Encrypted { .. }), "{cipher}");
        let opened = key_file::open(&file, Some(&Secret::new("secret".to_owned())));
        assert!(opened.is_ok(), "{cipher}: {:?}", opened.err());
    }
}

#[test]
fn untidy_files_are_read_as_ssh_reads_them() {
    let home = tempfile::tempdir().unwrap();
    let keys = keys(home.path());
    let file = home.path().join("key");
    for (number, (private, public)) in keys.iter().enumerate() {
        let (private, public) = (
            String::from_utf8_lossy(private),
            String::from_utf8_lossy(public),
        );
        let other = String::from_utf8_lossy(&keys[0].0);
        for (text, why) in [
            (format!("{private}a comment\n"), "a comment behind the key"),
            (format!("{private}{public}"), "its public half"),
            (format!("{private}{other}"), "a second key"),
            (
                private.replace('\n', " \t\n"),
                "blanks at the ends of lines",
            ),
        ] {
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            let opened = key_file::open(&file, None);
            let opened = opened.unwrap_or_else(|error| panic!("{why}: {error}: {number}"));
            let opened = words(&opened.public_key().to_openssh().unwrap());
            assert_eq!(opened, words(&public), "{why}: {number}");
        }
    }
}
