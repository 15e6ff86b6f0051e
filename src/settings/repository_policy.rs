//! What a repository's own configuration may set: less than the user's, because it may have come with
//! the repository.

use std::path::Path;

use super::git_config::{Entry, WorkingCopy, is_the_users};
use super::keys::{InRepository, Key};
use crate::context::Context;

/// Whether, and how far, the configuration of the current repository counts.
pub struct RepositoryPolicy<'a> {
    /// For `~`.
    pub context: &'a Context,
    /// A repository is requested.
    pub is_requested: bool,
    /// The requested repository is a remote of the current one.
    pub is_remote: bool,
    /// The current repository.
    pub working_copy: Option<&'a WorkingCopy>,
}

impl RepositoryPolicy<'_> {
    /// Why an entry of the repository's own configuration does not count. `None`: it does.
    pub fn objection(&self, key: &Key, entry: &Entry) -> Option<String> {
        let why = match key.in_repository {
            _ if !self.is_requested => "no repository was requested",
            _ if !self.is_remote => "the requested repository is not a remote of this one",
            InRepository::Allowed if key.name == "identityFile" && !entry.value.is_empty() => {
                self.file_objection(&self.context.expand_home(&entry.value))?
            }
            InRepository::Allowed => return None,
            InRepository::OnlyNever if entry.value.eq_ignore_ascii_case("never") => return None,
            InRepository::OnlyNever => "a repository's own configuration may only set never",
            InRepository::Ignored => "not allowed in a repository's own configuration",
        };
        Some(why.to_owned())
    }

    /// An existing regular file of the user's, outside the repository, links followed.
    fn file_objection(&self, path: &Path) -> Option<&'static str> {
        // Without its private half, the file stands for the agent's key of the `.pub` beside it.
        let mut public = path.as_os_str().to_owned();
        public.push(".pub");
        let real = path.canonicalize();
        let Ok(real) = real.or_else(|_| Path::new(&public).canonicalize()) else {
            return Some("no such file");
        };
        let mut working_copy = self.working_copy.into_iter();
        if !real.is_file() {
            Some("not a regular file")
        } else if working_copy.any(|repository| repository.contains(&real)) {
            Some("the file is inside the repository")
        } else {
            (!is_the_users(&real)).then_some("the file belongs to another user")
        }
    }
}
