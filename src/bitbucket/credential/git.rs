//! git's credential helpers (git-credential(1)), without any interaction.
//!
//! git runs outside of every repository, so that a repository's own configuration names no helper.

use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::{Error, same_account};
use crate::bitbucket::http::Address;
use crate::context::{ASKED_FOR_CREDENTIAL, Context};
use crate::repository::Site;
use crate::secret::Secret;

const LIMIT: Duration = Duration::from_secs(10);
/// More than any answer of `git credential`.
const LONGEST: u64 = 64 * 1024;

/// The token for the host of the API, else that for the site's web host. `None`: no helper has one, or
/// none answered in time.
pub(super) fn fill(context: &Context, site: &Site, account: &str) -> Option<Secret> {
    let mut addresses: Vec<Address> = Vec::new();
    for address in [&site.api_url, &site.url]
        .into_iter()
        .filter_map(|url| Address::parse(url))
    {
        let known = addresses.iter().any(|known| known.same_origin(&address));
        if !known {
            addresses.push(address);
        }
    }
    addresses
        .iter()
        .find_map(|address| fill_at(context, address, account))
}

/// Gives the token to every helper, for the API's host, and checks that one stored it.
pub(super) fn store(
    context: &Context,
    site: &Site,
    account: &str,
    secret: &Secret,
) -> Result<(), Error> {
    let address = Address::parse(&site.api_url).ok_or(Error::NotStored)?;
    let input = description(&address, account, Some(secret)).ok_or(Error::NotStored)?;
    run(context, "approve", &input);
    match fill_at(context, &address, account) {
        Some(stored) if stored == *secret => Ok(()),
        _ => Err(Error::NotStored),
    }
}

/// Removes the token from every helper, for the API's host. `false`: none had it.
pub(super) fn forget(context: &Context, site: &Site, account: &str) -> bool {
    let Some(address) = Address::parse(&site.api_url) else {
        return false;
    };
    let Some(secret) = fill_at(context, &address, account) else {
        return false;
    };
    let Some(input) = description(&address, account, Some(&secret)) else {
        return false;
    };
    run(context, "reject", &input);
    fill_at(context, &address, account).is_none()
}

fn fill_at(context: &Context, address: &Address, account: &str) -> Option<Secret> {
    let input = description(address, account, None)?;
    let output = run(context, "fill", &input)?;
    let output = std::str::from_utf8(&output).ok()?;
    let value = |name: &str| {
        let mut lines = output.lines().filter_map(|line| line.split_once('='));
        lines.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let password = value("password").filter(|password| !password.is_empty())?;
    same_account(value("username")?, account).then(|| Secret::new(password.to_owned()))
}

/// The lines of the protocol. `None`: a value does not fit on one line.
fn description(
    address: &Address,
    account: &str,
    secret: Option<&Secret>,
) -> Option<Zeroizing<String>> {
    let password = secret.map_or("", Secret::reveal);
    if [account, password]
        .iter()
        .any(|text| text.contains(['\n', '\r', '\0']))
    {
        return None;
    }
    let (scheme, host) = (address.scheme(), address.host_port());
    let mut text = Zeroizing::new(format!(
        "protocol={scheme}\nhost={host}\nusername={account}\n"
    ));
    if secret.is_some() {
        text.push_str("password=");
        text.push_str(password);
        text.push('\n');
    }
    text.push('\n');
    Some(text)
}

/// What git wrote. `None`: it failed, is not installed, or took too long.
fn run(context: &Context, action: &str, input: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut child = context
        .command("git")
        .args(["-c", "credential.interactive=false", "credential", action])
        // No repository: git takes system and global configuration alone.
        .env("GIT_DIR", if cfg!(windows) { "NUL" } else { "/dev/null" })
        .env("GIT_TERMINAL_PROMPT", "0")
        .env(ASKED_FOR_CREDENTIAL, "1")
        .env("GIT_ASKPASS", "")
        .env("SSH_ASKPASS", "")
        .env("GCM_INTERACTIVE", "never")
        .env("GIT_NO_LAZY_FETCH", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .inspect_err(|error| tracing::debug!("git credential: {error}"))
        .ok()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper need not read its input.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = read(&mut child);
    let succeeded = output.is_some() && finished(&mut child);
    tracing::debug!(
        "git credential {action}: {}",
        if succeeded { "answered" } else { "nothing" }
    );
    if succeeded { output } else { None }
}

/// The whole output, unless it takes too long.
fn read(child: &mut Child) -> Option<Zeroizing<Vec<u8>>> {
    let stdout = child.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut output = Zeroizing::new(Vec::with_capacity(4096));
        let read = stdout.take(LONGEST).read_to_end(&mut output);
        let _ = sender.send(read.map(|_| output));
    });
    if let Ok(read) = receiver.recv_timeout(LIMIT) {
        return read.ok();
    }
    tracing::debug!("git credential took longer than {} s", LIMIT.as_secs());
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// Whether it succeeded, and ended soon after its output.
fn finished(child: &mut Child) -> bool {
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if start.elapsed() < LIMIT => std::thread::sleep(Duration::from_millis(5)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}
