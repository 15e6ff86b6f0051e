//! What a repository's own configuration may set: less than the user's, because it may have come with
//! the repository.

use std::path::Path;

use super::git_config::{Entry, is_the_users};
use super::keys::{InRepository, Key};
use super::resolve::ResolveInputs;

/// Why an entry of a repository's own configuration does not count. `None`: it does.
pub fn objection(inputs: &ResolveInputs<'_>, key: &Key, entry: &Entry) -> Option<String> {
    if !inputs.own_counts {
        let why = if inputs.repository.is_some() {
            "the requested repository is not a remote of this one"
        } else {
            "no repository was requested"
        };
        return Some(why.to_owned());
    }
    match key.in_repository {
        InRepository::Allowed if key.name == "identityFile" && !entry.value.is_empty() => {
            let path = inputs.context.expand_home(&entry.value);
            file_objection(inputs, &path)
        }
        InRepository::Allowed => None,
        InRepository::OnlyNever if entry.value.eq_ignore_ascii_case("never") => None,
        InRepository::OnlyNever => {
            Some("a repository's own configuration may only set never".to_owned())
        }
        InRepository::Ignored => Some("not allowed in a repository's own configuration".to_owned()),
    }
}

/// An existing regular file of the user's, outside the repository, links followed.
fn file_objection(inputs: &ResolveInputs<'_>, path: &Path) -> Option<String> {
    let Ok(real) = path.canonicalize() else {
        return Some("no such file".to_owned());
    };
    if !real.is_file() {
        return Some("not a regular file".to_owned());
    }
    if inputs
        .directory
        .is_some_and(|repository| repository.contains(&real))
    {
        return Some("the file is inside the repository".to_owned());
    }
    (!is_the_users(&real)).then(|| "the file belongs to another user".to_owned())
}
