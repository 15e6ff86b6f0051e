//! What git calls for SSH, who says so, and whether it is ours.

use std::path::{Path, PathBuf};

use crate::commands::git;
use crate::context::Context;

/// Who says what git calls.
pub(in crate::commands::doctor) enum Source {
    /// A variable of this name.
    Variable(&'static str),
    /// git's configuration.
    Config(Origin),
}

/// Where a value of git's configuration stands.
pub(in crate::commands::doctor) struct Origin {
    /// `local`, `global` …; what git before 2.26 does not tell is taken for `global`.
    pub(in crate::commands::doctor) scope: String,
    /// The file, as git names it.
    pub(in crate::commands::doctor) file: String,
}

/// The value that counts, and where it stands. `None`: not set, or the files cannot be read.
pub(in crate::commands::doctor) fn configured(
    context: &Context,
    key: &str,
) -> Option<(String, Origin)> {
    let asked = |options: &[&str]| {
        let arguments: Vec<&str> = ["config"]
            .iter()
            .chain(options)
            .chain(&["--show-origin", "--null", "--get", key])
            .copied()
            .collect();
        git::ask(context, &arguments)
    };
    let (bytes, scoped) = match asked(&["--show-scope"]) {
        Ok(bytes) => (bytes?, true),
        Err(_) => (asked(&[]).ok()??, false),
    };
    let text = String::from_utf8_lossy(&bytes);
    let mut parts = text.split('\0');
    let scope = if scoped { parts.next()? } else { "global" };
    let origin = parts.next()?;
    let value = parts.next()?.to_owned();
    let origin = Origin {
        scope: scope.to_owned(),
        file: origin.strip_prefix("file:").unwrap_or(origin).to_owned(),
    };
    Some((value, origin))
}

/// What git calls, in git's order (connect.c, get_ssh_command), and who says so.
pub(super) fn called(context: &Context) -> Option<(String, Source)> {
    let variable = |name: &'static str| {
        let value = context.environment.raw(name)?;
        Some((value.to_string_lossy().into_owned(), Source::Variable(name)))
    };
    variable("GIT_SSH_COMMAND")
        .or_else(|| {
            let (value, origin) = configured(context, "core.sshCommand")?;
            Some((value, Source::Config(origin)))
        })
        .or_else(|| variable("GIT_SSH"))
}

/// Whether core.sshCommand alone would do.
pub(super) fn is_set_up(context: &Context) -> bool {
    configured(context, "core.sshCommand")
        .is_some_and(|(value, _)| is_ours_command(context, &value))
}

/// The first word as a shell would read it, as far as quotes and backslashes go.
pub(super) fn first_word(command: &str) -> String {
    let mut word = String::new();
    let mut quote = None;
    let mut characters = command.trim_start().chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\\', None | Some('"')) => word.extend(characters.next()),
            (mark, Some(open)) if mark == open => quote = None,
            ('\'' | '"', None) => quote = Some(character),
            (space, None) if space.is_whitespace() => break,
            (other, _) => word.push(other),
        }
    }
    word
}

pub(super) fn located(context: &Context, program: &str) -> Option<PathBuf> {
    let program = context.expand_home(program);
    if program.components().count() > 1 {
        let file = context.directory.join(program);
        return file.exists().then_some(file);
    }
    let path = context.environment.raw("PATH")?;
    std::env::split_paths(path)
        .map(|folder| context.directory.join(folder).join(&program))
        .find(|file| file.is_file())
}

/// Whether the program of this command line is there and ours.
pub(in crate::commands) fn is_ours_command(context: &Context, command: &str) -> bool {
    located(context, &first_word(command)).is_some_and(|file| is_ours(&file))
}

/// By its own name or that of the file a link leads to.
fn is_ours(file: &Path) -> bool {
    let named = |file: &Path| {
        let stem = file.file_stem();
        stem.is_some_and(|stem| stem.eq_ignore_ascii_case("bitbucket-ssh"))
    };
    named(file) || std::fs::canonicalize(file).is_ok_and(|target| named(&target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_the_first_word() {
        for (command, expected) in [
            ("bitbucket-ssh", "bitbucket-ssh"),
            ("ssh -i ~/.ssh/x", "ssh"),
            ("\"/a b/bitbucket-ssh\" --account x", "/a b/bitbucket-ssh"),
            ("'/a\"b/ssh' -v", "/a\"b/ssh"),
            ("/a\\ b/ssh", "/a b/ssh"),
            ("", ""),
        ] {
            assert_eq!(first_word(command), expected);
        }
        for (text, expected) in [
            ("git version 2.47.1", Some((2, 47))),
            ("git version 2.9.0.windows.1", Some((2, 9))),
            ("git version 2.39.5 (Apple Git-154)", Some((2, 39))),
            ("hub", None),
        ] {
            assert_eq!(git::version_in(text), expected);
        }
    }
}
