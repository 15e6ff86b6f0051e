//! Writing a new key pair: complete, durable, and never over an existing file.

use std::path::Path;

use ssh_key::{Cipher, Kdf, LineEnding, PrivateKey, PublicKey};

use super::KeyFileError;
use super::open::{public_beside, public_file};
use crate::secret::Secret;
use crate::storage;

/// How a private key file is encrypted.
#[derive(Debug, Clone, Copy)]
pub struct Encryption<'a> {
    /// The passphrase.
    pub passphrase: &'a Secret,
    /// Rounds of bcrypt: the cost of each guess.
    pub rounds: u32,
}

impl<'a> Encryption<'a> {
    /// For a random passphrase of 128 bits or more, which cannot be guessed: cheap to open.
    pub fn random(passphrase: &'a Secret) -> Self {
        Self {
            passphrase,
            rounds: 1,
        }
    }

    /// For a passphrase that a person chose, with ssh-keygen's default.
    pub fn chosen(passphrase: &'a Secret) -> Self {
        Self {
            passphrase,
            rounds: 16,
        }
    }
}

/// Writes `FILE` (0600, OpenSSH's format) and `FILE.pub` (0644), each complete and on disk before it
/// gets its name. An existing `FILE` is [`KeyFileError::Exists`]; an existing `FILE.pub` of the same
/// key stays.
pub fn create(
    path: &Path,
    key: &PrivateKey,
    encryption: Option<Encryption<'_>>,
    comment: &str,
) -> Result<(), KeyFileError> {
    let mut key = key.clone();
    key.set_comment(comment);
    let unwritable = |why: String| KeyFileError::Unwritable {
        path: path.to_owned(),
        why,
    };
    let key_in_file = match encryption {
        Some(encryption) => encrypted(&key, encryption).map_err(&unwritable)?,
        None => key.clone(),
    };
    let text = key_in_file
        .to_openssh(LineEnding::LF)
        .map_err(|error| unwritable(error.to_string()))?;
    if has_other_public_key(path, key.public_key()) {
        return Err(KeyFileError::Exists {
            path: public_file(path),
        });
    }
    write(path, text.as_bytes(), 0o600)?;
    create_public(path, key.public_key(), comment)
}

/// Writes `FILE.pub` (0644) beside a private key file. An existing one with this key stays; one with
/// another key is [`KeyFileError::Exists`].
pub fn create_public(path: &Path, key: &PublicKey, comment: &str) -> Result<(), KeyFileError> {
    let public = public_file(path);
    if has_other_public_key(path, key) {
        return Err(KeyFileError::Exists { path: public });
    }
    if public.exists() {
        return Ok(());
    }
    let mut key = key.clone();
    key.set_comment(comment);
    let mut line = key.to_openssh().map_err(|error| KeyFileError::Unwritable {
        path: public.clone(),
        why: error.to_string(),
    })?;
    line.push('\n');
    write(&public, line.as_bytes(), 0o644)
}

