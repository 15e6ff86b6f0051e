//! `ssh_config` beside the records, which `git bitbucket ssh-config --write` creates for plain ssh.
//! Where it exists, it is kept up to date when a key replaces another.

use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::storage::Directory;
use crate::text::ssh_config_word;

/// The file's name.
const NAME: &str = "ssh_config";

/// The first line, by which the file is recognised.
pub const HEAD: &str = "# Written by `git bitbucket ssh-config --write`; `git bitbucket ssh-config --remove` takes it away.\n";

/// The file, whether it exists or not. `None` without a home.
pub fn file(context: &Context) -> Option<PathBuf> {
    Some(context.records_directory()?.join(NAME))
}

/// A path as ssh_config reads it: in quotes where it must be, `%` doubled.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string().replace('%', "%%");
    ssh_config_word(&text).unwrap_or(text)
}

/// Replaces the old key file with the new one. Does nothing where the file does not exist, does not
/// begin with [`HEAD`], or does not name the old key file. Where it cannot be written, that is
/// logged, since the key itself has been replaced.
pub(super) fn follow(context: &Context, old: &Path, new: &Path) {
    let Ok(directory) = Directory::records(context) else {
        return;
    };
    let Ok(Some(before)) = directory.read(NAME) else {
        return;
    };
    let Ok(before) = String::from_utf8(before) else {
        return;
    };
    let Some(after) = followed(&before, old, new) else {
        return;
    };
    match directory.replace(NAME, after.as_bytes()) {
        Ok(()) => tracing::info!("{}: {}", directory.file(NAME).display(), new.display()),
        Err(error) => tracing::warn!("{error}"),
    }
}

/// The text with the new key file. `None`: nothing changes.
fn followed(text: &str, old: &Path, new: &Path) -> Option<String> {
    if !text.starts_with(HEAD) {
        return None;
    }
    let line = |file: &Path| format!("  IdentityFile {}\n", quoted(file));
    let (old, new) = (line(old), line(new));
    let lines = text.split_inclusive('\n');
    let followed: String = lines
        .map(|line| if line == old { new.as_str() } else { line })
        .collect();
    (followed != text).then_some(followed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_line_of_our_file_follows() {
        let (old, new) = (Path::new("/h/a b"), Path::new("/h/new%"));
        let ours = format!("{HEAD}Host bitbucket.org\n  IdentityFile \"/h/a b\"\n");
        for (text, expected, why) in [
            (
                ours.clone(),
                Some(format!(
                    "{HEAD}Host bitbucket.org\n  IdentityFile /h/new%%\n"
                )),
                "the old one's line",
            ),
            (
                format!("{HEAD}Host x\n  IdentityFile /h/a\n"),
                None,
                "another key",
            ),
            (
                ours.trim_start_matches(HEAD).to_owned(),
                None,
                "a file of somebody else",
            ),
            (String::new(), None, "an empty one"),
        ] {
            assert_eq!(followed(&text, old, new), expected, "{why}");
        }
    }
}
