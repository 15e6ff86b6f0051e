//! A person with prepared answers.

use crate::prompt::{Error as PromptError, Prompt};
use crate::secret::Secret;

/// `yes` to a question, then these lines.
pub(super) struct Answers(std::cell::RefCell<Vec<&'static str>>);

impl Answers {
    pub(super) fn new(answers: &[&'static str]) -> Self {
        Self(std::cell::RefCell::new(
            answers.iter().rev().copied().collect(),
        ))
    }

    fn next(&self) -> Option<&'static str> {
        self.0.borrow_mut().pop()
    }
}

impl Prompt for Answers {
    fn available(&self) -> bool {
        true
    }

    fn terminal(&self) -> bool {
        true
    }

    fn secret(&self, _text: &str) -> Result<Secret, PromptError> {
        let answer = self.next().ok_or(PromptError::Cancelled)?;
        Ok(Secret::new(answer.to_owned()))
    }

    fn line(&self, _text: &str) -> Result<String, PromptError> {
        self.next().map(str::to_owned).ok_or(PromptError::Cancelled)
    }

    fn confirm(&self, _text: &str) -> Result<bool, PromptError> {
        Ok(self.next() == Some("yes"))
    }
}
