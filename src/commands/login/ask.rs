//! Site, account and token of a login: from the command line, standard input, or the user.

use super::Attempt;
use crate::commands::Error;
use crate::commands::accounts::Accounts;
use crate::commands::arguments::Login;
use crate::commands::context::CommandContext;
use crate::prompt;
use crate::provision::token_instructions;
use crate::repository::{Site, SiteKind};
use crate::secret::Secret;
use crate::settings::check_account;

/// More of standard input is not read.
const LIMIT: u64 = 64 * 1024;

/// Site, account and token. `user_email`: the user's own, never a repository's; the default account on Cloud. Asks only where a
/// user can answer.
pub(super) fn ask(
    call: &mut CommandContext<'_>,
    options: &Login,
    known: &Accounts,
    user_email: Option<&str>,
) -> Result<Attempt, Error> {
    let site = known
        .site(options.site.as_deref(), options.account.as_deref())?
        .clone();
    if !options.with_token && !call.prompt.available() {
        return Err(Error::NoToken(options.account.clone()));
    }
    let account = match &options.account {
        Some(account) => account.trim().to_owned(),
        None => ask_account(call, options, &site, user_email)?,
    };
    let wrong = check_account(&account).err();
    if let Some(why) = wrong.or_else(|| account.is_empty().then(|| "an account is needed".into())) {
        return Err(Error::Usage {
            what: why,
            hint: "git bitbucket login ACCOUNT".to_owned(),
        });
    }
    let secret = if options.with_token {
        read_token(call)?
    } else {
        for line in token_instructions(&site, &account) {
            call.warn(line);
        }
        let text = format!("API token for {account}: ");
        let answer = call.prompt.secret(&text).map_err(unanswered)?;
        Secret::new(answer.reveal().trim().to_owned())
    };
    if secret.is_empty() {
        return Err(Error::EmptyToken);
    }
    Ok(Attempt {
        site,
        account,
        secret,
    })
}

/// The account where the command line names none: the user's address on Cloud, the login name on Data
/// Center; the user can enter another.
fn ask_account(
    call: &mut CommandContext<'_>,
    options: &Login,
    site: &Site,
    user_email: Option<&str>,
) -> Result<String, Error> {
    let login_name = call.context.login_name();
    let (kind, offered) = match site.kind {
        SiteKind::Cloud => ("Atlassian e-mail address", user_email),
        SiteKind::DataCenter => ("user name", login_name.as_deref()),
    };
    let offered = offered.unwrap_or_default().to_owned();
    let settled = options.with_token && !offered.is_empty();
    if settled || !call.prompt.available() {
        return Ok(offered);
    }
    let bracket = if offered.is_empty() {
        String::new()
    } else {
        format!(" [{offered}]")
    };
    let question = format!("Account on {} ({kind}){bracket}: ", site.url);
    let answer = call.prompt.line(&question).map_err(unanswered)?;
    Ok(match answer.trim() {
        "" => offered,
        answer => answer.to_owned(),
    })
}

/// The first line of standard input.
fn read_token(call: &mut CommandContext<'_>) -> Result<Secret, Error> {
    use std::io::Read as _;
    let mut text = zeroize::Zeroizing::new(String::new());
    (&mut call.input)
        .take(LIMIT)
        .read_to_string(&mut text)
        .map_err(|why| Error::file(std::path::Path::new("standard input"), why))?;
    let line = text.lines().next().unwrap_or_default().trim();
    Ok(Secret::new(line.to_owned()))
}

fn unanswered(why: prompt::Error) -> Error {
    match why {
        prompt::Error::Unavailable => Error::NoToken(None),
        other => Error::Unanswered(other),
    }
}
