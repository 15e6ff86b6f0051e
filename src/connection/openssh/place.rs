//! Where the system's ssh is to connect to, and the host keys that it is told beside known_hosts:
//! it takes one host and knows nothing of a site's list.

use std::path::PathBuf;

use ssh_key::{HashAlg, PublicKey};

use super::HandOver;
use super::kept::{keep, keep_as, kept};
use crate::connection::failure::Failure;
use crate::host_key::{known_hosts, published};
use crate::storage::short_name;
use crate::transport::find_endpoint::{Reached, Search, find_endpoint};
use crate::transport::{Endpoint, known_hosts_files};

/// A place, with everything that ssh is told of it.
pub(super) struct Place {
    pub(super) endpoint: Endpoint,
    /// A further known_hosts file. `None`: what the user's files know is all.
    pub(super) known_hosts: Option<PathBuf>,
}

impl HandOver<'_> {
    /// The first endpoint of the site that answers: the one that let a key in just now, else the
    /// only one, else whichever shows its version line. It is remembered.
    pub(super) fn place(&self, answered: Option<Endpoint>) -> Result<Place, Failure> {
        let known = answered.or_else(|| self.the_only_one());
        let endpoint = match known {
            Some(endpoint) => endpoint,
            None => self.look(&self.endpoints, false)?.endpoint,
        };
        if endpoint.published {
            let file = self.keep(&self.published_lines())?;
            return Ok(Place {
                endpoint,
                known_hosts: Some(file),
            });
        }
        let known_hosts = self.told_by_the_site(&endpoint)?;
        Ok(Place {
            endpoint,
            known_hosts,
        })
    }

    /// Where there is nothing to choose, ssh itself says what is wrong with it. A proxy that names
    /// no host leads to one place; one that hands a descriptor over speaks to ssh alone.
    fn the_only_one(&self) -> Option<Endpoint> {
        let config = self.config;
        let proxy = config.endpoint.proxy_command.as_deref();
        let same = proxy.is_some_and(|command| !command.replace("%%", "").contains("%h"))
            && config.endpoint.proxy_jump.is_none();
        let (first, others) = self.endpoints.split_first()?;
        let alone = others.is_empty() || same || self.proxy_is_ssh_s_own();
        alone.then(|| first.clone())
    }

    fn look(&self, endpoints: &[Endpoint], host_key: bool) -> Result<Reached, Failure> {
        let reached = find_endpoint(Search {
            endpoints: endpoints.to_vec(),
            user: self.user.to_owned(),
            typed_host: self.request.host.clone(),
            config: self.config,
            site_fingerprints: self.keys.site_fingerprints(),
            host_key,
            prompt: self.prompt,
            context: self.context,
        })?;
        self.keys.answered(&reached.endpoint);
        Ok(reached)
    }

    /// Under the alias, too, where ssh looks for one.
    fn published_lines(&self) -> String {
        let mut lines = published::lines().to_owned();
        if let Some(alias) = &self.config.host_keys.host_key_alias {
            for key in published::keys() {
                lines.push_str(&line(alias, key));
            }
        }
        lines
    }

    /// Data Center told the fingerprint of its host key over HTTPS; ssh wants the key. Seen once,
    /// it is kept; where a line of known_hosts speaks of the host, that decides.
    fn told_by_the_site(&self, endpoint: &Endpoint) -> Result<Option<PathBuf>, Failure> {
        let told = self.keys.site_fingerprints();
        if told.is_empty() || self.proxy_is_ssh_s_own() {
            return Ok(None);
        }
        let address = &endpoint.address;
        let alias = self.config.host_keys.host_key_alias.as_deref();
        let (name, _) = known_hosts::names(alias, &address.host, address.port, false);
        let files = known_hosts_files(self.config, self.context);
        if !known_hosts::load(&files).keys_of(&name).is_empty() {
            return Ok(None);
        }
        let is_told =
            |key: &PublicKey| told.contains(&key.fingerprint(HashAlg::Sha256).to_string());
        let about = format!("{name} {}", told.join(" "));
        let file = format!("{}.host_key", short_name(about.as_bytes()));
        let seen = kept(self.context, &file).and_then(|text| PublicKey::from_openssh(&text).ok());
        let key = match seen.filter(&is_told) {
            Some(key) => Some(key),
            None => self.look(std::slice::from_ref(endpoint), true)?.host_key,
        };
        // Another key was asked about, and stands in known_hosts now.
        let Some(key) = key.filter(is_told) else {
            return Ok(None);
        };
        let text = key.to_openssh().unwrap_or_default();
        keep_as(self.context, &file, &text).map_err(|error| self.failed(&error))?;
        self.keep(&line(&name, &key)).map(Some)
    }

    fn keep(&self, lines: &str) -> Result<PathBuf, Failure> {
        keep(self.context, "known_hosts", lines).map_err(|error| self.failed(&error))
    }

    /// ProxyUseFdpass: the proxy gives ssh a descriptor, which nobody else can take.
    pub(super) fn proxy_is_ssh_s_own(&self) -> bool {
        self.config.unsupported.needs_system_ssh.as_deref() == Some("ProxyUseFdpass")
    }
}

fn line(name: &str, key: &PublicKey) -> String {
    let key = PublicKey::new(key.key_data().clone(), "");
    format!(
        "{name} {}\n",
        key.to_openssh().unwrap_or_default().trim_end()
    )
}
