//! `credential get|store|erase`: git's credential helper for the sites' HTTPS remotes
//! (<https://git-scm.com/docs/gitcredentials>).
//!
//! The account is chosen as for SSH. For anything but a site's exact origin the answer is
//! empty, so that git asks the next helper. Standard output carries the protocol and nothing else.

pub(in crate::commands) mod memory;
mod protocol;

use super::arguments::Login;
use super::context::CommandContext;
use super::{Error, git, login};
use crate::bitbucket::{self, Access, credential};
use crate::connection::failure::Failure;
use crate::connection::resolve::{self, HttpsTarget};
use crate::context::ASKED_FOR_CREDENTIAL;
use crate::identity::{Account, AccountId};
use crate::repository::{Repository, Site};
use crate::settings::GitConfig;
use crate::text::{Pasted, Shown, in_hint};
use memory::Memory;
use protocol::{Answer, Attributes, TOKEN_USER, Target};

/// What a helper answers to `capability`.
const CAPABILITIES: &str = "version 0\ncapability state\n";

/// One operation of the protocol. Unknown ones are ignored, as gitcredentials(7) requires.
pub(super) fn run(call: &mut CommandContext<'_>, operation: &str) -> Result<(), Error> {
    match operation {
        "get" | "store" | "erase" => {}
        "capability" => {
            let _ = call.output.write_all(CAPABILITIES.as_bytes());
            return Ok(());
        }
        _ => return Ok(()),
    }
    // Asked by git that we started ourselves to read other helpers' tokens.
    if call.context.environment.raw(ASKED_FOR_CREDENTIAL).is_some() {
        return Ok(());
    }
    let attributes = match Attributes::read(call.input) {
        Ok(attributes) => attributes,
        Err(error) => {
            call.warn(format!("warning: {error}, so it is not answered"));
            return Ok(());
        }
    };
    let git_config = super::resolve::git_config(call.context)?;
    let sites = git_config.sites();
    let Some(site) = attributes.site(&sites) else {
        return Ok(());
    };
    let repository = match attributes.repository(site) {
        Target::Site => None,
        Target::Repository(repository) => Some(repository),
        Target::Other => return Ok(()),
    };
    let target = resolve::resolve_https(call.context, &git_config, site, repository.as_ref())?;
    if let Some(invalid) = target.settings.invalid_for_call() {
        return Err(Failure::InvalidSetting(invalid.clone()).into());
    }
    let question = Question {
        git_config: &git_config,
        site,
        repository: repository.as_ref(),
        target: &target,
        attributes: &attributes,
    };
    match operation {
        "get" => {
            if !question.get(call) && question.log_in(call)? {
                let target =
                    resolve::resolve_https(call.context, &git_config, site, repository.as_ref())?;
                let question = Question {
                    target: &target,
                    ..question
                };
                question.get(call);
            }
            Ok(())
        }
        "store" => {
            question.store(call);
            Ok(())
        }
        _ => {
            question.erase(call);
            Ok(())
        }
    }
}

/// Whether a person is at a terminal and may be asked: not in CI, and not with
/// `credential.interactive = false` (git-config(1)). GIT_TERMINAL_PROMPT=0 has taken the terminal
/// from the prompt already.
fn may_ask(call: &CommandContext<'_>) -> Result<bool, Error> {
    if !call.prompt.terminal() || call.context.environment.text("CI").is_some() {
        return Ok(false);
    }
    let interactive = git::line(call.context, &["config", "--get", "credential.interactive"])?;
    Ok(!interactive.is_some_and(|value| {
        matches!(
            value.to_ascii_lowercase().as_str(),
            "false" | "never" | "no" | "off" | "0"
        )
    }))
}

/// What git wants to know.
#[derive(Clone, Copy)]
struct Question<'a> {
    git_config: &'a GitConfig,
    site: &'a Site,
    /// `None`: git does not say.
    repository: Option<&'a Repository>,
    target: &'a HttpsTarget,
    attributes: &'a Attributes,
}

