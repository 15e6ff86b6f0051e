//! `status`: what git will do here; account, plan with reasons and origins, host keys, and what the next fetch would do,
//! as text and as JSON. Uses no network.

mod json;
mod text;

use std::ffi::OsString;
use std::path::PathBuf;

use json::json;
use text::render;

use super::arguments::Status;
use super::context::CommandContext;
use super::doctor::git::{self as doctor, Called, Source};
use super::resolve::Resolved;
use super::{Error, git, resolve};
use crate::bitbucket::credential;
use crate::context::Context;
use crate::host_key::{KnownFrom, known_hosts, published};
use crate::identity::{Account, AccountId, Candidate, Offer, Plan, State};
use crate::repository::{Direction, Repository, Site, SshHost};
use crate::settings::{KeyType, Origin, Provision, Settings, SshConfig, TransportKind};
use crate::text::{Pasted, Shown, sanitise, shown_user};
use crate::transport::{self, Endpoint};

/// Everything `status` shows.
#[derive(Debug, Clone)]
struct StatusReport {
    /// The site.
    site: Site,
    /// `None`: the URL names only a host of the site.
    repository: Option<Repository>,
    /// The user that a connection logs in as.
    user: String,
    /// The endpoints, in the order in which they are tried.
    endpoints: Vec<SshHost>,
    /// The settings that apply, and those that are ignored.
    settings: Settings,
    /// The plan that a connection would follow.
    plan: Plan,
    /// The recorded accounts of the site.
    accounts: Vec<Account>,
    /// The host keys that would be accepted.
    host_keys: Vec<KnownHostKey>,
    /// What git runs for SSH where that is not this program.
    other_program: Option<OtherProgram>,
    /// The first candidate needs a new key, and there is no token to register it.
    no_token: bool,
    /// The repository whose configuration git's ssh command does not see.
    unseen: Option<PathBuf>,
    /// Shown as `~` in text.
    home: Option<PathBuf>,
}

/// Another program than bitbucket-ssh that git runs for SSH.
#[derive(Debug, Clone, PartialEq, Eq)]
struct OtherProgram {
    /// The command line.
    command: String,
    /// Where it is set, for display. `None`: it is git's default.
    place: Option<String>,
    /// The line after which git runs bitbucket-ssh.
    remedy: &'static str,
}

/// A host key that would be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct KnownHostKey {
    /// Of which endpoint.
    endpoint: SshHost,
    /// `ssh-ed25519`, … `None`: the site reported only the fingerprint.
    algorithm: Option<String>,
    /// `SHA256:…`.
    fingerprint: String,
    /// How it is known.
    from: KnownFrom,
}

impl StatusReport {
    /// The account of the first candidate. `None`: its account is not known, or there is none.
    fn account(&self) -> Option<&AccountId> {
        self.plan.candidates.first()?.account.as_ref()
    }

    /// The record of an account.
    fn record(&self, name: &AccountId) -> Option<&Account> {
        self.accounts.iter().find(|record| record.account == *name)
    }

    /// What git will do, and why, in one line.
    fn headline(&self) -> String {
        let what = match &self.repository {
            Some(repository) => repository.to_string(),
            None => self.site.url.clone(),
        };
        if let Some(other) = &self.other_program {
            return format!("{what}: {other}, not bitbucket-ssh");
        }
        let first = self.plan.candidates.first();
        let (Some(first), None) = (first, self.failure()) else {
            return format!("{what}: the next fetch {}", self.next());
        };
        let account = match (&first.account, &first.offer) {
            (Some(account), _) => account.to_string(),
            (None, Offer::Identities(keys)) if keys.len() > 1 => format!("{} keys", keys.len()),
            (None, _) => "a key of an account that is not known".to_owned(),
        };
        let why = match &first.reason.origin {
            Origin::Default | Origin::SshConfig(None) => first.reason.text.clone(),
            origin => format!("chosen in {}", self.place_of(origin)),
        };
        let key = match (&first.offer, self.no_token) {
            (_, true) => " (no key and no API token here)",
            (Offer::NewKey, _) => " (with a new key)",
            _ => "",
        };
        format!("{what} → {account}, {why}{key}")
    }

    /// What the next fetch would do, in one sentence without a full stop.
    fn next(&self) -> String {
        let next = self.failure().unwrap_or_else(|| self.connection());
        match &self.other_program {
            Some(other) => format!(
                "{other}; bitbucket-ssh is used after: {}; it {next}",
                other.remedy
            ),
            None => next,
        }
    }

    /// Why the next fetch fails. `None`: nothing is known that prevents it.
    fn failure(&self) -> Option<String> {
        if let Some(fault) = self.settings.invalid_for_call() {
            let place = self.place_of(&fault.origin);
            return Some(format!("fails, because the setting at {place} is invalid"));
        }
        if let Some(unresolved) = &self.plan.unresolved {
            let what = match unresolved.meant.len() {
                0 => "there is no account",
                _ => "several accounts are called",
            };
            let (name, origin) = (&unresolved.account.value, &unresolved.account.origin);
            return Some(format!(
                "fails, because {what} {name} ({})",
                self.place_of(origin)
            ));
        }
        if let Some(missing) = self.plan.missing.first() {
            let file = missing.value.display();
            return Some(format!(
                "fails, because {file} does not exist; to create it: git bitbucket key new --file {file}"
            ));
        }
        self.plan.candidates.is_empty().then(|| {
            "fails, because there is no identity to offer; to log in: git bitbucket login"
                .to_owned()
        })
    }

