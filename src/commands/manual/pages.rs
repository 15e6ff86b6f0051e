//! The man pages of `git bitbucket …`, from the table that `--help` prints.

use clap_mangen::roff::{Roff, bold, roman};

use super::{arguments, ssh_page};

/// Behind the names of pages, and in their corner.
const SOURCE: &str = concat!("bitbucket-ssh ", env!("CARGO_PKG_VERSION"));

/// The man pages by file name: `git-bitbucket.1` first, one for each command that is shown, and
/// `bitbucket-ssh.1`.
pub(in crate::commands) fn man_pages() -> std::io::Result<Vec<(String, Vec<u8>)>> {
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
