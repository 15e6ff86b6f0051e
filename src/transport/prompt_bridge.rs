//! Questions of a session's tasks that only the caller can answer.
//!
//! Tasks own what they use, while the prompt and the passphrases are borrowed from the caller. So a
//! task sends its question to the one future that borrows them. The runtime has one thread: like
//! ssh(1), it is blocked while a person thinks.

use std::path::{Path, PathBuf};

use tokio::sync::{mpsc, oneshot};

use crate::prompt::{self, Prompt};
use crate::secret::Secret;

enum Question {
    Line(String, oneshot::Sender<Result<String, prompt::Error>>),
    Secret(String, oneshot::Sender<Result<Secret, prompt::Error>>),
    Confirm(String, oneshot::Sender<Result<bool, prompt::Error>>),
    Passphrase(PathBuf, oneshot::Sender<Option<Secret>>),
}

/// Asks, on behalf of a task.
#[derive(Clone)]
pub(super) struct PromptClient(mpsc::UnboundedSender<Question>);

impl std::fmt::Debug for PromptClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PromptClient")
    }
}

impl PromptClient {
    /// [`Prompt::line`].
    pub(super) async fn line(&self, text: String) -> Result<String, prompt::Error> {
        let answer = self.ask(|reply| Question::Line(text, reply)).await;
        answer.unwrap_or(Err(prompt::Error::Unavailable))
    }

    /// [`Prompt::secret`].
    pub(super) async fn secret(&self, text: String) -> Result<Secret, prompt::Error> {
        let answer = self.ask(|reply| Question::Secret(text, reply)).await;
        answer.unwrap_or(Err(prompt::Error::Unavailable))
    }

    /// [`Prompt::confirm`].
    pub(super) async fn confirm(&self, text: String) -> Result<bool, prompt::Error> {
        let answer = self.ask(|reply| Question::Confirm(text, reply)).await;
        answer.unwrap_or(Err(prompt::Error::Unavailable))
    }

    /// The stored passphrase of a key file, if there is one.
    pub(super) async fn stored_passphrase(&self, file: &Path) -> Option<Secret> {
        let file = file.to_owned();
        self.ask(|reply| Question::Passphrase(file, reply))
            .await
            .flatten()
    }

    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Question) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.0.send(question(reply)).ok()?;
        answer.await.ok()
    }
}

/// Answers, on behalf of the caller.
pub(super) struct PromptServer<'a> {
    questions: mpsc::UnboundedReceiver<Question>,
    prompt: &'a dyn Prompt,
    passphrase: &'a dyn Fn(&Path) -> Option<Secret>,
}

impl<'a> PromptServer<'a> {
    pub(super) fn new(
        prompt: &'a dyn Prompt,
        passphrase: &'a dyn Fn(&Path) -> Option<Secret>,
    ) -> (Self, PromptClient) {
        let (sender, questions) = mpsc::unbounded_channel();
        let server = Self {
            questions,
            prompt,
            passphrase,
        };
        (server, PromptClient(sender))
    }

    /// Answers one question after the other; never returns.
    pub(super) async fn serve(&mut self) {
        while let Some(question) = self.questions.recv().await {
            // The task that asked may have ended meanwhile.
            match question {
                Question::Line(text, reply) => {
                    let _ = reply.send(self.prompt.line(&text));
                }
                Question::Secret(text, reply) => {
                    let _ = reply.send(self.prompt.secret(&text));
                }
                Question::Confirm(text, reply) => {
                    let _ = reply.send(self.prompt.confirm(&text));
                }
                Question::Passphrase(file, reply) => {
                    let _ = reply.send((self.passphrase)(&file));
                }
            }
        }
        std::future::pending::<()>().await;
    }
}
