//! `use`: selects the account for this repository, for a workspace, or for all, in a line of git
//! config. git writes it, after the undo is recorded.

use std::path::{Path, PathBuf};

use super::accounts::Accounts;
use super::arguments::Use;
use super::config_file::{self, Scope};
use super::context::CommandContext;
use super::credential::memory;
use super::{Error, git, resolve, status, undo};
use crate::identity::AccountId;
use crate::repository::{self, Direction, Site, SiteKind};
use crate::settings::git_config::Entry;
use crate::settings::{GitConfig, is_exactly};
use crate::text::{Pasted, sanitise};

/// One key of one scope.
struct Place {
    /// `--local` or `--global`.
    scope: &'static str,
    key: String,
    /// The site, where the key or the account has one.
    site: Option<Site>,
    /// The workspace, where the key has one.
    workspace: Option<String>,
    /// For display.
    words: String,
}

/// Writes or removes `bitbucket.account`, and reports the earlier value and what counts now.
pub(super) fn use_account(call: &mut CommandContext<'_>, options: &Use) -> Result<(), Error> {
    let known = Accounts::load(call.context)?;
    let mut place = place(call, options, &known)?;
    let account = match (&options.account, &place.site) {
        (Some(name), Some(site)) => Some(known.name(site, name)?),
        _ => None,
    };
    let file = place.file(call)?;
    let before = place.values(&resolve::git_config(call.context)?);
    let Some(account) = account else {
        if before.is_empty() {
            call.say(format!("{} is not set for {}", place.key, place.words));
        } else {
            take_back(call, &place, &file, &before)?;
        }
        return report_effect(call, &place, None);
    };
    let recorded = known.sites_of(&account);
    if recorded.is_empty() && !may_be_new(&account, place.site.as_ref()) {
        return Err(Error::Usage {
            what: format!("there is no account {} here", sanitise(&account)),
            hint: "git bitbucket login".to_owned(),
        });
    }
    let in_file: Vec<_> = before.iter().filter(|value| value.file == file).collect();
    // An equal URL in another spelling is the same section.
    if let Some(value) = in_file.first() {
        place.key.clone_from(&value.key);
    }
    undo::change(call.context, &place.change(), &file, |draft| {
        for value in &in_file {
            if value.key != place.key && !draft.values(&value.key)?.is_empty() {
                draft.set(&value.key, &[])?;
            }
        }
        draft.set(&place.key, std::slice::from_ref(&account))
    })?;
    let was: Vec<&str> = in_file.iter().map(|value| value.value.as_str()).collect();
    let was = match was.as_slice() {
        [] => String::new(),
        values if values == [account.as_str()] => " (as before)".to_owned(),
        values => format!(" (was {})", sanitise(&values.join(", "))),
    };
    call.say(format!(
        "{} = {account} for {}{was}",
        place.key, place.words
    ));
    for site in &recorded {
        let account = AccountId {
            site: site.url.clone(),
            name: account.clone(),
        };
        memory::take_up(call.context, &account);
    }
    if recorded.is_empty() {
        call.warn(format!(
            "warning: {account} is not logged in on this machine"
        ));
        call.warn(format!(
            "hint: git bitbucket login {}",
            Pasted::new(&account)
        ));
    }
    report_effect(call, &place, Some(&account))
}

/// Whether a name that is not recorded can be that of an account: on Cloud it is an address.
fn may_be_new(name: &str, site: Option<&Site>) -> bool {
    name.contains('@') || site.is_some_and(|site| site.kind == SiteKind::DataCenter)
}

/// A value of the key, in whichever spelling.
struct SetAccount {
    file: PathBuf,
    key: String,
    value: String,
}

impl Place {
    /// The file that git would write.
    fn file(&self, call: &CommandContext<'_>) -> Result<PathBuf, Error> {
        match self.scope {
            "--local" => config_file::file(call.context, Scope::Local),
            _ => config_file::global_file(call.context),
        }
    }

