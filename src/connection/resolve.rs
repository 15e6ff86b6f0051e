//! What is decided before a connection is opened: from a request to settings, repository and plan.
//!
//! [`super::run`] continues from here; `git bitbucket status` and the hooks stop here. Uses no
//! network, and writes nothing but caches that may be lost.

use crate::connection::collect::{self, ConnectionTarget};
use crate::connection::failure::{AttemptLog, Failure};
use crate::context::{API_TOKEN, Context, Environment};
use crate::diagnostics::trace2;
use crate::identity::Plan;
use crate::identity::history::History;
use crate::identity::plan::{self, AccountOrder};
use crate::provision::{self, Records};
use crate::repository::{self, Located, Repository, SSH_PORT, Service, Site, SiteKind, SshHost};
use crate::settings::{
    GitConfig, Ignored, Origin, Settings, Sourced, SshConfig, TransportKind, check_account,
    ssh_config,
};
use crate::ssh_command::Request;
use crate::text::{Shown, matches_pattern, sanitise};
use crate::transport::{Endpoint, Route, none_supported, system_ssh};

/// The host names whose keys Bitbucket Cloud publishes (<https://bitbucket.org/site/ssh>).
pub const PUBLISHED_NAMES: [&str; 3] =
    ["ssh.bitbucket.org", "bitbucket.org", "altssh.bitbucket.org"];

/// What is known of a call before connecting.
pub struct ResolvedCall {
    /// What the user's ssh_config says.
    pub config: SshConfig,
    /// git config, with the SSH hosts and aliases that apply to this call.
    pub git_config: GitConfig,
    /// `None`: the host is not a Bitbucket site.
    pub target: Option<BitbucketTarget>,
}

/// What is known of a call to a Bitbucket site.
pub struct BitbucketTarget {
    /// Site, repository and service.
    pub located: Located,
    /// The settings that apply to the repository.
    pub settings: Settings,
    /// `--account`, else `BITBUCKET_ACCOUNT`.
    pub account: Option<Sourced<String>>,
    /// Where to connect to, and as which user.
    pub route: Route,
    /// The identities that may be used, in order.
    pub plan: Plan,
    /// Accounts and keys recorded on this machine.
    pub records: Records,
}

impl ResolvedCall {
    /// Why only the system's ssh can serve the call. `None`: the native transport can.
    /// `option`: an option of the command line that only ssh has.
    pub(super) fn needs_system_ssh<'a>(&'a self, option: Option<&'a str>) -> Option<&'a str> {
        let config = &self.config;
        let transport = self
            .target
            .as_ref()
            .map(|target| target.settings.transport.value);
        option
            .or(config.unsupported.needs_system_ssh.as_deref())
            .or_else(|| none_supported(config))
            .or(match transport {
                Some(TransportKind::OpenSsh) => Some("bitbucket.transport = openssh"),
                _ => None,
            })
    }

    /// Logs each decision, one line each.
    pub(super) fn log(&self) {
        if let Some(level) = &self.config.log_level {
            crate::diagnostics::log_level(level);
        }
        for directive in &self.config.unsupported.ignored {
            tracing::debug!("ssh_config: {directive} is ignored");
        }
        let Some(target) = &self.target else { return };
        let site = &target.located.site.url;
        tracing::info!("site {site}");
        trace2::data("site", || site.clone());
        if let Some(repository) = &target.located.repository {
            let name = repository.to_string();
            trace2::data("repository", || name.clone());
            tracing::info!("repository {}", sanitise(&name));
        }
        for ignored in &target.settings.ignored {
            let value = sanitise(&ignored.value);
            let key = match &ignored.origin {
                Origin::GitConfig { key, .. } => format!("{} = ", sanitise(key)),
                _ => String::new(),
            };
            tracing::info!("{key}{value} ignored: {}", ignored.why);
        }
        for (number, candidate) in target.plan.candidates.iter().enumerate() {
            tracing::info!("plan {}: {candidate}", number + 1);
        }
        for skipped in &target.plan.skipped {
            tracing::info!("skipped: {}: {}", skipped.what, skipped.why);
        }
        if target.plan.candidates.is_empty() {
            tracing::info!("plan: no identity may be used");
        }
    }
}

impl BitbucketTarget {
    /// A log in which nothing was tried yet.
    pub(super) fn attempt_log(&self) -> AttemptLog {
        let plan = &self.plan;
        let first = plan
            .candidates
            .first()
            .filter(|_| plan.decided_by.is_some());
        AttemptLog {
            repository: self.located.repository.clone(),
            skipped: plan.skipped.clone(),
            no_account_known: self.no_account_known(),
            decided_by: plan.decided_by,
            configured_at: first.map(|first| first.reason.origin.clone()),
            provision_blocker: self.settings.provision_blocker().cloned(),
            ..AttemptLog::default()
        }
    }

