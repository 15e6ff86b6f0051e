//! The network: name resolution, TCP and SSH of each endpoint, the API, the clock, and a real
//! session, with times.

use std::io::{Read as _, Seek as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;

use super::checkup::{Checkup, word};
use super::finding::{Finding, Verdict};
use super::git;
use crate::bitbucket;
use crate::commands::config_file::literally;
use crate::commands::resolve::Resolved;
use crate::connection::managed_keys::ManagedKeys;
use crate::diagnostics::{self, os_error_message};
use crate::identity::{Candidate, Identity, Offer};
use crate::prompt::Prompt;
use crate::report;
use crate::repository::{Service, Site, SiteKind, SshHost};
use crate::text::{sanitise, span};
use crate::transport::{Endpoint, Error, ExecRequest, Outcome, Session, Streams, run};

/// The time-out of each step.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Each endpoint in its order, then the API and the clock.
pub(super) fn check(checkup: &Checkup<'_>) -> Vec<Finding> {
    if checkup.offline {
        let skip = |check| Finding::skip(check, "--offline").next(checkup.again(""));
        return ["resolve", "tcp", "ssh", "api", "clock"].map(skip).into();
    }
    let mut findings = match &checkup.resolved {
        Err(_) => vec![Finding::skip(
            "tcp",
            "not checked: the settings cannot be read",
        )],
        Ok(Resolved { config, .. })
            if config.endpoint.proxy_command.is_some() || config.endpoint.proxy_jump.is_some() =>
        {
            let text = "not checked: ssh_config sets a proxy, which the session check covers";
            vec![Finding::skip("tcp", text)]
        }
        Ok(resolved) => endpoints(checkup, &resolved.target.route.endpoints),
    };
    findings.extend(api(checkup));
    findings
}

/// An endpoint that does not answer is a WARN if another one does, else a FAIL.
fn endpoints(checkup: &Checkup<'_>, endpoints: &[Endpoint]) -> Vec<Finding> {
    let endpoints = endpoints.iter();
    let findings = endpoints.flat_map(|one| endpoint(checkup, &one.address));
    let mut findings: Vec<Finding> = findings.collect();
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

/// The line that removes an endpoint from the settings. `None`: they do not name it.
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

/// Name resolution, TCP and SSH of one endpoint, up to the first that fails.
fn endpoint(checkup: &Checkup<'_>, address: &SshHost) -> Vec<Finding> {
    let place = format!("{}:{}", address.host, address.port);
    let _waiting = diagnostics::waiting("endpoint", || format!("asking {place}"));
    let mut findings = Vec::new();
    let mut add = |check, start: Instant, result: Result<String, String>, test: String| {
        let finding = match result {
            Ok(text) => Finding::ok(check, text),
            Err(why) => Finding::fail(check, why).next(unset(checkup, address).unwrap_or(test)),
        };
        findings.push(finding.about(&place).took(start.elapsed()));
    };
    let host = word(&address.host);
    let start = Instant::now();
    let found = resolve(address);
    let text = found.as_ref().map(|found| match found.len() {
        1 => "1 address".to_owned(),
        number => format!("{number} addresses"),
    });
    add(
        "resolve",
        start,
        text.map_err(Clone::clone),
        format!("getent hosts {host}"),
    );
    let probe = || format!("nc -vz {host} {}", address.port);
    if let Ok(found) = found {
        let start = Instant::now();
        let stream = connect(&found);
        let text = stream.as_ref().map(|_| "connected".to_owned());
        add("tcp", start, text.map_err(Clone::clone), probe());
        if let Ok(mut stream) = stream {
            let start = Instant::now();
            add("ssh", start, version_line(&mut stream), probe());
        }
    }
    findings
}

/// A connection to the first address that accepts one, else the last error.
fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, String> {
    let mut last = Err("no address".to_owned());
    for address in addresses {
        last = TcpStream::connect_timeout(address, TIMEOUT).map_err(|why| os_error_message(&why));
        if last.is_ok() {
            break;
        }
    }
    last
}

/// The resolver has no time-out of its own, so it runs in a thread of its own.
fn resolve(address: &SshHost) -> Result<Vec<SocketAddr>, String> {
    let (sender, receiver) = mpsc::channel();
    let place = (address.host.clone(), address.port);
    std::thread::spawn(move || sender.send(place.to_socket_addrs().map(Vec::from_iter)));
    match receiver.recv_timeout(TIMEOUT) {
        Ok(Ok(found)) if found.is_empty() => Err("the name has no address".to_owned()),
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(sanitise(&error.to_string())),
        Err(_) => Err("the resolver does not answer".to_owned()),
    }
}

/// The server's identification (RFC 4253, section 4.2), at most 255 bytes a line.
fn version_line(stream: &mut TcpStream) -> Result<String, String> {
    let words = |error: std::io::Error| os_error_message(&error);
    stream.set_read_timeout(Some(TIMEOUT)).map_err(words)?;
    let mut text = Vec::new();
    let mut byte = [0];
    while text.len() < 4096 {
        if stream.read(&mut byte).map_err(words)? == 0 {
            return Err("the connection was closed before the SSH version line".to_owned());
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
    Err("the server does not speak SSH".to_owned())
}

/// With a larger difference, certificates and expiry dates are judged wrongly.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Whether the API answers, and the difference between the clocks.
fn api(checkup: &Checkup<'_>) -> [Finding; 2] {
    let site = checkup.site();
    let start = Instant::now();
    let reached = bitbucket::reach(checkup.context, &site, &checkup.http(&site));
    let took = start.elapsed();
    let (api, clock) = match reached {
        Ok(reached) => {
            let api = if reached.status < 500 {
                Finding::ok("api", format!("answers (HTTP status {})", reached.status))
            } else {
                let text = format!("answers HTTP status {}", reached.status);
                Finding::fail("api", text).next(checkup.again(""))
            };
            let now = checkup.context.clock.now();
            let clock = reached.date.map_or_else(
                || Finding::skip("clock", "the site does not report the time"),
                |date| clock(now.duration_since(date)),
            );
            (api, clock)
        }
        Err(error) => (
            Finding::fail("api", error.to_string()).next(way_to(checkup, &site)),
            Finding::skip("clock", "not checked: the API did not answer"),
        ),
    };
    [api.about(&site.api_url).took(took), clock]
}

/// The line that shows or removes what keeps the API from being reached.
fn way_to(checkup: &Checkup<'_>, site: &Site) -> String {
    let key = format!("bitbucket.{}.apiUrl", site.url);
    if let Some(configured) = git::configured(checkup.context, &key) {
        return git::unset(checkup, &configured.file, &key);
    }
    let http = checkup.http(site);
    let proxies = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    let is_set = |name: &&str| checkup.context.environment.raw(name).is_some();
    if http.proxy.is_some() || http.ssl_ca_info.is_some() {
        "git config --show-origin --get-regexp '^http\\.'".to_owned()
    } else if proxies.iter().any(is_set) {
        "env | grep -i _proxy".to_owned()
    } else {
        format!("curl -sSI {}", word(&site.api_url))
    }
}

/// `ahead`: by how much this machine's clock is ahead of the site's.
fn clock(ahead: SignedDuration) -> Finding {
    let off = span(ahead.unsigned_abs().max(Duration::from_secs(1)));
    if ahead.abs() <= SKEW {
        return Finding::ok("clock", format!("within {off} of the site's clock"));
    }
    let direction = if ahead.is_positive() {
        "ahead of"
    } else {
        "behind"
    };
    let text = format!("this machine's clock is {off} {direction} the site's");
    Finding::fail("clock", text).next("sudo timedatectl set-ntp true")
}

/// A real session: connect, authenticate, ask for the repository's refs and disconnect. The
/// identities are tried in the plan's order; the first candidate that has access ends it. No key is
/// created and nothing is written on the site.
pub(super) fn session(checkup: &Checkup<'_>, prompt: &dyn Prompt) -> Vec<Finding> {
    let check = "session";
    if checkup.offline {
        return vec![Finding::skip(check, "--offline").next(checkup.again(""))];
    }
    checkup.with_settings(check, |resolved| {
        let login = Login {
            checkup,
            resolved,
            prompt,
        };
        login.check()
    })
}

/// A login with the identities of one candidate after the other.
struct Login<'a> {
    checkup: &'a Checkup<'a>,
    resolved: &'a Resolved,
    prompt: &'a dyn Prompt,
}

impl Login<'_> {
    fn check(&self) -> Vec<Finding> {
        let check = "session";
        let mut findings = Vec::new();
        let mut new_key = false;
        for candidate in &self.resolved.target.plan.candidates {
            let Offer::Identities(identities) = &candidate.offer else {
                new_key = true;
                continue;
            };
            let start = Instant::now();
            let (finding, done) = self.one(candidate, identities);
            findings.push(finding.took(start.elapsed()));
            if done {
                return findings;
            }
        }
        if new_key {
            let text = "no existing key has access; the next fetch creates one";
            findings.push(Finding::warn(check, text).next(self.checkup.fetch()));
        } else if findings.is_empty() {
            let text = "no key to log in with";
            findings.push(Finding::fail(check, text).next("git bitbucket login"));
        }
        findings
    }

    /// One candidate's connection, and whether it ends the search.
    fn one(&self, candidate: &Candidate, identities: &[Identity]) -> (Finding, bool) {
        let check = "session";
        let account = candidate.account.as_ref();
        let who = account.map_or_else(
            || "a key of an unknown account".to_owned(),
            ToString::to_string,
        );
        let located = &self.resolved.target.located;
        let what = match &located.repository {
            Some(repository) => repository.to_string(),
            None => located.site.url.clone(),
        };
        match self.run(identities) {
            Ok(Outcome::Completed {
                identity, endpoint, ..
            }) => {
                let host = endpoint.address.host;
                let text = format!("{who} has access to {what} with {identity} through {host}");
                (Finding::ok(check, text), true)
            }
            Ok(Outcome::CompletedWithoutKey { .. }) => {
                let text = format!("{who} has access to {what} without a key");
                (Finding::ok(check, text), true)
            }
            Ok(Outcome::RepositoryDenied { stderr, .. }) => {
                let message = sanitise(String::from_utf8_lossy(&stderr).trim());
                let text = format!("logged in as {who}, which has no access to {what}: {message}");
                let next = match self.checkup.target() {
                    Some(target) => format!("git bitbucket status {}", word(target)),
                    None => "git bitbucket status".to_owned(),
                };
                (Finding::fail(check, text).next(next), false)
            }
            Ok(Outcome::AuthenticationFailed(refusal)) => {
                let user = refusal.user;
                let text = format!("login as {who} failed (user {user}): Permission denied");
                let next = match account {
                    Some(account) => {
                        format!("git bitbucket key new --account {}", word(&account.name))
                    }
                    None => "git bitbucket login".to_owned(),
                };
                (Finding::fail(check, text).next(next), false)
            }
            Err(error) => {
                let explained = report::connection::explain(&error.into());
                let last = explained.what.lines().last().unwrap_or_default();
                let next = explained.hints.iter().find_map(|hint| command_in(hint));
                let next = next.unwrap_or_else(|| self.checkup.again("--offline"));
                (Finding::fail(check, last).next(next), true)
            }
        }
    }

    /// `git-upload-pack` with a flush packet: the refs come, and no pack is asked for. Without a
    /// repository the site's greeting.
    fn run(&self, identities: &[Identity]) -> Result<Outcome, Error> {
        let context = self.checkup.context;
        let target = &self.resolved.target;
        let folder = context.temporary_directory();
        let local = |error: std::io::Error| Error::Local(error.to_string());
        let file = || crate::storage::nameless_file(&folder).map_err(local);
        let (mut input, output, mut errors) = (file()?, file()?, file()?);
        let (command, service) = match &target.located.repository {
            Some(repository) => {
                input.write_all(b"0000").map_err(local)?;
                input.rewind().map_err(local)?;
                let root = match target.located.site.kind {
                    SiteKind::Cloud => "",
                    SiteKind::DataCenter => "/",
                };
                let command = format!("git-upload-pack '{root}{repository}.git'");
                (Some(command.into_bytes()), Service::UploadPack)
            }
            None => (None, Service::Other),
        };
        let git_config = self
            .checkup
            .git_config
            .as_ref()
            .map_err(|why| Error::Local(why.clone()))?;
        let site = &target.located.site;
        let keys = ManagedKeys::new(context, site, &target.settings, git_config);
        let session = Session {
            route: target.route.clone(),
            config: &self.resolved.config,
            context,
            identities: identities.to_vec(),
            as_ssh: false,
            exec: ExecRequest {
                command,
                service,
                environment: Vec::new(),
            },
            prompt: self.prompt,
            passphrase: &|file: &Path| keys.passphrase(identities, file),
        };
        let streams = Streams::of(Some(input), output, errors.try_clone().map_err(local)?);
        let outcome = run(session, streams)?;
        let mut stderr = String::new();
        let read = errors.rewind();
        let _ = read.and_then(|()| errors.read_to_string(&mut stderr));
        tracing::debug!("session: {}", sanitise(stderr.trim()));
        Ok(outcome)
    }
}

/// The command of a hint: the hint itself, or what follows its words. `None`: only words.
fn command_in(hint: &str) -> Option<String> {
    let behind = hint.split_once(": ").map(|(_, behind)| behind);
    let is_command = |text: &&str| {
        let program = text.split(' ').next().unwrap_or_default();
        matches!(program, "git" | "ssh" | "ssh-add" | "ssh-keygen" | "chmod")
    };
    let command = [Some(hint), behind].into_iter().flatten().find(is_command);
    command.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_speaks_something_else_is_no_ssh_server() {
        use std::io::Write as _;
        for (sent, expected, why) in [
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
                Err("the connection was closed before the SSH version line".to_owned()),
                "closed",
            ),
        ] {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut server, _) = listener.accept().unwrap();
            server.write_all(sent.as_bytes()).unwrap();
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
