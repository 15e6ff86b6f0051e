//! Where a value was said: in words, and as JSON.

use serde_json::{Value, json};

use super::StatusReport;
use crate::settings::{Origin, Scope};

impl StatusReport {
    /// For people: `~/.gitconfig:12`, `-i`, `BITBUCKET_ACCOUNT`. `value` finds the line among
    /// several of one key.
    pub(super) fn place_of(&self, origin: &Origin, value: &str) -> String {
        match origin {
            Origin::CommandLine(option) => option.clone(),
            Origin::Environment(name) => (*name).to_owned(),
            Origin::GitConfig {
                scope,
                file: Some(file),
                key,
            } => {
                let shown = self.shown(file);
                match self.lines.find(file, key, value) {
                    Some(line) => format!("{shown}:{line}"),
                    None => format!("{shown}, {}", scope_name(*scope)),
                }
            }
            Origin::GitConfig {
                scope, file: None, ..
            } => format!("{} git config", scope_name(*scope)),
            Origin::SshConfig => "ssh_config".to_owned(),
            Origin::Default => "default".to_owned(),
        }
    }

    /// For programs: an object whose `kind` says which fields follow.
    pub(super) fn origin(&self, origin: &Origin, value: &str) -> Value {
        match origin {
            Origin::CommandLine(option) => json!({"kind": "command-line", "option": option}),
            Origin::Environment(name) => json!({"kind": "environment", "name": name}),
            Origin::GitConfig { scope, file, key } => {
                let line = file
                    .as_ref()
                    .and_then(|file| self.lines.find(file, key, value));
                json!({
                    "kind": "git-config",
                    "scope": scope_name(*scope),
                    "file": file,
                    "line": line,
                    "key": key,
                })
            }
            Origin::SshConfig => json!({"kind": "ssh-config"}),
            Origin::Default => json!({"kind": "default"}),
        }
    }
}

fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::System => "system",
        Scope::Global => "global",
        Scope::Local => "local",
        Scope::Worktree => "worktree",
    }
}
