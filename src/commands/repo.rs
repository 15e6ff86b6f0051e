//! `repo create` (by the REST API) and `repo clone` (by git): a repository by workspace and slug.

use std::process::Stdio;

use super::accounts::Accounts;
use super::arguments::{RepoClone, RepoCreate};
use super::context::CommandContext;
use super::{Error, git, registry, resolve};
use crate::bitbucket::{self, Access, KeyRegistry, NewRepository, scopes};
use crate::context::API_TOKEN;
use crate::repository::SSH_PORT;
use crate::repository::token_page;
use crate::repository::{self, Direction, Repository, Site, SiteKind};
use crate::text::{Pasted, sanitise};

/// Creates the repository, private unless `--public` is given, and adds its SSH URL as a remote of
/// the current one. Creates nothing where a remote of that name exists.
pub(super) fn create(call: &mut CommandContext<'_>, options: &RepoCreate) -> Result<(), Error> {
    let (site, repository) = selection(call, "create", &options.name, options.site.as_deref())?;
    let inside = matches!(
        git::line(call.context, &["rev-parse", "--git-dir"]),
        Ok(Some(_))
    );
    if inside {
        let key = format!("remote.{}.url", options.remote);
        if let Some(url) = git::line(call.context, &["config", "--get", &key])? {
            return Err(Error::Usage {
                what: format!("remote {} already exists: {url}", options.remote),
                hint: with_remote(call, options, &repository)?,
            });
        }
    }
    let (account, registry) = registry(call, &site, &repository)?;
    let new = NewRepository {
        repository: repository.clone(),
        project: options.project.clone(),
        public: options.public,
    };
    let link = registry.create_repository(&new).map_err(|why| {
        let refusal = Refusal {
            account: &account,
            site: &site,
            new: &new,
            remote: inside.then_some(options.remote.as_str()),
        };
        refusal.explain(registry.as_ref(), why)
    })?;
    let url = match link {
        Some(link) if site.kind == SiteKind::DataCenter && is_url_of(&site, &link, &repository) => {
            link
        }
        _ => ssh_url(&site, &repository),
    };
    call.say(format!("created {}", repository.web_url()));
    if !inside {
        call.say(format!("SSH: {url}"));
        let name = Pasted::new(repository.to_string());
        call.warn(format!("hint: git bitbucket repo clone {name}"));
        return Ok(());
    }
    git::run(
        call.context,
        &["remote", "add", "--", &options.remote, &url],
    )?;
    call.say(format!("remote {}: {url}", options.remote));
    Ok(())
}

/// `git clone` with the site's SSH URL, on the caller's own streams. Returns git's exit status.
pub(super) fn clone(call: &CommandContext<'_>, options: &RepoClone) -> Result<u8, Error> {
    let (site, repository) = selection(call, "clone", &options.name, options.site.as_deref())?;
    let mut clone = call.context.command("git");
    clone
        .arg("clone")
        .args(&options.git_options)
        .args(["--", &ssh_url(&site, &repository)])
        .args(&options.directory)
        .current_dir(&call.context.directory)
        .stdin(Stdio::inherit())
        .stdout(Stdio::inherit());
    // bitbucket-ssh, which this git runs, may need the token; it removes it from the environment of
    // its own children.
    if let Some(token) = call.context.environment.raw(API_TOKEN) {
        clone.env(API_TOKEN, token);
    }
    let status = clone.status().map_err(Error::GitNotRun)?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1))
}

/// The same command with a name for the remote that is free.
fn with_remote(
    call: &CommandContext<'_>,
    options: &RepoCreate,
    repository: &Repository,
) -> Result<String, Error> {
    let taken = git::line(call.context, &["config", "--get", "remote.bitbucket.url"])?;
    let remote = match taken {
        None => "bitbucket".to_owned(),
        Some(_) => repository.slug.clone(),
    };
    let mut command = format!("git bitbucket repo create {repository} --remote {remote}");
    if options.public {
        command += " --public";
    }
    for (option, value) in [("--project", &options.project), ("--site", &options.site)] {
        if let Some(value) = value {
            for word in [" ", option, " ", Pasted::new(value).as_str()] {
                command += word;
            }
        }
    }
    Ok(command)
}

/// Site and repository of `WORKSPACE/SLUG`. `verb`: for the hint.
fn selection(
    call: &CommandContext<'_>,
    verb: &str,
    name: &str,
    site: Option<&str>,
) -> Result<(Site, Repository), Error> {
    let known = Accounts::load(call.context)?;
    let site = known.site(site, None)?;
    let part = |text: &str| {
        let plain = |c: char| c.is_alphanumeric() || "._~-".contains(c);
        !text.is_empty() && !text.starts_with(['-', '.']) && text.chars().all(plain)
    };
    let name = name.strip_suffix(".git").unwrap_or(name);
    match name.split_once('/') {
        Some((workspace, slug)) if part(workspace) && part(slug) => Ok((
            site.clone(),
            Repository {
                site: site.url.clone(),
                workspace: workspace.to_owned(),
                slug: slug.to_owned(),
            },
        )),
        _ => Err(Error::Usage {
            what: format!("{} is not WORKSPACE/SLUG", sanitise(name)),
            hint: complete(&known, verb, name),
        }),
    }
}

