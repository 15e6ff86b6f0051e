//! What all checks look at, read once.

use crate::bitbucket::HttpSettings;
use crate::commands::call::Call;
use crate::commands::rooms::Examined;
use crate::commands::{Error, status};
use crate::context::Context;
use crate::git_connection::keys::http_settings;
use crate::git_connection::with_found_hosts;
use crate::provision::record::Records;
use crate::repository::{self, Site};
use crate::settings::GitConfig;

/// This machine, and the repository that is meant.
pub(super) struct Patient<'a> {
    /// The process's surroundings.
    pub(super) context: &'a Context,
    /// git's configuration, or why it cannot be read.
    pub(super) git_config: Result<GitConfig, String>,
    /// What the next fetch would meet, or why that cannot be said, with the next steps.
    pub(super) examined: Result<Examined, (String, Vec<String>)>,
    /// Whether no network may be touched.
    pub(super) offline: bool,
}

impl<'a> Patient<'a> {
    /// Reads everything. A target that was named and belongs to no site is an error; a remote that
    /// nobody named is not looked at then, and the site alone is.
    pub(super) fn read(
        call: &Call<'a>,
        target: Option<&str>,
        offline: bool,
    ) -> Result<Self, Error> {
        let url = match target {
            Some(target) => Some(status::url(call.context, Some(target))?),
            None => status::url(call.context, None).ok(),
        };
        let examined = match call.rooms.examine(url.as_deref()) {
            Ok(Some(examined)) => Ok(Some(examined)),
            Ok(None) if target.is_some() => {
                return Err(Error::NoBitbucket(url.unwrap_or_default()));
            }
            Ok(None) => call.rooms.examine(None),
            Err(error) => Err(error),
        };
        let unknown = || ("no Bitbucket is known here".to_owned(), Vec::new());
        Ok(Self {
            context: call.context,
            git_config: GitConfig::open(call.context)
                .map(|git_config| match Records::open(call.context) {
                    Ok(records) => with_found_hosts(git_config, &records),
                    Err(_) => git_config,
                })
                .map_err(|error| error.to_string()),
            examined: match examined {
                Ok(Some(examined)) => Ok(examined),
                Ok(None) => Err(unknown()),
                Err(error) => {
                    let told = error.explanation();
                    Err((told.what, told.hints))
                }
            },
            offline,
        })
    }

    /// The site that is meant; Cloud where nothing can be read.
    pub(super) fn site(&self) -> Site {
        match &self.examined {
            Ok(examined) => examined.ours.located.site.clone(),
            Err(_) => repository::cloud(),
        }
    }

    /// Every site that is known here.
    pub(super) fn sites(&self) -> Vec<Site> {
        match &self.git_config {
            Ok(git_config) => git_config.sites(),
            Err(_) => vec![repository::cloud()],
        }
    }

    /// git's `http.*` for the site.
    pub(super) fn http(&self, site: &Site) -> HttpSettings {
        match &self.git_config {
            Ok(git_config) => http_settings(git_config, site),
            Err(_) => HttpSettings::default(),
        }
    }

    /// A path for people.
    pub(super) fn shown(&self, path: &std::path::Path) -> String {
        crate::commands::call::shown(self.context, path)
    }
}

/// A text as one word of a shell; `~/` is left for the shell.
pub(super) fn word(text: &str) -> String {
    match text.strip_prefix("~/") {
        Some(rest) => format!("~/{}", crate::commands::hook::quoted(rest)),
        None => crate::commands::hook::quoted(text),
    }
}
