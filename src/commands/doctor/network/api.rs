//! The API, and what it says of the time.

use std::time::Instant;

use jiff::SignedDuration;

use crate::bitbucket;
use crate::commands::doctor::checkup::{Checkup, word};
use crate::commands::doctor::finding::Finding;
use crate::commands::doctor::git::configured;
use crate::repository::Site;

/// A clock that is off by more spoils certificates and expiry dates.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Whether it answers, and how far the clocks are apart.
pub(super) fn check(checkup: &Checkup<'_>) -> Vec<Finding> {
    let site = checkup.site();
    let begun = Instant::now();
    let reached = bitbucket::reach(checkup.context, &site, &checkup.http(&site));
    let took = begun.elapsed();
    match reached {
        Ok(reached) => {
            let api = if reached.status < 500 {
                Finding::ok("api", format!("answers (HTTP status {})", reached.status))
            } else {
                Finding::fail("api", format!("answers HTTP status {}", reached.status))
                    .next(checkup.again(""))
            };
            let clock = reached.date.map_or_else(
                || Finding::skip("clock", "the site tells no time"),
                |date| clock(checkup.context.clock.now().duration_since(date)),
            );
            vec![api.about(&site.api_url).took(took), clock]
        }
        Err(error) => {
            let finding = Finding::fail("api", error.to_string())
                .about(&site.api_url)
                .next(way_to(checkup, &site))
                .took(took);
            vec![
                finding,
                Finding::skip("clock", "the site could not be asked for the time"),
            ]
        }
    }
}

/// What keeps the API from being reached, as far as it is said somewhere.
fn way_to(checkup: &Checkup<'_>, site: &Site) -> String {
    let key = format!("bitbucket.{}.apiUrl", site.url);
    if let Some((_, origin)) = configured(checkup.context, &key) {
        let file = checkup.context.directory.join(origin.file);
        let file = word(&checkup.shown(&file));
        return format!("git config --file {file} --unset-all {}", word(&key));
    }
    let http = checkup.http(site);
    let said = |name| checkup.context.environment.raw(name).is_some();
    if http.proxy.is_some() || http.ssl_ca_info.is_some() {
        "git config --show-origin --get-regexp '^http\\.'".to_owned()
    } else if ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
        .map(said)
        .contains(&true)
    {
        "env | grep -i _proxy".to_owned()
    } else {
        format!("curl -sSI {}", word(&site.api_url))
    }
}

/// `ahead`: this machine's clock before the site's.
fn clock(ahead: SignedDuration) -> Finding {
    let seconds = ahead.as_secs();
    if ahead.abs() <= SKEW {
        return Finding::ok(
            "clock",
            format!("within {} s of the site's", seconds.abs().max(1)),
        );
    }
    let direction = if seconds > 0 { "ahead of" } else { "behind" };
    let text = format!(
        "this machine's clock is {} s {direction} the site's",
        seconds.abs()
    );
    Finding::fail("clock", text).next("sudo timedatectl set-ntp true")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::Verdict;

    #[test]
    fn a_clock_may_be_off_by_minutes() {
        for (seconds, expected) in [
            (0, Verdict::Ok),
            (-200, Verdict::Ok),
            (400, Verdict::Fail),
            (-3600, Verdict::Fail),
        ] {
            assert_eq!(
                clock(SignedDuration::from_secs(seconds)).verdict,
                expected,
                "{seconds}"
            );
        }
        assert!(
            clock(SignedDuration::from_secs(-3600))
                .text
                .contains("behind")
        );
    }
}
