//! Files and their owners, where the systems differ.

use std::path::{Path, PathBuf};

/// The user's number; 0 where the system has none.
pub fn user_id() -> u32 {
    #[cfg(unix)]
    return rustix::process::getuid().as_raw();
    #[cfg(not(unix))]
    0
}

/// The home of the password database, which ssh(1) takes whatever `$HOME` says. `None`: the
/// system has no such database.
pub fn password_database_home() -> Option<PathBuf> {
    #[cfg(unix)]
    {
        let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok()??;
        Some(user.dir)
    }
    #[cfg(not(unix))]
    None
}

/// The login name of the password database. `None`: the system has no such database.
pub fn login_name() -> Option<String> {
    #[cfg(unix)]
    {
        let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok()??;
        Some(user.name)
    }
    #[cfg(not(unix))]
    None
}

/// The home of another user, by the password database.
pub fn home_of(user: &str) -> Option<PathBuf> {
    #[cfg(unix)]
    {
        Some(nix::unistd::User::from_name(user).ok()??.dir)
    }
    #[cfg(not(unix))]
    {
        let _ = user;
        None
    }
}

/// The machine's own name, as gethostname(2) tells it.
pub fn machine_name() -> Option<String> {
    #[cfg(unix)]
    return nix::unistd::gethostname().ok()?.into_string().ok();
    #[cfg(not(unix))]
    None
}

/// Whether ssh(1) would refuse a user's config file with these owner and permissions
/// (OpenSSH, readconf.c, `read_config_file_depth`).
pub fn others_may_write(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        std::fs::metadata(path).is_ok_and(|metadata| {
            (metadata.uid() != 0 && metadata.uid() != user_id()) || metadata.mode() & 0o022 != 0
        })
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}
