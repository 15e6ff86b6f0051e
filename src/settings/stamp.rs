//! What a program told about itself, kept until the program's file changes.
//!
//! Lies in the state directory and may be lost: then the program is asked again.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::context::Context;
use crate::storage::{Directory, short_name};

/// The answer of `program` to the question `topic`, from the state directory where the program's
/// file is the same as then (path, size, time of change), else from `ask`, kept for the next time.
/// `None`: `ask` had no answer; that is not kept.
pub fn kept(
    context: &Context,
    topic: &str,
    program: &Path,
    ask: impl FnOnce() -> Option<String>,
) -> Option<String> {
    let directory = Directory::state(context)
        .ok()
        .map(|state| state.below("programs"));
    let name = format!(
        "{topic}-{}",
        short_name(program.as_os_str().as_encoded_bytes())
    );
    let key = key(program);
    if let (Some(directory), Some(key)) = (&directory, &key)
        && let Ok(Some(text)) = directory.read(&name)
        && let Ok(text) = String::from_utf8(text)
        && let Some((first, answer)) = text.split_once('\n')
        && first == key
    {
        return Some(answer.to_owned());
    }
    let answer = ask()?;
    if let (Some(directory), Some(key)) = (directory, key)
        && let Err(error) = directory.replace(&name, format!("{key}\n{answer}").as_bytes())
    {
        tracing::debug!("{error}");
    }
    Some(answer)
}

/// The first `name` in `PATH`, as the system would start it. `None`: there is none.
pub fn in_path(context: &Context, name: &str) -> Option<PathBuf> {
    let path = context.environment.raw("PATH").unwrap_or(OsStr::new(""));
    which::which_in(name, Some(path), &context.directory).ok()
}

/// One line without line breaks. The user stands in it since answers may name a home.
fn key(program: &Path) -> Option<String> {
    let metadata = std::fs::metadata(program).ok()?;
    let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(format!(
        "1 {} {} {}",
        metadata.len(),
        changed.as_nanos(),
        crate::settings::paths::user_id(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::git_config::fixture::Home;

    #[test]
    fn a_program_is_asked_again_when_its_file_changes() {
        let home = Home::new();
        let context = home.context();
        let program = home.write("bin/tool", "one");
        let ask =
            |answer: &'static str| kept(&context, "test", &program, || Some(answer.to_owned()));
        assert_eq!(ask("first").as_deref(), Some("first"));
        assert_eq!(ask("second").as_deref(), Some("first"), "kept");
        home.write("bin/tool", "another size");
        assert_eq!(
            ask("third").as_deref(),
            Some("third"),
            "the file is another one"
        );
        assert_eq!(
            kept(&context, "other", &program, || None),
            None,
            "no answer is not kept"
        );
        assert_eq!(
            kept(&context, "other", &program, || Some("x".to_owned())).as_deref(),
            Some("x"),
        );
    }
}
