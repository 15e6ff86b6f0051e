//! The command lines that stand for a URL. Pure.

use std::ffi::OsString;

use crate::repository::{self, Direction, Site, SiteKind};

/// `ssh git@bitbucket.org`.
pub(super) fn plain_call() -> Vec<OsString> {
    vec!["git@bitbucket.org".into()]
}

/// The command line that git would call for a URL. `None`: a URL that does not go by SSH and is
/// of no site of ours.
pub(super) fn call_for(sites: &[Site], url: &str, direction: Direction) -> Option<Vec<OsString>> {
    let service = match direction {
        Direction::Fetch => "git-upload-pack",
        Direction::Push => "git-receive-pack",
    };
    let (place, path) = if let Some(rest) = url.strip_prefix("ssh://") {
        let (authority, path) = rest.split_once('/')?;
        (format!("ssh://{authority}"), format!("/{path}"))
    } else if url.contains("://") {
        let repository = repository::of_url(sites, url)?;
        let site = sites.iter().find(|site| site.url == repository.site)?;
        let host = match site.kind {
            SiteKind::Cloud => "ssh://git@bitbucket.org".to_owned(),
            SiteKind::DataCenter => {
                let place = site.ssh_hosts.first()?;
                format!("ssh://git@{}:{}", place.host, place.port)
            }
        };
        (host, format!("/{repository}"))
    } else if let Some((bracketed, path)) = url.split_once("]:") {
        let (user, place) = bracketed.split_once('[')?;
        (format!("ssh://{user}{place}"), path.to_owned())
    } else {
        let (place, path) = url.split_once(':')?;
        (place.to_owned(), path.to_owned())
    };
    let quoted = path.replace('\'', "'\\''").replace('!', "'\\!'");
    Some(vec![place.into(), format!("{service} '{quoted}'").into()])
}
