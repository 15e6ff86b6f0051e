//! The accounts: token, scopes, and the keys that the site has of them.

use jiff::{SignedDuration, Timestamp};

use super::checkup::{Checkup, word};
use super::finding::Finding;
use crate::bitbucket::{Error, KeyRegistry, RegisteredKey, credential};
use crate::commands::Rooms;
use crate::commands::login::{Refusal, check as ask, token_page, where_it_lies};
use crate::identity::ManagedKey;
use crate::repository::Site;
use crate::secret::TokenPlace;
use crate::text::counted;

/// Told from this long before the end.
const SOON: SignedDuration = SignedDuration::from_hours(24 * 14);
/// Older keys deserve a rotation.
const OLD: SignedDuration = SignedDuration::from_hours(24 * 365);

/// Every account of the site that is known here.
pub(super) fn check(checkup: &Checkup<'_>, rooms: &dyn Rooms) -> Vec<Finding> {
    let Ok(examined) = &checkup.examined else {
        return vec![Finding::skip(
            "token",
            "not checked: the settings cannot be read",
        )];
    };
    let site = checkup.site();
    let records = &examined.ours.records;
    let mut names: Vec<String> = Vec::new();
    let environment = credential::environment(checkup.context)
        .filter(|(url, _)| *url == site.url)
        .map(|(_, token)| token.account);
    let recorded = records.accounts().iter().map(|account| &account.account);
    let recorded = recorded.chain(records.identities().iter().map(|record| &record.account));
    let recorded = recorded.filter(|account| account.site == site.url);
    let planned = examined.ours.plan.candidates.iter();
    let planned = planned.filter_map(|candidate| candidate.account.as_ref());
    let all = environment
        .into_iter()
        .chain(recorded.chain(planned).map(|account| account.name.clone()));
    for name in all {
        if !names.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return vec![
            Finding::warn("token", format!("no account is logged in to {}", site.url))
                .next("git bitbucket login"),
        ];
    }
    let mut findings = Vec::new();
    for name in names {
        let identities = records.identities().iter().filter(|record| {
            record.account.site == site.url
                && record.account.name.eq_ignore_ascii_case(&name)
                && record.repository.is_none()
        });
        let own: Vec<&ManagedKey> = identities.collect();
        let of_account = Subject {
            checkup,
            rooms,
            site: &site,
            name: &name,
            own,
        };
        findings.extend(
            of_account
                .check()
                .into_iter()
                .map(|finding| match finding.subject {
                    Some(_) => finding,
                    None => finding.about(&name),
                }),
        );
    }
    findings
}

struct Subject<'a> {
    checkup: &'a Checkup<'a>,
    rooms: &'a dyn Rooms,
    site: &'a Site,
    name: &'a str,
    own: Vec<&'a ManagedKey>,
}