    /// The name of the change.
    fn change(&self) -> String {
        format!("use {} {}", self.scope, self.key.to_lowercase())
    }

    /// Whether an entry sets the key, in whichever spelling of its URL.
    fn is_set_by(&self, entry: &Entry) -> bool {
        if entry.is_own() != (self.scope == "--local") {
            return false;
        }
        let of_url = self.key != "bitbucket.account";
        match (&entry.subsection, &self.site) {
            (None, _) => !of_url,
            (Some(url), Some(site)) if of_url => {
                let path: Vec<String> = self.workspace.iter().cloned().collect();
                is_exactly(url, site, &path)
            }
            _ => false,
        }
    }

    /// The present values of the scope, also those of included files.
    fn values(&self, git_config: &GitConfig) -> Vec<SetAccount> {
        let entries = git_config.accounts().filter(|entry| self.is_set_by(entry));
        entries
            .map(|entry| SetAccount {
                file: std::fs::canonicalize(&entry.file).unwrap_or(entry.file.to_path_buf()),
                key: entry.key(),
                value: entry.value.clone(),
            })
            .collect()
    }

    /// What git is asked for to see what counts: the place itself, and the remotes of the current
    /// repository that it is about.
    fn targets(&self, git_config: &GitConfig) -> Vec<String> {
        let mut targets = Vec::new();
        if let (Some(site), "--global") = (&self.site, self.scope) {
            let host = match (site.kind, site.ssh_hosts.first()) {
                (SiteKind::DataCenter, Some(host)) => host.to_string(),
                _ => "bitbucket.org".to_owned(),
            };
            let workspace = self.workspace.as_deref().unwrap_or_default();
            targets.push(format!("ssh://git@{host}/{workspace}"));
        }
        let sites = git_config.sites();
        let mut seen = Vec::new();
        for (_, url) in git_config.remotes() {
            let Some(repository) = repository::of_url(&sites, &url) else {
                continue;
            };
            let of_site = self.site.iter().all(|site| site.url == repository.site);
            let of_workspace = self
                .workspace
                .iter()
                .all(|workspace| workspace.eq_ignore_ascii_case(&repository.workspace));
            if of_site && of_workspace && !seen.contains(&repository) {
                seen.push(repository);
                targets.push(url);
            }
        }
        targets
    }
}

/// Says which account git uses now, and where another one goes first.
fn report_effect(
    call: &mut CommandContext<'_>,
    place: &Place,
    account: Option<&str>,
) -> Result<(), Error> {
    let git_config = resolve::git_config(call.context)?;
    for url in place.targets(&git_config) {
        // What cannot be resolved is an error of the git command.
        let Ok(Some(resolved)) = resolve::url(call.context, &url, Direction::Fetch) else {
            continue;
        };
        let of_repository = resolved.target.located.repository.is_some();
        let (line, first) = status::in_one_line(call.context, resolved);
        let line = sanitise(&line);
        let counts = first.is_some_and(|first| {
            account.is_none_or(|account| account.eq_ignore_ascii_case(&first.name))
        });
        if account.is_some() && !counts {
            call.warn(format!("warning: something else comes first: {line}"));
        } else if of_repository {
            call.say(line);
        }
    }
    if place.scope == "--local"
        && let Some(unseen) = git::unseen_directory(call.context)
    {
        call.warn(format!(
            "warning: with GIT_DIR or --git-dir the configuration of {} does not count: git clears GIT_DIR for its ssh command",
            call.shown(&unseen)
        ));
    }
    Ok(())
}

