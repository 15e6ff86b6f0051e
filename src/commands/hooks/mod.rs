//! `hooks install` and `hooks uninstall`: the hooks of the folder `hooks/` where git runs them.
//!
//! For one repository they are files in the directory that git uses (core.hooksPath, husky's
//! included); a hook that is there is kept beside and called. For all repositories they are
//! configuration, which git has since 2.54. Knows `commands::git`.

mod by_config;
mod files;
#[cfg(test)]
#[cfg(unix)]
mod tests;

use super::Error;
use super::arguments::Hooks;
use super::context::CommandContext;

/// The hooks by name, as they lie in the folder `hooks/`.
const HOOKS: [(&str, &str); 2] = [
    ("pre-push", include_str!("../../../hooks/pre-push")),
    (
        "post-checkout",
        include_str!("../../../hooks/post-checkout"),
    ),
];

/// Installs or takes away.
pub(super) fn hooks(call: &mut CommandContext<'_>, options: Hooks) -> Result<(), Error> {
    match options {
        Hooks::Install(scope) if scope.global => by_config::install(call),
        Hooks::Install(_) => files::install(call),
        Hooks::Uninstall(scope) if scope.global => by_config::uninstall(call),
        Hooks::Uninstall(_) => files::uninstall(call),
    }
}
