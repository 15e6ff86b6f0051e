//! Whether stdout is the null device: git's `-G` probe (git's connect.c starts it so).

/// On Unix the device numbers are compared.
#[cfg(unix)]
pub fn stdout_is_null() -> bool {
    let Ok(stdout) = rustix::fs::fstat(rustix::stdio::stdout()) else {
        return true;
    };
    let kind = rustix::fs::FileType::from_raw_mode(stdout.st_mode);
    kind == rustix::fs::FileType::CharacterDevice
        && rustix::fs::stat("/dev/null").is_ok_and(|null| null.st_rdev == stdout.st_rdev)
}

/// Elsewhere (untested): everything but a terminal counts as git's probe.
#[cfg(not(unix))]
pub fn stdout_is_null() -> bool {
    use std::io::IsTerminal as _;
    !std::io::stdout().is_terminal()
}
