//! What git would do for a URL: site, settings, plan and account. Touches no network.

use std::ffi::OsString;

use super::Error;
use crate::connection::failure::Failure;
use crate::connection::resolve::{self, BitbucketTarget, with_recorded_ssh_hosts};
use crate::connection::start_trace2;
use crate::context::Context;
use crate::provision::{self, Records};
use crate::repository::{self, Direction, Site, SiteKind, SshUrl};
use crate::settings::{GitConfig, SshConfig};
use crate::ssh_command::{self, Invocation};

/// What a connection to a Bitbucket site would use.
pub(super) struct Resolved {
    /// What the user's ssh_config says.
    pub(super) config: SshConfig,
    /// git config, with the SSH hosts that apply.
    pub(super) git_config: GitConfig,
    /// Site, settings, endpoints, plan and records.
    pub(super) target: BitbucketTarget,
}

/// git's configuration, with the SSH hosts that logins have recorded.
pub(super) fn git_config(context: &Context) -> Result<GitConfig, Error> {
    git_config_with(context, Records::open(context).as_ref().ok())
}

/// The same with records that have been read already.
pub(super) fn git_config_with(
    context: &Context,
    records: Option<&Records>,
) -> Result<GitConfig, Error> {
    let git_config = GitConfig::open(context)?;
    start_trace2(context, &git_config);
    Ok(match records {
        Some(records) => with_recorded_ssh_hosts(git_config, records),
        None => git_config,
    })
}

/// What a git command for this URL would use. `None`: it is not on a configured Bitbucket site.
pub(super) fn url(
    context: &Context,
    url: &str,
    direction: Direction,
) -> Result<Option<Resolved>, Error> {
    url_with(context, url, direction, &[])
}

/// The same with options before those that git adds, as `core.sshCommand` may have them.
pub(super) fn url_with(
    context: &Context,
    url: &str,
    direction: Direction,
    options: &[OsString],
) -> Result<Option<Resolved>, Error> {
    let records = Records::open(context);
    let git_config = git_config_with(context, records.as_ref().ok())?;
    match command_line(&git_config.sites(), url, direction) {
        Some(arguments) => {
            let arguments = [options, &arguments].concat();
            resolve(context, arguments, git_config, records)
        }
        None => Ok(None),
    }
}

/// What `ssh` to the site's first host would use; on Cloud, `ssh git@bitbucket.org`.
pub(super) fn site(context: &Context, site: &Site) -> Result<Option<Resolved>, Error> {
    let records = Records::open(context);
    let git_config = git_config_with(context, records.as_ref().ok())?;
    site_with(context, site, git_config, records)
}

/// The same with configuration and records that have been read already.
pub(super) fn site_with(
    context: &Context,
    site: &Site,
    git_config: GitConfig,
    records: Result<Records, provision::Error>,
) -> Result<Option<Resolved>, Error> {
    let arguments = match (site.kind, site.ssh_hosts.first()) {
        (SiteKind::DataCenter, Some(place)) => {
            vec![format!("ssh://git@{place}").into()]
        }
        _ => vec!["git@bitbucket.org".into()],
    };
    resolve(context, arguments, git_config, records)
}

fn resolve(
    context: &Context,
    arguments: Vec<OsString>,
    git_config: GitConfig,
    records: Result<Records, provision::Error>,
) -> Result<Option<Resolved>, Error> {
    let parsed = ssh_command::parse(arguments).map_err(Failure::from)?;
    let Invocation::Native(request) = parsed else {
        return Ok(None);
    };
    let found = resolve::resolve(context, &request, git_config, records)?;
    Ok(found.and_then(|call| {
        Some(Resolved {
            config: call.config,
            git_config: call.git_config,
            target: call.target?,
        })
    }))
}

/// The arguments with which git would call its SSH program for a URL. `None`: it is neither an SSH
/// URL nor on a Bitbucket site.
fn command_line(sites: &[Site], url: &str, direction: Direction) -> Option<Vec<OsString>> {
    let service = match direction {
        Direction::Fetch => "git-upload-pack",
        Direction::Push => "git-receive-pack",
    };
    let (port, user, host, path) = if let Some(ssh) = SshUrl::parse(url) {
        let path = std::str::from_utf8(ssh.server_path()).ok()?.to_owned();
        (ssh.port, ssh.user, ssh.host, path)
    } else {
        let repository = repository::of_url(sites, url)?;
        let site = sites.iter().find(|site| site.url == repository.site)?;
        let path = format!("/{repository}");
        let (host, port) = match site.kind {
            SiteKind::Cloud => ("bitbucket.org".to_owned(), None),
            SiteKind::DataCenter => {
                let first = site.ssh_hosts.first()?;
                (first.host.clone(), Some(first.port))
            }
        };
        (port, Some("git".to_owned()), host, path)
    };
    let destination = user.map_or_else(|| host.clone(), |user| format!("{user}@{host}"));
    let quoted = path.replace('\'', "'\\''").replace('!', "'\\!'");
    let mut arguments: Vec<OsString> = Vec::new();
    if let Some(port) = port {
        arguments.extend(["-p".into(), port.to_string().into()]);
    }
    arguments.extend([destination.into(), format!("{service} '{quoted}'").into()]);
    Some(arguments)
}
