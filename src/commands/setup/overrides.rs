//! What stands before, behind or beside the values that `setup` writes.
//!
//! Order of git (connect.c, get_ssh_command): GIT_SSH_COMMAND, core.sshCommand, GIT_SSH. Reads,
//! never writes. Knows `commands::git` and `commands::other_tools`.

use super::setting_change::SettingChange;
use crate::commands::{Error, git, other_tools};
use crate::context::Context;
use crate::text::sanitise;

/// One line for each thing that is not as the written value wants it.
pub(super) fn lines(context: &Context, command: &str) -> Result<Vec<String>, Error> {
    let mut lines = variables(context);
    let values = git::ask(
        context,
        &[
            "config",
            "--show-origin",
            "--null",
            "--get-all",
            "core.sshCommand",
        ],
    )?
    .unwrap_or_default();
    lines.extend(scopes(&String::from_utf8_lossy(&values), command));
    Ok(lines)
}

/// One line for each rewrite that another `url.….insteadOf` keeps from working.
pub(super) fn rewrites(context: &Context, wanted: &[SettingChange]) -> Result<Vec<String>, Error> {
    let mut lines = Vec::new();
    for setting in wanted.iter().filter(|setting| setting.add) {
        let base = setting
            .key
            .strip_prefix("url.")
            .and_then(|key| key.strip_suffix(".insteadOf"))
            .unwrap_or_default();
        let example = format!("{}WORKSPACE/SLUG", setting.value);
        let arguments = ["ls-remote", "--get-url", "--", &example];
        let found = git::line(context, &arguments)?.unwrap_or_default();
        if found != format!("{base}WORKSPACE/SLUG") {
            lines.push(format!(
                "another url.….insteadOf goes before: {example} becomes {}",
                sanitise(&found)
            ));
        }
    }
    Ok(lines)
}

fn variables(context: &Context) -> Vec<String> {
    let shown = |name: &str| {
        let value = context.environment.raw(name)?.to_string_lossy();
        Some(match other_tools::set_in(context, name) {
            Some(place) if !value.is_empty() => format!("{} (set in {place})", sanitise(&value)),
            _ => sanitise(&value),
        })
    };
    let mut lines = Vec::new();
    match shown("GIT_SSH_COMMAND") {
        Some(value) if value.is_empty() => lines.push(
            "GIT_SSH_COMMAND is set and empty: git cannot run SSH at all until it is unset"
                .to_owned(),
        ),
        Some(value) => lines.push(format!(
            "GIT_SSH_COMMAND overrides core.sshCommand here: {value}"
        )),
        None => {}
    }
    if let Some(value) = shown("GIT_SSH") {
        lines.push(format!(
            "GIT_SSH is set ({value}): git takes core.sshCommand before it, programs on libgit2 do not"
        ));
    }
    if let Some(value) = shown("GIT_SSH_VARIANT")
        .filter(|_| context.environment.text("GIT_SSH_VARIANT") != Some("ssh"))
    {
        lines.push(format!(
            "GIT_SSH_VARIANT overrides ssh.variant here: {value}"
        ));
    }
    lines
}

/// `listed`: origin and value of every core.sshCommand that git sees, the one that counts last.
fn scopes(listed: &str, command: &str) -> Vec<String> {
    let mut parts = listed.split_terminator('\0');
    let mut values = Vec::new();
    while let (Some(origin), Some(value)) = (parts.next(), parts.next()) {
        values.push((origin.strip_prefix("file:").unwrap_or(origin), value));
    }
    let Some(ours) = values.iter().rposition(|(_, value)| *value == command) else {
        return vec!["core.sshCommand of this file is not seen from here".to_owned()];
    };
    let behind = values[..ours]
        .iter()
        .filter(|(_, value)| *value != command)
        .map(|(origin, value)| {
            format!(
                "no longer counts: core.sshCommand = {} ({origin})",
                sanitise(value)
            )
        });
    let before = values[ours + 1..].iter().map(|(origin, value)| {
        if value.is_empty() {
            format!("an empty core.sshCommand overrides it here, with which git cannot run SSH at all ({origin})")
        } else {
            format!("overridden here by core.sshCommand = {} ({origin})", sanitise(value))
        }
    });
    behind.chain(before).collect()
}

#[cfg(test)]
mod tests {
    use super::scopes;

    #[test]
    fn the_last_value_counts() {
        let ours = "file:/h/.gitconfig\0/bin/b\0";
        for (listed, expected, why) in [
            (ours.to_owned(), "", "nothing else"),
            (
                format!("file:/etc/gitconfig\0ssh -v\0{ours}"),
                "no longer counts: core.sshCommand = ssh -v (/etc/gitconfig)",
                "a lower scope is told",
            ),
            (
                format!("{ours}file:.git/config\0ssh -i k\0"),
                "overridden here by core.sshCommand = ssh -i k (.git/config)",
                "a higher scope wins",
            ),
            (
                format!("{ours}command line:\0\0"),
                "an empty core.sshCommand overrides it here, with which git cannot run SSH at all (command line:)",
                "an empty value counts as set",
            ),
            (
                String::new(),
                "core.sshCommand of this file is not seen from here",
                "GIT_CONFIG_NOSYSTEM, another repository",
            ),
        ] {
            assert_eq!(scopes(&listed, "/bin/b").join("\n"), expected, "{why}");
        }
    }
}