/// Whether something has this name, even a symbolic link that leads nowhere.
pub fn is_taken(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

/// Whether `FILE.pub` exists and does not have this key.
fn has_other_public_key(path: &Path, key: &PublicKey) -> bool {
    public_file(path).exists()
        && public_beside(path).is_none_or(|found| found.key_data() != key.key_data())
}

fn encrypted(key: &PrivateKey, encryption: Encryption<'_>) -> Result<PrivateKey, String> {
    let mut salt = vec![0; 16];
    getrandom::fill(&mut salt).map_err(|error| error.to_string())?;
    let checkint = getrandom::u32().map_err(|error| error.to_string())?;
    key.encrypt_with(
        Cipher::Aes256Ctr,
        Kdf::Bcrypt {
            salt,
            rounds: encryption.rounds,
        },
        checkint,
        encryption.passphrase.reveal(),
    )
    .map_err(|error| error.to_string())
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), KeyFileError> {
    match storage::create_file(path, bytes, mode) {
        Ok(true) => Ok(()),
        Ok(false) => Err(KeyFileError::Exists {
            path: path.to_owned(),
        }),
        Err(error) => Err(KeyFileError::Unwritable {
            path: path.to_owned(),
            why: error.to_string(),
        }),
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "compares with ssh-keygen, started in a cleared environment"
)]
mod tests {
    use std::process::Command;

    use ssh_key::{Algorithm, EcdsaCurve, HashAlg};

    use super::*;
    use crate::identity::Holder;
    use crate::identity::key_file::{identity, open};

    fn ssh_keygen(arguments: &[&str]) -> String {
        let output = Command::new("ssh-keygen")
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "ssh-keygen {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn random(algorithm: Algorithm) -> PrivateKey {
        PrivateKey::random(&mut rand_core::UnwrapErr(getrandom::SysRng), algorithm).unwrap()
    }

    #[test]
    fn what_is_placed_is_what_ssh_keygen_reads_and_nothing_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let passphrase = Secret::new("correct horse".to_owned());
        for (name, algorithm, lock) in [
            ("plain", Algorithm::Ed25519, None),
            (
                "random",
                Algorithm::Ed25519,
                Some(Encryption::random(&passphrase)),
            ),
            (
                "chosen",
                Algorithm::Ecdsa {
                    curve: EcdsaCurve::NistP256,
                },
                Some(Encryption::chosen(&passphrase)),
            ),
        ] {
            let path = folder.path().join(name);
            let key = random(algorithm);
            create(&path, &key, lock, "who@where").unwrap();

            let text = path.to_str().unwrap();
            let pass = if lock.is_some() {
                passphrase.reveal()
            } else {
                ""
            };
            let line = ssh_keygen(&["-y", "-P", pass, "-f", text]);
            assert_eq!(
                line.split(' ').take(2).collect::<Vec<_>>(),
                key.public_key()
                    .to_openssh()
                    .unwrap()
                    .split(' ')
                    .take(2)
                    .collect::<Vec<_>>(),
                "{name}: ssh-keygen opens it"
            );
            let written =
                std::fs::read_to_string(folder.path().join(format!("{name}.pub"))).unwrap();
            assert!(written.ends_with(" who@where\n"), "{name}: {written}");

            let found = identity(&path).unwrap();
            assert!(matches!(&found.holder, Holder::File(file) if *file == path));
            assert_eq!(
                found.fingerprint().unwrap(),
                key.fingerprint(HashAlg::Sha256).to_string()
            );
            if lock.is_none() {
                assert!(open(&path, None).is_ok());
            } else {
                assert!(matches!(
                    open(&path, None),
                    Err(KeyFileError::Encrypted { .. })
                ));
                assert!(matches!(
                    open(&path, Some(&Secret::new("wrong".to_owned()))),
                    Err(KeyFileError::WrongPassphrase { .. })
                ));
                assert!(open(&path, Some(&passphrase)).is_ok());
            }

            let before = std::fs::read(&path).unwrap();
            assert_eq!(
                create(&path, &random(Algorithm::Ed25519), None, ""),
                Err(KeyFileError::Exists {
                    path: folder.path().join(format!("{name}.pub"))
                }),
                "{name}"
            );
            std::fs::remove_file(folder.path().join(format!("{name}.pub"))).unwrap();
            assert_eq!(
                create(&path, &random(Algorithm::Ed25519), None, ""),
                Err(KeyFileError::Exists { path: path.clone() }),
                "{name}"
            );
            assert_eq!(std::fs::read(&path).unwrap(), before, "{name}: untouched");
            create_public(&path, key.public_key(), "again").unwrap();
        }
        let left: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| name.to_string_lossy().starts_with('.'))
            .collect();
        assert!(left.is_empty(), "no draft stays behind: {left:?}");
    }

    #[cfg(unix)]
    #[test]
    fn every_format_ssh_keygen_writes_is_read() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        for (kind, bits) in [("ed25519", "256"), ("ecdsa", "384"), ("rsa", "2048")] {
            for (format, why) in [
                ("RFC4716", "OpenSSH's own"),
                ("PKCS8", "PKCS#8"),
                ("PEM", "PKCS#1 or SEC1"),
            ] {
                for passphrase in ["", "secret"] {
                    if kind == "ed25519" && format != "RFC4716" {
                        continue; // ssh-keygen writes no other format of it
                    }
                    if kind == "ecdsa" && format == "PEM" && !passphrase.is_empty() {
                        continue; // named as unsupported, below
                    }
                    let name = format!("{kind}-{format}-{passphrase}");
                    let path = folder.path().join(&name);
                    let text = path.to_str().unwrap();
                    ssh_keygen(&[
                        "-q", "-t", kind, "-b", bits, "-m", format, "-N", passphrase, "-f", text,
                    ]);
                    let public = public_beside(&path).unwrap();
                    std::fs::remove_file(folder.path().join(format!("{name}.pub"))).unwrap();

                    let found = identity(&path).unwrap();
                    if passphrase.is_empty() || format == "RFC4716" {
                        let key = found.public_key.unwrap();
                        assert_eq!(key.key_data(), public.key_data(), "{name} ({why})");
                    } else {
                        assert!(found.public_key.is_none(), "{name} ({why})");
                        assert!(matches!(
                            open(&path, None),
                            Err(KeyFileError::Encrypted { .. })
                        ));
                        let wrong = Secret::new("wrong".to_owned());
                        assert!(
                            matches!(
                                open(&path, Some(&wrong)),
                                Err(KeyFileError::WrongPassphrase { .. })
                            ),
                            "{name}: {:?}",
                            open(&path, Some(&wrong)).err()
                        );
                    }
                    let secret = Secret::new(passphrase.to_owned());
                    let opened =
                        open(&path, Some(&secret)).unwrap_or_else(|e| panic!("{name}: {e}"));
                    assert_eq!(opened.public_key().key_data(), public.key_data(), "{name}");

                    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640))
                        .unwrap();
                    assert_eq!(
                        open(&path, None).err(),
                        Some(KeyFileError::Unprotected {
                            path: path.clone(),
                            mode: 0o640
                        }),
                        "{name}: others may read it"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_no_key_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert!(matches!(identity(&path), Err(KeyFileError::Missing { .. })));
        for (text, expected, why) in [
            (
                "PuTTY-User-Key-File-3: ssh-ed25519\n",
                "PuTTY",
                "says how to convert",
            ),
            ("hello\n", "invalid format", "no key"),
            ("", "invalid format", "empty"),
            (
                "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
                "invalid format",
                "cut",
            ),
            (
                "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-EDE3-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n",
                "ssh-keygen -p",
                "old encryption: convert",
            ),
        ] {
            std::fs::write(&path, text).unwrap();
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt as _;
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            }
            let error = open(&path, Some(&Secret::new("x".to_owned()))).unwrap_err();
            let text = format!("{error} {}", error.remedy().unwrap_or_default());
            assert!(text.contains(expected), "{why}: {text}");
        }
    }

    #[test]
    fn the_pub_of_an_agent_key_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.pub");
        let key = random(Algorithm::Ed25519);
        std::fs::write(&path, key.public_key().to_openssh().unwrap()).unwrap();
        let found = identity(&path).unwrap();
        assert!(matches!(found.holder, Holder::Agent));
        assert_eq!(
            found.public_key.unwrap().key_data(),
            key.public_key().key_data()
        );
        assert!(matches!(
            open(&path, None),
            Err(KeyFileError::Unprotected { .. } | KeyFileError::PublicOnly { .. })
        ));
    }
}
