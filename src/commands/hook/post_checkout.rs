//! post-checkout in a fresh clone: whether `user.email` is an address of the account that was used.

use super::pre_push::is_zero;
use super::{PushTarget, addresses, has_address};
use crate::commands::context::CommandContext;
use crate::commands::{Error, git};
use crate::text::{Pasted, sanitise};

/// Whether a checkout is the first of a clone: the previous HEAD is all zeros, a branch was checked
/// out, and this is not a linked worktree.
pub(super) fn is_fresh_clone(
    call: &CommandContext<'_>,
    arguments: &[std::ffi::OsString],
) -> Result<bool, Error> {
    let [previous, _, branch] = arguments else {
        return Ok(false);
    };
    if !previous.to_str().is_some_and(is_zero) || branch.as_os_str() != "1" {
        return Ok(false);
    }
    let directories = git::line(
        call.context,
        &["rev-parse", "--git-dir", "--git-common-dir"],
    )?;
    Ok(directories
        .as_deref()
        .and_then(|lines| lines.split_once('\n'))
        .is_none_or(|(own, common)| own == common))
}

/// Reports a `user.email` that is not an address of the account, with the line that sets it. Silent
/// if no address of the account is known.
pub(super) fn post_checkout(
    call: &mut CommandContext<'_>,
    target: &PushTarget,
) -> Result<(), Error> {
    let PushTarget {
        repository,
        account,
        ..
    } = target;
    let Some(address) = addresses(account).next() else {
        return Ok(());
    };
    let email = git::line(call.context, &["config", "--get", "user.email"])?;
    let name = &account.account;
    match email {
        Some(email) if has_address(account, &email) => return Ok(()),
        Some(email) => call.warn(format!(
            "bitbucket-ssh: {repository} was cloned as {name}, but user.email is {}, which is not an address of that account",
            sanitise(&email)
        )),
        None => call.warn(format!(
            "bitbucket-ssh: {repository} was cloned as {name}, and user.email is not set"
        )),
    }
    let directory = call.context.directory.display().to_string();
    call.warn(format!(
        "hint: git -C {} config user.email {}",
        Pasted::new(&*directory),
        Pasted::new(address)
    ));
    Ok(())
}
