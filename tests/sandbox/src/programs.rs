//! The two programs: beside this one, and built by cargo if cargo started this one.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::{Stopped, say};

const PROGRAMS: [&str; 2] = ["bitbucket-ssh", "git-bitbucket"];

/// The folder that holds both programs, up to date where `cargo run` started us.
pub(crate) fn folder() -> Result<PathBuf, Stopped> {
    let program = env::current_exe().map_err(|error| failed(&format!("where am I: {error}")))?;
    let folder = program
        .parent()
        .ok_or_else(|| failed("where am I"))?
        .to_owned();
    let there = PROGRAMS.iter().all(|name| {
        folder
            .join(format!("{name}{}", env::consts::EXE_SUFFIX))
            .is_file()
    });
    match (env::var_os("CARGO"), there) {
        (Some(cargo), _) => build(Command::new(cargo), &folder, there)?,
        (None, false) => build(Command::new("cargo"), &folder, there)?,
        (None, true) => {}
    }
    Ok(folder)
}

/// Builds them with this program's profile into this program's target folder. Where they are
/// there, that is no more than a look whether the sources have changed.
fn build(mut cargo: Command, folder: &std::path::Path, there: bool) -> Result<(), Stopped> {
    cargo.args(["build", "--quiet", "--package", "bitbucket-ssh", "--bins"]);
    match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => {}
        Some(profile) => {
            cargo.args(["--profile", profile]);
        }
    }
    if let Some(target) = folder.parent() {
        cargo.arg("--target-dir").arg(target);
    }
    if !there {
        say(&format!(
            "Building {} (cargo build, into {})",
            PROGRAMS.join(" and "),
            folder.display()
        ));
    }
    match cargo.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(failed(&format!("cargo build: {status}"))),
        Err(error) => Err(failed(&format!("cargo build: {error}"))),
    }
}

fn failed(why: &str) -> Stopped {
    Stopped::Failed(why.to_owned())
}
