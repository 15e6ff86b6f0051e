//! The accounts: token, scopes, and the keys that the site lists for them.

use jiff::{SignedDuration, Timestamp};

use super::checkup::{Checkup, word};
use super::finding::Finding;
use crate::bitbucket::credential::{self, Token};
use crate::bitbucket::scopes::DELETE_KEYS;
use crate::bitbucket::{self, Error};
use crate::commands::login::{Refusal, Seen, check as ask, stored_in};
use crate::commands::resolve::Resolved;
use crate::identity::ManagedKey;
use crate::repository::Site;
use crate::secret::TokenPlace;
use crate::text::counted;

/// A key that expires within this time gets a warning.
const SOON: SignedDuration = SignedDuration::from_hours(24 * 14);
/// A key older than this should be rotated.
const OLD: SignedDuration = SignedDuration::from_hours(24 * 365);

/// Every account of the site that is logged in, recorded or in the plan.
pub(super) fn check(checkup: &Checkup<'_>, resolved: &Resolved) -> Vec<Finding> {
    let site = checkup.site();
    let records = &resolved.target.records;
    let environment = credential::environment(checkup.context)
        .filter(|(url, _)| *url == site.url)
        .map(|(_, token)| token.account);
    let recorded = records.accounts().iter().map(|account| &account.account);
    let recorded = recorded.chain(records.identities().iter().map(|record| &record.account));
    let recorded = recorded.filter(|account| account.site == site.url);
    let planned = resolved.target.plan.candidates.iter();
    let planned = planned.filter_map(|candidate| candidate.account.as_ref());
    let known = recorded.chain(planned).map(|account| account.name.clone());
    let mut names: Vec<String> = Vec::new();
    for name in environment.into_iter().chain(known) {
        if !names.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            names.push(name);
        }
    }
    if names.is_empty() {
        let text = format!("no account is logged in to {}", site.url);
        return vec![Finding::warn("token", text).next("git bitbucket login")];
    }
    let of_account = |name: &String| {
        let keys = records.identities().iter().filter(|record| {
            let account = &record.account;
            record.repository.is_none()
                && account.site == site.url
                && account.name.eq_ignore_ascii_case(name)
        });
        let account = Account {
            checkup,
            site: &site,
            name,
            keys: keys.collect(),
        };
        let mut findings = account.check();
        for finding in &mut findings {
            finding.subject.get_or_insert_with(|| name.clone());
        }
        findings
    };
    names.iter().flat_map(of_account).collect()
}

/// One account under examination.
struct Account<'a> {
    checkup: &'a Checkup<'a>,
    site: &'a Site,
    name: &'a str,
    /// Its managed keys; access keys are their repository's.
    keys: Vec<&'a ManagedKey>,
}

