//! The sites and accounts that this machine knows, and how the command line selects among them.

use super::{Error, resolve};
use crate::context::Context;
use crate::identity::Account;
use crate::provision::Records;
use crate::repository::{Site, Url};
use crate::text::Pasted;

/// What is configured and recorded here.
#[derive(Debug, Clone)]
pub(super) struct Accounts {
    /// Cloud first, then those of git config.
    pub(super) sites: Vec<Site>,
    /// Logged in or recorded, in the order of their login.
    pub(super) accounts: Vec<Account>,
}

impl Accounts {
    /// Sites of git config; recorded accounts, and those that only a managed key names.
    pub(super) fn load(context: &Context) -> Result<Self, Error> {
        let records = Records::open(context)?;
        let mut accounts = records.accounts().to_vec();
        for key in records.identities() {
            if !accounts
                .iter()
                .any(|account| account.account == key.account)
            {
                accounts.push(Account {
                    account: key.account.clone(),
                    logged_in: false,
                    user_name: None,
                    nickname: None,
                    id: None,
                    key_fingerprints: Vec::new(),
                    store: None,
                    emails: Vec::new(),
                });
            }
        }
        Ok(Self {
            sites: resolve::git_config_with(context, Some(&records))?.sites(),
            accounts,
        })
    }

    /// The sites on which an account of this name is recorded.
    pub(super) fn sites_of(&self, name: &str) -> Vec<&Site> {
        let on = |site: &&Site| {
            let mut accounts = self.accounts.iter();
            accounts.any(|account| is(account, site, name) || is_called(account, site, name))
        };
        self.sites.iter().filter(on).collect()
    }

    /// The account's own name: as recorded, also for its user name or nickname; a name that is not
    /// known as it is.
    pub(super) fn name(&self, site: &Site, name: &str) -> Result<String, Error> {
        if let Some(known) = self.account(site, name) {
            return Ok(known.account.name.clone());
        }
        let called: Vec<&str> = self
            .accounts
            .iter()
            .filter(|account| is_called(account, site, name))
            .map(|account| account.account.name.as_str())
            .collect();
        match called.as_slice() {
            [] => Ok(name.to_owned()),
            [only] => Ok((*only).to_owned()),
            [first, ..] => Err(Error::Usage {
                what: format!("several accounts are called {name}: {}", called.join(", ")),
                hint: format!("git bitbucket use {first}"),
            }),
        }
    }

    /// The record of an account.
    pub(super) fn account(&self, site: &Site, name: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| is(account, site, name))
    }

    /// The selected site: the one named, else the only one on which the account is recorded, else
    /// the only one there is. A site is never guessed, because a token is sent to it.
    pub(super) fn site(&self, named: Option<&str>, account: Option<&str>) -> Result<&Site, Error> {
        if let Some(named) = named {
            let url = normal(named);
            return self
                .sites
                .iter()
                .find(|site| site.url == url)
                .ok_or_else(|| Error::Usage {
                    what: format!("{url} is not configured as a site"),
                    hint: format!(
                        "git config --global {} datacenter",
                        Pasted::new(format!("bitbucket.{url}.type"))
                    ),
                });
        }
        let knowing = account.map(|name| self.sites_of(name)).unwrap_or_default();
        match (knowing.as_slice(), self.sites.as_slice()) {
            ([only], _) => Ok(only),
            ([], [only]) => Ok(only),
            ([], all) => Err(ambiguous(
                "several sites are configured",
                &all.iter().collect::<Vec<_>>(),
            )),
            (several, _) => Err(ambiguous("several sites have this account", several)),
        }
    }
}

fn ambiguous(what: &str, sites: &[&Site]) -> Error {
    let urls: Vec<_> = sites.iter().map(|site| site.url.as_str()).collect();
    Error::Usage {
        what: format!("{what}: {}", urls.join(", ")),
        hint: format!(
            "--site {}",
            Pasted::new(urls.first().copied().unwrap_or_default())
        ),
    }
}

fn is(account: &Account, site: &Site, name: &str) -> bool {
    account.account.site == site.url && account.account.name.eq_ignore_ascii_case(name)
}

fn is_called(account: &Account, site: &Site, name: &str) -> bool {
    account.account.site == site.url && account.is_called(name)
}

/// A site's address as it is stored: scheme and host in lower case, no `/` at the end; `https` where
/// no scheme was typed.
fn normal(typed: &str) -> String {
    let typed = typed.trim();
    let url = if typed.contains("://") {
        Url::parse(typed)
    } else {
        Url::parse(&format!("https://{typed}"))
    };
    url.map_or_else(|| typed.to_owned(), |url| url.to_string())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::identity::AccountId;
    use crate::repository::{SiteKind, SshHost};

    pub(in crate::commands) fn site(url: &str) -> Site {
        let cloud = url == "https://bitbucket.org";
        let host = url.split("://").last().unwrap_or_default();
        Site {
            kind: if cloud {
                SiteKind::Cloud
            } else {
                SiteKind::DataCenter
            },
            url: url.to_owned(),
            api_url: url.to_owned(),
            ssh_hosts: vec![SshHost {
                host: host.split(['/', ':']).next().unwrap_or_default().to_owned(),
                port: if cloud { 22 } else { 7999 },
            }],
        }
    }

    pub(in crate::commands) fn account(site: &str, name: &str) -> Account {
        Account {
            account: AccountId {
                site: site.to_owned(),
                name: name.to_owned(),
            },
            logged_in: true,
            user_name: None,
            nickname: None,
            id: None,
            key_fingerprints: Vec::new(),
            store: None,
            emails: Vec::new(),
        }
    }

    pub(in crate::commands) const CLOUD: &str = "https://bitbucket.org";
    pub(in crate::commands) const CENTER: &str = "https://git.corp.example/bitbucket";

    #[test]
    fn the_site_is_named_known_or_the_only_one() {
        let known = Accounts {
            sites: vec![site(CLOUD), site(CENTER)],
            accounts: vec![
                account(CLOUD, "alice@example.com"),
                account(CLOUD, "both"),
                account(CENTER, "both"),
                account(CENTER, "carol"),
            ],
        };
        for (named, name, expected, why) in [
            (
                None,
                Some("Alice@example.com"),
                Ok(CLOUD),
                "known there, in any case",
            ),
            (None, Some("carol"), Ok(CENTER), "known there"),
            (None, Some("both"), Err(()), "known on two"),
            (
                None,
                Some("new@example.com"),
                Err(()),
                "known nowhere, two sites",
            ),
            (None, None, Err(()), "two sites"),
            (
                Some("https://BITBUCKET.org/"),
                Some("both"),
                Ok(CLOUD),
                "named",
            ),
            (
                Some("git.corp.example/bitbucket"),
                None,
                Ok(CENTER),
                "without scheme",
            ),
            (
                Some("https://git.corp.example"),
                None,
                Err(()),
                "the path is part of it",
            ),
        ] {
            let found = known.site(named, name);
            assert_eq!(
                found.as_ref().map(|site| site.url.as_str()).map_err(|_| ()),
                expected,
                "{why}"
            );
            if let Err(error) = found {
                assert_eq!(error.explanation().status, 2, "{why}");
            }
        }
        let only = Accounts {
            sites: vec![site(CLOUD)],
            accounts: Vec::new(),
        };
        assert_eq!(only.site(None, Some("new@example.com")).unwrap().url, CLOUD);
    }
}
