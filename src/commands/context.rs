//! One call of `git bitbucket`: what it was given, and where it speaks.
//!
//! Knows `context` and `prompt`.

use std::fmt::Display;
use std::io::{Read, Write};
use std::path::Path;

use crate::context::Context;
use crate::prompt::Prompt;
use crate::text::Pasted;

/// The surroundings of one command.
pub(super) struct CommandContext<'a> {
    /// The process's surroundings.
    pub(super) context: &'a Context,
    /// Who can be asked.
    pub(super) prompt: &'a dyn Prompt,
    /// Standard input.
    pub(super) input: &'a mut dyn Read,
    /// Whether `output` is a terminal that wants colour.
    pub(super) colour: bool,
    /// The width of the terminal that `output` is. `None`: it is none, or does not say.
    pub(super) columns: Option<usize>,
    /// What was asked for.
    pub(super) output: &'a mut dyn Write,
    /// Warnings and failures.
    pub(super) errors: &'a mut dyn Write,
}

impl CommandContext<'_> {
    /// A line of what was asked for. A reader that has gone is not an error.
    pub(super) fn say(&mut self, line: impl Display) {
        let _ = writeln!(self.output, "{line}");
    }

    /// A line that is to be seen also where the output is read by a program.
    pub(super) fn warn(&mut self, line: impl Display) {
        let _ = writeln!(self.errors, "{line}");
    }

    /// A path for people: the home as `~`.
    pub(super) fn shown(&self, path: &Path) -> String {
        shown(self.context, path)
    }
}

/// A path for people: the home as `~`.
pub(super) fn shown(context: &Context, path: &Path) -> String {
    context.shown(path).into_string()
}

/// A text as one word of a shell; `~/` is left for the shell.
pub(super) fn word(text: &str) -> String {
    match text.strip_prefix("~/") {
        Some(rest) => format!("~/{}", Pasted::new(rest)),
        None => Pasted::new(text).to_string(),
    }
}
