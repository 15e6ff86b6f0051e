//! ssh(1)'s ways for a host of no site: every method of PreferredAuthentications that the server
//! takes, each until it is spent (sshconnect2.c, `authmethods`).

use super::{Answer, AuthSession, Login};
use crate::identity::Identity;
use crate::settings::SshConfig;
use crate::transport::{Error, Refusal};

/// ssh_config(5), PreferredAuthentications: its default, as far as it is spoken here.
const PREFERRED: [&str; 3] = [PUBLIC_KEY, KEYBOARD, PASSWORD];

const PUBLIC_KEY: &str = "publickey";
const KEYBOARD: &str = "keyboard-interactive";
const PASSWORD: &str = "password";

pub(super) async fn go_through(
    auth: &mut AuthSession<'_>,
    refusal: Refusal,
) -> Result<Login, Error> {
    let params = std::sync::Arc::clone(auth.params);
    let mut methods = wished(&params.config);
    let mut walk = MethodSequence {
        auth,
        identities: params.identities.iter(),
        refusal,
    };
    let keys_first = methods.first() == Some(&PUBLIC_KEY) && !params.identities.is_empty();
    if !keys_first && walk.auth.none(&mut walk.refusal).await? {
        return Ok(Login::WithoutKey);
    }
    loop {
        let taken = &walk.refusal.methods;
        let next = methods
            .iter()
            .position(|method| taken.is_empty() || taken.iter().any(|name| name == method));
        let Some(next) = next else {
            return Ok(Login::Refused(walk.refusal));
        };
        match methods.remove(next) {
            PUBLIC_KEY => {
                if let Some(identity) = walk.keys().await? {
                    return Ok(Login::In(Box::new(identity)));
                }
                // No key went over the wire: what the server takes is not known yet.
                let silent = walk.refusal.methods.is_empty();
                if silent && walk.auth.none(&mut walk.refusal).await? {
                    return Ok(Login::WithoutKey);
                }
            }
            method => {
                let typed = match method {
                    KEYBOARD => walk.auth.keyboard_interactive(&mut walk.refusal).await?,
                    _ => walk.auth.password(&mut walk.refusal).await?,
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