/// An account with its token.
struct Credential {
    account: AccountId,
    token: credential::Token,
}

impl Question<'_> {
    /// Answers. `false`: no account can.
    fn get(&self, call: &mut CommandContext<'_>) -> bool {
        let memory = Memory::open(call.context);
        let mut left = self.credentials(call, &memory);
        if left.is_empty() {
            return false;
        }
        let chosen = self.choose(call, &memory, &left);
        let Credential { account, token } = left.remove(chosen);
        let mut tried: Vec<&str> = Vec::new();
        if self.attributes.keeps_state && !left.is_empty() {
            tried.extend(self.attributes.tried.iter().map(String::as_str));
            tried.push(&account.name);
        }
        tracing::info!("{account}: answering for {}", self.shown());
        let answer = Answer {
            user_name: protocol::user_name(self.site, &token.account),
            secret: &token.secret,
            expires: None,
            tried,
        };
        // A caller that has gone needs no answer.
        let _ = answer.write(call.output);
        true
    }

    /// Lets a person at a terminal log in, as a git command over SSH does; where none can be asked,
    /// says which command does. `false`: there was no login. Only where no account is known: a URL
    /// that names another user, and an account whose token was refused, are left to other helpers.
    fn log_in(&self, call: &mut CommandContext<'_>) -> Result<bool, Error> {
        let logged_in = self.target.records.accounts().iter();
        let mut logged_in = logged_in.filter(|known| known.logged_in);
        if self.attributes.username.is_some()
            || logged_in.any(|known| known.account.site == self.site.url)
        {
            return Ok(false);
        }
        if !may_ask(call)? {
            call.warn(format!(
                "hint: no account is logged in on {}; git bitbucket login --site {}",
                in_hint(&self.site.url),
                Pasted::new(&self.site.url)
            ));
            return Ok(false);
        }
        let account = self.target.order.accounts.first();
        let options = Login {
            account: account.map(|(account, _)| account.name.clone()),
            site: Some(self.site.url.clone()),
            ..Login::default()
        };
        // Standard output is the protocol's.
        let mut nested = CommandContext {
            context: call.context,
            prompt: call.prompt,
            typed: call.typed,
            input: &mut std::io::empty(),
            colour: false,
            columns: call.columns,
            output: &mut std::io::stderr(),
            errors: call.errors,
        };
        login::login(&mut nested, &options)?;
        Ok(true)
    }

    /// The accounts that may answer, in order, as far as they have a token. Those that this git
    /// command tried, and those that the site refused here, are skipped.
    fn credentials(&self, call: &mut CommandContext<'_>, memory: &Memory) -> Vec<Credential> {
        let now = call.context.clock.now();
        let mut found = Vec::new();
        for (account, reason) in &self.target.order.accounts {
            let tried = &self.attributes.tried;
            if tried
                .iter()
                .any(|name| name.eq_ignore_ascii_case(&account.name))
            {
                continue;
            }
            if !self.is_wanted(account) {
                tracing::info!("{account}: skipped, because the URL names another user");
                continue;
            }
            if memory.refused(account, self.repository, now).is_some() {
                tracing::info!("{account}: skipped, because its token was refused");
                continue;
            }
            match credential::find(call.context, self.site, &account.name) {
                Ok(Some(token)) => {
                    tracing::info!("{account}: {}", reason.text);
                    found.push(Credential {
                        account: account.clone(),
                        token,
                    });
                }
                Ok(None) => tracing::info!("{account}: skipped, because it has no token here"),
                Err(error) => call.warn(format!(
                    "warning: {}: {}",
                    Shown::new(&account.name),
                    Shown::new(error.to_string())
                )),
            }
        }
        found
    }

    /// Whether the user name that git has leaves this account: its address, its user name or
    /// nickname, or a name that stands for any.
    fn is_wanted(&self, account: &AccountId) -> bool {
        let Some(wanted) = self.attributes.username.as_deref() else {
            return true;
        };
        let same = |name: &str| name.eq_ignore_ascii_case(wanted);
        wanted == TOKEN_USER
            || wanted == "git"
            || same(&account.name)
            || self.recorded(account).is_some_and(|known| {
                known.is_called(wanted) || known.emails.iter().any(|one| same(one))
            })
    }

    fn recorded(&self, account: &AccountId) -> Option<&Account> {
        let mut accounts = self.target.records.accounts().iter();
        accounts.find(|known| known.account == *account)
    }

    /// Which of several accounts answers: the one that last served this repository; else the first
    /// that can push; else the first that can read. git does not tell a helper whether it fetches or
    /// pushes. The site is asked only if nothing is remembered; if it cannot be asked about an
    /// account, that account counts as one without access.
    fn choose(
        &self,
        call: &CommandContext<'_>,
        memory: &Memory,
        credentials: &[Credential],
    ) -> usize {
        let (Some(repository), [_, _, ..]) = (self.repository, credentials) else {
            return 0;
        };
        let position = |name: &str| {
            let mut credentials = credentials.iter();
            credentials.position(|one| one.account.name.eq_ignore_ascii_case(name))
        };
        if let Some(known) = memory.served(repository).and_then(position) {
            return known;
        }
        let mut readers = Vec::new();
        for (number, credential) in credentials.iter().enumerate() {
            match self.access(call, credential, repository) {
                Ok(Access::Write) => {
                    memory::served(call.context, &credential.account, repository);
                    return number;
                }
                Ok(Access::Read) => readers.push(number),
                Ok(Access::None) => {
                    tracing::info!("{}: has no access to {repository}", credential.account);
                }
                Err(error) => tracing::info!("{}: {error}", credential.account),
            }
        }
        match readers.first() {
            Some(&reader) => {
                memory::served(call.context, &credentials[reader].account, repository);
                reader
            }
            None => 0,
        }
    }

    fn access(
        &self,
        call: &CommandContext<'_>,
        credential: &Credential,
        repository: &Repository,
    ) -> Result<Access, bitbucket::Error> {
        let http = self.git_config.http(&self.site.api_url);
        let token = credential.token.clone();
        bitbucket::connect(call.context, self.site, token, http, bitbucket::Caller::Git)?
            .access(repository)
    }

    /// The account whose token this is. `None`: it is not a token that `login` stored.
    fn owner(&self, call: &CommandContext<'_>) -> Option<AccountId> {
        let secret = self.attributes.password.as_ref()?;
        let accounts = self
            .target
            .order
            .accounts
            .iter()
            .map(|(account, _)| account);
        let recorded = self.target.records.accounts().iter();
        let recorded = recorded.map(|known| &known.account);
        let mut of_site = accounts.chain(recorded.filter(|account| account.site == self.site.url));
        of_site
            .find(|account| {
                let found = credential::find(call.context, self.site, &account.name);
                matches!(found, Ok(Some(token)) if token.secret == *secret)
            })
            .cloned()
    }

    /// The site took the credential. Nothing but the account's name is kept.
    fn store(&self, call: &CommandContext<'_>) {
        let Some(repository) = self.repository else {
            return;
        };
        if let Some(account) = self.owner(call) {
            memory::served(call.context, &account, repository);
        }
    }

    /// The site refused the credential. The token stays where it is: git says `erase` also after a
    /// redirect to another host.
    fn erase(&self, call: &mut CommandContext<'_>) {
        let Some(account) = self.owner(call) else {
            return;
        };
        memory::refuse(call.context, &account, self.repository);
        call.warn(format!(
            "warning: {} did not accept the API token of {} for {}; it is not used there for a day",
            Shown::new(&self.site.url),
            Shown::new(&account.name),
            self.shown(),
        ));
        call.warn(format!(
            "hint: git bitbucket login {}",
            Pasted::new(&account.name)
        ));
    }

    fn shown(&self) -> String {
        let name = self
            .repository
            .map_or_else(|| self.site.url.clone(), ToString::to_string);
        Shown::new(&name).to_string()
    }
}
