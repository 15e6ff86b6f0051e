//! OpenSSH's messages about host keys (sshconnect.c), byte for byte: programs match on them and
//! people know them.

use std::fmt::Write as _;
use std::path::Path;

use ssh_key::{Algorithm, HashAlg, PublicKey};

use super::{Line, Offending};
use crate::text::{Shown, sanitise};

/// A key's type as OpenSSH names it to people: `ED25519`, `ECDSA`, `RSA`.
pub fn key_type(key: &PublicKey) -> &'static str {
    match key.algorithm() {
        Algorithm::Ed25519 => "ED25519",
        Algorithm::Ecdsa { .. } => "ECDSA",
        Algorithm::Rsa { .. } => "RSA",
        Algorithm::Dsa => "DSA",
        Algorithm::SkEd25519 => "ED25519-SK",
        Algorithm::SkEcdsaSha2NistP256 => "ECDSA-SK",
        _ => "UNKNOWN",
    }
}

fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// How many other names the question lists.
const MAX_NAMES: usize = 8;

/// The question about an unknown key. `address`: what was connected to, in the form of `name`;
/// `home`: files below it are shown with `~`.
pub fn question(
    name: &str,
    address: &str,
    key: &PublicKey,
    same_key: &[(String, Line)],
    home: Option<&Path>,
) -> String {
    let mut text = format!(
        "The authenticity of host '{name} ({address})' can't be established.\n\
         {} key fingerprint is {}.\n",
        key_type(key),
        fingerprint(key)
    );
    if same_key.is_empty() {
        text.push_str("This key is not known by any other names.\n");
    } else {
        text.push_str("This host key is known by the following other names/addresses:\n");
        for (names, line) in same_key.iter().take(MAX_NAMES) {
            let file = shortened(&line.file, home);
            let _ = writeln!(text, "    {file}:{}: {names}", line.number);
        }
        if let Some(more) = same_key
            .len()
            .checked_sub(MAX_NAMES)
            .filter(|more| *more > 0)
        {
            let _ = writeln!(text, "    ({more} additional names omitted)");
        }
    }
    text.push_str("Are you sure you want to continue connecting (yes/no/[fingerprint])? ");
    text
}

/// The question after an answer that is neither yes nor no nor a fingerprint.
pub const ASK_AGAIN: &str = "Please type 'yes', 'no' or the fingerprint: ";

/// A key was added to known_hosts.
pub fn added(name: &str, key: &PublicKey) -> String {
    format!(
        "Warning: Permanently added '{name}' ({}) to the list of known hosts.",
        key_type(key)
    )
}

/// Strict checking, and no key is known for the name.
pub fn unknown_and_strict(name: &str, key: &PublicKey) -> String {
    format!(
        "No {} host key is known for {name} and you have requested strict checking.",
        key_type(key)
    )
}

/// The warning about a changed key. `user_file`: where the right key would be added. OpenSSH names
/// the last offending line; this names the last one of each file, because the command printed below
/// it removes the lines of one file.
pub fn changed(name: &str, key: &PublicKey, offending: &[Offending], user_file: &Path) -> String {
    let mut text = format!(
        "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\n\
         @    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n\
         @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\n\
         IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\n\
         Someone could be eavesdropping on you right now (man-in-the-middle attack)!\n\
         It is also possible that a host key has just been changed.\n\
         The fingerprint for the {} key sent by the remote host is\n\
         {}.\n\
         Please contact your system administrator.\n\
         Add correct host key in {} to get rid of this message.",
        key_type(key),
        fingerprint(key),
        Shown::path(user_file, None)
    );
    for (number, Offending { line, key_type }) in offending.iter().enumerate() {
        let next = offending.get(number + 1);
        if next.is_some_and(|next| next.line.file == line.file) {
            continue;
        }
        let (file, name) = (in_quotes(&line.file.to_string_lossy()), in_quotes(name));
        let _ = write!(
            text,
            "\nOffending {key_type} key in {file}:{}\n  remove with:\n  ssh-keygen -f \"{file}\" -R \"{name}\"",
            line.number
        );
    }
    text
}

/// Below the warning, where the connection ends.
pub fn changed_and_strict(name: &str) -> String {
    format!("Host key for {name} has changed and you have requested strict checking.")
}

/// The warning about a revoked key.
pub fn revoked(name: &str, key: &PublicKey) -> String {
    let key_type = key_type(key);
    format!(
        "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\n\
         @       WARNING: REVOKED HOST KEY DETECTED!               @\n\
         @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\n\
         The {key_type} host key for {name} is marked as revoked.\n\
         This could mean that a stolen key is being used to\n\
         impersonate this host.\n\
         {key_type} host key for {name} was revoked and you have requested strict checking."
    )
}

/// A key that RevokedHostKeys refuses; `by` is the clause of [`super::Verdict::Revoked`].
pub fn revoked_by(key: &PublicKey, by: &str) -> String {
    let what = if by.starts_with("in ") {
        "Error checking host key"
    } else {
        "Host key"
    };
    format!("{what} {} {} {by}", key_type(key), fingerprint(key))
}

/// Text between the double quotes of a command to paste.
fn in_quotes(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for character in sanitise(text).chars() {
        if matches!(character, '"' | '\\' | '$' | '`') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted
}

fn shortened(file: &Path, home: Option<&Path>) -> String {
    Shown::path(file, home).into_string()
}