    /// What the next fetch does, where it can do something.
    fn connection(&self) -> String {
        let Some(first) = self.plan.candidates.first() else {
            return String::new();
        };
        let endpoint = self
            .endpoints
            .first()
            .map_or_else(String::new, ToString::to_string);
        let carrier = match self.settings.transport.value {
            TransportKind::Native => "",
            TransportKind::OpenSsh => " by the system's ssh",
        };
        let user = shown_user(&self.user);
        let connects = format!("connects to {endpoint} as {user}{carrier}");
        match &first.offer {
            Offer::NewKey if self.no_token => {
                let account = first.account.as_ref().map(|account| account.name.as_str());
                let account = account.unwrap_or_default();
                format!(
                    "needs an API token of {account}, and there is none here; to log in: git bitbucket login {}",
                    Pasted::new(account)
                )
            }
            Offer::NewKey => format!("{}, then {connects}", self.creation(first)),
            Offer::Identities(identities) => {
                let names: Vec<_> = identities
                    .iter()
                    .map(|identity| match (&identity.file, identity.fingerprint()) {
                        (Some(file), _) => self.shown(file),
                        (None, Some(fingerprint)) => format!("the agent's key {fingerprint}"),
                        (None, None) => "a key".to_owned(),
                    })
                    .collect();
                let unverified = identities.iter().any(|identity| {
                    identity
                        .managed
                        .as_ref()
                        .is_some_and(|managed| managed.state == State::Unconfirmed)
                });
                let doubt = if unverified {
                    " (no login has confirmed its account yet)"
                } else {
                    ""
                };
                format!("{connects} and offers {}{doubt}", names.join(", "))
            }
        }
    }

    fn creation(&self, candidate: &Candidate) -> String {
        let kind = key_type(self.settings.key_type.value);
        let name = candidate
            .account
            .as_ref()
            .map_or_else(|| "the account".to_owned(), ToString::to_string);
        let made = format!(
            "a new {kind} key for {name}, registers it on {}",
            self.site.url
        );
        match self.settings.provision.value {
            Provision::Ask => format!("asks whether to create {made}"),
            Provision::Auto | Provision::Never => format!("creates {made}"),
        }
    }

    /// For display: `~/.gitconfig:12`, `-i`, `BITBUCKET_ACCOUNT`.
    fn place_of(&self, origin: &Origin) -> String {
        match origin {
            Origin::CommandLine(option) => option.clone(),
            Origin::Environment(name) => (*name).to_owned(),
            Origin::GitConfig {
                scope, file, line, ..
            } => match (file, line) {
                (Some(file), Some(line)) => format!("{}:{line}", self.shown(file)),
                (Some(file), None) => format!("{}, {}", self.shown(file), scope.name()),
                (None, _) => format!("{} git config", scope.name()),
            },
            Origin::SshConfig(Some(line)) => format!("{}:{}", self.shown(&line.file), line.line),
            Origin::SshConfig(None) => "ssh_config".to_owned(),
            Origin::Default => "default".to_owned(),
        }
    }

    /// A path for display: the home directory as `~`.
    fn shown(&self, path: &std::path::Path) -> String {
        Shown::path(path, self.home.as_deref()).into_string()
    }
}

/// Prints the report about a remote or URL.
pub(super) fn status(call: &mut CommandContext<'_>, options: &Status) -> Result<(), Error> {
    let url = git::url(call.context, options.target.as_deref())?;
    let Some(report) = report(call.context, &url)? else {
        return Err(Error::NoBitbucket(sanitise(&url)));
    };
    let text = if options.json {
        json(&report)
    } else {
        render(&report, call.colour)
    };
    call.say_lines(text.trim_end());
    Ok(())
}

/// `None`: the URL is not on a configured Bitbucket site.
fn report(context: &Context, url: &str) -> Result<Option<StatusReport>, Error> {
    let called = doctor::called(context);
    let ours = called
        .as_ref()
        .filter(|called| doctor::runs_bitbucket_ssh(context, &called.command));
    // `core.sshCommand = bitbucket-ssh --account work`
    let options: Vec<OsString> = ours
        .map(|called| shlex::Shlex::new(&called.command).skip(1).map(Into::into))
        .map_or_else(Vec::new, Iterator::collect);
    let other_program = if ours.is_some() {
        None
    } else {
        Some(other_program(context, called))
    };
    let Some(resolved) = resolve::url_with(context, url, Direction::Fetch, &options)? else {
        return Ok(None);
    };
    Ok(Some(StatusReport {
        other_program,
        ..describe(context, resolved)
    }))
}

