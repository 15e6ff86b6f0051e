//! One value of git config, with the place it came from.

use std::path::Path;
use std::sync::Arc;

use crate::settings::{Origin, Scope};

/// One `key = value`, in the order in which git reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its scope; an included file has that of the file that includes it.
    pub scope: Scope,
    /// The file it stands in.
    pub file: Arc<Path>,
    /// The section in lower case: `bitbucket`.
    pub section: String,
    /// What stands in quotes: a URL, a name.
    pub subsection: Option<String>,
    /// The variable as written.
    pub name: String,
    /// The value; empty also for a variable without `=`.
    pub value: String,
    /// It stands without `=`: git's "true", which none of our settings takes.
    pub bare: bool,
    /// Reached by an `includeIf "hasconfig:…"`: counts only when the requested repository is one
    /// of the current one's remotes.
    pub by_remote: bool,
}

impl Entry {
    /// The whole key as written: `bitbucket.https://bitbucket.org/acme.account`.
    pub fn key(&self) -> String {
        match &self.subsection {
            Some(subsection) => format!("{}.{subsection}.{}", self.section, self.name),
            None => format!("{}.{}", self.section, self.name),
        }
    }

    /// Whether it is `section.name`, or `section.<anything>.name`.
    pub fn is(&self, section: &str, name: &str) -> bool {
        self.section == section && self.name.eq_ignore_ascii_case(name)
    }

    /// Where it stands.
    pub fn origin(&self) -> Origin {
        Origin::GitConfig {
            scope: self.scope,
            file: Some(self.file.to_path_buf()),
            key: self.key(),
        }
    }

    /// Of the repository's own files.
    pub fn is_own(&self) -> bool {
        self.scope >= Scope::Local
    }
}
