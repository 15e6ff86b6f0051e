//! `repo create` (by the REST API) and `repo clone` (by git): a repository by workspace and slug.

use std::process::Stdio;

use super::accounts::Accounts;
use super::arguments::{RepoClone, RepoCreate};
use super::context::CommandContext;
use super::{Error, git, registry, resolve};
use crate::bitbucket::{self, KeyRegistry, NewRepository};
use crate::context::API_TOKEN;
use crate::repository::SSH_PORT;
use crate::repository::token_page;
use crate::repository::{self, Direction, Repository, Site, SiteKind};

/// Creates the repository, private unless `--public` is given, and adds its SSH URL as a remote of
/// the current one. Creates nothing where a remote of that name exists.
pub(super) fn create(call: &mut CommandContext<'_>, options: &RepoCreate) -> Result<(), Error> {
    let (site, repository) = selection(call, &options.name, options.site.as_deref())?;
    let inside = matches!(
        git::line(call.context, &["rev-parse", "--git-dir"]),
        Ok(Some(_))
    );
    if inside {
        let key = format!("remote.{}.url", options.remote);
        if let Some(url) = git::line(call.context, &["config", "--get", &key])? {
            return Err(Error::Usage {
                what: format!("remote {} already exists: {url}", options.remote),
                hint: format!("git bitbucket repo create {repository} --remote NAME"),
            });
        }
    }
    let registry = registry(call, &site, &repository)?;
    let new = NewRepository {
        repository: repository.clone(),
        project: options.project.clone(),
        public: options.public,
    };
    let link = registry
        .create_repository(&new)
        .map_err(|why| refused(why, &site))?;
    let url = match link {
        Some(link) if site.kind == SiteKind::DataCenter && is_url_of(&site, &link, &repository) => {
            link
        }
        _ => ssh_url(&site, &repository),
    };
    call.say(format!("created {}", repository.web_url()));
    if !inside {
        call.say(format!("SSH: {url}"));
        call.warn(format!("hint: git bitbucket repo clone {repository}"));
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
    let (site, repository) = selection(call, &options.name, options.site.as_deref())?;
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

/// Site and repository of `WORKSPACE/SLUG`.
fn selection(
    call: &CommandContext<'_>,
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
            what: format!("{} is not WORKSPACE/SLUG", crate::text::sanitise(name)),
            hint: "git bitbucket repo clone acme/site".to_owned(),
        }),
    }
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

/// The site as seen by the first account of the plan that has a token.
fn registry(
    call: &CommandContext<'_>,
    site: &Site,
    repository: &Repository,
) -> Result<Box<dyn KeyRegistry>, Error> {
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
            return Ok(registry);
        }
    }
    Err(Error::NotLoggedIn(format!(
        "no account is logged in on {}",
        site.url
    )))
}

fn refused(why: bitbucket::Error, site: &Site) -> Error {
    let page = token_page(&site.url);
    match why {
        bitbucket::Error::ScopeMissing { required, granted } => Error::Scopes {
            missing: required
                .into_iter()
                .filter(|scope| !granted.contains(scope))
                .collect(),
            page,
        },
        why => Error::Site { why, page },
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
