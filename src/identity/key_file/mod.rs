//! Key files: reading them, and writing new ones.

mod create;
mod open;

use std::path::{Path, PathBuf};

pub use create::{Encryption, create, create_public, is_taken};
pub use open::{
    certificate, certificate_beside, comment, holds, identity, identity_of_public_half, open,
    public_beside, public_file,
};

use crate::text::{Pasted, Shown, sanitise};

/// The key files in `~/.ssh` that ssh(1) offers by default (ssh_config(5), IdentityFile), without
/// `sk` ones, which the agent has.
pub const DEFAULT_FILES: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// Why a key file cannot be used or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// There is no such file.
    #[error("no such identity: {}: No such file or directory", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It exists and cannot be read.
    #[error("cannot read {}: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
    /// Other users can read it, so it is not used, as in ssh(1) (authfile.c, `sshkey_perm_ok`).
    #[error("WARNING: UNPROTECTED PRIVATE KEY FILE! Permissions 0{mode:03o} for '{}' are too open.", path.display())]
    Unprotected {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// PuTTY's format.
    #[error("{} is a PuTTY key; convert it with: puttygen '{}' -O private-openssh -o NEW_FILE", path.display(), path.display())]
    Putty {
        /// The file.
        path: PathBuf,
    },
    /// It has a public key only, which names a key in the agent.
    #[error("{} contains only a public key", path.display())]
    PublicOnly {
        /// The file.
        path: PathBuf,
    },
    /// Encrypted, and no passphrase was given.
    #[error("{} is protected by a passphrase", path.display())]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// The passphrase is wrong.
    #[error("incorrect passphrase supplied to decrypt private key {}", path.display())]
    WrongPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// It is not a key file, or damaged.
    #[error("Load key \"{}\": invalid format ({why})", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A private key in a form that only OpenSSH reads.
    #[error("Load key \"{}\": {why}", path.display())]
    ForeignFormat {
        /// The file.
        path: PathBuf,
        /// What is not supported.
        why: String,
    },
    /// A key that cannot be used for signing.
    #[error("Load key \"{}\": {why}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it is, and what to do.
        why: String,
    },
    /// The file exists already; nothing was written.
    #[error("{} already exists", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be written; no file was left behind.
    #[error("cannot write {}: {why}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
}

impl KeyFileError {
    /// The file it is about.
    pub fn path(&self) -> &Path {
        match self {
            Self::Missing { path }
            | Self::Unreadable { path, .. }
            | Self::Unprotected { path, .. }
            | Self::Putty { path }
            | Self::PublicOnly { path }
            | Self::Encrypted { path }
            | Self::WrongPassphrase { path }
            | Self::Malformed { path, .. }
            | Self::ForeignFormat { path, .. }
            | Self::Unsupported { path, .. }
            | Self::Exists { path }
            | Self::Unwritable { path, .. } => path,
        }
    }

    /// What is wrong, as one clause behind the file's name.
    pub fn clause(&self) -> String {
        match self {
            Self::Unprotected { mode, .. } => {
                format!("can be read by other users (its permissions are 0{mode:03o})")
            }
            Self::Missing { .. } => "does not exist".to_owned(),
            Self::Unreadable { why, .. } => format!("cannot be read: {why}"),
            Self::Putty { .. } => "is a PuTTY key".to_owned(),
            Self::PublicOnly { .. } => "names a key that is not in the agent".to_owned(),
            Self::Encrypted { .. } => "is protected by a passphrase".to_owned(),
            Self::WrongPassphrase { .. } => "has another passphrase".to_owned(),
            Self::Malformed { why, .. } => format!("is not a key file: {why}"),
            Self::ForeignFormat { why, .. } | Self::Unsupported { why, .. } => why.clone(),
            Self::Exists { .. } => "already exists".to_owned(),
            Self::Unwritable { why, .. } => format!("cannot be written: {why}"),
        }
    }

    /// The shell command that fixes it. `None`: there is none.
    pub fn remedy(&self) -> Option<String> {
        // ssh-add takes the private key file.
        let word = match self {
            Self::PublicOnly { path } => Pasted::path(&path.with_extension(""), None),
            _ => Pasted::path(self.path(), None),
        };
        match self {
            Self::Unprotected { .. } => Some(format!("chmod 600 {word}")),
            Self::ForeignFormat { .. } => Some(format!("ssh-keygen -p -f {word}")),
            Self::Putty { .. } => Some(format!(
                "puttygen {word} -O private-openssh -o {word}.openssh"
            )),
            Self::PublicOnly { path } => {
                let private = path.with_extension("");
                private.exists().then(|| format!("ssh-add {word}"))
            }
            _ => None,
        }
    }

    /// What ssh(1) writes about a key file that it cannot load (authfile.c, sshconnect2.c), which may
    /// be several lines.
    pub fn complaint(&self) -> String {
        let (path, why) = match self {
            Self::Unprotected { path, mode } => {
                let file = Shown::path(path, None);
                return format!(
                    "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\n\
                     @         WARNING: UNPROTECTED PRIVATE KEY FILE!          @\n\
                     @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\n\
                     Permissions 0{mode:03o} for '{file}' are too open.\n\
                     It is required that your private key files are NOT accessible by others.\n\
                     This private key will be ignored.\n\
                     Load key \"{file}\": bad permissions"
                );
            }
            Self::Unreadable { path, why } => (path, sanitise(why)),
            Self::Malformed { path, why } if why == "not a regular file" => {
                (path, "Is a directory".to_owned())
            }
            // What OpenSSL says of a text that it does not recognise as a key.
            Self::Malformed { path, why } if why.starts_with("not a") => {
                (path, "error in libcrypto".to_owned())
            }
            Self::Malformed { path, .. } => (path, "invalid format".to_owned()),
            Self::ForeignFormat { .. } | Self::Unsupported { .. } => return self.to_string(),
            Self::Missing { path }
            | Self::Putty { path }
            | Self::PublicOnly { path }
            | Self::Encrypted { path }
            | Self::WrongPassphrase { path }
            | Self::Exists { path }
            | Self::Unwritable { path, .. } => (path, self.to_string()),
        };
        format!("Load key \"{}\": {why}", Shown::path(path, None))
    }
}
