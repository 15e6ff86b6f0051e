//! Where a session's tasks bring what only the caller can answer.
//!
//! russh's tasks own what they use; the person who can be asked, and the passphrases, belong to
//! the caller. So tasks send a question, and the one future that borrows the caller answers. The
//! runtime has one thread: it stands still while a person thinks, as ssh(1) does.

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

/// The tasks' end.
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
        let answer = self.bring(|reply| Question::Line(text, reply)).await;
        answer.unwrap_or(Err(prompt::Error::Unavailable))
    }

    /// [`Prompt::secret`].
    pub(super) async fn secret(&self, text: String) -> Result<Secret, prompt::Error> {
        let answer = self.bring(|reply| Question::Secret(text, reply)).await;
        answer.unwrap_or(Err(prompt::Error::Unavailable))
    }

    /// [`Prompt::confirm`].
    pub(super) async fn confirm(&self, text: String) -> Result<bool, prompt::Error> {
        let answer = self.bring(|reply| Question::Confirm(text, reply)).await;
        answer.unwrap_or(Err(prompt::Error::Unavailable))
    }

    /// The passphrase that is kept for a key file, where one is.
    pub(super) async fn kept_passphrase(&self, file: &Path) -> Option<Secret> {
        let file = file.to_owned();
        self.bring(|reply| Question::Passphrase(file, reply))
            .await
            .flatten()
    }

    async fn bring<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Question) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.0.send(question(reply)).ok()?;
        answer.await.ok()
    }
}

/// The caller's end.
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
        let prompt_bridge = Self {
            questions,
            prompt,
            passphrase,
        };
        (prompt_bridge, PromptClient(sender))
    }

    /// Answers one question after the other, for ever.
    pub(super) async fn serve(&mut self) {
        while let Some(question) = self.questions.recv().await {
            // Whoever asked may have ended meanwhile; then nobody wants the answer.
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