/// Restores the file as it was before the first `use`; where it was changed since, only the value is
/// removed, in every spelling.
fn take_back(
    call: &mut CommandContext<'_>,
    place: &Place,
    file: &Path,
    before: &[SetAccount],
) -> Result<(), Error> {
    if !undo::take_back(call.context, &place.change(), file)? {
        let mut keys: Vec<&str> = Vec::new();
        for value in before {
            if is_main_file(call, place, file, &value.file) && !keys.contains(&value.key.as_str()) {
                keys.push(&value.key);
                let of_file = value.file.display().to_string();
                let unset = ["config", "--file", &of_file, "--unset-all", &value.key];
                git::run(call.context, &unset)?;
            }
        }
    }
    let joined = |values: &[SetAccount]| {
        let values: Vec<&str> = values.iter().map(|value| value.value.as_str()).collect();
        sanitise(&values.join(", "))
    };
    let was = joined(before);
    let (key, words) = (&place.key, &place.words);
    let now = place.values(&resolve::git_config(call.context)?);
    call.say(if now.is_empty() {
        format!("{key} is no longer set for {words} (was {was})")
    } else {
        let now = joined(&now);
        format!("{key} = {now} again for {words} (was {was})")
    });
    Ok(())
}

/// Whether a file is the scope's own and no included one.
fn is_main_file(call: &CommandContext<'_>, place: &Place, file: &Path, other: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    real(file) == real(other)
        || place.scope == "--global" && config_file::is_global(call.context, other)
}