impl Account<'_> {
    fn check(&self) -> Vec<Finding> {
        let token = match credential::find(self.checkup.context, self.site, self.name) {
            Ok(Some(token)) => token,
            Ok(None) => {
                let finding = Finding::warn("token", "no API token on this machine");
                return self.without_list(finding.next(self.login()), "not checked: no API token");
            }
            Err(error) => {
                let finding = Finding::fail("token", error.to_string()).next(self.login());
                return self.without_list(finding, "not checked: the token cannot be read");
            }
        };
        let records = self.checkup.context.records_directory();
        let records = records.map_or_else(String::new, |folder| self.checkup.shown(&folder));
        let place = stored_in(token.place, &records);
        if self.checkup.offline {
            let text = format!("found ({place}), not checked (--offline)");
            return self.without_list(Finding::ok("token", text), "--offline");
        }
        // A token of the environment takes precedence over one that a login stores.
        let login = match token.place {
            TokenPlace::Environment => format!("unset BITBUCKET_API_TOKEN; {}", self.login()),
            _ => self.login(),
        };
        let valid = Finding::ok("token", format!("valid ({place})"));
        match self.see(token) {
            Ok(seen) => {
                let mut findings = vec![valid, self.scopes(&seen, login), self.expiry()];
                findings.extend(self.keys(Some(&seen)));
                findings
            }
            Err(Refusal::Scopes(missing)) => {
                let mut findings = self.without_list(valid, "not checked: the token lacks scopes");
                let (missing, page) = (
                    missing.join(" "),
                    crate::repository::token_page(&self.site.url),
                );
                let text = format!("missing: {missing}; create a token with them at {page}");
                findings.push(Finding::fail("token-scopes", text).next(login));
                findings
            }
            Err(Refusal::Site(why @ Error::TokenRefused { .. })) => {
                let finding = Finding::fail("token", format!("{why} ({place})")).next(login);
                self.without_list(finding, "not checked: the token was refused")
            }
            Err(Refusal::Site(why)) => {
                let text = format!("could not be checked: {why}");
                let finding = Finding::warn("token", text).next(self.checkup.again(""));
                self.without_list(finding, "not checked: the site did not answer")
            }
        }
    }

    fn login(&self) -> String {
        let (name, site) = (word(self.name), word(&self.site.url));
        format!("git bitbucket login {name} --site {site}")
    }

    /// What the site reports for the token.
    fn see(&self, token: Token) -> Result<Seen, Refusal> {
        let http = self.checkup.http(self.site);
        let registry = bitbucket::connect(
            self.checkup.context,
            self.site,
            token,
            http,
            bitbucket::Caller::Command,
        );
        let registry = registry.map_err(Refusal::Site)?;
        ask(registry.as_ref())
    }

    /// What the token can do. Where the site does not tell, at least what was read just now.
    fn scopes(&self, seen: &Seen, login: String) -> Finding {
        let check = "token-scopes";
        let missing = seen.missing_scopes().join(" ");
        if !missing.is_empty() {
            let page = crate::repository::token_page(&self.site.url);
            let text = format!("missing: {missing}; create a token with them at {page}");
            return Finding::fail(check, text).next(login);
        }
        let text = match seen.abilities() {
            None => "the user and the key list can be read".to_owned(),
            Some((can, None)) => format!("the token can {can}"),
            Some((can, Some(cannot))) => format!("the token can {can}; it cannot {cannot}"),
        };
        Finding::ok(check, text)
    }

    /// Neither Cloud nor Data Center reports when an API token expires.
    fn expiry(&self) -> Finding {
        let page = crate::repository::token_page(&self.site.url);
        let text = format!("the site does not report when tokens expire; see {page}");
        Finding::skip("token-expiry", text)
    }

    fn without_list(&self, token: Finding, why: &str) -> Vec<Finding> {
        let mut findings = vec![token, Finding::skip("account-keys", why)];
        findings.extend(self.keys(None));
        findings
    }

    /// The account's managed keys: on the site's list (where that could be read), expiry and age.
    fn keys(&self, seen: Option<&Seen>) -> Vec<Finding> {
        let check = "account-keys";
        let now = self.checkup.context.clock.now();
        let account = word(self.name);
        let listed = seen.map(|seen| seen.keys.as_slice());
        let keep_old = match seen {
            Some(seen) if seen.lacks(DELETE_KEYS) => " --keep-old",
            _ => "",
        };
        let rotate = format!("git bitbucket key rotate{keep_old} --account {account}");
        let mut findings = Vec::new();
        for record in self.keys.iter().filter(|record| self.checkup.uses(record)) {
            let file = self.checkup.shown(&record.file);
            let mut expires = record.expires;
            if let Some(listed) = listed {
                let mut listed = listed.iter();
                let key = listed.find(|key| key.fingerprint == record.fingerprint);
                let finding = if let Some(key) = key {
                    expires = key.expires;
                    Finding::ok(check, format!("registered as \"{}\"", key.label))
                } else {
                    let text = format!("{} is not registered on the account", record.fingerprint);
                    Finding::fail(check, text)
                        .next(format!("git bitbucket key new --account {account}"))
                };
                findings.push(finding.about(&file));
            }
            findings.push(expiry(expires, now, &rotate).about(&file));
            findings.push(age(record.created, now, &rotate).about(&file));
        }
        if let (Some(listed), true) = (listed, self.keys.is_empty()) {
            let text = match listed.len() {
                0 => "no keys on the site yet".to_owned(),
                number => {
                    let keys = counted(number, "key");
                    format!("{keys} on the site, none created on this machine")
                }
            };
            findings.push(Finding::ok(check, text));
        }
        findings
    }
}

/// Whole days; 0 for the past.
fn days(span: SignedDuration) -> usize {
    usize::try_from(span.as_hours() / 24).unwrap_or_default()
}

fn expiry(expires: Option<Timestamp>, now: Timestamp, rotate: &str) -> Finding {
    let check = "key-expiry";
    let Some(expires) = expires else {
        return Finding::ok(check, "does not expire");
    };
    let left = expires.duration_since(now);
    let date = expires.strftime("%Y-%m-%d").to_string();
    if left <= SignedDuration::ZERO {
        return Finding::fail(check, format!("expired on {date}")).next(rotate);
    }
    if left >= SOON {
        return Finding::ok(check, format!("expires on {date}"));
    }
    let when = match days(left) {
        0 => "within a day".to_owned(),
        days => format!("in {}", counted(days, "day")),
    };
    Finding::warn(check, format!("expires on {date}, {when}")).next(rotate)
}

fn age(created: Timestamp, now: Timestamp, rotate: &str) -> Finding {
    let check = "key-age";
    let age = now.duration_since(created);
    let text = match days(age) {
        0 => "created today".to_owned(),
        days => format!("{} old", counted(days, "day")),
    };
    if age > OLD {
        Finding::warn(check, text).next(rotate)
    } else {
        Finding::ok(check, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::Verdict;

    #[test]
    fn expiry_and_age_are_judged_by_the_clock() {
        let now: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
        let days = |days: i64| now + SignedDuration::from_hours(24 * days);
        for (expires, expected, why) in [
            (None, Verdict::Ok, "never"),
            (Some(days(60)), Verdict::Ok, "far away"),
            (Some(days(3)), Verdict::Warn, "soon"),
            (Some(days(-1)), Verdict::Fail, "over"),
        ] {
            let found = expiry(expires, now, "rotate");
            assert_eq!(found.verdict, expected, "{why}");
        }
        assert_eq!(age(days(-10), now, "").verdict, Verdict::Ok);
        assert_eq!(age(days(-400), now, "").verdict, Verdict::Warn);
    }
}
