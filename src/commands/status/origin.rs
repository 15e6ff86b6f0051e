//! Where a value was said: in words, and as JSON.

use serde_json::{Value, json};

use super::StatusReport;
use crate::settings::Origin;

impl StatusReport {
    /// For people: `~/.gitconfig:12`, `-i`, `BITBUCKET_ACCOUNT`.
    pub(super) fn place_of(&self, origin: &Origin) -> String {
        match origin {
            Origin::CommandLine(option) => option.clone(),
            Origin::Environment(name) => (*name).to_owned(),
            Origin::GitConfig {
                scope, file, line, ..
            } => match (file, line) {
                (Some(file), Some(line)) => format!("{}:{line}", self.shown(file)),
                (Some(file), None) => format!("{}, {}", self.shown(file), scope.name()),
                (None, _) => format!("{} git config", scope.name()),
            },
            Origin::SshConfig => "ssh_config".to_owned(),
            Origin::Default => "default".to_owned(),
        }
    }
}

/// For programs: an object whose `kind` says which fields follow.
pub(super) fn json_origin(origin: &Origin) -> Value {
    match origin {
        Origin::CommandLine(option) => json!({"kind": "command-line", "option": option}),
        Origin::Environment(name) => json!({"kind": "environment", "name": name}),
        Origin::GitConfig {
            scope,
            file,
            line,
            key,
        } => json!({
            "kind": "git-config",
            "scope": scope.name(),
            "file": file,
            "line": line,
            "key": key,
        }),
        Origin::SshConfig => json!({"kind": "ssh-config"}),
        Origin::Default => json!({"kind": "default"}),
    }
}
