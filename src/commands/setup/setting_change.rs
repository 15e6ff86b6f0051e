//! What `setup` writes: the program's path as git takes it, and the URLs that go by SSH.
//!
//! Pure but for finding the program. Knows `repository` and the records' accounts.

use std::path::{Path, PathBuf};

use crate::commands::{Accounts, Error};
use crate::context::Context;
use crate::repository::{Site, SiteKind};

/// A value that is to stand in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SettingChange {
    /// The key.
    pub(super) key: String,
    /// The value.
    pub(super) value: String,
    /// It stands beside other values of the key; otherwise it replaces them.
    pub(super) add: bool,
}

/// `bitbucket-ssh`: where PATH finds it, if that is the file beside this program (such a path
/// outlives an update that puts the files elsewhere), else the file beside this program itself.
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

/// The program as a value of `core.sshCommand`: forward slashes, quoted where git would start a
/// shell for it (run-command.c, prepare_shell_cmd) so that shell and git read one word. A path that
/// needs no quotes gets none: with them each connection would cost a shell.
pub(super) fn command(program: &Path) -> Result<String, Error> {
    let path = program.to_str().ok_or(Error::NotUtf8)?;
    let path = if cfg!(windows) {
        path.trim_start_matches(r"\\?\").replace('\\', "/")
    } else {
        path.to_owned()
    };
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

/// The two values that make it git's SSH program: with the variant said, git need not probe.
pub(super) fn program_wishes(command: String) -> Vec<SettingChange> {
    let setting = |key: &str, value| SettingChange {
        key: key.to_owned(),
        value,
        add: false,
    };
    vec![
        setting("core.sshCommand", command),
        setting("ssh.variant", "ssh".to_owned()),
    ]
}

/// `url.….insteadOf` for the web addresses of every site, also with the user names known.
pub(super) fn rewrites(known: &Accounts) -> Vec<SettingChange> {
    let mut wanted = Vec::new();
    for site in &known.sites {
        let Some((scheme, place)) = site.url.split_once("://") else {
            continue;
        };
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
                value: format!("{scheme}://{user}{place}{tail}"),
                add: true,
            });
        }
    }
    wanted
}

/// The beginning of the site's SSH URLs, at its first host.
fn ssh_base(site: &Site) -> String {
    match site.ssh_hosts.first() {
        Some(first) if first.port == 22 && !first.host.contains(':') => {
            format!("git@{}:", first.host)
        }
        Some(first) if first.host.contains(':') => {
            format!("ssh://git@[{}]:{}/", first.host, first.port)
        }
        Some(first) => format!("ssh://git@{}:{}/", first.host, first.port),
        None => format!("{}/", site.url),
    }
}

/// A user name as it stands in a URL.
fn escaped(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, USER).to_string()
}

/// RFC 3986: unreserved characters stay.
const USER: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

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
}