fn other_program(context: &Context, called: Option<Called>) -> OtherProgram {
    let Some(Called { command, source }) = called else {
        return OtherProgram {
            command: "ssh".to_owned(),
            place: None,
            remedy: "git bitbucket setup",
        };
    };
    let (place, remedy) = match source {
        Source::Variable(name @ "GIT_SSH_COMMAND") => (
            name.to_owned(),
            "unset GIT_SSH_COMMAND; git bitbucket setup",
        ),
        Source::Variable(name) => (name.to_owned(), "git bitbucket setup"),
        Source::Config(configured) => {
            let remedy = match configured.scope.as_str() {
                "local" => "git bitbucket setup --local",
                "worktree" => {
                    "git config --worktree --unset-all core.sshCommand; git bitbucket setup"
                }
                _ => "git bitbucket setup",
            };
            let file = context.shown(&configured.file);
            (format!("core.sshCommand in {file}"), remedy)
        }
    };
    OtherProgram {
        command,
        place: Some(place),
        remedy,
    }
}

impl std::fmt::Display for OtherProgram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "git runs {}", sanitise(&self.command))?;
        match &self.place {
            Some(place) => write!(f, " ({})", sanitise(place)),
            None => write!(f, ", because core.sshCommand is not set"),
        }
    }
}

/// What git does for a resolved URL if it calls this program, in one line, and the account that
/// goes first.
pub(super) fn in_one_line(context: &Context, resolved: Resolved) -> (String, Option<AccountId>) {
    let report = describe(context, resolved);
    let first = report.account().filter(|_| report.failure().is_none());
    (report.headline(), first.cloned())
}

fn describe(context: &Context, resolved: Resolved) -> StatusReport {
    let Resolved { config, target, .. } = resolved;
    let route = target.route;
    let site = target.located.site;
    let accounts = target.records.accounts().iter();
    let no_token = match target.plan.candidates.first() {
        Some(Candidate {
            account: Some(account),
            offer: Offer::NewKey,
            ..
        }) => matches!(credential::find(context, &site, &account.name), Ok(None)),
        _ => false,
    };
    StatusReport {
        host_keys: host_keys(context, &config, &route.endpoints, &route.site_fingerprints),
        endpoints: route
            .endpoints
            .into_iter()
            .map(|endpoint| endpoint.address)
            .collect(),
        accounts: accounts
            .filter(|account| account.account.site == site.url)
            .cloned()
            .collect(),
        other_program: None,
        no_token,
        unseen: git::unseen_directory(context),
        home: context.home().map(Into::into),
        repository: target.located.repository,
        user: route.user,
        settings: target.settings,
        plan: target.plan,
        site,
    }
}

/// The accepted host keys of the endpoints: those in known_hosts, else the published keys, else
/// those that the site reported at login.
fn host_keys(
    context: &Context,
    config: &SshConfig,
    endpoints: &[Endpoint],
    fingerprints: &[String],
) -> Vec<KnownHostKey> {
    let known = known_hosts::load(&transport::known_hosts_files(config, context));
    let mut keys = Vec::new();
    for endpoint in endpoints {
        let address = &endpoint.address;
        let alias = config.host_keys.host_key_alias.as_deref();
        let (name, _) = known_hosts::names(alias, &address.host, address.port, endpoint.published);
        let mut lines = known.keys_of(&name);
        if lines.is_empty() && endpoint.published {
            let published = published::keys().iter().cloned();
            lines = published.map(|key| (key, KnownFrom::Published)).collect();
        }
        if lines.is_empty() {
            keys.extend(fingerprints.iter().map(|fingerprint| KnownHostKey {
                endpoint: address.clone(),
                algorithm: None,
                fingerprint: fingerprint.clone(),
                from: KnownFrom::Site,
            }));
        }
        keys.extend(lines.into_iter().map(|(key, from)| KnownHostKey {
            endpoint: address.clone(),
            algorithm: Some(key.algorithm().as_str().to_owned()),
            fingerprint: key.fingerprint(ssh_key::HashAlg::Sha256).to_string(),
            from,
        }));
    }
    keys
}

/// Whether text is coloured: on a terminal, unless NO_COLOR is set and not empty
/// (<https://no-color.org>) or TERM is `dumb`.
pub(super) fn wants_colour(context: &Context, terminal: bool) -> bool {
    terminal
        && context.environment.text("NO_COLOR").is_none()
        && context.environment.text("TERM") != Some("dumb")
}

/// As `bitbucket.keyType` writes it.
fn key_type(key_type: KeyType) -> String {
    match key_type {
        KeyType::Ed25519 => "ed25519".to_owned(),
        KeyType::Ecdsa => "ecdsa".to_owned(),
        KeyType::Rsa(4096) => "rsa".to_owned(),
        KeyType::Rsa(bits) => format!("rsa-{bits}"),
    }
}

/// As `bitbucket.transport` writes it.
fn transport_name(transport: TransportKind) -> &'static str {
    match transport {
        TransportKind::Native => "native",
        TransportKind::OpenSsh => "openssh",
    }
}

/// As `bitbucket.provision` writes it.
fn provision(provision: Provision) -> &'static str {
    match provision {
        Provision::Auto => "auto",
        Provision::Ask => "ask",
        Provision::Never => "never",
    }
}

#[cfg(test)]
mod tests;
