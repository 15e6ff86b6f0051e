//! git as a child process, for what only git may write or knows.
//!
//! Every call runs in the caller's working directory, never fetches a missing object, never asks the
//! user, and starts no program that the repository's configuration names.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use super::Error;
use crate::context::Context;
use crate::settings::git_config::WorkingCopy;

/// What git prints on stdout. `None`: it exited with 1, by which `git config` reports a missing key.
/// Every other status is an error with git's message.
pub(super) fn ask<S: AsRef<OsStr>>(
    context: &Context,
    arguments: &[S],
) -> Result<Option<Vec<u8>>, Error> {
    let output = call(context, arguments)?;
    match output.status.code() {
        Some(0) => Ok(Some(output.stdout)),
        Some(1) => Ok(None),
        _ => Err(failed(arguments, &output)),
    }
}

/// As [`ask`], for one line of text: without its newline, invalid UTF-8 replaced.
pub(super) fn line<S: AsRef<OsStr>>(
    context: &Context,
    arguments: &[S],
) -> Result<Option<String>, Error> {
    Ok(ask(context, arguments)?
        .map(|bytes| String::from_utf8_lossy(&bytes).trim_end().to_owned())
        .filter(|text| !text.is_empty()))
}

/// The git directory that GIT_DIR (or `git --git-dir`) names, where it is not the one of the working
/// directory: git clears the variable for its ssh command, which then finds the latter or none.
pub(super) fn unseen_directory(context: &Context) -> Option<PathBuf> {
    context.environment.raw("GIT_DIR")?;
    let named = line(context, &["rev-parse", "--git-common-dir"]).ok()??;
    let real = |path: &Path| {
        let path = context.directory.join(path);
        std::fs::canonicalize(&path).unwrap_or(path)
    };
    let named = real(Path::new(&named));
    let found = WorkingCopy::discover(context).map(|found| real(&found.common_directory));
    (found.as_ref() != Some(&named)).then_some(named)
}

/// git's version, major and minor. `None`: its output has no version that can be read.
pub(super) fn version(context: &Context) -> Result<Option<(u32, u32)>, Error> {
    Ok(line(context, &["version"])?.as_deref().and_then(version_in))
}

/// The version in `git version 2.47.1 …`.
pub(super) fn version_in(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix("git version ")?.split(['.', ' ']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Runs git; every status but 0 is an error with git's message.
pub(super) fn run<S: AsRef<OsStr>>(context: &Context, arguments: &[S]) -> Result<Vec<u8>, Error> {
    let output = call(context, arguments)?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(failed(arguments, &output))
    }
}

fn call<S: AsRef<OsStr>>(context: &Context, arguments: &[S]) -> Result<Output, Error> {
    let mut git = context.command("git");
    let verb = arguments.first().map(AsRef::as_ref);
    // Reads no repository.
    let is_version = verb.is_some_and(|verb| verb == "version");
    if !is_version {
        git.args(["-c", "core.fsmonitor="]);
    }
    // These two run no hook, and are asked where the hooks are.
    if !is_version && !verb.is_some_and(|verb| verb == "config" || verb == "rev-parse") {
        git.args(["-c", "core.hooksPath=/dev/null"]);
    }
    git.args(arguments)
        .current_dir(&context.directory)
        .env("GIT_NO_LAZY_FETCH", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .map_err(Error::GitNotRun)
}

fn failed<S: AsRef<OsStr>>(arguments: &[S], output: &Output) -> Error {
    let verb = arguments
        .first()
        .map_or_else(String::new, |verb| verb.as_ref().display().to_string());
    Error::Git {
        verb,
        message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    }
}

/// The URL of a remote, or the URL itself, in both cases after `url.….insteadOf`; without either,
/// that of the current branch's remote, else of `origin`. Uses no network (git-ls-remote(1),
/// --get-url).
pub(super) fn url(context: &Context, target: Option<&str>) -> Result<String, Error> {
    let mut arguments = vec!["ls-remote", "--get-url", "--"];
    arguments.extend(target);
    let none = || Error::Usage {
        what: "this repository has no remote, or there is no repository here".to_owned(),
        hint: "git bitbucket status URL".to_owned(),
    };
    match line(context, &arguments) {
        Ok(Some(url)) => Ok(url),
        Ok(None) | Err(Error::Git { .. }) => Err(none()),
        Err(other) => Err(other),
    }
}
