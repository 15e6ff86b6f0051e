//! `use`: selects the account for this repository, for a workspace, or for all, in a line of git
//! config. git writes it, after the undo is recorded.

use std::path::PathBuf;

use super::accounts::Accounts;
use super::arguments::Use;
use super::config_file::{self, Scope};
use super::context::CommandContext;
use super::credential::memory;
use super::{Error, git, undo};
use crate::identity::AccountId;
use crate::text::{Pasted, sanitise};

/// One key of one scope.
struct Place {
    /// `--local` or `--global`.
    scope: &'static str,
    key: String,
    /// For display.
    words: String,
}

/// Writes or removes `bitbucket.account` and reports the earlier value.
pub(super) fn use_account(call: &mut CommandContext<'_>, options: &Use) -> Result<(), Error> {
    let known = Accounts::load(call.context)?;
    let place = place(call, options, &known)?;
    let before = values(call, &place)?;
    let Some(account) = &options.account else {
        if before.is_empty() {
            call.say(format!("{} is not set for {}", place.key, place.words));
            return Ok(());
        }
        return take_back(call, &place, &before);
    };
    let file = place.file(call)?;
    undo::change(call.context, &place.change(), &file, |draft| {
        draft.set(&place.key, std::slice::from_ref(account))
    })?;
    let was = match before.as_slice() {
        [] => String::new(),
        values if values == [account.as_str()] => " (as before)".to_owned(),
        values => format!(" (was {})", sanitise(&values.join(", "))),
    };
    call.say(format!(
        "{} = {account} for {}{was}",
        place.key, place.words
    ));
    let recorded = known.sites_of(account);
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
            Pasted::new(account)
        ));
    }
    Ok(())
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
        format!("use {} {}", self.scope, self.key)
    }
}

/// Restores the file as it was before the first `use`; where it was changed since, only the value is
/// removed.
fn take_back(call: &mut CommandContext<'_>, place: &Place, before: &[String]) -> Result<(), Error> {
    let file = place.file(call)?;
    let whole = undo::take_back(call.context, &place.change(), &file)?;
    if !whole {
        let unset = ["config", place.scope, "--unset-all", &place.key];
        git::run(call.context, &unset)?;
    }
    let was = sanitise(&before.join(", "));
    let (key, words) = (&place.key, &place.words);
    let now = values(call, place)?;
    call.say(if now.is_empty() {
        format!("{key} is no longer set for {words} (was {was})")
    } else {
        let now = sanitise(&now.join(", "));
        format!("{key} = {now} again for {words} (was {was})")
    });
    Ok(())
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
            },
            None => Place {
                scope: "--global",
                key: "bitbucket.account".to_owned(),
                words: "all repositories".to_owned(),
            },
        });
    }
    let outside = Error::NoRepository(call.context.directory.clone());
    match git::line(call.context, &["rev-parse", "--git-dir"]) {
        Ok(Some(_)) => Ok(Place {
            scope: "--local",
            key: "bitbucket.account".to_owned(),
            words: "this repository".to_owned(),
        }),
        Ok(None) | Err(Error::Git { .. }) => Err(outside),
        Err(other) => Err(other),
    }
}

/// The present values.
fn values(call: &CommandContext<'_>, place: &Place) -> Result<Vec<String>, Error> {
    let listed = git::ask(
        call.context,
        &["config", place.scope, "--null", "--get-all", &place.key],
    )?;
    let listed = String::from_utf8_lossy(&listed.unwrap_or_default()).into_owned();
    Ok(listed.split_terminator('\0').map(str::to_owned).collect())
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
