//! Messages for a session that failed. OpenSSH's phrases come first: programs match on them.

use super::Explanation;
use crate::host_key::{Verdict, messages};
use crate::transport::Error;

pub(super) fn explain(error: &Error) -> Explanation {
    let explanation = Explanation::new(error.to_string());
    match error {
        Error::Resolve { .. } => explanation.hint("is there a network, and is the host spelt right?"),
        Error::Connect { .. } | Error::Timeout { .. } => explanation.hint(
            "a network that blocks port 22 may let this through: ssh://git@altssh.bitbucket.org:443/WORKSPACE/REPOSITORY.git",
        ),
        Error::Identification { why, .. } if why.contains("timed out") => explanation
            .hint("it was reached, and did not say a word; which endpoint answers: git bitbucket doctor"),
        Error::Identification { .. } => {
            explanation.hint("the server ended the connection at once: try again in a moment")
        }
        Error::Negotiate { .. } => explanation
            .hint("what is offered is narrowed by Ciphers, KexAlgorithms, MACs or HostKeyAlgorithms in ssh_config")
            .hint("git config --global bitbucket.transport openssh"),
        Error::HostKey { .. } => host_key(error, explanation),
        Error::Closed { authenticated: false, .. } => {
            explanation.hint("nothing was sent yet: the same command can be repeated")
        }
        Error::Closed { .. }
        | Error::Damaged { .. }
        | Error::Channel(_)
        | Error::Local(_)
        | Error::CallerGone => explanation,
    }
}

/// OpenSSH's text about a host key that is not accepted.
fn host_key(error: &Error, explanation: Explanation) -> Explanation {
    let Error::HostKey {
        name,
        key,
        verdict,
        user_file,
        strict,
        ..
    } = error
    else {
        return explanation;
    };
    let in_front = |text: String| Explanation::new(format!("{text}\n{error}"));
    match &**verdict {
        Verdict::Changed { offending } => {
            let file = user_file.clone().unwrap_or_default();
            let explanation = in_front(format!(
                "{}\n{}",
                messages::changed(name, key, offending, &file),
                messages::changed_and_strict(name)
            ));
            offending.iter().fold(explanation, |explanation, offending| {
                explanation.hint("if the change is announced, forget the old key:")
                    .hint(format!(
                        "ssh-keygen -f '{}' -R '{name}'",
                        offending.line.file.display()
                    ))
            })
        }
        Verdict::NotPublished => {
            let algorithm = messages::key_type(key);
            in_front(format!(
                "The {algorithm} host key of {name} is none of those that Bitbucket publishes."
            ))
            .hint("somebody may be listening in; what Bitbucket publishes:")
            .hint("https://support.atlassian.com/bitbucket-cloud/docs/configure-ssh-and-two-step-verification/")
        }
        Verdict::Unknown { .. } => {
            let explanation = if *strict {
                in_front(messages::unknown_and_strict(name, key))
            } else {
                explanation
            };
            match user_file {
                Some(file) => explanation
                    .hint(format!(
                        "compare {} with what the server's administrator says, and if it is the same:",
                        key.fingerprint(ssh_key::HashAlg::Sha256)
                    ))
                    .hint(format!(
                        "echo '{name} {}' >> '{}'",
                        key.to_openssh().unwrap_or_default().trim_end(),
                        file.display()
                    )),
                None => explanation.hint(
                    "there is no UserKnownHostsFile: only hosts in GlobalKnownHostsFile are believed",
                ),
            }
        }
        Verdict::Revoked {
            line: Some(line), ..
        } => in_front(messages::revoked(name, key)).hint(format!(
            "whoever has this key is not to be believed: line {} of {} says so; the new key comes from the server's administrator",
            line.number,
            line.file.display()
        )),
        Verdict::Revoked { line: None, by } => in_front(messages::revoked_by(key, by)),
        Verdict::BadCertificate(why) if *strict => in_front(format!(
            "Certificate invalid: {why}\n{}",
            messages::unknown_and_strict(name, key)
        )),
        Verdict::BadCertificate(why) => in_front(format!("Certificate invalid: {why}")),
        Verdict::Known(_) => explanation,
    }
}
