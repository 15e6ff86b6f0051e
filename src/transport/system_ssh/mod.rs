//! The hand-over to the system's ssh, which is found in PATH and replaces this process.
//!
//! Decides nothing about hosts: it is given an argv. `config_file` writes the file that replaces
//! ssh_config when a Bitbucket host is handed over.

pub mod config_file;

use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::context::Context;
use crate::diagnostics::trace2;
use crate::prompt;
use crate::transport::ExitStatus;

/// Counts hand-overs from parent to child, of which a ProxyCommand may legitimately cause some.
const GUARD: &str = "BITBUCKET_SSH_HANDOVER";

/// The call that was handed over: process, number of arguments and their hash.
const CALL: &str = "BITBUCKET_SSH_HANDOVER_CALL";

/// The program to which it was handed over.
const TO: &str = "BITBUCKET_SSH_HANDOVER_TO";

/// Programs named `ssh` that lead back to this one, as a list like PATH.
const LEAD_BACK: &str = "BITBUCKET_SSH_HANDOVER_NOT_TO";

/// How many may be nested.
const MAX_DEPTH: u32 = 8;

/// The names under which this program is installed, besides `ssh`.
const OWN_NAMES: [&str; 2] = ["bitbucket-ssh", "git-bitbucket"];

/// The first `ssh` in PATH that is not this program: by device and inode, whatever links lead to
/// it, or by the name of the file at the end of the links; and that is not known to lead back to it
/// ([`led_back`]). `None`: there is none.
pub fn find(context: &Context) -> Option<PathBuf> {
    let lead_back = context.environment.raw(LEAD_BACK).unwrap_or_default();
    let lead_back: Vec<PathBuf> = std::env::split_paths(lead_back).collect();
    let mut candidates = context.programs("ssh".as_ref());
    let own: Vec<PathBuf> = OWN_NAMES
        .iter()
        .map(|name| context.program.with_file_name(name))
        .chain([context.program.clone()])
        .collect();
    let is_own = |candidate: &Path| {
        let named = candidate.canonicalize().is_ok_and(|target| {
            let stem = target.file_stem().and_then(|stem| stem.to_str());
            stem.is_some_and(|stem| OWN_NAMES.contains(&stem))
        });
        named || own.iter().any(|file| same_file(candidate, file))
    };
    candidates.find(|candidate| !lead_back.contains(candidate) && !is_own(candidate))
}

/// An `ssh` that was handed a call and has started this program with it: a script, or a copy of this
/// program under another name.
#[derive(Debug)]
pub struct LedBack {
    /// It.
    pub ssh: PathBuf,
    /// The context in which [`find`] finds the next one in PATH.
    pub context: Context,
}

/// Whether this call is one that was handed over before and has come back. That it runs in the same
/// process, or ends in the same arguments, tells it from the call of a ProxyCommand.
pub fn led_back(context: &Context, argv: &[OsString]) -> Option<LedBack> {
    let environment = &context.environment;
    let ssh = PathBuf::from(environment.raw(TO)?);
    let mut call = environment.text(CALL)?.split(' ');
    let process = call.next()?;
    let count: usize = call.next()?.parse().ok()?;
    let hash = call.next()?;
    let same_process = process == std::process::id().to_string();
    let ending = argv.len().checked_sub(count).map(|start| &argv[start..]);
    let same_call = count > 0 && ending.is_some_and(|ending| hash_of(ending) == hash);
    if !same_process && !same_call {
        return None;
    }
    let known = environment.raw(LEAD_BACK).unwrap_or_default();
    let known = std::env::split_paths(known).filter(|path| !path.as_os_str().is_empty());
    let all = std::env::join_paths(known.chain([ssh.clone()])).ok()?;
    let mut context = context.clone();
    context.environment.set(LEAD_BACK, Some(all));
    context.environment.set(CALL, None);
    context.environment.set(TO, None);
    Some(LedBack { ssh, context })
}

fn hash_of(argv: &[OsString]) -> String {
    let mut hasher = DefaultHasher::new();
    argv.hash(&mut hasher);
    hasher.finish().to_string()
}

/// Gives the process to `ssh`: exec on unix, with the full path as `argv[0]` (ProxyJump calls
/// that again); elsewhere a child that is waited for. `argv` without the program.
///
/// Standard streams and the working directory are the caller's; the environment is the captured
/// one without the API token; SIGPIPE has its default again. On unix it returns only the failure.
pub fn hand_over(context: &Context, ssh: &Path, argv: &[OsString]) -> io::Result<ExitStatus> {
    let depth: u32 = context
        .environment
        .text(GUARD)
        .map_or(0, |depth| depth.parse().unwrap_or(MAX_DEPTH));
    if depth >= MAX_DEPTH {
        let ssh = ssh.display();
        return Err(io::Error::other(format!(
            "{ssh} leads back to this program"
        )));
    }
    tracing::info!("handing over to {}", ssh.display());
    let mut command = context.command(ssh);
    command
        .args(argv)
        .env(GUARD, (depth + 1).to_string())
        .env(
            CALL,
            format!("{} {} {}", std::process::id(), argv.len(), hash_of(argv)),
        )
        .env(TO, ssh)
        .stdin(std::process::Stdio::inherit())
        .stdout(std::process::Stdio::inherit())
        .stderr(std::process::Stdio::inherit());
    if prompt::is_nested(context) {
        command.env("SSH_ASKPASS_REQUIRE", "never");
    }
    trace2::exec(context, ssh, argv);
    let result = replace_process(command);
    if let Err(error) = &result {
        trace2::not_executed(error.raw_os_error().unwrap_or(-1));
    }
    result
}

/// Whether both paths name the same file. A path that does not exist names none.
#[cfg(unix)]
fn same_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let id = |path: &Path| path.metadata().map(|file| (file.dev(), file.ino()));
    matches!((id(one), id(other)), (Ok(one), Ok(other)) if one == other)
}

/// Whether both paths name the same file. A path that does not exist names none.
#[cfg(not(unix))]
fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// exec: returns only a failure. The standard library resets SIGPIPE, which it ignores, to its
/// default, and unblocks every signal.
#[cfg(unix)]
fn replace_process(mut command: Command) -> io::Result<ExitStatus> {
    use std::os::unix::process::CommandExt as _;
    Err(command.exec())
}

/// Waits for a child process; its status, or 255 if it has none between 0 and 255.
#[cfg(not(unix))]
fn replace_process(mut command: Command) -> io::Result<ExitStatus> {
    let status = command.status()?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitStatus(code.unwrap_or(255)))
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
