//! Where a Data Center speaks SSH: what its settings tell over the API's connection is recorded.

use crate::bitbucket::{self, SshSettings};
use crate::commands::Error;
use crate::commands::context::CommandContext;
use crate::provision::{Records, SshPlace};
use crate::repository::Site;

/// Records host, port and host key, and says so. A host other than the web host counts only where
/// a person confirms it, or git config or an earlier login has it. Settings that cannot be read
/// are a warning: the site's usual place counts.
pub(super) fn note(
    call: &mut CommandContext<'_>,
    site: &Site,
    settings: Result<Option<SshSettings>, bitbucket::Error>,
    with_token: bool,
) -> Result<(), Error> {
    let settings = match settings {
        Ok(Some(settings)) => settings,
        Ok(None) => return Ok(()),
        Err(error) => {
            call.warn(format!("warning: the site's SSH settings: {error}"));
            return Ok(());
        }
    };
    if !settings.enabled {
        call.warn("warning: SSH is switched off on the site");
        return Ok(());
    }
    let host = settings.host.unwrap_or_else(|| web_host(site));
    let port = settings.port;
    let confirmed = host == web_host(site)
        || site.ssh_hosts.iter().any(|known| known.host == host)
        || confirmed(call, site, &host, port, with_token);
    if confirmed {
        let key = settings.fingerprint.as_deref().unwrap_or("not told");
        call.say(format!("SSH: {host} port {port}, host key {key}"));
    } else {
        call.warn(format!(
            "warning: {} names {host} port {port} as its SSH server, which is not its web host; \
             it is not used unless you say so",
            site.url
        ));
        call.warn(format!(
            "hint: git config --global bitbucket.{}.sshHost {}",
            site.url,
            address(&host, port)
        ));
    }
    let place = SshPlace {
        site: site.url.clone(),
        host: confirmed.then_some(host),
        port,
        fingerprint: settings.fingerprint,
    };
    Ok(Records::update(call.context, |records| {
        records.set_ssh_place(place);
    })?)
}

/// Asks, where somebody can answer and did not give everything at once.
fn confirmed(
    call: &CommandContext<'_>,
    site: &Site,
    host: &str,
    port: u16,
    with_token: bool,
) -> bool {
    if with_token || !call.prompt.available() {
        return false;
    }
    let question = format!(
        "{} names {host} port {port} as its SSH server. Use it? [y/N] ",
        site.url
    );
    matches!(call.prompt.confirm(&question), Ok(true))
}

/// As `sshHost` takes it.
fn address(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// The site's host without port and brackets.
fn web_host(site: &Site) -> String {
    let rest = site.url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    match authority
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((address, _)) => address.to_owned(),
        None => authority.split(':').next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::accounts::tests::site;

    #[test]
    fn the_web_host_stands_without_port_and_brackets() {
        for (url, expected, why) in [
            (
                "https://git.example.com/bitbucket",
                "git.example.com",
                "context",
            ),
            ("https://git.example.com:8443", "git.example.com", "port"),
            ("https://[fd00::1]:8443/x", "fd00::1", "IPv6"),
        ] {
            assert_eq!(web_host(&site(url)), expected, "{why}");
        }
    }
}
