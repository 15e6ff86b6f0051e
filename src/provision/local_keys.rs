//! Which keys this machine holds, whether recorded or not: a key that is held is in use by
//! somebody, also where its record was lost.

use std::collections::HashSet;
use std::path::Path;

use crate::context::Context;
use crate::identity::{Identity, agent, key_file};
use crate::settings::SshConfig;

/// The fingerprints (`SHA256:…`) of the private key files in `~/.ssh` and of the agent's keys.
/// Files that were moved aside (`FILE.revoked`) do not count. What cannot be read is passed over.
pub fn fingerprints(context: &Context) -> HashSet<String> {
    let folder = context.ssh_directory();
    let files = folder.and_then(|folder| std::fs::read_dir(folder).ok());
    let mut found: HashSet<String> = files
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file() && is_private(path))
        .filter_map(|path| key_file::identity(&path).ok()?.fingerprint())
        .collect();
    if let Some(socket) = agent::socket(&SshConfig::default(), context)
        && let Ok(identities) = agent::identities(&socket)
    {
        found.extend(identities.iter().filter_map(Identity::fingerprint));
    }
    found
}

fn is_private(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy());
    ending.is_none_or(|ending| ending != "pub" && !ending.starts_with("revoked"))
}
