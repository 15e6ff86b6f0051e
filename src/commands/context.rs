//! The streams and the environment of one call of `git bitbucket`.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{Read, Write};
use std::path::Path;

use serde_json::Value;

use crate::context::Context;
use crate::prompt::Prompt;
use crate::text::{Pasted, fence_json, fence_line};

/// What every command works with.
pub(super) struct CommandContext<'a> {
    /// The process's environment, directory and clock.
    pub(super) context: &'a Context,
    /// Asks the user, where that is possible.
    pub(super) prompt: &'a dyn Prompt,
    /// The arguments, for a hint that repeats the command.
    pub(super) typed: &'a [OsString],
    /// Standard input.
    pub(super) input: &'a mut dyn Read,
    /// Whether `output` is a terminal that wants colour.
    pub(super) colour: bool,
    /// The width of the terminal. `None`: `output` is not a terminal, or its width is unknown.
    pub(super) columns: Option<usize>,
    /// The result of the command.
    pub(super) output: &'a mut dyn Write,
    /// Warnings and failures.
    pub(super) errors: &'a mut dyn Write,
}

impl CommandContext<'_> {
    /// Prints a line of the result; what it quotes cannot begin another. A closed pipe is not an error.
    pub(super) fn say(&mut self, line: impl Display) {
        let line = fence_line(&line.to_string(), self.colour);
        let _ = writeln!(self.output, "{line}");
    }

    /// Prints several lines of the result, each as [`CommandContext::say`] does.
    pub(super) fn say_lines(&mut self, text: &str) {
        for line in text.lines() {
            self.say(line);
        }
    }

    /// Prints a JSON value.
    pub(super) fn say_json(&mut self, value: &Value) {
        let _ = writeln!(self.output, "{}", fence_json(&format!("{value:#}")));
    }

    /// Prints a line on standard error, which a person sees even where a program reads the output.
    pub(super) fn warn(&mut self, line: impl Display) {
        let line = fence_line(&line.to_string(), false);
        let _ = writeln!(self.errors, "{line}");
    }

    /// This command with one more argument, to be pasted.
    pub(super) fn again_with(&self, argument: &str) -> String {
        let typed = self
            .typed
            .iter()
            .map(|word| format!(" {}", Pasted::new(word)));
        format!("git bitbucket{} {argument}", typed.collect::<String>())
    }

    /// A path for display: the home directory as `~`.
    pub(super) fn shown(&self, path: &Path) -> String {
        shown(self.context, path)
    }
}

/// A path for display: the home directory as `~`.
pub(super) fn shown(context: &Context, path: &Path) -> String {
    context.shown(path).into_string()
}

/// A text as one word of a shell; `~/` is left for the shell to expand.
pub(super) fn word(text: &str) -> String {
    match text.strip_prefix("~/") {
        Some(rest) => format!("~/{}", Pasted::new(rest)),
        None => Pasted::new(text).to_string(),
    }
}