/// The command with a complete name: in the only account's own workspace, where only the slug was
/// given, else with a word to be replaced.
fn complete(known: &Accounts, verb: &str, name: &str) -> String {
    let workspace = match known.accounts.as_slice() {
        [only] => only.user_name.as_deref(),
        _ => None,
    };
    let workspace = workspace.unwrap_or("WORKSPACE");
    let slug = name.trim_matches('/');
    let slug = slug.rsplit('/').next().filter(|slug| !slug.is_empty());
    let name = format!(
        "{workspace}/{}",
        slug.unwrap_or("SLUG").trim_start_matches('-')
    );
    format!("git bitbucket repo {verb} {}", Pasted::new(&name))
}

/// The URL at the first SSH host of the site.
fn ssh_url(site: &Site, repository: &Repository) -> String {
    match site.ssh_hosts.first() {
        Some(place) if place.port != SSH_PORT => format!("ssh://git@{place}/{repository}.git"),
        Some(place) => format!("git@{}:{repository}.git", place.host),
        None => format!("{}.git", repository.web_url()),
    }
}

/// Whether an SSH URL names this repository, on a configured host of the site.
fn is_url_of(site: &Site, url: &str, repository: &Repository) -> bool {
    url.starts_with("ssh://")
        && repository::of_url(std::slice::from_ref(site), url).as_ref() == Some(repository)
}

/// The first account of the plan that has a token, and the site as it sees it.
fn registry(
    call: &CommandContext<'_>,
    site: &Site,
    repository: &Repository,
) -> Result<(String, Box<dyn KeyRegistry>), Error> {
    let mut names: Vec<String> = Vec::new();
    let url = ssh_url(site, repository);
    if let Some(resolved) = resolve::url(call.context, &url, Direction::Fetch)? {
        let candidates = resolved.target.plan.candidates.into_iter();
        names.extend(candidates.filter_map(|one| Some(one.account?.name)));
        let recorded = resolved.target.records.accounts().iter();
        let recorded = recorded.filter(|account| account.account.site == site.url);
        names.extend(recorded.map(|account| account.account.name.clone()));
    }
    for name in names {
        if let Some(registry) = registry::of_account(call.context, site, &name)? {
            return Ok((name, registry));
        }
    }
    Err(Error::NotLoggedIn(format!(
        "no account is logged in on {}",
        site.url
    )))
}

/// A repository that the site did not create.
struct Refusal<'a> {
    account: &'a str,
    site: &'a Site,
    new: &'a NewRepository,
    /// The remote that was to be added to the current repository. `None`: there is none.
    remote: Option<&'a str>,
}

impl Refusal<'_> {
    /// What the refusal means here. The site's texts differ between versions, so the repository is
    /// looked for and the token's scopes are compared before they are read.
    fn explain(&self, registry: &dyn KeyRegistry, why: bitbucket::Error) -> Error {
        use bitbucket::Error::{Forbidden, NotFound, Refused, ScopeMissing};
        let page = token_page(&self.site.url);
        let scope = scopes::ADMIN_REPOSITORIES;
        let granted = registry.granted_scopes();
        match why {
            ScopeMissing { required, granted } => Error::Scopes {
                missing: scopes::missing(&required, &granted),
                page,
            },
            Forbidden { .. } | Refused { .. }
                if granted
                    .as_ref()
                    .is_some_and(|all| !all.iter().any(|one| one == scope)) =>
            {
                let missing = vec![scope.to_owned()];
                Error::Scopes { missing, page }
            }
            Refused { status, message } if self.exists(registry, status, &message) => {
                self.already_exists()
            }
            Forbidden { message } | NotFound { message } => self.no_permission(&message),
            Refused { message, .. } if message.contains("administer") => {
                self.no_permission(&message)
            }
            why => Error::other(format!("cannot create {}: {why}", self.new.repository), []),
        }
    }

    fn exists(&self, registry: &dyn KeyRegistry, status: u16, message: &str) -> bool {
        let seen = registry.access(&self.new.repository);
        status == 409
            || message.contains("already exists")
            || matches!(seen, Ok(Access::Read | Access::Write))
    }

    fn already_exists(&self) -> Error {
        let repository = &self.new.repository;
        let url = ssh_url(self.site, repository);
        let hint = match self.remote {
            Some(remote) => format!("git remote add {} {url}", Pasted::new(remote)),
            None => format!("git clone {url}"),
        };
        Error::other(format!("{} already exists", repository.web_url()), [hint])
    }

    fn no_permission(&self, message: &str) -> Error {
        let workspace = &self.new.repository.workspace;
        let kind = match self.site.kind {
            SiteKind::Cloud => "workspace",
            SiteKind::DataCenter => "project",
        };
        let account = self.account;
        Error::other(
            format!(
                "{account} has no permission to create repositories in {kind} {workspace}, \
                 or there is no such {kind}: {message}"
            ),
            [format!(
                "ask an administrator of {workspace} for the permission, or use another {kind}"
            )],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::accounts::tests::{CENTER, CLOUD, site};

    #[test]
    fn the_first_host_of_the_site_makes_the_url() {
        let repository = |site: &Site| Repository {
            site: site.url.clone(),
            workspace: "acme".to_owned(),
            slug: "site".to_owned(),
        };
        let cloud = site(CLOUD);
        assert_eq!(
            ssh_url(&cloud, &repository(&cloud)),
            "git@bitbucket.org:acme/site.git"
        );
        let center = site(CENTER);
        let url = ssh_url(&center, &repository(&center));
        assert!(
            url.starts_with("ssh://git@") && url.ends_with(":7999/acme/site.git"),
            "{url}"
        );
        assert!(is_url_of(&center, &url, &repository(&center)));
        assert!(!is_url_of(
            &center,
            "ssh://git@evil.example:7999/acme/site.git",
            &repository(&center)
        ));
    }
}
