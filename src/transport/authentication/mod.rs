//! Logging in: the identities in their params, each offered before anything secret is opened.
//!
//! `none` is asked (a round trip) only where ssh(1)'s ways are wanted and no key went. A lost connection is never a refusal.

mod password;
mod public_key;
mod signing;

use std::sync::Arc;
use std::time::Duration;

use russh::MethodSet;
use russh::client::Handle;
use tokio::time::timeout;

use crate::identity::Identity;
use crate::settings::SshConfig;
use crate::transport::client::Client;
use crate::transport::native::SessionParams;
use crate::transport::session::{Ending, SessionState};
use crate::transport::{Endpoint, Error, Peer, Refusal};
use public_key::Answer;

/// How it went.
#[derive(Debug)]
pub(super) enum Login {
    /// Let in, with this one.
    In(Box<Identity>),
    /// Let in without a key: by a password, or by nothing at all.
    WithoutKey,
    /// Everybody was refused, on a connection that was still open.
    Refused(Refusal),
}

/// The server at the other end.
pub(super) struct AuthSession<'a> {
    pub handle: &'a mut Handle<Client>,
    pub shared: &'a Arc<SessionState>,
    pub endpoint: &'a Endpoint,
    pub peer: Peer,
    /// `SSH-2.0-…`.
    pub version: &'a str,
    pub params: &'a Arc<SessionParams>,
}

/// Offers the identities until one is let in.
pub(super) async fn authenticate(mut auth: AuthSession<'_>) -> Result<Login, Error> {
    let params = Arc::clone(auth.params);
    let mut refusal = Refusal {
        offered: Vec::new(),
        methods: Vec::new(),
        unusable: Vec::new(),
        endpoint: auth.endpoint.clone(),
        user: params.user.clone(),
    };
    if params.as_ssh {
        return go_through(&mut auth, refusal).await;
    }
    if params.config.authentication.pubkey_authentication == Some(false) {
        refusal
            .unusable
            .push("PubkeyAuthentication is off".to_owned());
        return Ok(Login::Refused(refusal));
    }
    for identity in &params.identities {
        match auth.offer(identity, &mut refusal).await? {
            Answer::In => return Ok(Login::In(Box::new(identity.clone()))),
            Answer::Next => {}
            Answer::NoMore => break,
        }
    }
    Ok(Login::Refused(refusal))
}

impl AuthSession<'_> {
    /// A connection that was lost comes as a refusal without methods: tells the two apart.
    /// `perhaps`: the answer looks like it.
    async fn still_open(&mut self, perhaps: bool) -> Result<(), Error> {
        if !perhaps && !self.handle.is_closed() {
            return Ok(());
        }
        // russh's task is about to end, or has; only then it is known why.
        let _ = timeout(Duration::from_secs(2), &mut *self.handle).await;
        let ending = self.shared.take_ending();
        if matches!(ending, Some(Ending::NoMethods)) {
            return Ok(());
        }
        Err(Ending::error(ending, self.endpoint, self.peer, false))
    }
}

fn names(methods: &MethodSet) -> Vec<String> {
    methods.iter().map(String::from).collect()
}

/// ssh_config(5), PreferredAuthentications: its default, as far as it is spoken here.
const PREFERRED: [&str; 3] = [PUBLIC_KEY, KEYBOARD, PASSWORD];

const PUBLIC_KEY: &str = "publickey";
const KEYBOARD: &str = "keyboard-interactive";
const PASSWORD: &str = "password";

async fn go_through(auth: &mut AuthSession<'_>, refusal: Refusal) -> Result<Login, Error> {
    let params = std::sync::Arc::clone(auth.params);
    let mut methods = wished(&params.config);
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
        let taken = &sequence.refusal.methods;
        let next = methods
            .iter()
            .position(|method| taken.is_empty() || taken.iter().any(|name| name == method));
        let Some(next) = next else {
            return Ok(Login::Refused(sequence.refusal));
        };
        match methods.remove(next) {
            PUBLIC_KEY => {
                if let Some(identity) = sequence.keys().await? {
                    return Ok(Login::In(Box::new(identity)));
                }
                // No key went over the wire: what the server takes is not known yet.
                let silent = sequence.refusal.methods.is_empty();
                if silent && sequence.auth.none(&mut sequence.refusal).await? {
                    return Ok(Login::WithoutKey);
                }
            }
            method => {
                let typed = match method {
                    KEYBOARD => {
                        sequence
                            .auth
                            .keyboard_interactive(&mut sequence.refusal)
                            .await?
                    }
                    _ => sequence.auth.password(&mut sequence.refusal).await?,
                };
                if typed {
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
    /// `None`: all were refused, or the server takes no more of them.
    async fn keys(&mut self) -> Result<Option<Identity>, Error> {
        for identity in self.identities.by_ref() {
            match self.auth.offer(identity, &mut self.refusal).await? {
                Answer::In => return Ok(Some(identity.clone())),
                Answer::Next => {}
                Answer::NoMore => break,
            }
        }
        Ok(None)
    }
}

/// The methods that may be tried, in params.
fn wished(config: &SshConfig) -> Vec<&'static str> {
    let typing = config.authentication.batch_mode != Some(true);
    let allowed = |method: &str| match method {
        PUBLIC_KEY => config.authentication.pubkey_authentication != Some(false),
        KEYBOARD => {
            typing && config.authentication.keyboard_interactive_authentication != Some(false)
        }
        _ => typing && config.authentication.password_authentication != Some(false),
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
                "nobody types",
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
                "the list, without what is not spoken",
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
            assert_eq!(wished(&config), expected, "{why}");
        }
    }
}
