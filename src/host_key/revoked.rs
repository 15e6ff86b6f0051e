//! RevokedHostKeys: a list of public keys, or a key revocation list of ssh-keygen(1). One that cannot
//! be read lets nothing be accepted: a list that is there must not be passed over.

use std::path::{Path, PathBuf};

use ssh_key::public::KeyData;
use ssh_key::{Certificate, PublicKey};

use super::krl::{self, Krl};

/// What the file of RevokedHostKeys says.
#[derive(Debug, Clone)]
pub enum RevokedKeys {
    /// The keys that must not be accepted.
    Keys {
        /// The file.
        file: PathBuf,
        /// In its order.
        keys: Vec<KeyData>,
    },
    /// A key revocation list.
    Krl {
        /// The file.
        file: PathBuf,
        /// What it says.
        list: Krl,
    },
    /// It cannot be read, so that no key can be accepted.
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        why: String,
    },
}

/// Reads the file.
pub fn load(file: &Path) -> RevokedKeys {
    let unreadable = |why: String| RevokedKeys::Unreadable {
        file: file.to_owned(),
        why,
    };
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) => return unreadable(crate::diagnostics::os_error_message(&error)),
    };
    if bytes.starts_with(krl::MAGIC) {
        return match Krl::parse(&bytes) {
            Ok(list) => RevokedKeys::Krl {
                file: file.to_owned(),
                list,
            },
            Err(why) => unreadable(why.to_owned()),
        };
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut keys = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // A certificate stands for its key.
        let key = PublicKey::from_openssh(line).map(|key| key.key_data().clone());
        let key = key.or_else(|error| {
            let certificate = Certificate::from_openssh(line).map_err(|_| error)?;
            Ok::<_, ssh_key::Error>(certificate.public_key().clone())
        });
        match key {
            Ok(key) => keys.push(key),
            Err(error) => return unreadable(error.to_string()),
        }
    }
    RevokedKeys::Keys {
        file: file.to_owned(),
        keys,
    }
}

impl RevokedKeys {
    /// One clause, where this list refuses the key.
    pub fn refuses(&self, key: &KeyData) -> Option<String> {
        let (file, refused) = match self {
            Self::Keys { file, keys } => (file, keys.contains(key)),
            Self::Krl { file, list } => (file, list.has(key)),
            Self::Unreadable { file, why } => {
                return Some(format!("in revoked keys file {}: {why}", file.display()));
            }
        };
        refused.then(|| format!("revoked by file {}", file.display()))
    }

    /// One clause, where this list refuses the certificate itself, its key or its authority.
    pub(super) fn refuses_certificate(&self, certificate: &Certificate) -> Option<String> {
        let itself = match self {
            Self::Krl { file, list } if list.has_certificate(certificate) => {
                Some(format!("revoked by file {}", file.display()))
            }
            _ => None,
        };
        itself
            .or_else(|| self.refuses(certificate.public_key()))
            .or_else(|| self.refuses(certificate.signature_key()))
    }
}

#[cfg(test)]
mod tests {
    use super::load;
    use crate::host_key::published;

    #[test]
    fn a_list_that_cannot_be_read_refuses_every_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("revoked");
        let [one, another, _] = published::keys() else {
            panic!("three keys are published")
        };
        let listed = one.to_openssh().expect("a key");
        let by_list = format!("revoked by file {}", file.display());
        let unread = format!(
            "in revoked keys file {}: KRL ends too early",
            file.display()
        );
        for (text, refused_one, refused_another, why) in [
            ("# nothing\n\n".to_owned(), None, None, "an empty list"),
            (
                format!("# old\n\t{listed} a comment\n"),
                Some(&by_list),
                None,
                "a plain list",
            ),
            (
                "SSHKRL\n\0\u{1}".to_owned(),
                Some(&unread),
                Some(&unread),
                "a KRL that was cut off",
            ),
        ] {
            std::fs::write(&file, text).expect("a file");
            let list = load(&file);
            let refuses = |key: &ssh_key::PublicKey| list.refuses(key.key_data());
            assert_eq!(refuses(one).as_ref(), refused_one, "{why}");
            assert_eq!(refuses(another).as_ref(), refused_another, "{why}");
        }
        std::fs::write(&file, "no key at all\n").expect("a file");
        assert!(
            load(&file).refuses(one.key_data()).is_some(),
            "a broken line"
        );
        let missing = load(&folder.path().join("missing"));
        let by = missing.refuses(one.key_data()).expect("refused");
        assert!(by.ends_with("No such file or directory"), "{by}");
    }
}
