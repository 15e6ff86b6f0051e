//! `none`, `password` and `keyboard-interactive` (RFC 4252 sections 5.2 and 8, RFC 4256), with
//! ssh(1)'s wordings (sshconnect2.c).

use russh::client::{AuthResult, KeyboardInteractiveAuthResponse as Reply};

use super::{AuthSession, names, password_prompts};
use crate::prompt;
use crate::secret::Secret;
use crate::text::sanitise;
use crate::transport::{Error, Refusal};

impl AuthSession<'_> {
    /// Whether the server accepts the user without any credential; otherwise it names its methods.
    pub(super) async fn none(&mut self, refusal: &mut Refusal) -> Result<bool, Error> {
        let user = self.params.route.user.clone();
        let result = self.connection.handle.authenticate_none(user).await;
        self.is_accepted(result, refusal).await
    }

    pub(super) async fn password(&mut self, refusal: &mut Refusal) -> Result<bool, Error> {
        let params = self.params;
        let text = format!("{}@{}'s password: ", params.route.user, self.host());
        for attempt in 0..self.prompts() {
            if attempt > 0 {
                diagnostic("Permission denied, please try again.");
            }
            let password = self.answer(text.clone(), false).await?;
            let user = params.route.user.clone();
            let typed = password.reveal().to_owned();
            let result = self
                .connection
                .handle
                .authenticate_password(user, typed)
                .await;
            if self.is_accepted(result, refusal).await? {
                tracing::info!("Authenticated using \"password\".");
                return Ok(true);
            }
            if !refusal.methods.iter().any(|method| method == "password") {
                break;
            }
        }
        Ok(false)
    }

    pub(super) async fn keyboard_interactive(
        &mut self,
        refusal: &mut Refusal,
    ) -> Result<bool, Error> {
        let params = self.params;
        let mut asked = false;
        for attempt in 0..self.prompts() {
            if attempt > 0 && !asked {
                break;
            }
            let user = params.route.user.clone();
            let mut reply = self
                .connection
                .handle
                .authenticate_keyboard_interactive_start(user, None::<String>)
                .await;
            let result = loop {
                match reply {
                    Ok(Reply::InfoRequest {
                        name,
                        instructions,
                        prompts,
                    }) => {
                        asked = true;
                        for text in [name, instructions] {
                            if !text.is_empty() {
                                diagnostic(&text);
                            }
                        }
                        let mut responses = Vec::with_capacity(prompts.len());
                        for prompt in prompts {
                            let text = sanitise(&prompt.prompt);
                            let text = format!("({}@{}) {text}", params.route.user, self.host());
                            let answer = self.answer(text, prompt.echo).await?;
                            responses.push(answer.reveal().to_owned());
                        }
                        reply = self
                            .connection
                            .handle
                            .authenticate_keyboard_interactive_respond(responses)
                            .await;
                    }
                    Ok(Reply::Success) => break Ok(AuthResult::Success),
                    Ok(Reply::Failure {
                        remaining_methods,
                        partial_success,
                    }) => {
                        break Ok(AuthResult::Failure {
                            remaining_methods,
                            partial_success,
                        });
                    }
                    Err(error) => break Err(error),
                }
            };
            if self.is_accepted(result, refusal).await? {
                tracing::info!("Authenticated using \"keyboard-interactive\".");
                return Ok(true);
            }
            let takes = |method: &String| method == "keyboard-interactive";
            if !refusal.methods.iter().any(takes) {
                break;
            }
        }
        Ok(false)
    }

    /// What a person types; as with ssh(1), an empty text if no one can be asked.
    async fn answer(&self, text: String, echo: bool) -> Result<Secret, Error> {
        let answer = if echo {
            let line = self.params.prompt.line(text).await;
            line.map(Secret::new)
        } else {
            self.params.prompt.secret(text).await
        };
        match answer {
            Ok(answer) => Ok(answer),
            Err(prompt::Error::CallerGone) => Err(Error::CallerGone),
            Err(error) => {
                tracing::debug!("{error}");
                Ok(Secret::new(String::new()))
            }
        }
    }

    async fn is_accepted(
        &mut self,
        result: Result<AuthResult, russh::Error>,
        refusal: &mut Refusal,
    ) -> Result<bool, Error> {
        match result {
            Ok(AuthResult::Success) => Ok(true),
            Ok(AuthResult::Failure {
                remaining_methods, ..
            }) => {
                self.still_open(remaining_methods.is_empty()).await?;
                refusal.methods = names(&remaining_methods);
                Ok(false)
            }
            Err(_) => {
                self.still_open(true).await?;
                Ok(false)
            }
        }
    }

    fn host(&self) -> &str {
        &self.connection.endpoint.address.host
    }

    fn prompts(&self) -> u32 {
        if self
            .connection
            .state
            .distrusted
            .load(std::sync::atomic::Ordering::Relaxed)
        {
            return 0;
        }
        password_prompts(&self.params.config)
    }
}

/// A line for the person, as ssh(1) writes it at its default level.
fn diagnostic(text: &str) {
    for line in text.lines() {
        tracing::warn!("{}", sanitise(line));
    }
}
