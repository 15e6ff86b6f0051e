//! Authentication: the identities in their order, each offered before its private key is opened.
//!
//! `none` is requested (a round trip) only for a session that behaves as ssh(1) and has no key to
//! offer. A lost connection is never a refusal.

mod password;
mod public_key;
mod signing;

use std::time::Duration;

use russh::MethodSet;
use tokio::time::timeout;

use crate::identity::Identity;
use crate::settings::SshConfig;
use crate::transport::handshake::SshConnection;
use crate::transport::session::{Ending, SessionParams};
use crate::transport::{Error, Refusal};
use public_key::Answer;

/// How authentication ended.
#[derive(Debug)]
pub(super) enum Login {
    /// This identity was accepted.
    Accepted(Box<Identity>),
    /// Accepted without a key: by a password, or by `none`.
    WithoutKey,
    /// Every identity was refused, on a connection that was still open.
    Refused(Refusal),
}

/// Authentication on one connection.
pub(super) struct AuthSession<'a> {
    params: &'a SessionParams,
    connection: &'a mut SshConnection,
}

impl<'a> AuthSession<'a> {
    pub(super) fn new(params: &'a SessionParams, connection: &'a mut SshConnection) -> Self {
        Self { params, connection }
    }
}

/// Offers the identities until one is accepted.
pub(super) async fn authenticate(mut auth: AuthSession<'_>) -> Result<Login, Error> {
    let params = auth.params;
    let mut refusal = Refusal {
        offered: Vec::new(),
        methods: Vec::new(),
        unusable: Vec::new(),
        for_ssh: None,
        endpoint: auth.connection.endpoint.clone(),
        user: params.route.user.clone(),
    };
    if params.as_ssh {
        return by_preferred_methods(&mut auth, refusal).await;
    }
    if params.config.authentication.pubkey_authentication == Some(false) {
        refusal
            .unusable
            .push("PubkeyAuthentication is off".to_owned());
        return Ok(Login::Refused(refusal));
    }
    for identity in &params.identities {
        match auth.offer(identity, &mut refusal).await? {
            Answer::Accepted => return Ok(Login::Accepted(Box::new(identity.clone()))),
            Answer::Next => {}
            Answer::NoMore => break,
        }
    }
    Ok(Login::Refused(refusal))
}

impl AuthSession<'_> {
    /// russh reports a lost connection as a refusal without methods; this tells the two apart.
    /// `suspicious`: the answer looks like a lost connection.
    async fn still_open(&mut self, suspicious: bool) -> Result<(), Error> {
        if !suspicious && !self.connection.handle.is_closed() {
            return Ok(());
        }
        // The reason is known only once russh's task has ended.
        let _ = timeout(Duration::from_secs(2), &mut self.connection.handle).await;
        let ending = self.connection.state.take_ending();
        if matches!(ending, Some(Ending::NoMethods)) {
            return Ok(());
        }
        Err(Ending::error(
            ending,
            &self.connection.endpoint,
            self.connection.peer,
            false,
        ))
    }
}

/// How often a password or passphrase is asked for.
fn password_prompts(config: &SshConfig) -> u32 {
    config
        .authentication
        .number_of_password_prompts
        .unwrap_or(3)
}

fn names(methods: &MethodSet) -> Vec<String> {
    methods.iter().map(String::from).collect()
}

/// The default of PreferredAuthentications (ssh_config(5)), without the methods not supported here.
const PREFERRED: [&str; 3] = [PUBLIC_KEY, KEYBOARD, PASSWORD];

const PUBLIC_KEY: &str = "publickey";
const KEYBOARD: &str = "keyboard-interactive";
const PASSWORD: &str = "password";

