//! This program as the SSH_ASKPASS of the ssh it has handed over to: it answers for the passphrase
//! of one key, from the keyring, and passes every other question on to whoever would have been
//! asked.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::Path;

use crate::bitbucket::keyring;
use crate::context::Context;
use crate::identity::{ManagedKey, PassphrasePlace};
use crate::prompt::{self, Error};
use crate::provision::record::Records;
use crate::transport::ExitStatus;

/// The key file whose passphrase is answered for. Set, and one argument with a blank in it (no
/// host has one): this call is a question.
const KEY: &str = "BITBUCKET_SSH_ASKPASS_KEY";

/// What stood in SSH_ASKPASS and SSH_ASKPASS_REQUIRE before.
const NEXT: &str = "BITBUCKET_SSH_ASKPASS_NEXT";
const NEXT_REQUIRE: &str = "BITBUCKET_SSH_ASKPASS_NEXT_REQUIRE";

/// The surroundings of an ssh that goes with this identity. Unchanged where the keyring has no
/// passphrase of it.
pub fn environment(context: &Context, identity: Option<&ManagedKey>) -> Context {
    let kept = identity.filter(|record| record.passphrase == PassphrasePlace::Keyring);
    let Some(record) = kept else {
        return context.clone();
    };
    let mut context = context.clone();
    for (name, kept) in [("SSH_ASKPASS", NEXT), ("SSH_ASKPASS_REQUIRE", NEXT_REQUIRE)] {
        let before = context.environment.raw(name).map(OsStr::to_owned);
        context.environment.set(kept, before);
    }
    for (name, value) in [
        (KEY, record.file.clone().into_os_string()),
        ("SSH_ASKPASS", context.program.clone().into_os_string()),
        ("SSH_ASKPASS_REQUIRE", "force".into()),
    ] {
        context.environment.set(name, Some(value));
    }
    context
}

/// The question that this call is. `None`: it is none.
pub fn question<'a>(arguments: &'a [OsString], context: &Context) -> Option<&'a str> {
    let [question] = arguments else { return None };
    let question = question.to_str().filter(|text| text.contains(' '))?;
    context.environment.is_set(KEY).then_some(question)
}

/// Answers on stdout. Status 1: there is no answer, or it is no.
pub fn answer(question: &str, context: &Context) -> ExitStatus {
    match answered(question, context) {
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

/// `None`: a yes.
fn answered(question: &str, context: &Context) -> Result<Option<crate::secret::Secret>, Error> {
    let key = context.environment.raw(KEY).unwrap_or_default();
    if let Some(passphrase) = passphrase(question, Path::new(key), context) {
        return Ok(Some(passphrase));
    }
    let mut context = context.clone();
    for (name, kept) in [("SSH_ASKPASS", NEXT), ("SSH_ASKPASS_REQUIRE", NEXT_REQUIRE)] {
        let before = context.environment.raw(kept).map(OsStr::to_owned);
        context.environment.set(name, before);
    }
    let prompt = prompt::of(&context, false);
    match context.environment.text("SSH_ASKPASS_PROMPT") {
        Some("confirm") if prompt.confirm(question)? => Ok(None),
        Some("confirm") => Err(Error::Cancelled),
        Some("none") => {
            crate::diagnostics::say(question);
            Ok(None)
        }
        _ if question.contains("yes/no") => {
            let line = prompt.line(question)?;
            Ok(Some(crate::secret::Secret::new(line)))
        }
        _ => prompt.secret(question).map(Some),
    }
}

fn passphrase(question: &str, key: &Path, context: &Context) -> Option<crate::secret::Secret> {
    // OpenSSH: "Enter passphrase for key '%.100s': " (sshconnect2.c).
    let named = question
        .strip_prefix("Enter passphrase for key '")?
        .strip_suffix("': ")?;
    let shown: String = key.to_str()?.chars().take(100).collect();
    if named != shown {
        return None;
    }
    let records = Records::open(context).ok()?;
    let record = records.identities().iter().find(|one| one.file == key)?;
    keyring::key_passphrase(context, &record.fingerprint)
        .ok()
        .flatten()
}
