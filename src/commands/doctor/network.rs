//! Name resolution, TCP and SSH of each endpoint, the API, and the clock, with times.

use std::io::Read as _;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;

use super::checkup::{Checkup, word};
use super::finding::{Finding, Verdict};
use super::git;
use crate::bitbucket;
use crate::commands::setup::edit::literally;
use crate::diagnostics::{self, os_error_message};
use crate::repository::{Site, SshHost};
use crate::text::sanitise;

/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Each endpoint in its order, then the API and what it says of the time.
pub(super) fn check(checkup: &Checkup<'_>) -> Vec<Finding> {
    if checkup.offline {
        let skip = |check| Finding::skip(check, "--offline").next(checkup.again(""));
        return ["resolve", "tcp", "ssh", "api", "clock"].map(skip).into();
    }
    let mut findings = Vec::new();
    match &checkup.examined {
        Ok(examined) => {
            let config = &examined.config;
            if config.proxy_command.is_some() || config.proxy_jump.is_some() {
                findings.push(Finding::skip(
                    "tcp",
                    "ssh_config's proxy is the way; the session shows whether it leads there",
                ));
            } else {
                let addresses = examined
                    .ours
                    .endpoints
                    .iter()
                    .map(|endpoint| &endpoint.address);
                findings.extend(endpoints(checkup, addresses));
            }
        }
        Err(_) => findings.push(Finding::skip("tcp", "the settings cannot be read")),
    }
    findings.extend(api(checkup));
    findings
}

/// One that does not answer is a FAIL where none does, else a WARN.
fn endpoints<'a>(
    checkup: &Checkup<'_>,
    addresses: impl Iterator<Item = &'a SshHost>,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = addresses
        .flat_map(|address| endpoint(checkup, address))
        .collect();
    let answers = |finding: &Finding| finding.check == "ssh" && finding.verdict == Verdict::Ok;
    if findings.iter().any(answers) {
        for finding in &mut findings {
            if finding.verdict == Verdict::Fail {
                finding.verdict = Verdict::Warn;
            }
        }
    }
    findings
}

/// The line that takes an endpoint out of the settings. `None`: they do not name it.
fn unset(checkup: &Checkup<'_>, address: &SshHost) -> Option<String> {
    let key = format!("bitbucket.{}.sshHost", checkup.site().url);
    let values = git::values(checkup.context, &key);
    let named = values.iter().find(|named| {
        let (host, port) = named.value.rsplit_once(':').unwrap_or((&named.value, "22"));
        host.eq_ignore_ascii_case(&address.host) && port.parse() == Ok(address.port)
    })?;
    let pattern = word(&literally(&named.value));
    let line = git::unset(checkup, &named.file, &key);
    Some(format!("{line} {pattern}"))
}

fn endpoint(checkup: &Checkup<'_>, address: &SshHost) -> Vec<Finding> {
    let place = format!("{}:{}", address.host, address.port);
    let _waiting = diagnostics::waiting("endpoint", || format!("asking {place}"));
    let begun = Instant::now();
    let found = match resolve(address) {
        Ok(found) => found,
        Err(why) => {
            let next = unset(checkup, address)
                .unwrap_or_else(|| format!("getent hosts {}", word(&address.host)));
            return vec![
                Finding::fail("resolve", why)
                    .about(place)
                    .next(next)
                    .took(begun.elapsed()),
            ];
        }
    };
    let resolved = Finding::ok(
        "resolve",
        match found.len() {
            1 => "1 address".to_owned(),
            number => format!("{number} addresses"),
        },
    );
    let mut findings = vec![resolved.about(&place).took(begun.elapsed())];
    let begun = Instant::now();
    let mut last = None;
    let stream = found.iter().find_map(|address| {
        TcpStream::connect_timeout(address, PATIENCE)
            .map_err(|error| last = Some(error))
            .ok()
    });
    let next = || {
        unset(checkup, address)
            .unwrap_or_else(|| format!("nc -vz {} {}", word(&address.host), address.port))
    };
    let Some(mut stream) = stream else {
        let why = last.map_or_else(|| "no address".to_owned(), |error| os_error_message(&error));
        findings.push(
            Finding::fail("tcp", why)
                .about(place)
                .next(next())
                .took(begun.elapsed()),
        );
        return findings;
    };
    findings.push(
        Finding::ok("tcp", "connected")
            .about(&place)
            .took(begun.elapsed()),
    );
    let begun = Instant::now();
    findings.push(match version_line(&mut stream) {
        Ok(line) => Finding::ok("ssh", line).about(place).took(begun.elapsed()),
        Err(why) => Finding::fail("ssh", why)
            .about(place)
            .next(next())
            .took(begun.elapsed()),
    });
    findings
}

/// The resolver has no time-out of its own; nobody waits longer than [`PATIENCE`] for it.
fn resolve(address: &SshHost) -> Result<Vec<SocketAddr>, String> {
    let (sender, receiver) = mpsc::channel();
    let place = (address.host.clone(), address.port);
    std::thread::spawn(move || sender.send(place.to_socket_addrs().map(Vec::from_iter)));
    match receiver.recv_timeout(PATIENCE) {
        Ok(Ok(found)) if found.is_empty() => Err("the name has no address".to_owned()),
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(sanitise(&error.to_string())),
        Err(_) => Err("the resolver does not answer".to_owned()),
    }
}

/// The server's identification (RFC 4253, section 4.2), at most 255 bytes a line.
fn version_line(stream: &mut TcpStream) -> Result<String, String> {
    let words = |error: std::io::Error| os_error_message(&error);
    stream.set_read_timeout(Some(PATIENCE)).map_err(words)?;
    let mut text = Vec::new();
    let mut byte = [0];
    while text.len() < 4096 {
        if stream.read(&mut byte).map_err(words)? == 0 {
            return Err("the connection is closed before a version line".to_owned());
        }
        text.push(byte[0]);
        if byte[0] == b'\n' {
            let line = String::from_utf8_lossy(&text).trim_end().to_owned();
            if line.starts_with("SSH-") {
                return Ok(sanitise(&line));
            }
            text.clear();
        }
    }
    Err("no SSH server answers".to_owned())
}

/// A clock that is off by more spoils certificates and expiry dates.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Whether it answers, and how far the clocks are apart.
fn api(checkup: &Checkup<'_>) -> Vec<Finding> {
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
    if let Some(configured) = git::configured(checkup.context, &key) {
        return git::unset(checkup, &configured.file, &key);
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

    #[test]
    fn a_server_that_speaks_something_else_is_no_ssh_server() {
        use std::io::Write as _;
        for (said, expected, why) in [
            (
                "SSH-2.0-x\r\n",
                Ok("SSH-2.0-x".to_owned()),
                "a version line",
            ),
            (
                "hello\r\nSSH-2.0-y\r\n",
                Ok("SSH-2.0-y".to_owned()),
                "lines in front are allowed",
            ),
            (
                "",
                Err("the connection is closed before a version line".to_owned()),
                "closed",
            ),
        ] {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut server, _) = listener.accept().unwrap();
            server.write_all(said.as_bytes()).unwrap();
            drop(server);
            assert_eq!(version_line(&mut client), expected, "{why}");
        }
    }

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
