//! Which known_hosts files are asked, and in which order.

use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::settings::SshConfig;

/// The known_hosts files that are asked, the user's first.
pub fn known_hosts_files(config: &SshConfig, context: &Context) -> Vec<PathBuf> {
    let mut files = users(config, context);
    files.extend(systems(config));
    files.retain(|file| !is_none(file));
    files
}

pub(super) fn is_none(file: &Path) -> bool {
    file.as_os_str() == "none"
}

pub(super) fn systems(config: &SshConfig) -> Vec<PathBuf> {
    config
        .host_keys
        .global_known_hosts
        .clone()
        .unwrap_or_else(usual_system_files)
}

/// UserKnownHostsFile; its default is the home's.
pub(super) fn users(config: &SshConfig, context: &Context) -> Vec<PathBuf> {
    config
        .host_keys
        .user_known_hosts
        .clone()
        .unwrap_or_else(|| {
            context.ssh_directory().map_or_else(Vec::new, |folder| {
                vec![folder.join("known_hosts"), folder.join("known_hosts2")]
            })
        })
}

/// GlobalKnownHostsFile's default.
fn usual_system_files() -> Vec<PathBuf> {
    let folder = if cfg!(windows) {
        r"C:\ProgramData\ssh"
    } else {
        "/etc/ssh"
    };
    let folder = PathBuf::from(folder);
    vec![
        folder.join("ssh_known_hosts"),
        folder.join("ssh_known_hosts2"),
    ]
}