/// Authenticates as ssh(1) does, for a host of no site: every method of PreferredAuthentications
/// that the server accepts, each until it is exhausted (sshconnect2.c, `authmethods`).
async fn by_preferred_methods(
    auth: &mut AuthSession<'_>,
    refusal: Refusal,
) -> Result<Login, Error> {
    let params = auth.params;
    let mut methods = preferred_methods(&params.config);
    let mut sequence = MethodSequence {
        auth,
        identities: params.identities.iter(),
        refusal,
    };
    let keys_first = methods.first() == Some(&PUBLIC_KEY) && !params.identities.is_empty();
    if !keys_first && sequence.auth.none(&mut sequence.refusal).await? {
        return Ok(Login::WithoutKey);
    }
    loop {
        let accepted = &sequence.refusal.methods;
        let next = methods
            .iter()
            .position(|method| accepted.is_empty() || accepted.iter().any(|name| name == method));
        let Some(next) = next else {
            return Ok(Login::Refused(sequence.refusal));
        };
        match methods.remove(next) {
            PUBLIC_KEY => {
                if let Some(identity) = sequence.keys().await? {
                    return Ok(Login::Accepted(Box::new(identity)));
                }
                if sequence.refusal.for_ssh.is_some() {
                    return Ok(Login::Refused(sequence.refusal));
                }
                // No key was offered: the methods of the server are not known yet.
                let unknown = sequence.refusal.methods.is_empty();
                if unknown && sequence.auth.none(&mut sequence.refusal).await? {
                    return Ok(Login::WithoutKey);
                }
            }
            method => {
                let accepted = match method {
                    KEYBOARD => {
                        sequence
                            .auth
                            .keyboard_interactive(&mut sequence.refusal)
                            .await?
                    }
                    _ => sequence.auth.password(&mut sequence.refusal).await?,
                };
                if accepted {
                    return Ok(Login::WithoutKey);
                }
            }
        }
    }
}

struct MethodSequence<'a, 'd> {
    auth: &'a mut AuthSession<'d>,
    identities: std::slice::Iter<'a, Identity>,
    refusal: Refusal,
}

impl MethodSequence<'_, '_> {
    /// `None`: all were refused, or the server accepts no more keys.
    async fn keys(&mut self) -> Result<Option<Identity>, Error> {
        for identity in self.identities.by_ref() {
            match self.auth.offer(identity, &mut self.refusal).await? {
                Answer::Accepted => return Ok(Some(identity.clone())),
                Answer::Next => {}
                Answer::NoMore => break,
            }
        }
        Ok(None)
    }
}

/// The methods that may be tried, in order.
fn preferred_methods(config: &SshConfig) -> Vec<&'static str> {
    let interactive = config.authentication.batch_mode != Some(true);
    let allowed = |method: &str| match method {
        PUBLIC_KEY => config.authentication.pubkey_authentication != Some(false),
        KEYBOARD => {
            interactive && config.authentication.keyboard_interactive_authentication != Some(false)
        }
        _ => interactive && config.authentication.password_authentication != Some(false),
    };
    let named: Vec<&str> = match &config.authentication.preferred_authentications {
        Some(names) => names
            .iter()
            .filter_map(|name| PREFERRED.into_iter().find(|method| method == name))
            .collect(),
        None => PREFERRED.to_vec(),
    };
    named.into_iter().filter(|method| allowed(method)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::AuthenticationConfig;

    #[test]
    fn the_methods_are_those_that_ssh_would_try() {
        let config = SshConfig::default;
        for (config, expected, why) in [
            (
                config(),
                &[PUBLIC_KEY, KEYBOARD, PASSWORD][..],
                "the default",
            ),
            (
                SshConfig {
                    authentication: AuthenticationConfig {
                        batch_mode: Some(true),
                        ..AuthenticationConfig::default()
                    },
                    ..config()
                },
                &[PUBLIC_KEY],
                "no one can be asked",
            ),
            (
                SshConfig {
                    authentication: AuthenticationConfig {
                        preferred_authentications: Some(vec![
                            "password".into(),
                            "hostbased".into(),
                        ]),
                        ..AuthenticationConfig::default()
                    },
                    ..config()
                },
                &[PASSWORD],
                "the list, without what is not supported",
            ),
            (
                SshConfig {
                    authentication: AuthenticationConfig {
                        pubkey_authentication: Some(false),
                        keyboard_interactive_authentication: Some(false),
                        ..AuthenticationConfig::default()
                    },
                    ..config()
                },
                &[PASSWORD],
                "switched off",
            ),
        ] {
            assert_eq!(preferred_methods(&config), expected, "{why}");
        }
    }
}