/// The key to write. The site is determined first: an account that several sites have must not be
/// written where it could mean the wrong one.
fn place(call: &CommandContext<'_>, options: &Use, known: &Accounts) -> Result<Place, Error> {
    let account = options.account.as_deref();
    if account.is_some_and(|name| name.trim().is_empty() || name.contains(char::is_control)) {
        return Err(Error::Usage {
            what: "this is not an account name".to_owned(),
            hint: "git bitbucket use ACCOUNT".to_owned(),
        });
    }
    if let Some(workspace) = &options.workspace {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~{}".contains(c);
        if workspace.is_empty() || !workspace.chars().all(plain) {
            return Err(Error::Usage {
                what: format!("{} is not a workspace", sanitise(workspace)),
                hint: "a workspace is the first part of a repository's path: git bitbucket use ACCOUNT --workspace WORKSPACE".to_owned(),
            });
        }
        let site = known.site(options.site.as_deref(), account)?;
        return Ok(Place {
            scope: "--global",
            key: format!("bitbucket.{}/{workspace}.account", site.url),
            words: format!("the workspace {workspace} on {}", site.url),
            site: Some(site.clone()),
            workspace: Some(workspace.clone()),
        });
    }
    let site = match account {
        Some(_) => Some(known.site(options.site.as_deref(), account)?),
        None => None,
    };
    if options.global {
        // Without the site it would apply to every site that has the account.
        let several = account.is_some_and(|name| known.sites_of(name).len() > 1);
        return Ok(match site.filter(|_| several) {
            Some(site) => Place {
                scope: "--global",
                key: format!("bitbucket.{}.account", site.url),
                words: format!("all repositories on {}", site.url),
                site: Some(site.clone()),
                workspace: None,
            },
            None => Place {
                scope: "--global",
                key: "bitbucket.account".to_owned(),
                words: "all repositories".to_owned(),
                site: site.cloned(),
                workspace: None,
            },
        });
    }
    let outside = Error::NoRepository(call.context.directory.clone());
    match git::line(call.context, &["rev-parse", "--git-dir"]) {
        Ok(Some(_)) => Ok(Place {
            scope: "--local",
            key: "bitbucket.account".to_owned(),
            words: "this repository".to_owned(),
            site: site.cloned(),
            workspace: None,
        }),
        Ok(None) | Err(Error::Git { .. }) => Err(outside),
        Err(other) => Err(other),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::commands::accounts::tests::{CENTER, CLOUD, account};
    use crate::commands::testing::{Machine, Said};

    /// One account on Cloud alone, and one that both sites know.
    fn machine() -> Machine {
        let machine = Machine::new().with(&[("GIT_CEILING_DIRECTORIES", "/")]);
        machine.site(CENTER);
        machine.record(&[
            account(CLOUD, "alice@example.com"),
            account(CLOUD, "both"),
            account(CENTER, "both"),
        ]);
        machine
    }

    fn call(machine: &Machine, options: &Use) -> Said<Result<(), Error>> {
        machine.call("", |call| use_account(call, options))
    }

    fn options(account: &str) -> Use {
        Use {
            account: Some(account.to_owned()),
            ..Use::default()
        }
    }

    fn unset() -> Use {
        Use {
            unset: true,
            ..Use::default()
        }
    }

    #[test]
    fn an_account_is_written_and_taken_back() {
        let machine = machine();
        machine.git(&["init", "--quiet"]);
        let before = machine.read("work/.git/config");
        let said = call(&machine, &options("alice@example.com"));
        assert_eq!(
            said.output,
            "bitbucket.account = alice@example.com for this repository\n"
        );
        assert_eq!(
            machine.git(&["config", "--local", "bitbucket.account"]),
            "alice@example.com"
        );
        let said = call(&machine, &unset());
        assert!(said.output.contains("(was alice@example.com)"), "{said:?}");
        assert_eq!(machine.read("work/.git/config"), before);
        let said = call(&machine, &unset());
        assert!(said.result.is_ok() && said.output.contains("is not set"));
    }

    #[test]
    fn several_values_are_replaced() {
        let machine = machine();
        machine.write(
            "home/.gitconfig",
            "[bitbucket]\n\taccount = a\n\taccount = b\n",
        );
        let said = call(
            &machine,
            &Use {
                global: true,
                ..options("alice@example.com")
            },
        );
        assert!(
            said.output.contains("for all repositories (was a, b)"),
            "{said:?}"
        );
        assert_eq!(
            machine.git(&["config", "--global", "--get-all", "bitbucket.account"]),
            "alice@example.com"
        );
    }

    #[test]
    fn a_workspace_is_a_url() {
        let machine = machine();
        let request = Use {
            workspace: Some("acme".to_owned()),
            ..options("alice@example.com")
        };
        assert!(call(&machine, &request).result.is_ok());
        let key = "bitbucket.https://bitbucket.org/acme.account";
        assert_eq!(
            machine.git(&["config", "--global", key]),
            "alice@example.com"
        );
        let request = Use {
            workspace: Some("acme".to_owned()),
            site: Some(CLOUD.to_owned()),
            ..unset()
        };
        assert!(call(&machine, &request).result.is_ok());
        assert!(
            !machine
                .try_git(&["config", "--global", key])
                .status
                .success()
        );
    }

    #[test]
    fn equal_urls_are_one_section_whatever_their_case() {
        let machine = machine();
        machine.write(
            "home/.gitconfig",
            "[bitbucket \"https://bitbucket.org/ACME/\"]\n\taccount = both\n[bitbucket \"ssh://git@bitbucket.org/Acme\"]\n\taccount = both\n",
        );
        let request = Use {
            workspace: Some("acme".to_owned()),
            ..options("alice@example.com")
        };
        let said = call(&machine, &request);
        assert!(said.result.is_ok(), "{said:?}");
        let listed = machine.git(&["config", "--global", "--list"]);
        assert_eq!(
            listed,
            "bitbucket.https://bitbucket.org/ACME/.account=alice@example.com"
        );
        machine.write(
            "home/.gitconfig",
            "# edited\n[bitbucket \"https://bitbucket.org/ACME/\"]\n\taccount = both\n",
        );
        let request = Use {
            workspace: Some("acme".to_owned()),
            site: Some(CLOUD.to_owned()),
            ..unset()
        };
        assert!(call(&machine, &request).result.is_ok());
        assert!(!machine.read("home/.gitconfig").contains("both"));
    }

    #[test]
    fn what_comes_first_is_named_with_its_line() {
        let machine = machine();
        machine.git(&["init", "--quiet"]);
        machine.git(&["remote", "add", "origin", "git@bitbucket.org:acme/site.git"]);
        machine.write(
            "home/.gitconfig",
            "[bitbucket \"https://bitbucket.org/acme/site\"]\n\taccount = bob@example.com\n",
        );
        let global = |account: &str| Use {
            global: true,
            site: Some(CLOUD.to_owned()),
            ..options(account)
        };
        let said = call(&machine, &global("alice@example.com"));
        assert!(
            said.errors.contains(
                "something else comes first: acme/site → bob@example.com, chosen in ~/.gitconfig:2"
            ),
            "{said:?}"
        );
        let said = call(&machine, &options("alice@example.com"));
        assert_eq!(said.errors, "", "the repository's own comes first");
        assert!(
            said.output
                .contains("acme/site → alice@example.com, chosen in "),
            "{said:?}"
        );
        let environment = machine.with(&[
            ("GIT_CEILING_DIRECTORIES", "/"),
            ("BITBUCKET_ACCOUNT", "bob@example.com"),
        ]);
        let said = call(&environment, &options("alice@example.com"));
        assert!(
            said.errors.contains("chosen in BITBUCKET_ACCOUNT"),
            "{said:?}"
        );
    }

    #[test]
    fn a_user_name_stands_for_the_account() {
        let machine = Machine::new().with(&[("GIT_CEILING_DIRECTORIES", "/")]);
        let mut anna = account(CLOUD, "anna@example.com");
        anna.nickname = Some("Anna".to_owned());
        let mut other = account(CLOUD, "other@example.com");
        machine.record(&[anna.clone(), other.clone()]);
        let global = |account: &str| Use {
            global: true,
            ..options(account)
        };
        assert!(call(&machine, &global("anna")).result.is_ok());
        assert_eq!(
            machine.git(&["config", "--global", "bitbucket.account"]),
            "anna@example.com"
        );
        let said = call(&machine, &global("nobody"));
        assert_eq!(said.result.unwrap_err().explanation().status, 2);
        other.user_name = Some("anna".to_owned());
        machine.record(&[anna, other]);
        let said = call(&machine, &global("anna"));
        let what = said.result.unwrap_err().explanation().what;
        assert!(
            what.contains("anna@example.com, other@example.com"),
            "{what}"
        );
    }

    #[test]
    fn a_repository_that_git_s_ssh_does_not_see_is_said() {
        let machine = machine();
        machine.git(&["init", "--quiet", "elsewhere"]);
        let directory = machine.path("work/elsewhere/.git");
        let machine = machine.with(&[
            ("GIT_CEILING_DIRECTORIES", "/"),
            ("GIT_DIR", directory.to_str().unwrap()),
        ]);
        let said = call(&machine, &options("alice@example.com"));
        assert!(said.result.is_ok(), "{said:?}");
        assert!(
            said.errors.contains("git clears GIT_DIR for its ssh"),
            "{said:?}"
        );
    }

    #[test]
    fn what_is_wrong_changes_nothing() {
        let machine = machine();
        let before = machine.tree("home");
        for (request, status, why) in [
            (options("alice@example.com"), 1, "no repository"),
            (options("both"), 2, "two sites know it"),
            (options("nobody"), 2, "no site knows it"),
            (
                Use {
                    workspace: Some("a/b".to_owned()),
                    ..options("alice@example.com")
                },
                2,
                "no workspace",
            ),
            (
                Use {
                    global: true,
                    ..options("a\nb")
                },
                2,
                "no account",
            ),
        ] {
            let said = call(&machine, &request);
            assert_eq!(
                said.result.unwrap_err().explanation().status,
                status,
                "{why}"
            );
        }
        assert_eq!(machine.tree("home"), before);
    }

    #[test]
    fn an_account_of_two_sites_is_written_for_one() {
        let machine = machine();
        let request = Use {
            global: true,
            site: Some(CENTER.to_owned()),
            ..options("both")
        };
        assert!(call(&machine, &request).result.is_ok());
        let key = format!("bitbucket.{CENTER}.account");
        assert_eq!(machine.git(&["config", "--global", &key]), "both");
    }
}
