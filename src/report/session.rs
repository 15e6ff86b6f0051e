//! Messages for a session that failed. OpenSSH's phrases come first: programs match on them.

use super::Explanation;
use crate::host_key::{Verdict, messages};
use crate::text::{Pasted, in_hint, sanitise};
use crate::transport::Error;

pub(super) fn explain(error: &Error) -> Explanation {
    let text = error.to_string();
    let explanation = match error {
        // ssh(1)'s words in two lines.
        Error::Identification { .. }
        | Error::Closed { .. }
        | Error::Damaged { .. }
        | Error::Proxy { .. } => Explanation::lines(text),
        _ => Explanation::new(text),
    };
    match error {
        Error::Resolve { .. } => explanation.hint("check the network connection and the spelling of the host"),
        Error::Connect { .. } | Error::Timeout { .. } => explanation.hint(
            "if the network blocks port 22, try port 443: ssh://git@altssh.bitbucket.org:443/WORKSPACE/REPOSITORY.git",
        ),
        Error::Proxy { option, .. } => explanation.hint(format!(
            "{option} is set in ssh_config or by -o; with -v the whole command is shown"
        )),
        Error::Identification { why, .. } if why.contains("timed out") => explanation
            .hint("the server accepted the connection but sent no SSH banner; to check all servers: git bitbucket doctor"),
        Error::Identification { .. } => {
            explanation.hint("the server closed the connection at once: try again in a moment")
        }
        Error::Negotiate { .. } => explanation
            .hint("Ciphers, KexAlgorithms, MACs or HostKeyAlgorithms in ssh_config may limit the choice; the system's ssh may support more:")
            .hint("git config --global bitbucket.transport openssh"),
        Error::HostKey { .. } => host_key(error, explanation),
        Error::Closed { authenticated: false, .. } => {
            explanation.hint("nothing was sent yet: repeat the command")
        }
        Error::Closed { .. }
        | Error::Damaged { .. }
        | Error::Channel(_)
        | Error::Local(_)
        | Error::CallerGone => explanation,
    }
}

/// As [`explain`], for an SSH server of a Data Center that cannot be reached.
pub(super) fn unreachable_data_center(error: &Error, site: &str) -> Explanation {
    let explanation = Explanation::new(error.to_string());
    if matches!(error, Error::Timeout { .. }) {
        return explanation.hint("check the network connection and repeat the command");
    }
    explanation
        .hint(
            "check the network connection; if the site has another SSH address, log in to read it:",
        )
        .hint(format!("git bitbucket login --site {}", Pasted::new(site)))
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
    let error = sanitise(&error.to_string());
    let in_front = |text: String| Explanation::lines(format!("{text}\n{error}"));
    match &**verdict {
        Verdict::Changed { offending } => {
            let file = user_file.clone().unwrap_or_default();
            let explanation = in_front(format!(
                "{}\n{}",
                messages::changed(name, key, offending, &file),
                messages::changed_and_strict(name)
            ));
            offending.iter().fold(explanation, |explanation, offending| {
                explanation.hint("if the change was announced, remove the old key:")
                    .hint(format!(
                        "ssh-keygen -f {} -R {}",
                        Pasted::quoted(&offending.line.file),
                        Pasted::quoted(name)
                    ))
            })
        }
        Verdict::NotPublished => {
            let algorithm = messages::key_type(key);
            in_front(format!(
                "The {algorithm} host key of {name} is not one of the keys that Bitbucket publishes."
            ))
            .hint("the connection may be intercepted; the keys that Bitbucket publishes:")
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
                        "compare {} with the fingerprint from the server's administrator; if it is the same:",
                        key.fingerprint(ssh_key::HashAlg::Sha256)
                    ))
                    .hint(format!(
                        "echo {} >> {}",
                        Pasted::quoted(format!(
                            "{name} {}",
                            key.to_openssh().unwrap_or_default().trim_end()
                        )),
                        Pasted::quoted(file)
                    )),
                None => explanation.hint(
                    "there is no UserKnownHostsFile: only the hosts in GlobalKnownHostsFile are known",
                ),
            }
        }
        Verdict::Revoked {
            line: Some(line), ..
        } => in_front(messages::revoked(name, key)).hint(format!(
            "do not connect: the key is revoked by line {} of {}; ask the server's administrator for the new key",
            line.number,
            in_hint(&line.file)
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
