//! What a site tells without a token: that it answers, its clock, the host keys that it publishes.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use super::Error;
use super::http::{Authorization, Client, Limits};
use crate::context::Context;
use crate::repository::{self, Site, SiteKind};
use crate::settings::HttpSettings;

/// Where Cloud publishes its host keys, as known_hosts lines.
const PUBLISHED: &str = "/site/ssh";

/// What an answer without a token shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// The HTTP status; without a token usually 401.
    pub status: u16,
    /// The site's clock (`Date`, RFC 9110 section 6.6.1). `None`: it sends none.
    pub date: Option<Timestamp>,
}

/// One call of the API without a token; every answer counts.
pub fn reach(context: &Context, site: &Site, http: &HttpSettings) -> Result<Reached, Error> {
    let client = Client::new(
        context,
        &site.api_url,
        Authorization::none(),
        http,
        Limits::default(),
    )?;
    let answer = client.get(match site.kind {
        SiteKind::Cloud => "/user",
        SiteKind::DataCenter => "/rest/api/latest/application-properties",
    })?;
    let date = answer.header("date");
    Ok(Reached {
        status: answer.status,
        date: date.and_then(|text| DateTimeParser::new().parse_timestamp(text).ok()),
    })
}

/// The host keys that Cloud publishes over HTTPS, as known_hosts lines. `None`: this site publishes none
/// (Data Center, or another API than Cloud's own).
pub fn published_host_keys(
    context: &Context,
    site: &Site,
    http: &HttpSettings,
) -> Result<Option<String>, Error> {
    if site.kind != SiteKind::Cloud || site.api_url != repository::cloud().api_url {
        return Ok(None);
    }
    let client = Client::new(
        context,
        &site.url,
        Authorization::none(),
        http,
        Limits::default(),
    )?;
    let answer = client.get(PUBLISHED)?;
    if answer.status != 200 {
        return Err(answer.unexpected("no host keys"));
    }
    Ok(answer.text().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitbucket::testing::{Server, context, with};

    fn site(kind: SiteKind, api_url: String) -> Site {
        Site {
            kind,
            url: "https://bitbucket.org".to_owned(),
            api_url,
            ssh_hosts: Vec::new(),
        }
    }

    #[test]
    fn any_answer_tells_the_clock_and_no_token_is_sent() {
        let date = "Date: Tue, 24 Nov 2026 10:00:00 GMT\r\n";
        let server = Server::start([with(401, date, "{}"), with(200, "", "{}")]);
        let cloud = site(SiteKind::Cloud, server.url().to_owned());
        let reached = reach(&context(&[]), &cloud, &HttpSettings::default()).unwrap();
        assert_eq!(reached.status, 401);
        assert_eq!(
            reached.date,
            Some("2026-11-24T10:00:00Z".parse().unwrap()),
            "the site's clock"
        );
        let center = site(SiteKind::DataCenter, server.url().to_owned());
        let reached = reach(&context(&[]), &center, &HttpSettings::default()).unwrap();
        assert_eq!(reached.date, None);
        let seen = server.seen();
        assert!(
            seen.iter()
                .all(|call| call.header("authorization").is_none())
        );
        let published = published_host_keys(&context(&[]), &cloud, &HttpSettings::default());
        assert_eq!(published, Ok(None), "not Cloud's own API");
    }
}
