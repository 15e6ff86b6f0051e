//! This program as the SSH_ASKPASS of the ssh that it has handed over to. It answers the question
//! for the passphrase of one key from the keyring, once, and passes every other question on to the
//! prompt or askpass program that ssh would have used.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::path::Path;

use crate::bitbucket::keyring;
use crate::context::Context;
use crate::diagnostics;
use crate::identity::{ManagedKey, PassphrasePlace};
use crate::prompt::{self, Error};
use crate::provision::Records;
use crate::secret::Secret;
use crate::storage;
use crate::transport::ExitStatus;

/// The key file whose passphrase is answered for. A call with this variable and one argument with
/// a space in it (which no host has) is a question.
const KEY: &str = "BITBUCKET_SSH_ASKPASS_KEY";

/// A file that the first answer removes, so that there is no second one: a question that comes again
/// is not ssh's own, or the passphrase is wrong.
const TICKET: &str = "BITBUCKET_SSH_ASKPASS_TICKET";

/// The previous values of SSH_ASKPASS and SSH_ASKPASS_REQUIRE.
const SAVED: [(&str, &str); 2] = [
    ("SSH_ASKPASS", "BITBUCKET_SSH_ASKPASS_NEXT"),
    ("SSH_ASKPASS_REQUIRE", "BITBUCKET_SSH_ASKPASS_NEXT_REQUIRE"),
];

fn copy(context: &mut Context, from: &str, to: &'static str) {
    let value = context.environment.raw(from).map(OsStr::to_owned);
    context.environment.set(to, value);
}

/// The context for an ssh that uses this key. Unchanged if the passphrase is not in the keyring.
///
/// # Errors
///
/// The file that makes the answer the only one cannot be written.
pub(super) fn environment(context: &Context, key: Option<&ManagedKey>) -> io::Result<Context> {
    let mut context = context.clone();
    let Some(key) = key.filter(|key| key.passphrase == PassphrasePlace::Keyring) else {
        return Ok(context);
    };
    let ticket = storage::write_for_call(&context, "ticket", "").map_err(io::Error::other)?;
    for (name, saved) in SAVED {
        copy(&mut context, name, saved);
    }
    for (name, value) in [
        (KEY, key.file.clone().into_os_string()),
        (TICKET, ticket.into_os_string()),
        ("SSH_ASKPASS", context.program.clone().into_os_string()),
        ("SSH_ASKPASS_REQUIRE", "force".into()),
    ] {
        context.environment.set(name, Some(value));
    }
    Ok(context)
}

/// The question that ssh asks by this call. `None`: the call is not a question.
pub(in crate::connection) fn question<'a>(
    arguments: &'a [OsString],
    context: &Context,
) -> Option<&'a str> {
    let [question] = arguments else { return None };
    let question = question.to_str().filter(|text| text.contains(' '))?;
    context.environment.is_set(KEY).then_some(question)
}

/// Answers on stdout. Status 1: there is no answer, or it is no.
pub(in crate::connection) fn answer(question: &str, context: &Context) -> ExitStatus {
    match find_answer(question, context) {
        Ok(Some(answer)) => {
            let mut stdout = std::io::stdout().lock();
            let line = zeroize::Zeroizing::new(format!("{answer}\n", answer = answer.reveal()));
            let written = stdout.write_all(line.as_bytes());
            match written.and_then(|()| stdout.flush()) {
                Ok(()) => ExitStatus(0),
                Err(_) => ExitStatus(1),
            }
        }
        Ok(None) => ExitStatus(0),
        Err(_) => ExitStatus(1),
    }
}

/// `None`: yes.
fn find_answer(question: &str, context: &Context) -> Result<Option<Secret>, Error> {
    let key = context.environment.raw(KEY).unwrap_or_default();
    if let Some(passphrase) = passphrase(question, Path::new(key), context) {
        return Ok(Some(passphrase));
    }
    let mut context = context.clone();
    for (name, saved) in SAVED {
        copy(&mut context, saved, name);
    }
    let prompt = prompt::of(&context, false);
    match context.environment.text("SSH_ASKPASS_PROMPT") {
        Some("confirm") if prompt.confirm(question)? => Ok(None),
        Some("confirm") => Err(Error::Cancelled),
        Some("none") => {
            diagnostics::say(question);
            Ok(None)
        }
        _ if question.contains("yes/no") => {
            let line = prompt.line(question)?;
            Ok(Some(Secret::new(line)))
        }
        _ => prompt.secret(question).map(Some),
    }
}

fn passphrase(question: &str, key: &Path, context: &Context) -> Option<Secret> {
    // OpenSSH: "Enter passphrase for key '%.100s': " (sshconnect2.c).
    let named = question
        .strip_prefix("Enter passphrase for key '")?
        .strip_suffix("': ")?;
    let truncated: String = key.to_str()?.chars().take(100).collect();
    let ticket = context.environment.raw(TICKET)?;
    if named != truncated || std::fs::remove_file(ticket).is_err() {
        return None;
    }
    let records = Records::open(context).ok()?;
    let managed = records.identities().iter().find(|one| one.file == key)?;
    keyring::key_passphrase(context, &managed.fingerprint)
        .ok()
        .flatten()
}
