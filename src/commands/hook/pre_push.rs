//! pre-push: do the commits that go to the site carry an address of the account that pushes?

use super::authors::{self, Authored};
use super::{PushTarget, Verdict, addresses, knows};
use crate::commands::Error;
use crate::commands::context::CommandContext;
use crate::settings::AuthorCheck;
use crate::text::{Pasted, counted, sanitise};

/// Names commits whose author address is none of the account's. `remote`: its name, `None` for a
/// bare URL; `lines`: what git wrote to the hook. An account without a known address passes.
pub(super) fn pre_push(
    call: &mut CommandContext<'_>,
    going: &PushTarget,
    remote: Option<&str>,
    lines: &str,
) -> Result<Verdict, Error> {
    if going.check == AuthorCheck::Off || addresses(&going.account).next().is_none() {
        return Ok(Verdict::Pass);
    }
    let updates = authors::updates(lines);
    let commits = authors::new_commits(call.context, remote, &updates)?;
    let foreign: Vec<_> = commits
        .iter()
        .filter(|authored| !knows(&going.account, &authored.address))
        .collect();
    if foreign.is_empty() {
        return Ok(Verdict::Pass);
    }
    let refused = going.check == AuthorCheck::Refuse;
    tell(call, going, &commits, &foreign, refused);
    Ok(if refused {
        Verdict::Refuse
    } else {
        Verdict::Pass
    })
}

/// More commits than this of one address are counted, not listed.
const LISTED: usize = 3;

fn tell(
    call: &mut CommandContext<'_>,
    going: &PushTarget,
    all: &[Authored],
    foreign: &[&Authored],
    refused: bool,
) {
    let total: usize = all.iter().map(|authored| authored.commits.len()).sum();
    let wrong: usize = foreign.iter().map(|authored| authored.commits.len()).sum();
    let kind = if refused { "refused" } else { "warning" };
    let commits = counted(total, "commit");
    call.warn(format!(
        "bitbucket-ssh: {kind}: {wrong} of {commits} for {} by an author address that {} does not have:",
        going.repository, going.account.account,
    ));
    for authored in foreign {
        let more = authored.commits.len().saturating_sub(LISTED);
        let listed: Vec<_> = authored.commits.iter().take(LISTED).cloned().collect();
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        call.warn(format!(
            "  {}  {}{more}",
            sanitise(&authored.address),
            listed.join(" ")
        ));
    }
    if let Some(address) = addresses(&going.account).next() {
        call.warn(format!(
            "hint: git config user.email {}",
            Pasted::new(address)
        ));
        call.warn("hint: git commit --amend --reset-author --no-edit");
    }
    call.warn(if refused {
        "hint: git config bitbucket.hooks.author warn"
    } else {
        "hint: git config bitbucket.hooks.author off"
    });
}
