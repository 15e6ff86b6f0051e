//! What `setup` writes into git's configuration (the program's path as git takes it, and the URLs
//! that go by SSH), and what overrides it.
//!
//! git's order (connect.c, get_ssh_command): GIT_SSH_COMMAND, core.sshCommand, GIT_SSH.

use std::path::{Path, PathBuf};

use crate::commands::{Accounts, Error, git, other_tools};
use crate::context::Context;
use crate::repository::{SSH_PORT, Site, SiteKind};
use crate::settings::{GitConfig, Scope};
use crate::text::{Pasted, sanitise};

/// A value to write into the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SettingChange {
    /// The key.
    pub(super) key: String,
    /// The value.
    pub(super) value: String,
    /// Further values of the key, after the first.
    pub(super) further: Vec<String>,
    /// Adds the value to those of the key; otherwise it replaces them.
    pub(super) add: bool,
}

impl SettingChange {
    /// Every value.
    pub(super) fn values(&self) -> Vec<String> {
        let first = std::iter::once(&self.value);
        first.chain(&self.further).cloned().collect()
    }
}

/// The path of `bitbucket-ssh`: as PATH finds it, if that is the file beside this program (such a
/// path survives an update that moves the files), else the path of the file beside this program.
pub(super) fn program(context: &Context) -> Result<PathBuf, Error> {
    let name = format!("bitbucket-ssh{}", std::env::consts::EXE_SUFFIX);
    let beside = context.program.with_file_name(&name);
    let real = std::fs::canonicalize(&beside).map_err(|_| Error::NoProgram(beside.clone()))?;
    let in_path = context
        .environment
        .raw("PATH")
        .into_iter()
        .flat_map(std::env::split_paths)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(&name))
        .find(|candidate| std::fs::canonicalize(candidate).is_ok_and(|found| found == real));
    Ok(in_path.unwrap_or(beside))
}

