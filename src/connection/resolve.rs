//! Everything that is decided before a connection is opened: site, repository, wishes, plan.
//!
//! The corridor goes on from here; `git bitbucket status` and the hooks stop here. Touches no
//! network and writes nothing but caches that may be lost.

use crate::connection::collect::{self, ConnectionTarget};
use crate::connection::endpoints;
use crate::connection::failure::Failure;
use crate::context::Context;
use crate::identity::history::History;
use crate::identity::{Plan, plan};
use crate::provision::record::Records;
use crate::repository::{self, Located, Service, Site};
use crate::settings::{GitConfig, Origin, Settings, Sourced, SshConfig, ssh_config};
use crate::ssh_command::Request;
use crate::transport::{Endpoint, system};

/// What is known of a call to a host.
pub struct ResolvedCall {
    /// What the user's ssh_config says.
    pub config: SshConfig,
    /// `None`: a host of no site.
    pub ours: Option<BitbucketTarget>,
}

/// What is known of a call to a site.
pub struct BitbucketTarget {
    /// Site, repository and service.
    pub located: Located,
    /// git config's wishes.
    pub settings: Settings,
    /// `--account`, else `BITBUCKET_ACCOUNT`.
    pub account: Option<Sourced<String>>,
    /// The user to log in as.
    pub user: String,
    /// Where to connect to, in order.
    pub endpoints: Vec<Endpoint>,
    /// Who may go.
    pub plan: Plan,
    /// What is recorded here.
    pub records: Records,
}

impl BitbucketTarget {
    /// Whom the connection is for.
    pub fn target<'a>(&'a self, config: &'a SshConfig) -> ConnectionTarget<'a> {
        ConnectionTarget {
            site: &self.located.site,
            repository: self.located.repository.as_ref(),
            service: self.located.service,
            user: &self.user,
            account: self.account.as_ref(),
            settings: &self.settings,
            config,
        }
    }
}

/// Looks ahead. An error of ssh_config for a host that is not ours is `Ok(None)`: the system's ssh
/// says itself what is wrong with its files.
pub fn resolve(
    context: &Context,
    request: &Request,
    git_config: GitConfig,
) -> Result<Option<(ResolvedCall, GitConfig)>, Failure> {
    // For a host that is not ours it does not matter whether they can be read.
    let records = Records::open(context);
    let git_config = match &records {
        Ok(records) => super::with_found_hosts(git_config, records),
        Err(_) => git_config,
    };
    let sites = git_config.sites();
    let config = match ssh_config::load(request, context, system::find(context).as_deref()) {
        Ok(config) => config,
        Err(_) if !is_ours(&sites, request) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if let Some(file) = &config.unsupported.unread_file {
        tracing::warn!("{} was not read: no ssh is installed", file.display());
    }
    let host = config
        .endpoint
        .host_name
        .as_deref()
        .unwrap_or(&request.host);
    let port = config.endpoint.port.unwrap_or(22);
    // A remote may be written with an alias of ssh_config: it is the same repository.
    let git_config = git_config.with_alias(&request.host, host, port);
    let located = repository::locate(&sites, host, port, request.command.as_deref())?;
    let ours = match located {
        Some(located) => Some(at_site(
            context,
            request,
            &git_config,
            &sites,
            &config,
            located,
            records?,
        )),
        None => None,
    };
    Ok(Some((ResolvedCall { config, ours }, git_config)))
}

fn at_site(
    context: &Context,
    request: &Request,
    git_config: &GitConfig,
    sites: &[Site],
    config: &SshConfig,
    located: Located,
    records: Records,
) -> BitbucketTarget {
    let settings = git_config.settings(sites, &located.site, located.repository.as_ref());
    let learned = History::open(context);
    let host = config
        .endpoint
        .host_name
        .as_deref()
        .unwrap_or(&request.host);
    let remembered = learned.endpoint(&located.site.url, context.clock.now());
    let endpoints = endpoints::of(
        &located.site,
        host,
        config.endpoint.port.unwrap_or(22),
        remembered.as_ref(),
    );
    let mut ours = BitbucketTarget {
        located,
        settings,
        account: account_of_call(request, context),
        user: config
            .endpoint
            .user
            .clone()
            .unwrap_or_else(|| "git".to_owned()),
        endpoints,
        plan: Plan::default(),
        records,
    };
    let inputs = collect::collect(context, ours.target(config), &ours.records, &learned);
    let plan = plan::plan(&inputs);
    drop(inputs);
    ours.plan = plan;
    ours
}

/// Whether the host as typed is one of ours, before ssh_config is asked.
fn is_ours(sites: &[Site], request: &Request) -> bool {
    let port = request.port.unwrap_or(22);
    matches!(
        repository::locate(sites, &request.host, port, None),
        Ok(Some(Located {
            service: Service::Other,
            ..
        }))
    )
}

/// `--account`, else `BITBUCKET_ACCOUNT`.
fn account_of_call(request: &Request, context: &Context) -> Option<Sourced<String>> {
    if let Some(account) = &request.account {
        let origin = Origin::CommandLine("--account".to_owned());
        return Some(Sourced::new(account.clone(), origin));
    }
    let account = context.environment.text("BITBUCKET_ACCOUNT")?;
    Some(Sourced::new(
        account.to_owned(),
        Origin::Environment("BITBUCKET_ACCOUNT"),
    ))
}
