//! Settings of other tools that keep git from calling `bitbucket-ssh`: shell start-up files that
//! set git's variables, editors that set them for their terminals or have an SSH client of their
//! own. Files that cannot be read are ignored; none is written.

use std::path::{Path, PathBuf};

use super::context::{shown, word};
use crate::context::Context;

/// Variables of git that override or accompany core.sshCommand.
const VARIABLES: [&str; 3] = ["GIT_SSH_COMMAND", "GIT_SSH", "GIT_SSH_VARIANT"];

/// What shells and login sessions read when they start, below the home directory.
const START_UP: [&str; 10] = [
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".profile",
    ".zshenv",
    ".zprofile",
    ".zshrc",
    ".config/fish/config.fish",
    ".pam_environment",
    ".xprofile",
];

/// Directories of VS Code and its variants, below the configuration directory.
const CODE: [&str; 4] = ["Code", "Code - Insiders", "Code - OSS", "VSCodium"];

/// A setting that bypasses core.sshCommand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ToolSetting {
    /// The file.
    pub(super) file: PathBuf,
    /// Its line, from 1.
    pub(super) line: usize,
    /// What it does.
    pub(super) text: String,
    /// A shell command that corrects it, or opens the file.
    pub(super) next: String,
}

/// Where a variable is set for every shell: `~/.bashrc:12`. `None`: in none of these files.
pub(super) fn set_in(context: &Context, variable: &str) -> Option<String> {
    let home = context.home()?;
    START_UP
        .iter()
        .map(|name| home.join(name))
        .find_map(|file| {
            let text = crate::storage::read_text(&file).ok()?;
            let line = text.lines().position(|line| sets(line, variable))?;
            Some(format!("{}:{}", shown(context, &file), line + 1))
        })
}

/// Whether a line of a start-up file gives the variable a value.
fn sets(line: &str, variable: &str) -> bool {
    let line = line.trim_start();
    if line.starts_with('#') {
        return false;
    }
    let mut rest = line;
    while let Some(at) = rest.find(variable) {
        let before = rest[..at].chars().next_back();
        let after = rest[at + variable.len()..].chars().next();
        let fish = line.starts_with("set ");
        let begins = before.is_none_or(|c| c.is_whitespace() || c == ';');
        if begins && (after == Some('=') || fish && after == Some(' ')) {
            return !line.starts_with("unset ");
        }
        rest = &rest[at + variable.len()..];
    }
    false
}

/// Every setting of an editor that bypasses core.sshCommand.
pub(super) fn editors(context: &Context) -> Vec<ToolSetting> {
    let mut found = Vec::new();
    for folder in configuration_folders(context) {
        for code in CODE {
            let file = folder.join(code).join("User/settings.json");
            found.extend(in_code(context, &file));
        }
        let products = std::fs::read_dir(folder.join("JetBrains"));
        let mut products: Vec<_> = products
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path().join("options/git.xml"))
            .collect();
        products.sort();
        for file in products {
            found.extend(in_jetbrains(context, &file));
        }
    }
    found.extend(in_code(
        context,
        &context.directory.join(".vscode/settings.json"),
    ));
    found
}

/// Those of Linux and BSD, macOS and Windows that exist.
fn configuration_folders(context: &Context) -> Vec<PathBuf> {
    let variable = |name: &str| context.environment.raw(name).map(PathBuf::from);
    let home = context.home();
    let below = |path: &str| home.as_ref().map(|home| home.join(path));
    let all = [
        variable("XDG_CONFIG_HOME").or_else(|| below(".config")),
        below("Library/Application Support"),
        variable("APPDATA"),
    ];
    all.into_iter()
        .flatten()
        .filter(|folder| folder.is_dir())
        .collect()
}

/// `terminal.integrated.env.*` sets variables in the terminals of VS Code.
fn in_code(context: &Context, file: &Path) -> Vec<ToolSetting> {
    let text = crate::storage::read_text(file).unwrap_or_default();
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with("//") {
            continue;
        }
        for variable in VARIABLES {
            if line.contains(&format!("\"{variable}\"")) {
                found.push(ToolSetting {
                    file: file.to_owned(),
                    line: index + 1,
                    text: format!("VS Code sets {variable} in its terminals"),
                    next: format!("${{EDITOR:-vi}} {}", word(&shown(context, file))),
                });
            }
        }
    }
    found
}

/// Until 2020 the IDEs used an SSH client of their own; `NATIVE_SSH` selects git's.
fn in_jetbrains(context: &Context, file: &Path) -> Option<ToolSetting> {
    let text = crate::storage::read_text(file).ok()?;
    let own = |line: &str| line.contains("\"SSH_EXECUTABLE\"") && line.contains("\"IDEA_SSH\"");
    let line = text.lines().position(own)? + 1;
    Some(ToolSetting {
        file: file.to_owned(),
        line,
        text: "the IDE uses an SSH of its own, not git's".to_owned(),
        next: format!(
            "sed -i.bak '{line}s/IDEA_SSH/NATIVE_SSH/' {}",
            word(&shown(context, file))
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::sets;

    #[test]
    fn a_variable_is_set_by_assignment_alone() {
        for (line, expected, why) in [
            ("export GIT_SSH=/usr/bin/plink", true, "sh"),
            ("  GIT_SSH=x; export GIT_SSH", true, "older sh"),
            ("set -gx GIT_SSH plink", true, "fish"),
            ("# export GIT_SSH=x", false, "a comment"),
            ("unset GIT_SSH", false, "taken away"),
            ("export GIT_SSH_COMMAND=x", false, "another variable"),
            ("export MY_GIT_SSH=x", false, "another variable"),
            ("echo $GIT_SSH", false, "only read"),
        ] {
            assert_eq!(sets(line, "GIT_SSH"), expected, "{why}: {line}");
        }
    }
}