    /// No setting names an account, and none is recorded.
    pub(super) fn no_account_known(&self) -> bool {
        let mut candidates = self.plan.candidates.iter();
        self.plan.decided_by.is_none() && candidates.all(|one| one.account.is_none())
    }

    /// What the connection is for.
    pub fn for_connection<'a>(&'a self, config: &'a SshConfig) -> ConnectionTarget<'a> {
        ConnectionTarget {
            site: &self.located.site,
            repository: self.located.repository.as_ref(),
            service: self.located.service,
            user: &self.route.user,
            account: self.account.as_ref(),
            settings: &self.settings,
            config,
        }
    }
}

/// git config, with the SSH hosts that `login` found for Data Centers.
pub fn with_recorded_ssh_hosts(git_config: GitConfig, records: &Records) -> GitConfig {
    let recorded = records.ssh_places().iter().filter_map(|place| {
        let host = SshHost {
            host: place.host.clone()?,
            port: place.port,
        };
        Some((place.site.clone(), host))
    });
    git_config.with_ssh_hosts(recorded.collect())
}

/// Resolves a request. Records that cannot be read are an error only for a Bitbucket host.
/// `Ok(None)`: ssh_config has an error and the host is not Bitbucket, so the system's ssh reports
/// it.
pub fn resolve(
    context: &Context,
    request: &Request,
    git_config: GitConfig,
    records: Result<Records, provision::Error>,
) -> Result<Option<ResolvedCall>, Failure> {
    // Records that cannot be read are no error where the connection is configured without them.
    let (records, unreadable) = match records {
        Ok(records) => (records, None),
        Err(error) => (Records::default(), Some(error)),
    };
    let git_config = with_recorded_ssh_hosts(git_config, &records);
    let sites = git_config.sites();
    let config = match ssh_config::load(request, context, system_ssh::find(context).as_deref()) {
        Ok(config) => config,
        Err(_) if !is_bitbucket(&sites, request) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if let Some(unread) = &config.unsupported.unread_file {
        let file = Shown::path(&unread.file, context.home());
        if let Some(why) = &unread.why {
            tracing::info!("{file} was not read: {}", sanitise(why));
        } else {
            tracing::warn!("{file} was not read: no ssh is installed");
        }
    }
    let address = SshHost {
        host: config
            .endpoint
            .host_name
            .clone()
            .unwrap_or(request.host.clone()),
        port: config.endpoint.port.unwrap_or(SSH_PORT),
    };
    // A remote may be written with an alias of ssh_config: it is the same repository.
    let git_config = git_config.with_alias(&request.host, &address.host, address.port);
    let located = locate(&sites, request, &config, &address)?;
    let target = match located {
        Some(located) => {
            let account = account_of_call(request, context)?;
            let history = History::open(context);
            let site = &located.site;
            let remembered = history.endpoint(&site.url, context.clock.now());
            let user = config.endpoint.user.clone();
            let mut target = BitbucketTarget {
                settings: git_config.settings_of(&sites, &located),
                account,
                route: Route {
                    endpoints: endpoints(site, address, remembered.as_ref()),
                    user: user.unwrap_or_else(|| "git".to_owned()),
                    typed_host: request.host.clone(),
                    site_fingerprints: records.site_fingerprints(&site.url),
                },
                plan: Plan::default(),
                records,
                located,
            };
            let inputs = target.for_connection(&config);
            let inputs = collect::collect(context, inputs, &target.records, &history);
            target.plan = plan::plan(&inputs);
            match unreadable {
                // Ranks 4 and below need them; a choice stands without.
                Some(error) if target.plan.decided_by.is_none() => return Err(error.into()),
                Some(error) => tracing::info!("{error}"),
                None => {}
            }
            Some(target)
        }
        None => None,
    };
    Ok(Some(ResolvedCall {
        config,
        git_config,
        target,
    }))
}

/// What is known of a repository, or of a whole site, that git reaches over HTTPS.
pub struct HttpsTarget {
    /// The settings that apply to the repository.
    pub settings: Settings,
    /// The accounts that may be used, in order.
    pub order: AccountOrder,
    /// Accounts and keys recorded on this machine.
    pub records: Records,
}

/// Resolves what git reaches over HTTPS, by the same settings and the same order as [`resolve`].
/// `repository`: `None` where git does not say.
pub fn resolve_https(
    context: &Context,
    git_config: &GitConfig,
    site: &Site,
    repository: Option<&Repository>,
) -> Result<HttpsTarget, Failure> {
    let records = Records::open(context)?;
    let settings = git_config.settings(&git_config.sites(), site, repository);
    let account = account_of_environment(context)?;
    let config = SshConfig::default();
    let target = ConnectionTarget {
        site,
        repository,
        service: Service::UploadPack,
        user: "git",
        account: account.as_ref(),
        settings: &settings,
        config: &config,
    };
    let order = {
        let inputs = collect::collect(context, target, &records, &History::open(context));
        plan::account_order(&inputs)
    };
    if let Some(unresolved) = order.unresolved {
        return Err(Failure::UnresolvedAccount(Box::new(unresolved)));
    }
    Ok(HttpsTarget {
        settings,
        order,
        records,
    })
}

/// What a call means. The name as typed decides, because ssh_config may lead it to a relay or an
/// address; a name that is of no site stands for the address that ssh_config gives it.
fn locate(
    sites: &[Site],
    request: &Request,
    config: &SshConfig,
    address: &SshHost,
) -> Result<Option<Located>, repository::Error> {
    let command = request.command.as_deref();
    if config.endpoint.host_name.is_some() {
        for port in [request.port.unwrap_or(SSH_PORT), address.port] {
            let located = repository::locate(sites, &request.host, port, command)?;
            if located.is_some() {
                return Ok(located);
            }
        }
    }
    repository::locate(sites, &address.host, address.port, command)
}

/// Whether the host as typed is Bitbucket's, for the case that ssh_config cannot be read.
fn is_bitbucket(sites: &[Site], request: &Request) -> bool {
    let port = request.port.unwrap_or(SSH_PORT);
    matches!(
        repository::locate(sites, &request.host, port, None),
        Ok(Some(Located {
            service: Service::Other,
            ..
        }))
    )
}

/// `--account`, else `BITBUCKET_ACCOUNT`.
fn account_of_call(
    request: &Request,
    context: &Context,
) -> Result<Option<Sourced<String>>, Failure> {
    match &request.account {
        Some(account) => {
            let origin = Origin::CommandLine("--account".to_owned());
            valid_account(account, origin).map(Some)
        }
        None => account_of_environment(context),
    }
}

fn account_of_environment(context: &Context) -> Result<Option<Sourced<String>>, Failure> {
    let account = context.environment.trimmed("BITBUCKET_ACCOUNT");
    account
        .map(|account| valid_account(account, Origin::Environment("BITBUCKET_ACCOUNT")))
        .transpose()
}

/// # Errors
///
/// A name that is no account's, before it gets into any message.
fn valid_account(name: &str, origin: Origin) -> Result<Sourced<String>, Failure> {
    match check_account(name) {
        Ok(()) => Ok(Sourced::new(name.to_owned(), origin)),
        Err(why) => Err(Failure::InvalidSetting(Ignored {
            origin,
            value: name.to_owned(),
            why,
        })),
    }
}

/// The endpoints for an address as it is connected to (after ssh_config's HostName and Port).
///
/// The site's main address means its whole list, with the remembered endpoint first. Another
/// address of the list is tried first, then the others. Any other address is used alone.
fn endpoints(site: &Site, mut address: SshHost, remembered: Option<&SshHost>) -> Vec<Endpoint> {
    address.host.make_ascii_lowercase();
    let list = &site.ssh_hosts;
    let first = if is_main_address(site, &address) {
        remembered.filter(|host| list.contains(host)).cloned()
    } else if list.contains(&address) {
        Some(address)
    } else {
        return vec![endpoint(site, address)];
    };
    let mut hosts: Vec<SshHost> = first.into_iter().collect();
    for host in list {
        if !hosts.contains(host) {
            hosts.push(host.clone());
        }
    }
    hosts.into_iter().map(|host| endpoint(site, host)).collect()
}

/// Cloud: `bitbucket.org:22`. Data Center: the first of its list.
fn is_main_address(site: &Site, address: &SshHost) -> bool {
    match site.kind {
        SiteKind::Cloud => address.host == "bitbucket.org" && address.port == SSH_PORT,
        SiteKind::DataCenter => site.ssh_hosts.first() == Some(address),
    }
}

fn endpoint(site: &Site, address: SshHost) -> Endpoint {
    Endpoint {
        published: site.kind == SiteKind::Cloud && PUBLISHED_NAMES.contains(&address.host.as_str()),
        address,
    }
}

/// The variables to send to the server, SetEnv's last. Nothing is sent, `GIT_PROTOCOL` included,
/// unless SendEnv or SetEnv names it, and the API token never is.
pub(super) fn variables_to_send(
    config: &SshConfig,
    environment: &Environment,
) -> Vec<(String, String)> {
    let session = &config.session;
    let is_named = |name: &str| {
        let mut patterns = session.send_env.iter();
        patterns.any(|pattern| matches_pattern(pattern, name))
    };
    let mut chosen: Vec<(String, String)> = environment
        .texts()
        .filter(|(name, _)| *name != API_TOKEN && is_named(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for (name, value) in &session.set_env {
        chosen.retain(|(other, _)| other != name);
        chosen.push((name.clone(), value.clone()));
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SessionConfig;

    fn cloud(hosts: &[(&str, u16)]) -> Site {
        Site {
            kind: SiteKind::Cloud,
            url: "https://bitbucket.org".to_owned(),
            api_url: "https://api.bitbucket.org/2.0".to_owned(),
            ssh_hosts: hosts
                .iter()
                .map(|(host, port)| place(host, *port))
                .collect(),
        }
    }

    fn place(host: &str, port: u16) -> SshHost {
        SshHost {
            host: host.to_owned(),
            port,
        }
    }

    const BUILT_IN: [(&str, u16); 3] = [
        ("ssh.bitbucket.org", 22),
        ("bitbucket.org", 22),
        ("altssh.bitbucket.org", 443),
    ];

    #[test]
    fn the_order_follows_what_was_typed_and_what_worked() {
        let alt = place("altssh.bitbucket.org", 443);
        for (typed, remembered, expected, why) in [
            (
                ("bitbucket.org", 22),
                None,
                vec![0, 1, 2],
                "the plain name means the list",
            ),
            (
                ("BitBucket.org", 22),
                None,
                vec![0, 1, 2],
                "names have no case",
            ),
            (
                ("bitbucket.org", 22),
                Some(&alt),
                vec![2, 0, 1],
                "what worked comes first",
            ),
            (
                ("altssh.bitbucket.org", 443),
                None,
                vec![2, 0, 1],
                "a typed entry comes first",
            ),
            (
                ("ssh.bitbucket.org", 22),
                Some(&alt),
                vec![0, 1, 2],
                "also before a remembered one",
            ),
        ] {
            let found = endpoints(&cloud(&BUILT_IN), place(typed.0, typed.1), remembered);
            let hosts: Vec<_> = found.iter().map(|e| e.address.host.as_str()).collect();
            let expected: Vec<_> = expected.iter().map(|n: &usize| BUILT_IN[*n].0).collect();
            assert_eq!(hosts, expected, "{why}");
            assert!(found.iter().all(|e| e.published), "{why}");
        }
    }

    #[test]
    fn other_places_are_used_alone_and_have_no_published_keys() {
        let site = cloud(&[("127.0.0.1", 2222)]);
        let found = endpoints(&site, place("bitbucket.org", 22), None);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].address, place("127.0.0.1", 2222));
        assert!(!found[0].published, "loopback is none of Cloud's names");

        let found = endpoints(&cloud(&BUILT_IN), place("proxy.example.com", 2200), None);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].address, place("proxy.example.com", 2200));
    }

    #[test]
    fn a_remembered_place_that_is_no_longer_listed_is_forgotten() {
        let found = endpoints(
            &cloud(&BUILT_IN),
            place("bitbucket.org", 22),
            Some(&place("old.example.com", 22)),
        );
        assert_eq!(found[0].address.host, "ssh.bitbucket.org");
        assert_eq!(found.len(), 3);
    }

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::new(
            pairs
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into())),
        )
    }

    #[test]
    fn only_what_a_pattern_names_is_sent() {
        let environment = environment(&[
            ("GIT_PROTOCOL", "version=2"),
            ("LC_ALL", "C"),
            ("LANG", "de"),
            ("SECRET", "x"),
        ]);
        for (patterns, expected, why) in [
            (vec![], vec![], "nothing configured, nothing sent"),
            (vec!["GIT_PROTOCOL"], vec!["GIT_PROTOCOL"], "git's own"),
            (vec!["LC_*", "LAN?"], vec!["LANG", "LC_ALL"], "patterns"),
            (vec!["git_protocol"], vec![], "names have case"),
        ] {
            let config = SshConfig {
                session: SessionConfig {
                    send_env: patterns.into_iter().map(str::to_owned).collect(),
                    ..SessionConfig::default()
                },
                ..SshConfig::default()
            };
            let names: Vec<_> = variables_to_send(&config, &environment)
                .into_iter()
                .map(|(name, _)| name)
                .collect();
            assert_eq!(names, expected, "{why}");
        }
    }

    #[test]
    fn set_env_wins_and_the_token_never_goes() {
        let config = SshConfig {
            session: SessionConfig {
                send_env: vec!["*".to_owned()],
                set_env: vec![("GIT_PROTOCOL".to_owned(), "version=1".to_owned())],
                ..SessionConfig::default()
            },
            ..SshConfig::default()
        };
        let environment = environment(&[("GIT_PROTOCOL", "version=2"), (API_TOKEN, "ATATT")]);
        assert_eq!(
            variables_to_send(&config, &environment),
            [("GIT_PROTOCOL".to_owned(), "version=1".to_owned())]
        );
    }
}
