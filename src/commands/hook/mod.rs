//! `hook NAME`: what the git hooks of the folder `hooks/` call.
//!
//! A hook never makes its git command fail because of an error of its own: those are warnings.

mod post_checkout;
mod pre_push;

use std::ffi::OsString;

use super::arguments::{Hook, HookName};
use super::context::CommandContext;
use super::{Error, git, resolve};
use crate::connection::failure::Failure;
use crate::context::Context;
use crate::identity::Account;
use crate::repository::{Direction, Repository};
use crate::settings::AuthorCheck;

/// A repository and the account that is used for it.
#[derive(Debug)]
struct PushTarget {
    repository: Repository,
    /// The account of the plan's first candidate.
    account: Account,
    /// What to do about other addresses.
    check: AuthorCheck,
}

/// Whether git continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It does.
    Pass,
    /// `bitbucket.hooks.author = refuse`, and an address does not belong to the account.
    Refuse,
}

/// Runs a hook. Silent if the URL is on no Bitbucket site or no account is known for it.
pub(super) fn hook(call: &mut CommandContext<'_>, options: &Hook) -> Verdict {
    let outcome = match options.name {
        HookName::PrePush => before_push(call, &options.arguments),
        HookName::PostCheckout => after_checkout(call, &options.arguments).map(|()| Verdict::Pass),
    };
    outcome.unwrap_or_else(|why| {
        call.warn(format!(
            "bitbucket-ssh: warning: the check of author addresses failed: {why}"
        ));
        Verdict::Pass
    })
}

/// `<remote's name or URL> <URL>` (githooks(5)); both are the same if the remote has no name.
fn before_push(call: &mut CommandContext<'_>, arguments: &[OsString]) -> Result<Verdict, Error> {
    let mut lines = Vec::new();
    // Read to the end even if nothing is checked, so that git does not write to a closed pipe.
    call.input
        .read_to_end(&mut lines)
        .map_err(|why| Error::file(std::path::Path::new("standard input"), why))?;
    let [name, url] = arguments else {
        return Ok(Verdict::Pass);
    };
    let url = url.to_string_lossy();
    let Some(target) = push_target(call.context, &url, Direction::Push)? else {
        return Ok(Verdict::Pass);
    };
    let remote = name.to_str().filter(|name| *name != url);
    pre_push::pre_push(call, &target, remote, &String::from_utf8_lossy(&lines))
}

/// `<previous HEAD> <new HEAD> <1 for a branch>`.
fn after_checkout(call: &mut CommandContext<'_>, arguments: &[OsString]) -> Result<(), Error> {
    if !post_checkout::is_fresh_clone(call, arguments)? {
        return Ok(());
    }
    // A new repository without a remote is not a clone.
    let Ok(url) = git::url(call.context, None) else {
        return Ok(());
    };
    match push_target(call.context, &url, Direction::Fetch)? {
        Some(target) => post_checkout::post_checkout(call, &target),
        None => Ok(()),
    }
}

/// `None`: the URL is not on a configured Bitbucket site, or no account is known for it. Touches no network.
fn push_target(
    context: &Context,
    url: &str,
    direction: Direction,
) -> Result<Option<PushTarget>, Error> {
    let Some(resolved) = resolve::url(context, url, direction)? else {
        return Ok(None);
    };
    let target = resolved.target;
    if let Some(invalid) = target.settings.invalid.get("hooks.author") {
        return Err(Failure::InvalidSetting(invalid.clone()).into());
    }
    let first = target.plan.candidates.first();
    let account = first.and_then(|candidate| candidate.account.as_ref());
    let account = account.and_then(|name| target.records.account(name));
    Ok(match (target.located.repository, account) {
        (Some(repository), Some(account)) => Some(PushTarget {
            repository,
            account: account.clone(),
            check: target.settings.author_check.value,
        }),
        _ => None,
    })
}

/// Whether an address belongs to the account, without regard to case.
fn has_address(account: &Account, address: &str) -> bool {
    addresses(account).any(|known| known.eq_ignore_ascii_case(address))
}

/// The known addresses of an account, first its name if that is an address.
fn addresses(account: &Account) -> impl Iterator<Item = &str> {
    let name = account.account.name.as_str();
    let emails = account.emails.iter().map(String::as_str);
    std::iter::once(name)
        .filter(|name| name.contains('@'))
        .chain(emails)
}

#[cfg(test)]
mod tests;
