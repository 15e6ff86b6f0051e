//! Where the files of git config lie: the machine's and the user's.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::context::Context;
use crate::settings::{Scope, stamp};

/// Where git built with the usual prefix looks; used where no git is installed.
const USUAL_SYSTEM_FILE: &str = "/etc/gitconfig";

/// The machine's and the user's files, lowest first; they need not exist.
pub fn outside_repositories(context: &Context) -> Vec<(Scope, PathBuf)> {
    let mut files = Vec::new();
    if let Some(file) = system(context) {
        files.push((Scope::System, file));
    }
    files.extend(
        global(context)
            .into_iter()
            .map(|file| (Scope::Global, file)),
    );
    files
}

/// GIT_CONFIG_GLOBAL alone, else the XDG file and `~/.gitconfig` (git-config(1), FILES).
fn global(context: &Context) -> Vec<PathBuf> {
    if let Some(file) = context.environment.raw("GIT_CONFIG_GLOBAL") {
        return vec![context.directory.join(file)];
    }
    let xdg = context.environment.raw("XDG_CONFIG_HOME");
    let xdg = xdg.filter(|path| !path.is_empty()).map(PathBuf::from);
    let xdg = xdg.or_else(|| Some(context.home()?.join(".config")));
    let xdg = xdg.map(|base| context.directory.join(base).join("git/config"));
    let home = context.home().map(|home| home.join(".gitconfig"));
    xdg.into_iter().chain(home).collect()
}

/// GIT_CONFIG_SYSTEM, unless GIT_CONFIG_NOSYSTEM; else what git itself says.
fn system(context: &Context) -> Option<PathBuf> {
    if boolean(context, "GIT_CONFIG_NOSYSTEM") {
        return None;
    }
    if let Some(file) = context.environment.raw("GIT_CONFIG_SYSTEM") {
        return Some(context.directory.join(file));
    }
    let Some(git) = stamp::in_path(context, "git") else {
        return Some(PathBuf::from(USUAL_SYSTEM_FILE));
    };
    let place = stamp::kept(context, "git-system-config", &git, || ask(context, &git));
    Some(place.map_or_else(|| PathBuf::from(USUAL_SYSTEM_FILE), PathBuf::from))
}

/// `git var GIT_CONFIG_SYSTEM` (git 2.42), else where `git config --system` finds its values or
/// misses its file.
fn ask(context: &Context, git: &Path) -> Option<String> {
    let (told, _) = output(context, git, &["var", "GIT_CONFIG_SYSTEM"])?;
    if let Some(line) = told.lines().rfind(|line| !line.is_empty()) {
        return Some(line.to_owned());
    }
    let listing = ["config", "--system", "--show-origin", "--null", "--list"];
    let (told, complaint) = output(context, git, &listing)?;
    if let Some(origin) = told
        .split('\0')
        .next()
        .and_then(|text| text.strip_prefix("file:"))
    {
        return Some(origin.to_owned());
    }
    let (_, quoted) = complaint.split_once('\'')?;
    let (path, _) = quoted.rsplit_once('\'')?;
    Some(path.to_owned())
}

fn output(context: &Context, git: &Path, arguments: &[&str]) -> Option<(String, String)> {
    let output = context
        .command(git)
        .args(arguments)
        .env("LC_ALL", "C")
        .env_remove("GIT_DIR")
        .env_remove("GIT_CONFIG_PARAMETERS")
        .env_remove("GIT_CONFIG_COUNT")
        .current_dir("/")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .ok()?;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).ok();
    Some((text(output.stdout)?, text(output.stderr)?))
}

/// A boolean variable as git reads it: set, and none of its words for no.
pub fn boolean(context: &Context, name: &str) -> bool {
    let value = context.environment.raw(name).unwrap_or_default();
    let value = value.to_string_lossy().to_ascii_lowercase();
    !matches!(value.as_str(), "" | "0" | "false" | "no" | "off")
}
