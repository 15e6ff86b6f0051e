//! `completions` and `man`: the command line as shell completions and man pages.
//!
//! Knows what `arguments` says and clap's two generators.

use std::fs;

use clap_complete::Shell;

use super::Error;
use super::arguments::{self, Completions, Man};
use super::call::Call;

/// Prints a shell's completions.
pub(super) fn completions(call: &mut Call<'_>, options: &Completions) {
    let _ = call.output.write_all(&completion(options.shell));
}

/// Prints `git-bitbucket.1`, or writes every page into a directory (made where it is not there).
pub(super) fn man(call: &mut Call<'_>, options: &Man) -> Result<(), Error> {
    let pages = man_pages().map_err(|why| Error::file("git-bitbucket.1".as_ref(), why))?;
    let Some(directory) = &options.directory else {
        if let Some((_, text)) = pages.first() {
            let _ = call.output.write_all(text);
        }
        return Ok(());
    };
    let directory = call.context.directory.join(directory);
    fs::create_dir_all(&directory).map_err(|why| Error::file(&directory, why))?;
    for (name, text) in pages {
        let file = directory.join(name);
        fs::write(&file, text).map_err(|why| Error::file(&file, why))?;
        call.say(call.shown(&file));
    }
    Ok(())
}

/// The man pages by file name: `git-bitbucket.1`, and one for each command that is shown.
pub(super) fn man_pages() -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut root = arguments::command().disable_help_subcommand(true);
    root.build();
    let shown = root.get_subcommands().filter(|verb| !verb.is_hide_set());
    std::iter::once(&root)
        .chain(shown)
        .map(|command| {
            let page = clap_mangen::Man::new(command.clone())
                .source(concat!("git-bitbucket ", env!("CARGO_PKG_VERSION")));
            let mut text = Vec::new();
            page.render(&mut text)?;
            Ok((page.get_filename(), text))
        })
        .collect()
}

/// A shell's completion of `git-bitbucket`. bash's also completes `git bitbucket` through git's own
/// completion, which loads the file `git-bitbucket` and calls `_git_bitbucket` with the words of
/// the whole line; zsh's and fish's find the command by its name.
pub(super) fn completion(shell: Shell) -> Vec<u8> {
    let mut command = arguments::command().bin_name("git-bitbucket");
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, "git-bitbucket", &mut text);
    if shell == Shell::Bash {
        text.extend_from_slice(GIT_COMPLETION.as_bytes());
    }
    text
}

/// bash's, for `setup`.
pub(super) fn bash_completion() -> Vec<u8> {
    completion(Shell::Bash)
}

/// `__git_cmd_idx` is where git's completion (2.31 and later) found `bitbucket` on the line.
const GIT_COMPLETION: &str = r#"
_git_bitbucket() {
    local at=${__git_cmd_idx:-1} line=("${COMP_WORDS[@]}") place=$COMP_CWORD
    local COMP_WORDS=(git-bitbucket "${line[@]:at+1}") COMP_CWORD=$((place - at))
    _git__bitbucket git-bitbucket "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
}
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_made_for_what_is_shown() {
        let pages = man_pages().unwrap();
        let names: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert!(names.contains(&"git-bitbucket.1") && names.contains(&"git-bitbucket-setup.1"));
        assert!(!names.contains(&"git-bitbucket-hook.1"), "hidden");
        let text = String::from_utf8(pages[0].1.clone()).unwrap();
        assert!(text.contains("git\\-bitbucket"), "{text}");
    }

    #[test]
    fn every_shell_completes_every_command() {
        for shell in [
            Shell::Bash,
            Shell::Zsh,
            Shell::Fish,
            Shell::PowerShell,
            Shell::Elvish,
        ] {
            let text = String::from_utf8(completion(shell)).unwrap();
            assert!(
                text.contains("doctor") && text.contains("rewrite-https"),
                "{shell}"
            );
            assert_eq!(
                text.contains("_git_bitbucket()"),
                shell == Shell::Bash,
                "{shell}"
            );
        }
    }
}
