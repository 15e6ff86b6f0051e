//! What git's own log asks of the configuration: where it goes, and settings by name.

use gix::glob::wildmatch::Mode;

use super::Entry;
use crate::diagnostics::trace2::Param;
use crate::settings::Scope;

/// Sections whose values may be told: others may hold a password of somebody else's.
const SECTIONS: [&str; 4] = ["bitbucket", "core", "ssh", "trace2"];

/// The last value that counts: of the machine's or the user's configuration.
pub(super) fn trace2(entries: &[Entry], name: &str) -> Option<String> {
    let last = entries.iter().rfind(|entry| {
        entry.is("trace2", name)
            && entry.subsection.is_none()
            && !entry.is_own()
            && !entry.by_remote
    });
    last.map(|entry| entry.value.clone())
}

/// Entries whose key matches one of the patterns, in the order in which git reads them.
pub(super) fn matching(entries: &[Entry], patterns: &str) -> Vec<Param> {
    let patterns: Vec<&str> = patterns.split(',').map(str::trim).collect();
    let wanted = |entry: &&Entry| {
        let key = entry.key();
        SECTIONS.contains(&entry.section.as_str())
            && patterns.iter().any(|pattern| {
                gix::glob::wildmatch(
                    pattern.as_bytes().into(),
                    key.as_str().into(),
                    Mode::IGNORE_CASE,
                )
            })
    };
    entries
        .iter()
        .filter(wanted)
        .map(|entry| Param {
            scope: scope(entry.scope),
            name: entry.key(),
            value: entry.value.clone(),
        })
        .collect()
}

/// git's words (config.c, `config_scope_name`).
fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::System => "system",
        Scope::Global => "global",
        Scope::Local => "local",
        Scope::Worktree => "worktree",
    }
}
