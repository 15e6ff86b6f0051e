//! `hook NAME`: what the git hooks of the folder `hooks/` call.
//!
//! A hook must never stand in the way of its git command for a reason of its own: everything that
//! goes wrong here is a warning. Runs git for what only git knows. Knows `repository`, `settings`'
//! and `identity`'s values.

mod post_checkout;
mod pre_push;

use std::ffi::OsString;

use super::arguments::{Hook, HookName};
use super::context::CommandContext;
use super::{Error, resolve, status};
use crate::connection::failure::Failure;
use crate::context::Context;
use crate::identity::Account;
use crate::repository::{Direction, Repository};
use crate::settings::AuthorCheck;

/// A repository on a site, and as whom this machine goes there.
#[derive(Debug, Clone)]
pub struct PushTarget {
    /// Where.
    pub repository: Repository,
    /// As whom: the account of the plan's first candidate.
    pub account: Account,
    /// What is done about other addresses.
    pub check: AuthorCheck,
}

/// Whether git may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may.
    Pass,
    /// `bitbucket.hooks.author = refuse`, and an address is not the account's.
    Refuse,
}

/// Does what the hook is for. Where the URL is on no site of ours, or nobody is known who goes
/// there, nothing is said. A failure of its own is a warning.
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

/// `<remote's name or URL> <URL>` (githooks(5)): both the same where the remote has no name.
fn before_push(call: &mut CommandContext<'_>, arguments: &[OsString]) -> Result<Verdict, Error> {
    let mut lines = Vec::new();
    // Read whole, also where nothing is checked: git need not meet a closed pipe.
    call.input
        .read_to_end(&mut lines)
        .map_err(|why| Error::file(std::path::Path::new("standard input"), why))?;
    let [name, url] = arguments else {
        return Ok(Verdict::Pass);
    };
    let url = url.to_string_lossy();
    let Some(going) = push_target(call.context, &url, Direction::Push)? else {
        return Ok(Verdict::Pass);
    };
    let remote = name.to_str().filter(|name| *name != url);
    pre_push::pre_push(call, &going, remote, &String::from_utf8_lossy(&lines))
}

/// `<previous HEAD> <new HEAD> <1 for a branch>`.
fn after_checkout(call: &mut CommandContext<'_>, arguments: &[OsString]) -> Result<(), Error> {
    if !post_checkout::is_fresh_clone(call, arguments)? {
        return Ok(());
    }
    // A new repository without a remote is no clone.
    let Ok(url) = status::url(call.context, None) else {
        return Ok(());
    };
    match push_target(call.context, &url, Direction::Fetch)? {
        Some(going) => post_checkout::post_checkout(call, &going),
        None => Ok(()),
    }
}

/// `None`: the URL is on no Bitbucket site, or no account is known for it. Touches no network.
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

/// Whether an address is one of the account's, without regard to case. The name of an account
/// counts where it is an address.
fn knows(account: &Account, address: &str) -> bool {
    addresses(account).any(|known| known.eq_ignore_ascii_case(address))
}

/// The addresses of an account, its name first where it is one. Empty: none is known.
fn addresses(account: &Account) -> impl Iterator<Item = &str> {
    let name = account.account.name.as_str();
    let emails = account.emails.iter().map(String::as_str);
    std::iter::once(name)
        .filter(|name| name.contains('@'))
        .chain(emails)
}

#[cfg(test)]
mod tests;
