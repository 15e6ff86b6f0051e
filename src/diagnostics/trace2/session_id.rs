//! The session's id, as git makes its own (trace2/tr2_sid.c).

use std::fmt::Write as _;

use jiff::Timestamp;
use sha1::{Digest as _, Sha1};

use crate::context::Environment;

/// The id of the git (or of whatever traces) that called us.
pub(super) const PARENT: &str = "GIT_TRACE2_PARENT_SID";

/// `PARENT/OWN`, or `OWN` where nobody calls us.
pub(super) fn make(environment: &Environment, now: Timestamp) -> String {
    let own = own(now, host_name().as_deref(), std::process::id());
    match environment.text(PARENT) {
        Some(parent) => format!("{parent}/{own}"),
        None => own,
    }
}

/// How many stand above us.
pub(super) fn depth(session: &str) -> usize {
    session.matches('/').count()
}

/// Our own part: also a file name.
pub(super) fn last(session: &str) -> &str {
    session.rsplit('/').next().unwrap_or(session)
}

fn own(now: Timestamp, host: Option<&str>, process: u32) -> String {
    let mut id = now.strftime("%Y%m%dT%H%M%S.%6fZ-").to_string();
    match host {
        Some(host) => {
            id.push('H');
            for byte in &Sha1::digest(host.as_bytes())[..4] {
                let _ = write!(id, "{byte:02x}");
            }
        }
        None => id.push_str("Localhost"),
    }
    let _ = write!(id, "-P{process:08x}");
    id
}

#[cfg(unix)]
fn host_name() -> Option<String> {
    nix::unistd::gethostname().ok()?.into_string().ok()
}

#[cfg(not(unix))]
fn host_name() -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::{depth, last, own};

    #[test]
    fn it_is_made_as_git_s() {
        let now = "2019-04-08T19:16:10.507018Z".parse().expect("a time");
        // `printf localhost | sha1sum`
        let id = own(now, Some("localhost"), 0x59a8);
        assert_eq!(id, "20190408T191610.507018Z-H33438904-P000059a8");
        assert_eq!(
            own(now, None, 1),
            "20190408T191610.507018Z-Localhost-P00000001"
        );
        assert_eq!((depth("a/b/c"), last("a/b/c")), (2, "c"));
    }
}