/// The program as a value of `core.sshCommand`: forward slashes, quoted only where git would start
/// a shell for it (run-command.c, prepare_shell_cmd). With quotes, each connection costs a shell.
pub(super) fn command(program: &Path) -> Result<String, Error> {
    let path = config_path(program)?;
    if !path.contains(|character| "|&;<>()$`\\\"' \t\n*?[#~=%".contains(character)) {
        return Ok(path);
    }
    let mut quoted = String::from("\"");
    for character in path.chars() {
        if "\\\"$`".contains(character) {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    Ok(quoted)
}

/// A path as git's configuration has it: UTF-8, with forward slashes.
fn config_path(path: &Path) -> Result<String, Error> {
    let path = path.to_str().ok_or(Error::NotUtf8)?;
    Ok(if cfg!(windows) {
        path.trim_start_matches(r"\\?\").replace('\\', "/")
    } else {
        path.to_owned()
    })
}

/// The two values that make it git's SSH program: where the variant is set, git does not probe.
pub(super) fn program_settings(command: String) -> Vec<SettingChange> {
    let setting = |key: &str, value| SettingChange {
        key: key.to_owned(),
        value,
        further: Vec::new(),
        add: false,
    };
    vec![
        setting("core.sshCommand", command),
        setting("ssh.variant", "ssh".to_owned()),
    ]
}

/// `credential.<url>.helper` and `credential.<url>.useHttpPath` for every site: an empty value, so
/// that no helper set before answers first, then this program, then the helpers that were asked so
/// far, which still answer what it does not.
pub(super) fn credential_helpers(
    git_config: &GitConfig,
    program: &Path,
    scope: Scope,
) -> Result<Vec<SettingChange>, Error> {
    let own = helper(program)?;
    let mut wanted = Vec::new();
    for site in git_config.sites() {
        let mut further = vec![own.clone()];
        let before = git_config.credential_helpers(&site.url, scope);
        further.extend(before.into_iter().filter(|helper| *helper != own));
        wanted.push(SettingChange {
            key: format!("credential.{}.helper", site.url),
            value: String::new(),
            further,
            add: false,
        });
        wanted.push(SettingChange {
            key: format!("credential.{}.useHttpPath", site.url),
            value: "true".to_owned(),
            further: Vec::new(),
            add: false,
        });
    }
    Ok(wanted)
}

/// The program as a value of `credential.helper`: an absolute path, or words for a shell after `!`
/// (gitcredentials(7)).
fn helper(program: &Path) -> Result<String, Error> {
    let program = program.with_file_name(format!("git-bitbucket{}", std::env::consts::EXE_SUFFIX));
    let path = config_path(&program)?;
    let word = Pasted::new(&path);
    Ok(if word.as_str() == path {
        format!("{path} credential")
    } else {
        format!("!{word} credential")
    })
}

/// `url.….insteadOf` for the web addresses of every site, without and with the known user names.
pub(super) fn rewrites(known: &Accounts) -> Vec<SettingChange> {
    let mut wanted = Vec::new();
    for site in &known.sites {
        let place = site.address();
        let scheme = site.url.trim_end_matches(place);
        let tail = match site.kind {
            SiteKind::Cloud => "/",
            SiteKind::DataCenter => "/scm/",
        };
        let base = ssh_base(site);
        let names = known
            .accounts
            .iter()
            .filter(|account| account.account.site == site.url)
            .filter_map(|account| match site.kind {
                SiteKind::Cloud => account.user_name.as_deref(),
                SiteKind::DataCenter => Some(account.account.name.as_str()),
            })
            .map(|name| format!("{}@", escaped(name)));
        for user in std::iter::once(String::new()).chain(names) {
            wanted.push(SettingChange {
                key: format!("url.{base}.insteadOf"),
                value: format!("{scheme}{user}{place}{tail}"),
                further: Vec::new(),
                add: true,
            });
        }
    }
    wanted
}

/// The beginning of the site's SSH URLs, at its first host.
fn ssh_base(site: &Site) -> String {
    match site.ssh_hosts.first() {
        Some(first) if first.port == SSH_PORT && !first.host.contains(':') => {
            format!("git@{}:", first.host)
        }
        Some(first) => format!("ssh://git@{first}/"),
        None => format!("{}/", site.url),
    }
}

/// A user name as it is written in a URL.
fn escaped(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, USER).to_string()
}

/// RFC 3986: unreserved characters stay.
const USER: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A warning for each variable or setting that overrides the written value or is overridden by it.
pub(super) fn overrides(context: &Context, command: &str) -> Result<Vec<String>, Error> {
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

/// A warning for each rewrite that another `url.….insteadOf` keeps from working.
pub(super) fn broken_rewrites(
    context: &Context,
    wanted: &[SettingChange],
) -> Result<Vec<String>, Error> {
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
                "another url.….insteadOf takes precedence: {example} becomes {}",
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
            "GIT_SSH_COMMAND is set but empty: git cannot run SSH until it is unset".to_owned(),
        ),
        Some(value) => lines.push(format!(
            "GIT_SSH_COMMAND overrides core.sshCommand here: {value}"
        )),
        None => {}
    }
    if let Some(value) = shown("GIT_SSH") {
        lines.push(format!(
            "GIT_SSH is set ({value}): git prefers core.sshCommand, programs that use libgit2 do not"
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

/// `listed`: origin and value of every core.sshCommand that git reads; the last one counts.
fn scopes(listed: &str, command: &str) -> Vec<String> {
    let mut parts = listed.split_terminator('\0');
    let mut values = Vec::new();
    while let (Some(origin), Some(value)) = (parts.next(), parts.next()) {
        values.push((origin.strip_prefix("file:").unwrap_or(origin), value));
    }
    let Some(ours) = values.iter().rposition(|(_, value)| *value == command) else {
        return vec!["git does not read core.sshCommand of this file here".to_owned()];
    };
    let behind = values[..ours]
        .iter()
        .filter(|(_, value)| *value != command)
        .map(|(origin, value)| {
            format!(
                "no longer used: core.sshCommand = {} ({origin})",
                sanitise(value)
            )
        });
    let before = values[ours + 1..].iter().map(|(origin, value)| {
        if value.is_empty() {
            format!("an empty core.sshCommand overrides it here, so git cannot run SSH ({origin})")
        } else {
            format!(
                "overridden here by core.sshCommand = {} ({origin})",
                sanitise(value)
            )
        }
    });
    behind.chain(before).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::accounts::tests::{CENTER, CLOUD, account, site};
    use crate::identity::Account;

    #[cfg(unix)]
    #[test]
    fn a_path_is_one_word_for_git_and_shell() {
        for (path, value, why) in [
            ("/usr/bin/bitbucket-ssh", "/usr/bin/bitbucket-ssh", "plain"),
            ("/home/Ann Lee/b", "\"/home/Ann Lee/b\"", "a blank"),
            ("/a$b/c", "\"/a\\$b/c\"", "no variable"),
            ("/it's/b", "\"/it's/b\"", "an apostrophe"),
            (
                "/a\"b\\c`d",
                "\"/a\\\"b\\\\c\\`d\"",
                "what quotes keep special",
            ),
        ] {
            assert_eq!(command(Path::new(path)).unwrap(), value, "{why}");
        }
    }

    #[test]
    fn web_addresses_go_by_ssh() {
        let cloud = Account {
            user_name: Some("alice".to_owned()),
            ..account(CLOUD, "a@example.com")
        };
        let wanted = rewrites(&Accounts {
            sites: vec![site(CLOUD), site(CENTER)],
            accounts: vec![
                cloud,
                account(CLOUD, "b@example.com"),
                account(CENTER, "al ice"),
            ],
        });
        let pairs: Vec<_> = wanted
            .iter()
            .map(|setting| (setting.key.as_str(), setting.value.as_str()))
            .collect();
        let to_cloud = "url.git@bitbucket.org:.insteadOf";
        let to_center = "url.ssh://git@git.corp.example:7999/.insteadOf";
        assert_eq!(
            pairs,
            [
                (to_cloud, "https://bitbucket.org/"),
                (to_cloud, "https://alice@bitbucket.org/"),
                (to_center, "https://git.corp.example/bitbucket/scm/"),
                (
                    to_center,
                    "https://al%20ice@git.corp.example/bitbucket/scm/"
                ),
            ]
        );
    }

    #[test]
    fn the_last_value_counts() {
        let ours = "file:/h/.gitconfig\0/bin/b\0";
        for (listed, expected, why) in [
            (ours.to_owned(), "", "nothing else"),
            (
                format!("file:/etc/gitconfig\0ssh -v\0{ours}"),
                "no longer used: core.sshCommand = ssh -v (/etc/gitconfig)",
                "a lower scope is told",
            ),
            (
                format!("{ours}file:.git/config\0ssh -i k\0"),
                "overridden here by core.sshCommand = ssh -i k (.git/config)",
                "a higher scope wins",
            ),
            (
                format!("{ours}command line:\0\0"),
                "an empty core.sshCommand overrides it here, so git cannot run SSH (command line:)",
                "an empty value counts as set",
            ),
            (
                String::new(),
                "git does not read core.sshCommand of this file here",
                "GIT_CONFIG_NOSYSTEM, another repository",
            ),
        ] {
            assert_eq!(scopes(&listed, "/bin/b").join("\n"), expected, "{why}");
        }
    }
}
