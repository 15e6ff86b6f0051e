//! `completions` and `man`: the command line as shell completions and man pages.

mod ssh_page;

use std::fs;

use clap_complete::Shell;
use clap_mangen::roff::{Roff, bold, roman};

use super::Error;
use super::arguments::{self, Completions, Man};
use super::context::CommandContext;

/// Prints a shell's completions.
pub(super) fn completions(call: &mut CommandContext<'_>, options: &Completions) {
    let _ = call.output.write_all(&completion(options.shell));
}

/// Prints `git-bitbucket.1`, or writes every page into a directory, which is created if needed.
pub(super) fn man(call: &mut CommandContext<'_>, options: &Man) -> Result<(), Error> {
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

/// Shown at the foot of every page.
const SOURCE: &str = concat!("bitbucket-ssh ", env!("CARGO_PKG_VERSION"));

/// The man pages by file name: `git-bitbucket.1` first, one for each command that is not hidden, and
/// `bitbucket-ssh.1`.
pub(super) fn man_pages() -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut root = arguments::command().disable_help_subcommand(true);
    root.build();
    let mut pages = Vec::new();
    add(&root, &mut pages)?;
    if let Some((_, text)) = pages.first_mut() {
        text.extend_from_slice(see_also().as_bytes());
    }
    pages.push(ssh_page::page(SOURCE));
    Ok(pages)
}

/// A command's page, then those of the commands below it.
fn add(command: &clap::Command, pages: &mut Vec<(String, Vec<u8>)>) -> std::io::Result<()> {
    let page = clap_mangen::Man::new(command.clone()).source(SOURCE);
    let mut text = Vec::new();
    page.render(&mut text)?;
    pages.push((page.get_filename(), text));
    let shown = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    for verb in shown {
        add(verb, pages)?;
    }
    Ok(())
}

fn see_also() -> String {
    let mut roff = Roff::default();
    roff.control("SH", ["SEE ALSO"]);
    roff.text([
        bold("bitbucket-ssh"),
        roman("(1): the settings, the variables and the files; "),
        bold("git-config"),
        roman("(1), "),
        bold("ssh_config"),
        roman("(5)"),
    ]);
    roff.render()
}

/// A shell's completion of `git-bitbucket`. bash's also completes `git bitbucket` through git's own
/// completion, which loads the file `git-bitbucket` and calls `_git_bitbucket` with the words of
/// the whole line; zsh's and fish's find the command by its name.
pub(super) fn completion(shell: Shell) -> Vec<u8> {
    let mut command = arguments::command().bin_name("git-bitbucket");
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, "git-bitbucket", &mut text);
    if shell == Shell::Bash {
        // The words of the line are counted from "git-bitbucket", while clap names the code for each
        // command by what is typed, "git bitbucket key".
        let script = String::from_utf8_lossy(&text);
        let script = script.replace(
            "git__subcmd__bitbucket__subcmd__",
            "git__bitbucket__subcmd__",
        );
        text = script.into_bytes();
        text.extend_from_slice(GIT_COMPLETION.as_bytes());
    }
    text
}

/// The shell, the place below the data directory where it looks for a user's completions, and the
/// text. zsh looks there only if the directory is in its fpath.
pub(super) fn completions_of_shells() -> [(&'static str, &'static str, Vec<u8>); 2] {
    [
        (
            "zsh",
            "zsh/site-functions/_git-bitbucket",
            completion(Shell::Zsh),
        ),
        (
            "fish",
            "fish/vendor_completions.d/git-bitbucket.fish",
            completion(Shell::Fish),
        ),
    ]
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
        assert_eq!(names[0], "git-bitbucket.1", "which `man` prints");
        let text = String::from_utf8(pages[0].1.clone()).unwrap();
        assert!(text.contains("git\\-bitbucket"), "{text}");
    }

    #[test]
    fn every_page_that_a_page_names_is_there() {
        let pages = man_pages().unwrap();
        for (page, text) in &pages {
            let text = String::from_utf8(text.clone()).unwrap().replace("\\-", "-");
            let named = text.split(|c: char| !c.is_ascii_alphanumeric() && !"-()".contains(c));
            for name in named.filter_map(|word| word.strip_suffix("(1)")) {
                let file = format!("{name}.1");
                let ours = name.contains("bitbucket");
                assert!(
                    !ours || pages.iter().any(|(other, _)| *other == file),
                    "{page} names {file}"
                );
            }
        }
    }

    #[test]
    fn the_page_of_the_ssh_program_lists_every_setting() {
        let pages = man_pages().unwrap();
        let page = pages.iter().find(|(name, _)| name == "bitbucket-ssh.1");
        let text = String::from_utf8(page.unwrap().1.clone()).unwrap();
        let text = text.replace("\\-", "-").replace("\\*(Aq", "'");
        for key in crate::settings::keys::KEYS {
            assert!(text.contains(key.name), "{}", key.name);
            assert!(text.contains(key.sentence), "{}", key.name);
        }
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
