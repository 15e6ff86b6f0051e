//! What the installed ssh says where nobody directives anything: once for each ssh, then kept.

use std::ffi::OsString;
use std::path::Path;

use super::directives::Directives;
use super::ssh_g;
use crate::context::Context;
use crate::settings::stamp;

/// No host has this name (RFC 2606, section 2); it is never looked up.
const NOBODY: &str = "baseline.invalid";

/// The compiled-in defaults, which may be others in batch mode (Debian's ssh has a
/// ServerAliveInterval then). Empty where ssh does not answer: then everything it says counts.
pub fn of(context: &Context, ssh: &Path, batch_mode: bool) -> Directives {
    let (topic, batch) = if batch_mode {
        ("ssh-batch-defaults", "BatchMode=yes")
    } else {
        ("ssh-defaults", "BatchMode=no")
    };
    let ask = || {
        let arguments = [
            "-G",
            "-T",
            "-F",
            "/dev/null",
            "-o",
            "IdentityFile=/dev/null",
            "-o",
            batch,
            NOBODY,
        ];
        ssh_g::run(context, ssh, &arguments.map(OsString::from)).ok()
    };
    let told = stamp::kept(context, topic, ssh, ask);
    told.map(|text| Directives::parse(&text))
        .unwrap_or_default()
}