impl Subject<'_> {
    /// Logs in again; a token of the environment would stand before the new one.
    fn login(&self, place: Option<TokenPlace>) -> String {
        let line = format!(
            "git bitbucket login {} --site {}",
            word(self.name),
            word(&self.site.url)
        );
        match place {
            Some(TokenPlace::Environment) => format!("unset BITBUCKET_API_TOKEN; {line}"),
            _ => line,
        }
    }

    fn check(&self) -> Vec<Finding> {
        let token = match self.rooms.token(self.site, self.name) {
            Ok(Some(token)) => token,
            Ok(None) => {
                let token =
                    Finding::warn("token", "no API token on this machine").next(self.login(None));
                return self.without_list(token, "not checked: no API token");
            }
            Err(error) => {
                let token = Finding::fail("token", error.to_string()).next(self.login(None));
                return self.without_list(token, "not checked: the token cannot be read");
            }
        };
        let from = token.place;
        let place = self.checkup.context.records_directory();
        let place = place.map_or_else(String::new, |folder| self.checkup.shown(&folder));
        let place = where_it_lies(from, &place);
        if self.checkup.offline {
            let there = Finding::ok("token", format!("found ({place}), not checked (--offline)"));
            return self.without_list(there, "--offline");
        }
        let registry = self.rooms.connect(self.site, self.name, &token.secret);
        match registry.map_err(Refusal::Site).and_then(|registry| {
            let registry: &dyn KeyRegistry = &*registry;
            ask(registry)
        }) {
            Ok(seen) => {
                let mut findings = vec![
                    Finding::ok("token", format!("valid ({place})")),
                    Finding::ok("token-scopes", "the user and the key list can be read"),
                    self.expiry_of_token(),
                ];
                findings.extend(self.keys(Some(&seen.keys)));
                findings
            }
            Err(Refusal::Scopes(missing)) => {
                let token = Finding::ok("token", format!("valid ({place})"));
                let mut findings = self.without_list(token, "not checked: the token lacks scopes");
                let missing = missing.join(" ");
                findings.push(
                    Finding::fail(
                        "token-scopes",
                        format!(
                            "missing: {missing}; create a token with them at {}",
                            token_page(self.site)
                        ),
                    )
                    .next(self.login(Some(from))),
                );
                findings
            }
            Err(Refusal::Site(why @ Error::TokenRefused { .. })) => {
                let token =
                    Finding::fail("token", format!("{why} ({place})")).next(self.login(Some(from)));
                self.without_list(token, "not checked: the token was refused")
            }
            Err(Refusal::Site(why)) => {
                let token = Finding::warn("token", format!("could not be checked: {why}"))
                    .next(self.checkup.again(""));
                self.without_list(token, "not checked: the site did not answer")
            }
        }
    }

    /// Cloud and Data Center tell nobody when an API token ends.
    fn expiry_of_token(&self) -> Finding {
        let page = token_page(self.site);
        let text = format!("the site does not report when tokens expire; see {page}");
        Finding::skip("token-expiry", text)
    }

    fn without_list(&self, token: Finding, why: &str) -> Vec<Finding> {
        let mut findings = vec![token, Finding::skip("account-keys", why)];
        findings.extend(self.keys(None));
        findings
    }

    /// The account's managed keys against the list (where it could be read), their expiry and age.
    fn keys(&self, listed: Option<&[RegisteredKey]>) -> Vec<Finding> {
        let now = self.checkup.context.clock.now();
        let account = word(self.name);
        let mut findings = Vec::new();
        for record in self.own.iter().filter(|record| self.checkup.uses(record)) {
            let file = self.checkup.shown(&record.file);
            let mut expires = record.expires;
            if let Some(listed) = listed {
                match listed
                    .iter()
                    .find(|key| key.fingerprint == record.fingerprint)
                {
                    Some(key) => {
                        expires = key.expires;
                        let text = format!("registered as \"{}\"", key.label);
                        findings.push(Finding::ok("account-keys", text).about(&file));
                    }
                    None => findings.push(
                        Finding::fail(
                            "account-keys",
                            format!("{} is not registered on the account", record.fingerprint),
                        )
                        .next(format!("git bitbucket key new --account {account}"))
                        .about(&file),
                    ),
                }
            }
            let rotate = format!("git bitbucket key rotate --account {account}");
            findings.push(expiry(expires, now, &rotate).about(&file));
            findings.push(age(record.created, now, &rotate).about(&file));
        }
        if let (Some(listed), true) = (listed, self.own.is_empty()) {
            let text = match listed.len() {
                0 => "no keys on the site yet".to_owned(),
                number => format!(
                    "{} on the site, none created on this machine",
                    counted(number, "key")
                ),
            };
            findings.push(Finding::ok("account-keys", text));
        }
        findings
    }
}

fn expiry(expires: Option<Timestamp>, now: Timestamp, rotate: &str) -> Finding {
    let check = "key-expiry";
    let Some(expires) = expires else {
        return Finding::ok(check, "does not expire");
    };
    let left = expires.duration_since(now);
    let date = expires.strftime("%Y-%m-%d").to_string();
    if left <= SignedDuration::ZERO {
        Finding::fail(check, format!("expired on {date}")).next(rotate)
    } else if left < SOON {
        let days = usize::try_from(left.as_hours() / 24).unwrap_or_default();
        let text = match days {
            0 => "within a day".to_owned(),
            days => format!("in {}", counted(days, "day")),
        };
        Finding::warn(check, format!("expires on {date}, {text}")).next(rotate)
    } else {
        Finding::ok(check, format!("expires on {date}"))
    }
}

fn age(created: Timestamp, now: Timestamp, rotate: &str) -> Finding {
    let check = "key-age";
    let days = now.duration_since(created).as_hours() / 24;
    let days = usize::try_from(days).unwrap_or_default();
    if now.duration_since(created) > OLD {
        Finding::warn(check, format!("{} old", counted(days, "day"))).next(rotate)
    } else {
        Finding::ok(
            check,
            match days {
                0 => "created today".to_owned(),
                days => format!("{} old", counted(days, "day")),
            },
        )
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
